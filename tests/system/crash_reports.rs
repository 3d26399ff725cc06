//! A worker that dies leaves a report: a JSON file that says what, where, and what became of its requests.

mod kept;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use system_tests::{Client, Gate, Gateway, Signal, extension, send, wait_until};
use tempfile::TempDir;

use crate::steady;

const CRASH: &str = r#"
[[site]]
[[site.handler]]
path = "*"
pool = "ways"
[pool.ways]
extension = "{samples}/crash.so"
rapid_fail.failures = 0
[crash]
folder = "reports"
"#;

fn steady(options: &[&str], keys: &str) -> Gateway {
    steady::compiled(options, &[steady::DURABLE, keys].concat())
}

fn crash(keys: &str) -> Gateway {
    Gateway::with_config(&[CRASH, keys].concat())
}

/// The files of a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The first report, once it is there.
pub fn report(gateway: &Gateway, folder: &Path) -> Value {
    let line = gateway.log().wait_for(&["crash report: "]);
    let (_, path) = line.split_once("crash report: ").unwrap();
    let path = format!("{}.json", path.split_once(".json").unwrap().0);
    // A worker that does not start is soon followed by the next one, and its report.
    assert!(files(folder).contains(&PathBuf::from(&path)), "{path}");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn number(text: &Value) -> u64 {
    let digits = text.as_str().unwrap().strip_prefix("0x").unwrap();
    u64::from_str_radix(digits, 16).unwrap()
}

#[test]
fn a_fault_is_reported_with_everything_about_it() {
    let gateway = steady(&[], "");
    let gate = Gate::new(gateway.folder());
    let pid = gateway.get("/").process();
    let mut clients: Vec<Client> = ["GET", "GET", "POST"]
        .iter()
        .map(|method| {
            let mut client = Client::connect(gateway.address());
            client.request(method, &format!("/w?wait={}", gate.path()), &[], b"");
            client
        })
        .collect();
    let waits = || gateway.log().count("steady: waiting");
    wait_until("they wait", || waits() == 3);
    assert_eq!(gateway.get("/the/item?crash").status(), 502);
    assert_eq!(clients[2].reply("POST").status(), 502);
    let report = report(
        &gateway,
        &gateway.folder().join("state/isapi-gateway/crash"),
    );

    assert_eq!(report["format"], 1);
    assert_eq!(report["kind"], "crash");
    assert_eq!(report["pool"], "steady");
    let cause = report["cause"].as_str().unwrap();
    assert!(
        cause.starts_with("was killed by signal 11 (SIGSEGV)"),
        "{cause}"
    );
    assert_eq!(report["gateway"]["pid"], gateway.pid());
    assert!(report["gateway"]["version"].is_string());
    for time in [&report["time"], &report["worker"]["started"]] {
        let time = time.as_str().unwrap();
        assert!(
            time.starts_with("20") && time.ends_with('Z') && time.len() == 24,
            "{time}"
        );
    }

    let file = gateway.folder().join("steady.so");
    let sum = Command::new("sha256sum").arg(&file).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let told = &report["extension"];
    assert_eq!(told["path"], file.to_str().unwrap());
    assert_eq!(told["sha256"], sum.split(' ').next().unwrap());
    assert_eq!(told["bytes"], fs::metadata(&file).unwrap().len());
    assert!(told["modified"].is_string());
    assert_eq!(told["description"], "steady 1");
    assert_eq!(told["generation"], 0);

    let worker = &report["worker"];
    assert_eq!(worker["pid"], pid);
    assert!(
        worker["program"]
            .as_str()
            .unwrap()
            .ends_with("isapi-worker")
    );
    assert_eq!(worker["served"], 1);
    assert!(worker["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(worker["signal"], 11);
    assert_eq!(worker["signal_name"], "SIGSEGV");
    assert_eq!(worker["exit_status"], Value::Null);

    let fault = &report["fault"];
    assert!(cause.ends_with(fault["text"].as_str().unwrap()), "{cause}");
    assert_eq!(fault["name"], "SIGSEGV");
    assert_eq!(fault["code"], "11");
    assert_eq!(fault["access"], "writing");
    assert_eq!(fault["access_address"], "0x0");
    assert_eq!(fault["module"], "steady.so");
    assert!(fault["thread"].as_u64().unwrap() > 0);
    assert!(number(&fault["address"]) > number(&fault["offset"]));
    // The frames lead from the extension through the worker to the system's thread.
    let frames = report["backtrace"].as_array().unwrap();
    for key in ["address", "module", "offset"] {
        assert_eq!(frames[0][key], fault[key]);
    }
    let modules: Vec<&str> = frames
        .iter()
        .filter_map(|frame| frame["module"].as_str())
        .collect();
    assert_eq!(modules[0], "steady.so");
    assert_eq!(modules[1], "isapi-worker");
    assert!(
        modules.last().unwrap().starts_with("libc.so"),
        "{modules:?}"
    );

    let culprit = &report["culprit"];
    assert_eq!(culprit["method"], "GET");
    assert_eq!(culprit["path"], "/the/item");
    assert_eq!(culprit["outcome"], "failed");
    assert!(culprit["id"].as_u64().unwrap() > 0);
    assert_eq!(culprit["sent_bytes"], 0);
    assert_eq!(culprit["last_call"], Value::Null);
    assert!(culprit["lane"].is_u64() && culprit["seconds"].is_f64());
    assert_eq!(report["last_calls"], Value::Array(Vec::new()));
    assert_eq!(report["others_total"], 3);
    let others = report["others"].as_array().unwrap();
    let mut became: Vec<_> = others
        .iter()
        .map(|other| {
            assert_eq!(other["path"], "/w");
            (
                other["method"].as_str().unwrap(),
                other["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    became.sort_unstable();
    assert_eq!(
        became,
        [
            ("GET", "runs_again"),
            ("GET", "runs_again"),
            ("POST", "failed")
        ]
    );

    assert_eq!(report["stderr"], Value::from(vec!["steady: waiting"; 3]));
    assert!(report["core"]["dumped"].is_boolean());
    assert!(report["core"]["pattern"].is_string());
    assert_eq!(report["core"]["folder"], gateway.folder().to_str().unwrap());
    assert_eq!(report["limits"]["threads"], 16);
    assert_eq!(report["limits"]["startup_timeout"], 90.0);
    assert_eq!(report["limits"]["open_files"], Value::Null);

    wait_until("the innocent wait again", || waits() == 5);
    let open = gate.open();
    assert_eq!(clients[0].reply("GET").text(), "version 1");
    assert_eq!(clients[1].reply("GET").text(), "version 1");
    drop(open);
    assert_eq!(gateway.log().count("crash report: "), 1);
    gateway.stop();
}

#[test]
fn an_abort_is_reported_with_who_called_it() {
    let gateway = crash("");
    assert_eq!(gateway.get("/?how=abort").status(), 502);
    let report = report(&gateway, &gateway.folder().join("reports"));
    assert_eq!(
        (&report["kind"], &report["fault"]["name"]),
        (&"crash".into(), &"SIGABRT".into())
    );
    let frames = report["backtrace"].as_array().unwrap();
    let module = |frame: &Value| frame["module"].as_str().unwrap_or_default().to_owned();
    assert!(module(&frames[0]).starts_with("libc.so"), "{frames:?}");
    assert!(
        frames.iter().any(|frame| module(frame) == "crash.so"),
        "{frames:?}"
    );
    gateway.stop();
}

#[test]
fn a_used_up_stack_is_reported_with_its_recursion() {
    let gateway = crash("");
    assert_eq!(gateway.get("/?how=overflow").status(), 502);
    let report = report(&gateway, &gateway.folder().join("reports"));
    let frames = report["backtrace"].as_array().unwrap();
    assert_eq!(frames.len(), 32);
    assert_eq!(frames[20]["module"], "crash.so");
    gateway.stop();
}

#[test]
fn an_exit_is_reported_with_its_culprit() {
    let gateway = crash("");
    assert_eq!(gateway.get("/leave?how=exit").status(), 502);
    let report = report(&gateway, &gateway.folder().join("reports"));
    assert_eq!(report["kind"], "exit");
    assert_eq!(report["worker"]["exit_status"], 3);
    assert_eq!(report["worker"]["signal"], Value::Null);
    assert_eq!(report["fault"]["name"], "the extension has called exit");
    assert_eq!(report["fault"]["module"], Value::Null);
    assert_eq!(report["culprit"]["path"], "/leave");
    let frames = report["backtrace"].as_array().unwrap();
    assert!(
        frames.iter().any(|frame| frame["module"] == "crash.so"),
        "{frames:?}"
    );
    gateway.stop();
}

#[test]
fn an_answer_that_had_begun_is_told_as_cut() {
    // It sends more than anybody on the way gathers, so that its client has the head before it crashes.
    let folder = TempDir::new().unwrap();
    extension("witness", &[], folder.path());
    let text = CRASH.replace("{samples}/crash.so", "{dir}/witness.so");
    let gateway = Gateway::with_config_in(folder, &text);
    let reply = gateway.get("/?late");
    assert!(!reply.complete);
    let report = report(&gateway, &gateway.folder().join("reports"));
    assert_eq!(report["culprit"]["outcome"], "cut");
    let calls = report["last_calls"].as_array().unwrap();
    assert!(
        calls
            .last()
            .unwrap()
            .as_str()
            .unwrap()
            .contains("WriteClient"),
        "{calls:?}"
    );
    gateway.stop();
}

#[test]
fn a_hang_is_reported() {
    let text = CRASH.replace(
        "rapid_fail",
        "request_timeout = \"500ms\"\nrequest_grace = \"100ms\"\nrapid_fail",
    );
    let gateway = Gateway::with_config(&text);
    assert_eq!(gateway.get("/?how=hang").status(), 502);
    let report = report(&gateway, &gateway.folder().join("reports"));
    assert_eq!(report["kind"], "hang");
    let cause = report["cause"].as_str().unwrap();
    let beginning = "was killed: a request in it ran too long: the request hangs at ";
    assert!(cause.starts_with(beginning), "{cause}");
    assert_eq!(report["worker"]["signal_name"], "SIGKILL");
    assert_eq!(report["fault"]["name"], "the request hangs");
    assert_eq!(report["culprit"]["path"], "/");
    assert_eq!(report["culprit"]["outcome"], "timed_out");
    // It sleeps somewhere in the system's libraries.
    let frames = report["backtrace"].as_array().unwrap();
    let is_in = |module| frames.iter().any(|frame| frame["module"] == module);
    assert!(is_in("crash.so") && is_in("isapi-worker"), "{frames:#?}");
    assert_eq!(report["limits"]["request_timeout"], 0.5);
    gateway.stop();
}

#[test]
fn of_several_that_hang_the_first_is_reported() {
    // Long enough for the second to come before the first is given up.
    let gateway = steady(
        &[],
        "request_timeout = \"25s\"\nrequest_grace = \"100ms\"\n",
    );
    let gate = Gate::new(gateway.folder());
    let waits = || gateway.log().count("steady: waiting");
    let hangs: Vec<Client> = ["/first", "/second"]
        .into_iter()
        .zip(1..)
        .map(|(path, count)| {
            let mut client = Client::connect(gateway.address());
            let target = format!("{path}?wait={}", gate.path());
            client.request("GET", &target, &[], b"");
            wait_until("it waits", || waits() == count);
            client
        })
        .collect();
    let report = report(
        &gateway,
        &gateway.folder().join("state/isapi-gateway/crash"),
    );
    assert_eq!(report["kind"], "hang");
    assert_eq!(report["culprit"]["path"], "/first");
    assert_eq!(report["others"][0]["path"], "/second");
    assert_eq!(gateway.get("/").text(), "version 1");
    drop(hangs);
    gateway.stop();
}

#[test]
fn a_kill_from_outside_is_reported_without_culprit() {
    let gateway = steady(&[], "");
    send(gateway.get("/").process(), Signal::KILL);
    let report = report(
        &gateway,
        &gateway.folder().join("state/isapi-gateway/crash"),
    );
    assert_eq!(report["kind"], "signal");
    assert_eq!(report["worker"]["signal_name"], "SIGKILL");
    assert_eq!(
        (&report["culprit"], &report["others_total"]),
        (&Value::Null, &0.into())
    );
    gateway.stop();
}

#[test]
fn too_much_memory_is_reported() {
    let gateway = steady(&[], "memory_limit = \"64MiB\"\n");
    // Killed before its answer or after it. What is posted does not run again.
    gateway.request("POST", "/?leak=100", &[], b"");
    let report = report(
        &gateway,
        &gateway.folder().join("state/isapi-gateway/crash"),
    );
    assert_eq!(report["kind"], "memory");
    assert_eq!(report["limits"]["memory_limit"], 64 << 20);
    gateway.stop();
}

#[test]
fn a_start_that_fails_is_reported() {
    let gateway = steady(&["-DCANNOT_LOAD"], "");
    let report = report(
        &gateway,
        &gateway.folder().join("state/isapi-gateway/crash"),
    );
    assert_eq!(report["kind"], "start");
    let cause = report["cause"].as_str().unwrap();
    assert!(cause.contains("GetExtensionVersion"), "{cause}");
    assert_eq!(report["extension"]["description"], Value::Null);
    assert!(report["extension"]["sha256"].is_string());
    gateway.stop();
}

#[test]
fn a_warm_up_that_brings_its_worker_down_is_reported() {
    let gateway = steady(&[], "warmup = \"/?crash\"\n");
    let report = report(
        &gateway,
        &gateway.folder().join("state/isapi-gateway/crash"),
    );
    assert_eq!(report["kind"], "crash");
    assert_eq!(report["culprit"]["path"], "/");
    assert_eq!(report["culprit"]["outcome"], "failed");
    gateway.stop();
}
