//! The gateway as a FastCGI application: listeners, and clients that are no web servers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use fastcgi_protocol::{ProtocolStatus, RecordType, Role, encode};
use system_tests::{
    Gate, Gateway, Signal, extension, gateway_command, memory, peer, run, sample, wait_until,
};
use tempfile::TempDir;

use crate::fastcgi::{Connection, Event};
use crate::worker::{GET, run_with, text, with};

/// A gateway with one extension for every URL and this line in `[server]`.
fn gateway(folder: TempDir, server: &str, extension: &Path) -> Gateway {
    let text = format!(
        "[server]\n{server}\n[[site]]\n[[site.handler]]\npath = \"*\"\npath_info = true\npool = \"it\"\n\
         [pool.it]\nextension = \"{}\"\n",
        extension.display()
    );
    Gateway::with_config_in(folder, &text)
}

fn on_socket(extension: &Path) -> Gateway {
    gateway(
        TempDir::new().unwrap(),
        "fastcgi = \"unix:socket\"",
        extension,
    )
}

fn connect(gateway: &Gateway) -> Connection {
    Connection::unix(&gateway.folder().join("socket"))
}

/// The port of its last listener.
fn port(gateway: &Gateway) -> u16 {
    let line = gateway.out().wait_for(&["listening on fastcgi://"]);
    line.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[test]
fn answers_cgi_fcgi() {
    let gateway = on_socket(&sample("echo"));
    let sent = text(100_000);
    let variables = with(&[("REQUEST_METHOD", "POST"), ("CONTENT_LENGTH", "100000")]);
    let mut command = Command::new(peer("cgi-fcgi"));
    command
        .args(["-bind", "-connect"])
        .arg(gateway.folder().join("socket"));
    let output = run_with(&mut command, &variables, sent.as_bytes());
    assert!(output.out.starts_with("Status: 200 OK"), "{output:?}");
    assert!(output.out.ends_with(&sent));
    gateway.stop();
}

#[test]
fn one_extension_is_served_over_fastcgi_alone() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    let address = format!("unix:{}", socket.display());
    let extension = sample("hello");
    let arguments = ["serve", extension.to_str().unwrap(), "--fastcgi", &address];
    let mut child = system_tests::Running(gateway_command(arguments).spawn().unwrap());
    let out = system_tests::Lines::of(child.stdout.take().unwrap());
    let line = out.wait_for(&["listening on"]);
    assert_eq!(line, format!("listening on fastcgi+{address}"));
    let mut connection = Connection::unix(&socket);
    let answer = connection.request(&GET, b"", true);
    assert!(answer.ends_with(b"Hello, world!"));
    system_tests::send(child.id(), Signal::TERM);
    assert!(child.wait_end().success());
    assert_eq!(out.to_end(), [line]);
    assert!(!socket.exists());
}

#[test]
fn a_socket_has_the_permissions_that_it_is_given() {
    let folder = TempDir::new().unwrap();
    let server = "fastcgi = [\"unix:socket\", { address = \"unix:open\", mode = 0o666 }]";
    let gateway = gateway(folder, server, &sample("hello"));
    for (name, expected) in [("socket", 0o660), ("open", 0o666)] {
        let metadata = fs::metadata(gateway.folder().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, expected, "{name}");
    }
    gateway.stop();
}

#[test]
fn a_stale_socket_is_taken_over_and_a_used_one_is_not() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let gateway = gateway(folder, "fastcgi = \"unix:socket\"", &sample("hello"));
    connect(&gateway).request(&GET, b"", true);

    let address = format!("unix:{}", socket.display());
    let extension = sample("hello");
    let arguments = ["serve", extension.to_str().unwrap(), "--fastcgi", &address];
    let second = run(&mut gateway_command(arguments));
    assert_eq!(second.status.code(), Some(1));
    assert!(
        second.error.contains("another program listens there"),
        "{second:?}"
    );
    // The first one still has it.
    connect(&gateway).request(&GET, b"", true);
    gateway.stop();
}

#[test]
fn who_is_not_allowed_gets_nothing() {
    let folder = TempDir::new().unwrap();
    let server = "fastcgi = { address = \"127.0.0.1:0\", allow = [\"192.0.2.0/24\", \"::1\"] }";
    let gateway = gateway(folder, server, &sample("hello"));
    let mut connection = Connection::tcp(port(&gateway));
    connection.begin(&GET, true);
    assert_eq!(connection.next(), None);
    gateway.log().wait_for(&["not let in"]);
    gateway.stop();
}

#[test]
fn only_a_trusted_web_server_speaks_for_others() {
    let claims = with(&[
        ("REMOTE_ADDR", "192.0.2.7"),
        ("REMOTE_USER", "ann"),
        ("AUTH_TYPE", "Basic"),
        ("HTTPS", "on"),
        ("SSL_CLIENT_S_DN", "CN=ann"),
        ("DOCUMENT_ROOT", "/srv/www"),
        ("PATH_INFO", "/x"),
        ("PATH_TRANSLATED", "/etc/passwd"),
        ("QUERY_STRING", "format=text"),
    ]);
    let rows = [
        ("trusted = false", ["127.0.0.1", "", "off", "", ""]),
        (
            "trusted = true",
            ["192.0.2.7", "ann", "on", "CN=ann", "/srv/www/hello.so/x"],
        ),
        (
            "trusted = true, users = false",
            ["192.0.2.7", "", "on", "CN=ann", "/srv/www/hello.so/x"],
        ),
    ];
    for (key, [address, user, https, certificate, translated]) in rows {
        let server = format!("fastcgi = {{ address = \"127.0.0.1:0\", {key} }}");
        let gateway = gateway(TempDir::new().unwrap(), &server, &sample("dumpvars"));
        let mut connection = Connection::tcp(port(&gateway));
        let answer = connection.request(&claims, b"", true);
        let answer = String::from_utf8(answer).unwrap();
        for (name, expected) in [
            ("REMOTE_ADDR", address),
            ("REMOTE_USER", user),
            ("LOGON_USER", user),
            ("HTTPS", https),
            ("CERT_SUBJECT", certificate),
        ] {
            let line = format!("\n{name}={expected}\n");
            assert!(answer.contains(&line), "{key}: {line} in {answer}");
        }
        assert!(!answer.contains("/etc/passwd"), "{answer}");
        if !translated.is_empty() {
            let line = format!("\nPATH_TRANSLATED={translated}\n");
            assert!(answer.contains(&line), "{answer}");
        }
        gateway.stop();
    }
}

#[test]
fn other_roles_are_refused() {
    let gateway = on_socket(&sample("hello"));
    for role in [Role::Authorizer, Role::Filter, Role::Other(7)] {
        let mut connection = connect(&gateway);
        let mut out = Vec::new();
        encode::begin_request(&mut out, 1, role, true);
        connection.send(&out);
        // The next request takes the same id: whatever is left of the refused one would show.
        let id = connection.begin(&GET, true);
        connection.stdin(id, b"");
        let refused = connection.next();
        assert_eq!(refused, Some((1, Event::End(ProtocolStatus::UnknownRole))));
    }
    gateway.stop();
}

#[test]
fn a_stop_lets_requests_finish() {
    let folder = TempDir::new().unwrap();
    let witness = extension("witness", &[], folder.path());
    let mut gateway = gateway(folder, "fastcgi = \"unix:socket\"", &witness);
    let gate = Gate::new(gateway.folder());
    let mut connection = connect(&gateway);
    let query = format!("wait={}", gate.path());
    let id = connection.begin(&with(&[("QUERY_STRING", &query)]), true);
    connection.stdin(id, b"");
    gateway.log().wait_for(&["witness: waiting"]);
    gateway.processes();
    gateway.signal(Signal::TERM);
    let socket = gateway.folder().join("socket");
    wait_until("the socket is removed", || !socket.exists());
    let _open = gate.open();
    assert!(connection.answer(id).ends_with(b"witnessed"));
    assert_eq!(connection.next(), None);
    drop(connection);
    assert!(gateway.wait_end().success());
}

/// As much as 100 connections may have here: parameters without end, bodies that nobody reads.
#[test]
fn memory_is_bounded_whatever_comes() {
    let folder = TempDir::new().unwrap();
    let witness = extension("witness", &[], folder.path());
    let gateway = gateway(folder, "fastcgi = \"unix:socket\"", &witness);
    let gate = Gate::new(gateway.folder());
    let query = format!("wait={}", gate.path());
    let upload = with(&[("QUERY_STRING", &query), ("CONTENT_LENGTH", "1000000000")]);
    let socket = gateway.folder().join("socket");
    let mut params = Vec::new();
    encode::begin_request(&mut params, 2, Role::Responder, true);
    encode::record(
        &mut params,
        RecordType::Params,
        2,
        &[b"\x04\x84\0\0\0NAME".as_slice(), &[b'x'; 60_000]].concat(),
    );
    let mut body = Vec::new();
    encode::record(&mut body, RecordType::Stdin, 1, &[b'x'; 60_000]);
    let streams: Vec<_> = (0..100)
        .map(|_| {
            let mut connection = Connection::unix(&socket);
            connection.begin(&upload, true);
            connection.send(&params);
            connection
        })
        .collect();
    // As much of their bodies as is taken.
    let stuffed: Vec<_> = (0..100).map(|_| stuff(&socket, &upload, &body)).collect();
    let held = memory(gateway.pid());
    assert!(held.peak < 160 * 1024, "{held:?}");
    // Those whose client has gone before do not run.
    gateway.log().wait_for(&["witness: waiting"]);
    drop((streams, stuffed));
    let _open = gate.open();
    // It still answers.
    connect(&gateway).request(&GET, b"", true);
    gateway.stop();
}

/// A connection whose upload is sent until nobody takes more.
fn stuff(socket: &Path, params: &[(&str, &str)], body: &[u8]) -> UnixStream {
    use std::io::Write as _;
    let mut stream = UnixStream::connect(socket).unwrap();
    let mut out = Vec::new();
    encode::begin_request(&mut out, 1, Role::Responder, true);
    let mut writer = fastcgi_protocol::ParamsWriter::new(&mut out, 1);
    for (name, value) in params {
        writer.pair(name.as_bytes(), value.as_bytes());
    }
    writer.finish();
    stream.write_all(&out).unwrap();
    stream
        .set_write_timeout(Some(std::time::Duration::from_millis(20)))
        .unwrap();
    while stream.write_all(body).is_ok() {}
    stream
}
