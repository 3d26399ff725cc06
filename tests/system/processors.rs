//! On which processors the gateway's threads, workers and programs run.

use std::fs::{read_dir, read_to_string};

use system_tests::{Gateway, extension, script, wait_until};
use tempfile::TempDir;

/// A gateway with the fixture `place` at `/`, a CGI program at `/program`, and these lines in `[server]`.
fn gateway(server: &str) -> Gateway {
    let folder = TempDir::new().unwrap();
    let file = extension("place", &[], folder.path());
    let text = "printf 'Content-Type: text/plain\\n\\n'\ngrep Cpus_allowed_list /proc/self/status";
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

/// Where the gateway's threads may run that serve connections.
fn threads(gateway: &Gateway) -> Vec<String> {
    let tasks = format!("/proc/{}/task", gateway.pid());
    let tasks = read_dir(tasks).unwrap().map(|task| task.unwrap().path());
    let mut places: Vec<_> = tasks
        .filter(|task| {
            read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("runtime-"))
        })
        .map(|task| allowed(task.join("status").to_str().unwrap()))
        .collect();
    places.sort();
    places
}

#[test]
fn what_is_soon_over_runs_where_it_was_read_and_all_else_anywhere() {
    let (all, anywhere) = (processors(), allowed("/proc/self/status"));
    let gateway = gateway(&format!("threads = {all}"));
    wait_until("a processor for each thread", || {
        let mut places = threads(&gateway);
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
        assert_eq!(text("/program").trim(), anywhere);
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
        assert!(threads(&gateway).iter().all(|place| *place == anywhere));
        assert_eq!(gateway.get("/").text(), format!("{all} of {all}"));
        assert_eq!(gateway.get("/program").text().trim(), anywhere);
    }
}
