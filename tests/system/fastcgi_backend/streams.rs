//! Bodies in both directions, through a program with libfcgi and through workers at a TCP port.

use std::io::Read as _;
use std::process::Command;

use system_tests::{
    Client, Gateway, Running, binary, fastcgi_program, free_port, memory, sample, wait_until,
};
use tempfile::TempDir;

use super::read_slowly;
use crate::echo::{Coding, echo};

/// A gateway that runs the fixture with libfcgi.
fn gateway(processes: usize) -> Gateway {
    let folder = TempDir::new().unwrap();
    fastcgi_program("application", folder.path());
    Gateway::with_config_in(
        folder,
        &format!(
            r#"
[[site]]
[[site.handler]]
path = "*"
pool = "app"
[pool.app]
program = "{{dir}}/application"
processes = {processes}
"#
        ),
    )
}

#[test]
fn sixty_four_mebibytes_go_both_ways_at_once() {
    let gateway = gateway(1);
    let mut client = Client::connect(gateway.address());
    for coding in [Coding::Length, Coding::Chunked(60_000)] {
        echo(&mut client, "/?echo", 64 << 20, coding, || {});
    }
    assert!(memory(gateway.pid()).peak < 64 * 1024);
    drop(client);
    gateway.stop();
}

#[test]
fn an_answer_may_begin_before_the_body_is_read() {
    let gateway = gateway(1);
    let mut client = Client::connect(gateway.address());
    client.send(b"POST /?early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    let head = client.head().unwrap();
    let mut begun = [0; 6];
    let mut sender = client.sender();
    let mut body = client.body(&head, "POST");
    body.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"early ");
    std::io::Write::write_all(&mut sender, &vec![b'x'; 1_000_000]).unwrap();
    let mut rest = String::new();
    body.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "1000000");
    drop(client);
    gateway.stop();
}

#[test]
fn a_body_need_not_be_read() {
    let gateway = gateway(1);
    for size in [1, 100_000, 2_000_000] {
        let reply = gateway.request("POST", "/?unread", &[], &vec![b'x'; size]);
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, "unread"),
            "{size}"
        );
        assert!(reply.complete);
        assert!(
            gateway
                .get("/")
                .text()
                .ends_with(|char: char| char.is_ascii_digit())
        );
    }
    gateway.stop();
}

#[test]
fn a_slow_reader_bounds_memory() {
    let gateway = gateway(1);
    let total = read_slowly(&gateway, "/?mib=256");
    assert_eq!(total, 256 << 20);
    assert!(memory(gateway.pid()).peak < 64 * 1024);
    gateway.stop();
}

#[test]
fn a_worker_at_a_tcp_port_answers() {
    let port = free_port();
    let mut worker = Command::new(binary("isapi-worker"));
    worker
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .arg(sample("echo"));
    let worker = Running(worker.spawn().unwrap());
    let gateway = Gateway::with_config(&format!(
        r#"
[[site]]
root = "{{dir}}"
[[site.handler]]
path = "*"
pool = "far"
[pool.far]
fastcgi = "localhost:{port}"
keep_alive = 4
"#
    ));
    wait_until("it listens", || gateway.get("/").status() == 200);
    let mut client = Client::connect(gateway.address());
    for size in [0, 1, 70_000, 64 << 20] {
        echo(&mut client, "/", size, Coding::Length, || {});
    }
    drop(client);
    gateway.stop();
    drop(worker);
}

#[test]
fn another_gateway_answers() {
    let inner = Gateway::with_config(
        r#"
[server]
fastcgi = "127.0.0.1:0"
[[site]]
[[site.handler]]
path = "*"
pool = "echo"
[pool.echo]
extension = "{samples}/echo.so"
"#,
    );
    let listening = inner.out().wait_for(&["listening on fastcgi://"]);
    let (_, address) = listening.split_once("://").unwrap();
    let outer = Gateway::with_config(&format!(
        r#"
[[site]]
root = "{{dir}}"
[[site.handler]]
path = "*"
pool = "far"
[pool.far]
fastcgi = "{address}"
keep_alive = 4
"#
    ));
    let mut client = Client::connect(outer.address());
    for size in [0, 1, 30_000, 8 << 20] {
        echo(&mut client, "/", size, Coding::Length, || {});
    }
    drop(client);
    outer.stop();
    inner.stop();
}
