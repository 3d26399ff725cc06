//! Starting and stopping the gateway.

use std::net::TcpListener;

use system_tests::{
    Client, Gate, Gateway, Signal, extension, gateway_command, run, sample, wait_until,
};
use tempfile::TempDir;

fn stops_in_order(signal: Signal) {
    let folder = TempDir::new().unwrap();
    let file = extension("witness", &[], folder.path());
    let gate = Gate::new(folder.path());
    let mut gateway = Gateway::serve(&file);
    let address = gateway.address();

    let mut idle = Client::connect(address);
    idle.request("GET", "/", &[], b"");
    assert_eq!(idle.reply("GET").text(), "witnessed");
    let mut untouched = Client::connect(address);
    let mut running = Client::connect(address);
    running.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
    gateway.log().wait_for(&["witness: waiting"]);

    gateway.processes();
    gateway.signal(signal);
    assert!(idle.is_closed());
    assert!(untouched.is_closed());
    wait_until("new connections are refused", || {
        std::net::TcpStream::connect(address).is_err()
    });
    let open = gate.open();
    let reply = running.reply("GET");
    assert_eq!((reply.text().as_str(), reply.complete), ("witnessed", true));
    assert!(running.is_closed());
    drop(open);

    let status = gateway.wait_end();
    assert_eq!(status.code(), Some(0));
    gateway.log().wait_for(&["witness: terminated"]);
    let out = gateway.out().to_end();
    assert_eq!(out, [format!("listening on http://{address}")]);
}

#[test]
fn sigterm_lets_running_requests_finish() {
    stops_in_order(Signal::TERM);
}

#[test]
fn sigint_lets_running_requests_finish() {
    stops_in_order(Signal::INT);
}

#[test]
fn a_request_that_does_not_end_is_cut_at_the_limit() {
    let gateway = Gateway::with_config(
        r#"
[server]
shutdown_timeout = "100ms"
[[site]]
[[site.handler]]
path = "*"
pool = "crash"
[pool.crash]
extension = "{samples}/crash.so"
shutdown_timeout = "100ms"
"#,
    );
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/?how=hang", &[], b"");
    // Answered behind it: the hanging request is in its worker.
    assert_eq!(gateway.get("/").status(), 200);
    gateway.stop();
    assert!(!client.to_end().starts_with(b"HTTP/1.1 200"));
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let hello = sample("hello");
    let output = run(&mut gateway_command([
        "serve",
        hello.to_str().unwrap(),
        "--http",
        &address,
    ]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.out, "");
    for words in [&address, "cannot listen", "in use"] {
        assert!(output.error.contains(words), "{}", output.error);
    }
}

#[test]
fn an_extension_that_cannot_be_loaded_is_told_before_listening() {
    let folder = TempDir::new().unwrap();
    let refusing = extension("witness", &["-DLOADS=FALSE"], folder.path());
    let text = folder.path().join("text.so");
    std::fs::write(&text, "not a library").unwrap();
    let empty = folder.path().join("empty.so");
    let compiled = std::process::Command::new(system_tests::peer("cc"))
        .args(["-shared", "-x", "c", "/dev/null", "-o"])
        .arg(&empty)
        .status();
    assert!(compiled.unwrap().success());
    let missing = folder.path().join("missing.so");
    for (file, words) in [
        (&missing, "does not exist"),
        (&text, "cannot be loaded"),
        (&empty, "GetExtensionVersion"),
        (&refusing, "returned FALSE"),
    ] {
        let output = run(&mut gateway_command([
            "serve",
            file.to_str().unwrap(),
            "--http",
            "127.0.0.1:0",
        ]));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(output.out, "", "{}", output.error);
        assert!(output.error.contains(words), "{words}: {}", output.error);
        let path = file.to_str().unwrap();
        assert!(output.error.contains(path), "{path}: {}", output.error);
    }
}

#[test]
fn an_extension_that_cannot_be_loaded_leaves_other_pools_alone() {
    let folder = TempDir::new().unwrap();
    extension("witness", &["-DLOADS=FALSE"], folder.path());
    let gateway = Gateway::with_config_in(
        folder,
        r#"
[[site]]
[[site.handler]]
path = "/hello"
pool = "hello"
[[site.handler]]
path = "/refusing"
pool = "refusing"
[pool.hello]
extension = "{samples}/hello.so"
[pool.refusing]
extension = "{dir}/witness.so"
"#,
    );
    assert_eq!(gateway.get("/refusing").status(), 500);
    assert_eq!(gateway.get("/hello").text(), "Hello, world!");
    gateway.log().wait_for(&["witness.so", "returned FALSE"]);
    gateway.stop();
}

#[test]
fn a_log_that_is_no_terminal_has_no_colours() {
    let gateway = Gateway::serve(&sample("hello"));
    let log = gateway.log().clone();
    gateway.stop();
    let lines = log.to_end();
    assert!(!lines.is_empty());
    assert!(
        !lines.iter().any(|line| line.contains('\u{1b}')),
        "{lines:?}"
    );
}

#[test]
fn the_log_can_be_json() {
    let hello = sample("hello");
    let mut command = gateway_command([
        "serve",
        hello.to_str().unwrap(),
        "--http",
        "127.0.0.1:0",
        "--log",
        "json",
    ]);
    let mut child = system_tests::Running(command.spawn().unwrap());
    let out = system_tests::Lines::of(child.stdout.take().unwrap());
    let log = system_tests::Lines::of(child.stderr.take().unwrap());
    out.wait_for(&["listening on"]);
    system_tests::send(child.id(), Signal::TERM);
    assert!(child.wait_end().success());
    for line in log.to_end() {
        assert!(
            line.starts_with("{\"timestamp\":") && line.ends_with('}'),
            "{line}"
        );
    }
}

#[test]
fn a_worker_does_not_get_the_operators_secrets() {
    let gateway = Gateway::serve(&sample("hello"));
    let environments: Vec<String> = gateway
        .processes()
        .iter()
        .map(|process| std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    assert_eq!(environments.len(), 1);
    assert!(
        environments[0].contains("APP_POOL_ID=hello"),
        "{environments:?}"
    );
    assert!(
        !environments[0].contains("OPERATORS_SECRET"),
        "{environments:?}"
    );
    gateway.stop();
}
