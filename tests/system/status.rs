//! What the operator sees of a gateway, and the orders that it takes.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use system_tests::{
    Client, Gate, Gateway, Load, Output, Reply, Signal, gateway_command, peer, run, send,
    wait_until,
};

use crate::steady;

const TOKEN: &str = "0123456789abcdef";

/// A gateway that serves the fixture, with these keys for its pool, and an admin listener on a port.
pub fn steady(keys: &str) -> Gateway {
    start(&format!("listen = '127.0.0.1:0'\ntoken = '{TOKEN}'"), keys)
}

fn start(admin: &str, keys: &str) -> Gateway {
    steady::native(&format!("{keys}\n[admin]\n{admin}\n"))
}

fn admin_of(gateway: &Gateway) -> SocketAddr {
    let line = gateway.out().wait_for(&["admin on "]);
    line.split(' ').next_back().unwrap().parse().unwrap()
}

/// Asks the admin listener, with the token and these headers.
fn ask(gateway: &Gateway, method: &str, path: &str, headers: &[&str]) -> Reply {
    let token = format!("Authorization: Bearer {TOKEN}");
    let mut client = Client::connect(admin_of(gateway));
    let headers = [&[token.as_str(), "Connection: close"], headers].concat();
    client.request(method, path, &headers, b"");
    client.reply(method)
}

/// What `/status.json` says.
pub fn status(gateway: &Gateway) -> String {
    let reply = ask(gateway, "GET", "/status.json", &[]);
    assert_eq!(reply.status(), 200);
    reply.text()
}

/// A command of the gateway's program for this gateway.
fn command(gateway: &Gateway, words: &[&str]) -> Output {
    let address = admin_of(gateway).to_string();
    let words = [words, &["--admin", &address]].concat();
    run(gateway_command(words).env("ISAPI_GATEWAY_TOKEN", TOKEN))
}

#[test]
fn what_is_kept_out_is_told() {
    let gateway = steady("circuit = { failures = 1, delay = '1h', max_delay = '1h' }");
    assert_eq!(gateway.get("/bad?crash").status(), 502);
    assert_eq!(gateway.get("/bad").status(), 503);
    let json: serde_json::Value = serde_json::from_str(&status(&gateway)).unwrap();
    let pool = &json["pools"][0];
    let circuit = &pool["circuits"][0];
    assert_eq!(
        (&circuit["request"], &circuit["state"]),
        (&"GET /bad".into(), &"open".into())
    );
    assert_eq!(
        (&circuit["failures"], &circuit["refused"]),
        (&1.into(), &1.into())
    );
    assert!(circuit["seconds"].as_f64().unwrap() > 3000.0, "{circuit}");
    assert_eq!(pool["circuits"].as_array().unwrap().len(), 1);
    let metrics = ask(&gateway, "GET", "/metrics", &[]).text();
    for sample in [
        "isapi_pool_circuits{pool=\"steady\",state=\"open\"} 1",
        "isapi_pool_circuits{pool=\"steady\",state=\"half_open\"} 0",
        "isapi_pool_circuit_openings_total{pool=\"steady\"} 1",
        "isapi_pool_request_failures_total{pool=\"steady\",error=\"circuit_open\"} 1",
    ] {
        assert!(metrics.contains(sample), "{sample}\n{metrics}");
    }
    let page = ask(&gateway, "GET", "/status", &["Accept: text/html"]).text();
    assert!(page.contains("<code>GET /bad</code>"), "{page}");
    let shown = command(&gateway, &["status"]).out;
    let line = "kept out: GET /bad, circuit open for";
    assert!(shown.contains(line), "{shown}");
    gateway.stop();
}

#[test]
fn everything_is_answered_at_once_when_every_worker_hangs() {
    let gateway = steady("processes = 2\nthreads = 2\nping_interval = '0'");
    let gate = Gate::new(gateway.folder());
    let path = format!("/hang?wait={}", gate.path());
    let mut clients = Vec::new();
    for number in 1..=6 {
        let mut client = Client::connect(gateway.address());
        client.request("GET", &path, &[], b"");
        clients.push(client);
        wait_until("the request has come", || {
            status(&gateway).contains(&format!("\"active\": {number},"))
        });
    }
    let workers: Vec<u32> = gateway
        .processes()
        .iter()
        .map(|process| process.pid)
        .collect();
    for worker in &workers {
        send(*worker, Signal::STOP);
    }
    for (method, path) in [
        ("GET", "/status.json"),
        ("GET", "/status"),
        ("GET", "/metrics"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("POST", "/pools/steady/trace"),
    ] {
        // One of many: other tests share the processors.
        let in_time = (0..100).any(|_| {
            let asked = Instant::now();
            let reply = ask(&gateway, method, path, &[]);
            assert_eq!(reply.status(), 200, "{path}");
            asked.elapsed() < Duration::from_millis(100)
        });
        assert!(in_time, "{path}");
    }
    assert!(status(&gateway).contains("GET /hang"));
    let page = ask(&gateway, "GET", "/status", &["Accept: text/html"]);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page.text().contains("GET /hang"));
    for worker in &workers {
        send(*worker, Signal::CONT);
    }
    let open = gate.open();
    for mut client in clients {
        assert_eq!(client.reply("GET").status(), 200);
    }
    drop(open);
}

#[test]
fn metrics_satisfy_prometheus() {
    let gateway = steady("slow_request = '10ms'");
    let load = Load::start(gateway.address(), 2, |number| match number % 5 {
        0 => "/?fail".to_owned(),
        _ => "/".to_owned(),
    });
    wait_until("requests", || load.sent() > 100);
    load.stop();
    command(&gateway, &["recycle", "steady"]);
    wait_until("a worker has gone", || {
        status(&gateway).contains("\"operator\": 1")
    });
    let plain = ask(&gateway, "GET", "/metrics", &[]);
    assert!(
        plain
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let mut promtool = Command::new(peer("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(plain.text().as_bytes()).unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
        "{output:?}\n{}",
        plain.text()
    );
    let text = plain.text();
    for sample in [
        "isapi_pool_requests_total{pool=\"steady\",code=\"5xx\"} ",
        "isapi_pool_worker_exits_total{pool=\"steady\",reason=\"operator\"} 1",
        "isapi_pool_request_duration_seconds_bucket{le=\"+Inf\",pool=\"steady\"} ",
        "isapi_pool_queue_wait_seconds_count{pool=\"steady\"} ",
        "isapi_pool_state{pool=\"steady\",state=\"running\"} 1",
        "isapi_worker_memory_bytes{pool=\"steady\",worker=\"",
        "isapi_worker_cpu_seconds_total{pool=\"steady\",worker=\"",
        "isapi_gateway_request_duration_seconds_count ",
    ] {
        assert!(text.contains(sample), "{sample} in\n{text}");
    }
    let accept = "Accept: application/openmetrics-text; version=1.0.0";
    let open = ask(&gateway, "GET", "/metrics", &[accept]);
    let kind = open.header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(open.text().ends_with("# EOF\n"));
}

#[test]
fn commands_reach_the_gateway_by_its_socket() {
    let gateway = start("listen = 'unix:{dir}/admin.sock'", "");
    let config = gateway.folder().join("gateway.toml");
    let command = |words: &[&str]| {
        let words = [words, &["--config", config.to_str().unwrap()]].concat();
        run(&mut gateway_command(words))
    };
    let first = gateway.get("/").process();
    let status = command(&["status"]);
    assert!(status.status.success(), "{status:?}");
    assert!(status.out.contains("steady  running"), "{status:?}");
    let json = command(&["status", "--json"]);
    assert!(json.out.contains("\"name\": \"steady\""), "{json:?}");
    let recycle = command(&["recycle", "steady"]);
    assert!(
        recycle
            .out
            .contains("steady: its workers are being replaced"),
        "{recycle:?}"
    );
    let log = gateway.log();
    log.wait_for(&["takes no more requests", "the operator wants it"]);
    wait_until("a new worker", || gateway.get("/").process() != first);
}

#[test]
fn a_pool_stops_and_starts_by_order() {
    let gateway = steady("");
    let gate = Gate::new(gateway.folder());
    let mut running = Client::connect(gateway.address());
    running.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
    gateway.log().wait_for(&["steady: waiting"]);
    assert!(command(&gateway, &["stop", "steady"]).status.success());
    wait_until("it refuses", || gateway.get("/").status() == 503);
    assert!(status(&gateway).contains("\"state\": \"stopped\""));
    let open = gate.open();
    assert_eq!(running.reply("GET").text(), "version 1");
    drop(open);
    assert!(command(&gateway, &["start", "steady"]).status.success());
    wait_until("it answers", || gateway.get("/").status() == 200);
}

#[test]
fn the_trace_goes_on_and_off_by_order() {
    let gateway = steady("");
    let order = |level| {
        let trace = command(&gateway, &["trace", "steady", "--level", level]);
        assert!(trace.status.success(), "{trace:?}");
    };
    let traced = |path| {
        assert_eq!(gateway.get(path).status(), 200);
        gateway.log().wait_for(&["WriteClient", path]);
    };
    assert_eq!(gateway.get("/before").status(), 200);
    order("calls");
    traced("/traced");
    order("default");
    assert_eq!(gateway.get("/after").status(), 200);
    order("calls");
    traced("/again");
    let lines = gateway.log().so_far();
    for path in ["/before", "/after"] {
        assert!(!lines.iter().any(|line| line.contains(path)), "{lines:#?}");
    }
}

#[test]
fn orders_that_fail_say_why() {
    let mut gateway = steady("");
    let address = admin_of(&gateway);
    let unknown = command(&gateway, &["recycle", "nothing"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        unknown.error.contains("the pools are: steady"),
        "{unknown:?}"
    );
    let foreign = ["Origin: http://evil.example"];
    let foreign = ask(&gateway, "POST", "/pools/steady/stop", &foreign);
    assert_eq!(foreign.status(), 403);
    gateway.signal(Signal::TERM);
    gateway.wait_end();
    let gone = command(&gateway, &["status"]);
    assert_eq!(gone.status.code(), Some(1));
    let expected = format!("no gateway answers on {address}");
    assert!(gone.error.contains(&expected), "{gone:?}");
}

#[test]
fn a_slow_request_is_logged_with_what_is_known_of_it() {
    let gateway = steady("slow_request = '100ms'\ntrace = 'calls'");
    let gate = Gate::new(gateway.folder());
    let mut slow = Client::connect(gateway.address());
    slow.request("GET", &format!("/slow?wait={}", gate.path()), &[], b"");
    let line = gateway
        .log()
        .wait_for(&["slow_request", "GET /slow takes long"]);
    assert!(
        line.contains("pool=\"steady\"") && line.contains("sent_bytes=0"),
        "{line}"
    );
    assert_eq!(gateway.get("/fast").status(), 200);
    let open = gate.open();
    assert_eq!(slow.reply("GET").status(), 200);
    drop(open);
    assert_eq!(gateway.log().count("GET /slow takes long"), 1);
}
