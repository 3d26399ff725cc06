//! Several addresses: the least busy one, those that fail left out, clients bound by a cookie.

use std::collections::BTreeMap;
use std::path::Path;

use system_tests::{Application, Client, Gate, Gateway, gateway_command, run};
use tempfile::TempDir;

/// A gateway before three addresses in its folder: `a`, `b` and `c`.
fn gateway(folder: TempDir, extra: &str) -> Gateway {
    let config = r#"
[[site]]
root = "{dir}"
[[site.handler]]
path = "*"
pool = "app"
[pool.app]
fastcgi = ["unix:a", "unix:b", "unix:c"]
"#;
    Gateway::with_config_in(folder, &[config, extra].concat())
}

/// Answers with its name; for `?wait=FILE` when the gate is open.
fn member(folder: &Path, name: &'static str) -> Application {
    Application::listen(&folder.join(name), move |mut peer| {
        while let Some(request) = peer.request() {
            let query = request.param("QUERY_STRING").unwrap();
            if let Some(gate) = query.strip_prefix("wait=") {
                peer.stdout(b"X-At: gate\r\n");
                std::fs::File::open(gate).unwrap();
            }
            peer.answer(name);
        }
    })
}

fn counted(gateway: &Gateway, count: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..count {
        let reply = gateway.get("/");
        assert_eq!(reply.status(), 200);
        *counts.entry(reply.text()).or_default() += 1;
    }
    counts
}

#[test]
fn requests_are_shared_among_the_least_busy() {
    let folder = TempDir::new().unwrap();
    let members = ["a", "b", "c"].map(|name| member(folder.path(), name));
    let gate = Gate::new(folder.path());
    let gateway = gateway(folder, "");
    let shares = counted(&gateway, 30);
    assert!(shares.values().all(|share| *share == 10), "{shares:?}");
    // Two of them are busy: everything else goes to the third.
    let mut busy: Vec<Client> = (0..2).map(|_| Client::connect(gateway.address())).collect();
    for client in &mut busy {
        client.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
    }
    system_tests::wait_until("both have connected", || {
        members.iter().map(Application::connections).sum::<usize>() == 32
    });
    assert_eq!(counted(&gateway, 10).len(), 1);
    let open = gate.open();
    let at: Vec<String> = busy
        .iter_mut()
        .map(|client| client.reply("GET").text())
        .collect();
    assert_ne!(at[0], at[1]);
    drop((open, busy));
    gateway.stop();
}

#[test]
fn what_does_not_listen_is_passed_over_and_tried_again() {
    let folder = TempDir::new().unwrap();
    let _members = ["a", "c"].map(|name| member(folder.path(), name));
    let path = folder.path().to_owned();
    let gateway = gateway(folder, "max_fails = 2\nfail_timeout = \"300ms\"\n");
    let shares = counted(&gateway, 20);
    assert_eq!(shares.keys().collect::<Vec<_>>(), ["a", "c"]);
    gateway
        .log()
        .wait_for(&["an address is left out for a time: ", "/b: cannot connect"]);
    // A request with a body is as good: nothing of it was sent.
    assert_eq!(gateway.request("POST", "/", &[], b"body").status(), 200);
    let _back = member(&path, "b");
    system_tests::wait_until("it is back", || gateway.get("/").text() == "b");
    gateway.stop();
}

#[test]
fn without_any_of_them_it_is_502_until_one_is_back() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_owned();
    let admin = format!("unix:{}", path.join("admin.sock").display());
    let extra = format!("max_fails = 1\nfail_timeout = \"1h\"\n[admin]\nlisten = \"{admin}\"\n");
    let gateway = gateway(folder, &extra);
    let told = |what: &str| {
        let status = run(&mut gateway_command([
            "status", "--json", "--admin", &admin,
        ]));
        assert!(status.out.contains(what), "{status:?}");
    };
    told("\"state\": \"running\"");
    for _ in 0..3 {
        assert_eq!(gateway.get("/").status(), 502);
    }
    told("\"state\": \"failed\"");
    told(": cannot connect: ");
    // All are left out for an hour, and yet each is tried.
    let _back = member(&path, "c");
    assert_eq!(gateway.get("/").text(), "c");
    assert_eq!(gateway.get("/").text(), "c");
    told("\"state\": \"running\"");
    gateway.stop();
}

#[test]
fn a_cookie_binds_a_client_to_an_address() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_owned();
    let _members = ["b", "c"].map(|name| member(folder.path(), name));
    let gateway = gateway(
        folder,
        "sticky = \"ROUTE\"\nmax_fails = 1\nfail_timeout = \"100ms\"\n",
    );
    let ask = |cookie: &str| gateway.request("GET", "/", &[&format!("Cookie: x=y; {cookie}")], b"");
    for _ in 0..3 {
        let first = gateway.get("/");
        let set = first.header("set-cookie").unwrap();
        assert!(set.contains("HttpOnly"), "{set}");
        let cookie = set.split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with("ROUTE="), "{cookie}");
        for _ in 0..5 {
            let again = ask(&cookie);
            assert_eq!(again.text(), first.text());
            assert_eq!(again.header("set-cookie"), None);
        }
    }
    // One that names nobody is replaced.
    assert!(ask("ROUTE=0000000000000000").header("set-cookie").is_some());
    // The address of the cookie has gone: another one takes the client over.
    let mut moved = String::new();
    let _late = member(&path, "a");
    system_tests::wait_until("a answers", || {
        let reply = gateway.get("/");
        moved = reply
            .header("set-cookie")
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        reply.text() == "a"
    });
    std::fs::remove_file(path.join("a")).unwrap();
    let reply = ask(&moved);
    assert_ne!(reply.text(), "a");
    assert!(reply.header("set-cookie").is_some());
    gateway.stop();
}

#[test]
fn each_address_has_so_many_at_once_and_the_rest_wait_in_order() {
    let folder = TempDir::new().unwrap();
    let _members = ["a", "b", "c"].map(|name| member(folder.path(), name));
    let gate = Gate::new(folder.path());
    let gateway = gateway(folder, "concurrency = 1\nqueue_length = 2\n");
    let mut clients: Vec<Client> = (0..6).map(|_| Client::connect(gateway.address())).collect();
    for client in &mut clients {
        client.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
    }
    // Three are served and two wait.
    gateway.log().wait_for(&["2 requests wait already"]);
    let open = gate.open();
    let mut replies = clients
        .iter_mut()
        .map(|client| client.reply("GET").status());
    let refused = replies.by_ref().filter(|status| *status == 503).count();
    assert_eq!(refused, 1);
    drop((open, clients));
    gateway.stop();
}
