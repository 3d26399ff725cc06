//! On which processors the gateway's threads, workers and programs run, and under which of the kernel's policies.

use std::fs::{read_dir, read_to_string};
use std::path::PathBuf;

use system_tests::{Gateway, extension, script, wait_until};
use tempfile::TempDir;

/// A gateway with the fixture `place` at `/`, a CGI program at `/program`, and these lines in `[server]`.
fn gateway(server: &str) -> Gateway {
    let folder = TempDir::new().unwrap();
    let file = extension("place", &[], folder.path());
    let text = "printf 'Content-Type: text/plain\\n\\n'\ngrep Cpus_allowed_list /proc/self/status\ncut -d ' ' -f 41 /proc/self/stat";
    script(folder.path(), "program", text);
    let config = format!(
        r#"
[server]
{server}
[[site]]
[[site.handler]]
path = "/program"
pool = "program"
[[site.handler]]
path = "*"
pool = "place"
[pool.place]
extension = {file:?}
[pool.program]
cgi = "{{dir}}/program"
"#
    );
    Gateway::with_config_in(folder, &config)
}

/// What a file `status` in `/proc` says of processors.
fn allowed(path: &str) -> String {
    let status = read_to_string(path).unwrap();
    let mut lines = status.lines();
    lines
        .find(|line| line.starts_with("Cpus_allowed_list:"))
        .unwrap()
        .to_owned()
}

/// How many processors this process may use.
fn processors() -> usize {
    let set = rustix::thread::sched_getaffinity(None).unwrap();
    usize::try_from(set.count()).unwrap()
}

/// What a file `stat` in `/proc` says of when a thread runs (proc(5)): its niceness, and its policy (`SCHED_OTHER` is 0, `SCHED_BATCH` 3).
fn policy(path: &str) -> (i64, u32) {
    let stat = read_to_string(path).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    (fields[16].parse().unwrap(), fields[38].parse().unwrap())
}

/// The gateway's threads that serve connections, by their folders.
fn threads(gateway: &Gateway) -> Vec<PathBuf> {
    let tasks = format!("/proc/{}/task", gateway.pid());
    let tasks = read_dir(tasks).unwrap().map(|task| task.unwrap().path());
    tasks
        .filter(|task| {
            read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("runtime-"))
        })
        .collect()
}

/// Where they may run.
fn places(gateway: &Gateway) -> Vec<String> {
    let place = |task: PathBuf| allowed(task.join("status").to_str().unwrap());
    let mut places: Vec<_> = threads(gateway).into_iter().map(place).collect();
    places.sort();
    places
}

#[test]
fn what_is_soon_over_runs_where_it_was_read_and_all_else_anywhere() {
    let (all, anywhere) = (processors(), allowed("/proc/self/status"));
    let gateway = gateway(&format!("threads = {all}"));
    wait_until("a processor for each thread", || {
        let mut places = places(&gateway);
        places.dedup();
        places.len() == all
    });
    let text = |path| gateway.get(path).text();
    for _ in 0..2 * all {
        // One that is held up, by whatever else the machine does, is let go.
        wait_until("a thread that is bound", || {
            text("/") == format!("1 of {all}")
        });
        assert_eq!(text("/?free"), format!("{all} of {all}"));
        assert_eq!(text("/program").lines().next(), Some(&*anywhere));
    }
}

#[test]
fn threads_need_not_be_bound() {
    let (all, anywhere) = (processors(), allowed("/proc/self/status"));
    for server in [
        "bind_threads = false".to_owned(),
        format!("threads = {}", all + 1),
    ] {
        let gateway = gateway(&server);
        wait_until("threads", || !threads(&gateway).is_empty());
        assert!(places(&gateway).iter().all(|place| *place == anywhere));
        assert_eq!(gateway.get("/").text(), format!("{all} of {all}"));
        let program = gateway.get("/program").text();
        assert_eq!(program.lines().next(), Some(&*anywhere));
    }
}

#[test]
fn threads_that_serve_connections_interrupt_nothing_and_all_else_runs_as_usual() {
    let (niceness, usual) = policy("/proc/thread-self/stat");
    // A policy or niceness that the operator has given stays.
    let in_batches = match (niceness, usual) {
        (0, 0) => 3,
        _ => usual,
    };
    for (server, expected) in [("", in_batches), ("batch_threads = false", usual)] {
        let gateway = gateway(server);
        wait_until("the policy of threads", || {
            let threads = threads(&gateway);
            let is_so = |task: &PathBuf| {
                policy(task.join("stat").to_str().unwrap()) == (niceness, expected)
            };
            !threads.is_empty() && threads.iter().all(is_so)
        });
        assert!(gateway.get("/").text().contains(" of "));
        for process in gateway.processes() {
            for task in read_dir(format!("/proc/{}/task", process.pid)).unwrap() {
                let stat = task.unwrap().path().join("stat");
                assert_eq!(policy(stat.to_str().unwrap()), (niceness, usual));
            }
        }
        let program = gateway.get("/program").text();
        assert_eq!(program.lines().nth(1), Some(&*usual.to_string()));
    }
}
