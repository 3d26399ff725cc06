//! Workers in control groups of their own. Where this machine has no cgroup2, or one without controllers, the tests see
//! that the log tells it.

use std::path::{Path, PathBuf};

use system_tests::{Gateway, Process, Signal, extension, send};
use tempfile::TempDir;

use super::{ask, bounds, bounds_in, folder};

/// A cgroup of a test's own, so that the gateway moves no processes of others; removed when dropped.
struct Parent(PathBuf);

impl Drop for Parent {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// One below that of this process, if it may make one.
fn parent(name: &str) -> Option<Parent> {
    let read = |file: &str| std::fs::read_to_string(file).ok();
    let mounts = read("/proc/self/mounts")?;
    let mount = mounts.lines().find(|line| line.contains(" cgroup2 "))?;
    let own = read("/proc/self/cgroup")?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = Path::new(mount.split(' ').nth(1)?).join(own);
    let folder = own.join(format!("isapi-test-{name}-{}", std::process::id()));
    std::fs::create_dir(&folder).ok()?;
    Some(Parent(folder))
}

/// The worker and a process that has left its group, when the worker has been killed.
fn orphan(gateway: &Gateway) -> Process {
    let worker = gateway.get("/").process();
    let escaped = ask(gateway, "escape").parse().unwrap();
    let escaped = Process::find(escaped).unwrap();
    let worker = Process::find(worker).unwrap();
    send(worker.pid, Signal::KILL);
    worker.wait_gone();
    gateway.log().wait_for(&["was killed by signal 9"]);
    escaped
}

#[test]
fn with_a_control_group_everything_goes_with_a_worker() {
    let Some(parent) = parent("whole") else {
        let gateway = bounds("cgroup = {}\n");
        gateway
            .log()
            .wait_for(&["WARN", "a worker has not all of its `cgroup`"]);
        assert_eq!(ask(&gateway, ""), "nothing");
        return gateway.stop();
    };
    let gateway = bounds(&format!("cgroup.parent = '{}'\n", parent.0.display()));
    let name = format!("isapi-worker-{}-", gateway.pid());
    let worker = gateway.get("/").process();
    let group = std::fs::read_to_string(format!("/proc/{worker}/cgroup")).unwrap();
    assert!(group.contains(&name), "{group}");
    orphan(&gateway).wait_gone();
    assert_eq!(ask(&gateway, ""), "nothing");
    gateway.stop();
    // Those of the workers have gone, so that theirs can.
    std::fs::remove_dir(&parent.0).unwrap();
}

#[test]
fn without_a_control_group_a_process_can_leave_its_worker() {
    let gateway = bounds("");
    let escaped = orphan(&gateway);
    assert!(escaped.is_alive());
    send(escaped.pid, Signal::KILL);
    gateway.stop();
}

#[test]
fn a_control_group_limits_memory_or_its_lack_is_told() {
    let folder = folder();
    extension("steady", &[], &folder.path().join("own"));
    std::fs::rename(
        folder.path().join("own/steady.so"),
        folder.path().join("own/bounds.so"),
    )
    .unwrap();
    let parent = parent("memory");
    let (keys, controllers) = match &parent {
        Some(Parent(path)) => (
            format!(
                "cgroup = {{ memory = '64MiB', parent = '{}' }}\n",
                path.display()
            ),
            std::fs::read_to_string(path.join("cgroup.controllers")).unwrap(),
        ),
        None => ("cgroup.memory = '64MiB'\n".to_owned(), String::new()),
    };
    let gateway = bounds_in(folder, &keys);
    assert_eq!(gateway.get("/").text(), "version 1");
    if controllers.split_whitespace().any(|name| name == "memory") {
        assert_eq!(gateway.get("/?leak=256").status(), 502);
        gateway
            .log()
            .wait_for(&["ERROR", "killed for its cgroup's limit of memory"]);
    } else {
        gateway
            .log()
            .wait_for(&["WARN", "a worker has not all of its `cgroup`"]);
    }
    assert_eq!(gateway.get("/").text(), "version 1");
    gateway.stop();
}

#[test]
fn a_control_group_that_is_required_and_cannot_be_had_keeps_workers_from_starting() {
    let parent = TempDir::new().unwrap();
    std::fs::write(parent.path().join("cgroup.controllers"), "pids\n").unwrap();
    std::fs::write(parent.path().join("cgroup.subtree_control"), "\n").unwrap();
    let keys = format!(
        "cgroup = {{ parent = '{}', memory = '64MiB', required = true }}\n",
        parent.path().display()
    );
    let gateway = bounds(&keys);
    gateway.log().wait_for(&[
        "ERROR",
        "cannot be started",
        "has no controller memory",
        "have it delegated",
    ]);
    assert_eq!(gateway.get("/").status(), 500);
    gateway.stop();
}
