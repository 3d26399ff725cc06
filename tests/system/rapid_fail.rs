//! Workers that die again and again, and what the system lets them have.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Instant;

use rustix::process::{Pid, kill_process};
use system_tests::{
    Client, Gate, Gateway, Process, Signal, binary, copy_program, extension, extension_as,
    wait_until,
};
use tempfile::TempDir;

use crate::{status, steady};

/// The process that answers, as soon as one does in time.
fn answering(gateway: &Gateway) -> u32 {
    let mut reply = gateway.get("/");
    wait_until("an answer in time", || {
        let is_in_time = reply.status() == 200;
        if !is_in_time {
            reply = gateway.get("/");
        }
        is_in_time
    });
    reply.process()
}

#[test]
fn a_worker_that_always_dies_turns_the_pool_off() {
    let gateway = steady::native("rapid_fail = { failures = 3, delay = '5m' }\n");
    crashes_thrice(&gateway);
    gateway
        .log()
        .wait_for(&["ERROR", "fail too often", "the next one is tried in 300s"]);
    let reply = gateway.get("/");
    assert_eq!(reply.status(), 503);
    let retry: u32 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((200..=301).contains(&retry), "{retry}");
    gateway.stop();
}

/// Of several paths: one alone would only be kept out itself. Returns when the last one was asked for.
fn crashes_thrice(gateway: &Gateway) -> Instant {
    let mut last = Instant::now();
    for path in ["/a", "/b", "/c"] {
        last = Instant::now();
        assert_eq!(gateway.get(&format!("{path}?crash")).status(), 502);
    }
    last
}

#[test]
fn a_pool_that_is_off_is_tried_again_and_then_later() {
    let gateway = steady::native("rapid_fail = { failures = 3, delay = '5s' }\n");
    let off = crashes_thrice(&gateway);
    gateway.log().wait_for(&["the next one is tried in 5s"]);
    wait_until("it is tried again", || gateway.get("/").status() == 200);
    assert!(off.elapsed().as_secs() >= 5, "{:?}", off.elapsed());
    // One more, and it takes twice as long.
    assert_eq!(gateway.get("/d?crash").status(), 502);
    gateway.log().wait_for(&["the next one is tried in 10s"]);
    gateway.stop();
}

#[test]
fn a_repaired_file_turns_the_pool_on_again() {
    let gateway = steady::native("rapid_fail = { failures = 1, delay = '5m' }\n");
    assert_eq!(gateway.get("/?crash").status(), 502);
    gateway.log().wait_for(&["the next one is tried in 300s"]);
    assert_eq!(gateway.get("/").status(), 503);
    let new = extension_as("new.so", "steady", &["-DVERSION=2"], gateway.folder());
    std::fs::rename(new, gateway.folder().join("steady.so")).unwrap();
    wait_until("the new version answers", || {
        gateway.get("/").text() == "version 2"
    });
    gateway.stop();
}

#[test]
fn an_extension_that_never_loads_is_tried_less_and_less() {
    let keys = "rapid_fail = { failures = 2, delay = '5m' }\n";
    let gateway = steady::compiled(&["-DCANNOT_LOAD"], keys);
    gateway.log().wait_for(&["the next one is tried in 300s"]);
    assert_eq!(gateway.get("/").status(), 500);
    let lines = gateway.log().so_far();
    let tries = lines
        .iter()
        .filter(|line| line.contains("ERROR GetExtensionVersion") && line.contains("pid="));
    assert_eq!(tries.count(), 2);
    gateway.stop();
}

#[test]
fn requests_whose_client_has_gone_do_not_run() {
    let gateway = status::steady("threads = 1\nconcurrency = 1\n");
    let gate = Gate::new(gateway.folder());
    let path = format!("/?wait={}", gate.path());
    let mut first = Client::connect(gateway.address());
    first.request("GET", &path, &[], b"");
    gateway.log().wait_for(&["steady: waiting"]);
    let mut gone: Vec<Client> = (0..10)
        .map(|_| Client::connect(gateway.address()))
        .collect();
    for client in &mut gone {
        client.request("GET", &path, &[], b"");
    }
    wait_until("they wait", || {
        status::status(&gateway).contains("\"queued\": 10,")
    });
    drop(gone);
    wait_until("it has been noticed", || {
        status::status(&gateway).contains("\"active\": 1,")
    });
    let mut last = Client::connect(gateway.address());
    last.request("GET", "/", &[], b"");
    let open = gate.open();
    assert_eq!(first.reply("GET").text(), "version 1");
    assert_eq!(last.reply("GET").text(), "version 1");
    drop(open);
    assert_eq!(gateway.log().count("steady: waiting"), 1);
    drop((first, last));
    gateway.stop();
}

#[test]
fn a_late_request_that_ends_by_itself_does_not_cost_its_worker() {
    let gateway = steady::native("threads = 1\nrequest_timeout = '2s'\nrequest_grace = '60s'\n");
    let first = answering(&gateway);
    let gate = Gate::new(gateway.folder());
    let path = format!("/?wait={}", gate.path());
    wait_until("one has begun in time", || {
        assert_eq!(gateway.get(&path).status(), 502);
        gateway.log().count("steady: waiting") > 0
    });
    gateway.log().wait_for(&["ran longer than 2s"]);
    let open = gate.open();
    assert_eq!(answering(&gateway), first);
    drop(open);
    gateway.stop();
}

#[test]
fn a_request_that_hangs_costs_its_worker_after_the_grace() {
    let gateway = steady::native("request_timeout = '2s'\nrequest_grace = '200ms'\n");
    let first = answering(&gateway);
    assert_eq!(gateway.get("/?sleep=600000").status(), 502);
    gateway.log().wait_for(&["was killed"]);
    if let Some(process) = Process::find(first) {
        process.wait_gone();
    }
    assert_ne!(answering(&gateway), first);
    gateway.stop();
}

#[test]
fn a_worker_gets_what_it_may_have() {
    let limits =
        "limits = { open_files = 100, core_size = 0, cpu_time = '1h', address_space = '2GiB' }\n";
    let gateway = steady::native(limits);
    let process = gateway.get("/").process();
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    for (name, values) in [
        ("Max open files", "100 100"),
        ("Max core file size", "0 0"),
        ("Max cpu time", "3600 3601"),
        ("Max address space", "2147483648 2147483648"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let words: Vec<&str> = line[name.len()..].split_whitespace().collect();
        assert_eq!(words[..2].join(" "), values, "{line}");
    }
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
    let text = gateway.get("/?files").text();
    let files: u32 = text.strip_suffix(" files").unwrap().parse().unwrap();
    assert!((50..100).contains(&files), "{text}");
    let reply = gateway.get("/?leak=3000");
    assert_eq!((reply.status(), reply.text().as_str()), (500, "no memory"));
    gateway.stop();
}

#[test]
fn a_worker_has_the_user_that_it_is_given() {
    let own = std::fs::metadata("/proc/self").unwrap();
    assert_eq!(
        own.uid(),
        0,
        "this test runs as root: only root may give workers another user"
    );
    let folder = TempDir::new().unwrap();
    extension("steady", &[], folder.path());
    // The built worker may lie where nobody else gets to.
    copy_program(&binary("isapi-worker"), &folder.path().join("worker"));
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), everybody).unwrap();
    let gateway = Gateway::with_config_in(
        folder,
        r#"
[server]
worker = "{dir}/worker"
[[site]]
[[site.handler]]
path = "*"
pool = "steady"
[pool.steady]
extension = "{dir}/steady.so"
user = "nobody"
"#,
    );
    let process = gateway.get("/").process();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let ids = |name: &str| -> Vec<String> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    };
    let nobody = ids("Uid:");
    assert!(
        nobody.iter().all(|id| *id == nobody[0] && id != "0"),
        "{status}"
    );
    assert!(ids("Gid:").iter().all(|id| id != "0"), "{status}");
    assert_eq!(ids("Groups:"), [""; 0]);
    gateway.stop();
}

#[test]
fn planned_ends_are_no_failures() {
    let gateway =
        steady::native("rapid_fail = { failures = 1, delay = '5m' }\nrecycle.age = '200ms'\n");
    let first = gateway.get("/").process();
    wait_until("it has been replaced", || {
        gateway.get("/").process() != first
    });
    assert_eq!(gateway.log().count("fail too often"), 0);
    wait_until("one has failed", || {
        for process in gateway.processes() {
            // Those that are about to end anyway do not count, and may have gone.
            let pid = Pid::from_raw(i32::try_from(process.pid).unwrap());
            let _ = kill_process(pid.unwrap(), Signal::KILL);
        }
        gateway.log().count("fail too often") > 0
    });
    gateway.stop();
}
