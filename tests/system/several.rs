//! Several gateways behind nginx and HAProxy, with the configurations of the documentation.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use system_tests::{Client, Daemon, Gateway, Running, administrators, free_port, get, wait_until};
use tempfile::TempDir;

/// A gateway whose files tell which one it is.
fn gateway(name: &str) -> Gateway {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("name.txt"), name).unwrap();
    std::fs::write(folder.path().join("health.txt"), "well").unwrap();
    Gateway::with_config_in(folder, "[[site]]\nroot = \"{dir}\"\n")
}

/// A file of `docs/several` in this folder, with the addresses of a test, and where it then listens.
fn configuration(name: &str, folder: &Path, gateways: &[Gateway; 2]) -> SocketAddr {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/several");
    let mut text = std::fs::read_to_string(documents.join(name)).unwrap();
    let front = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let [one, two] = gateways.each_ref().map(Gateway::address);
    for (port, address) in [(8080, front), (8081, one), (8082, two)] {
        let from = format!("127.0.0.1:{port}");
        assert_eq!(text.matches(&from).count(), 1, "{from}");
        text = text.replace(&from, &address.to_string());
    }
    // A gateway that waits for a processor is not taken for one that has gone.
    text = text.replace(
        "timeout server  60s",
        "timeout server  60s\n    timeout check   60s",
    );
    std::fs::write(folder.join(name), text).unwrap();
    front
}

fn ask(front: SocketAddr, cookie: &str) -> system_tests::Reply {
    let mut client = Client::connect(front);
    client.request("GET", "/name.txt", &["Connection: close", cookie], b"");
    client.reply("GET")
}

#[test]
fn nginx_uses_both_and_passes_over_one_that_stops() {
    let gateways = ["one", "two"].map(gateway);
    let folder = TempDir::new().unwrap();
    let front = configuration("nginx.conf", folder.path(), &gateways);
    let mut nginx = Command::new(administrators("nginx"));
    nginx
        .arg("-p")
        .arg(folder.path())
        .arg("-c")
        .arg(folder.path().join("nginx.conf"))
        .args(["-g", "daemon off; pid nginx.pid;"])
        .stderr(Stdio::null());
    let nginx = Daemon(Running(nginx.spawn().unwrap()));
    listens(front);
    // Each of its processes has them take turns by itself.
    let mut seen = BTreeSet::new();
    wait_until("both have answered", || {
        seen.insert(get(front, "/name.txt").text());
        seen.len() == 2
    });
    assert_eq!(Vec::from_iter(seen), ["one", "two"]);
    let [one, two] = gateways;
    one.stop();
    for _ in 0..10 {
        assert_eq!(get(front, "/name.txt").text(), "two");
    }
    nginx.stop();
    two.stop();
}

#[test]
fn haproxy_binds_a_client_by_a_cookie_until_its_gateway_stops() {
    let gateways = ["one", "two"].map(gateway);
    let folder = TempDir::new().unwrap();
    let front = configuration("haproxy.cfg", folder.path(), &gateways);
    let mut haproxy = Command::new(administrators("haproxy"));
    haproxy
        .arg("-db")
        .arg("-f")
        .arg(folder.path().join("haproxy.cfg"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let haproxy = Daemon(Running(haproxy.spawn().unwrap()));
    listens(front);
    let cookie = |reply: &system_tests::Reply| {
        let set = reply.header("set-cookie").unwrap_or_default();
        format!("Cookie: {}", set.split(';').next().unwrap())
    };
    let mut bound = String::new();
    wait_until("the first answers", || {
        let reply = get(front, "/name.txt");
        bound = cookie(&reply);
        reply.text() == "one"
    });
    for _ in 0..10 {
        assert_eq!(ask(front, &bound).text(), "one");
    }
    let [one, two] = gateways;
    one.stop();
    let moved = ask(front, &bound);
    assert_eq!((moved.status(), moved.text().as_str()), (200, "two"));
    assert!(moved.header("set-cookie").is_some());
    assert_ne!(cookie(&moved), bound);
    haproxy.stop();
    two.stop();
}

fn listens(front: SocketAddr) {
    wait_until("it listens", || std::net::TcpStream::connect(front).is_ok());
}
