//! What a worker may do, and what becomes of one that tries more: the sandbox, limits of processes and files.

mod control_groups;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, Scope,
};
use system_tests::{Gateway, Process, binary, copy_program, extension, peer};
use tempfile::TempDir;

/// What every profile refuses, with the error that the extension gets.
const CALLS: [(&str, &str); 20] = [
    ("ptrace", "EPERM"),
    ("mount", "EPERM"),
    ("unshare", "EPERM"),
    ("clone", "EPERM"),
    ("chroot", "EPERM"),
    ("bpf", "EPERM"),
    ("kexec_load", "EPERM"),
    ("io_uring_setup", "EPERM"),
    ("perf_event_open", "EPERM"),
    ("userfaultfd", "EPERM"),
    ("keyctl", "EPERM"),
    ("init_module", "EPERM"),
    ("reboot", "EPERM"),
    ("process_vm_readv", "EPERM"),
    ("prlimit", "EPERM"),
    ("getrlimit", "done"),
    ("setpriority", "EPERM"),
    ("ioprio_set", "EPERM"),
    // The C library then uses the older one.
    ("clone3", "ENOSYS"),
    ("nonsense", "EINVAL"),
];

/// What this kernel has of Landlock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Landlock {
    None,
    /// Rules for files, as docs/sandbox.md lists them by kernel, but signals do not stay inside.
    Files,
    Whole,
}

fn landlock() -> Landlock {
    let known = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let knows_files = known().handle_access(AccessFs::from_all(ABI::V1)).is_ok();
    match known().scope(Scope::from_all(ABI::V6)).is_ok() {
        true => Landlock::Whole,
        false if knows_files => Landlock::Files,
        false => Landlock::None,
    }
}

/// The log warns of a sandbox that this kernel cannot keep, and of no other; returns whether files are protected.
fn protects_files(gateway: &Gateway) -> bool {
    let kept = landlock();
    // A worker has started when it answers.
    assert_eq!(ask(gateway, ""), "nothing");
    match kept {
        Landlock::Whole => {
            let lines = gateway.log().so_far();
            let is_about = |line: &String| line.contains("sandbox");
            assert!(!lines.iter().any(is_about), "{lines:?}");
        }
        Landlock::Files | Landlock::None => {
            let warning = ["WARN", "the sandbox is not whole", "Landlock"];
            gateway.log().wait_for(&warning);
        }
    }
    kept != Landlock::None
}

/// A folder with an extension in `own`, `own/file`, a `secret` outside, and `data`.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let own = folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    extension("bounds", &[], &own);
    std::fs::write(own.join("file"), "x").unwrap();
    std::fs::write(folder.path().join("secret"), "x").unwrap();
    folder
}

/// A gateway that serves the extension, with these keys for its pool.
fn bounds_in(folder: TempDir, keys: &str) -> Gateway {
    let text = r#"
[[site]]
[[site.handler]]
path = "*"
pool = "bounds"
[pool.bounds]
extension = "{dir}/own/bounds.so"
"#;
    Gateway::with_config_in(folder, &[text, keys].concat())
}

fn bounds(keys: &str) -> Gateway {
    bounds_in(folder(), keys)
}

/// What the extension answers.
fn ask(gateway: &Gateway, query: &str) -> String {
    gateway.get(&format!("/?{query}")).text()
}

/// What it answers about a path in the gateway's folder.
fn ask_about(gateway: &Gateway, what: &str, path: &str) -> String {
    let path = gateway.folder().join(path);
    ask(gateway, &format!("{what}={}", path.display()))
}

/// The fields of this name in `/proc/PID/task/TID/status` of all threads.
fn of_threads(pid: u32, name: &str) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let field = |thread: &Path| {
        // One that has ended may still be listed.
        let status = std::fs::read_to_string(thread.join("status")).ok()?;
        let mut lines = status.lines().map(|line| line.split_once(":\t").unwrap());
        let (_, value) = lines.find(|(field, _)| *field == name).unwrap();
        Some(value.to_owned())
    };
    threads
        .filter_map(|thread| field(&thread.unwrap().path()))
        .collect()
}

#[test]
fn in_its_sandbox_an_extension_reads_its_folder_and_writes_nowhere() {
    let gateway = bounds("sandbox = { profile = 'standard', write = '{dir}/data' }\n");
    if !protects_files(&gateway) {
        return gateway.stop();
    }
    for (what, path, expected) in [
        ("read", "own/file", "done"),
        ("list", "own", "done"),
        ("write", "own/file", "EACCES"),
        ("write", "own/new", "EACCES"),
        ("remove", "own/file", "EACCES"),
        ("read", "secret", "EACCES"),
        ("write", "secret", "EACCES"),
        ("list", ".", "EACCES"),
        ("write", "data/new", "done"),
        ("read", "data/new", "done"),
        ("remove", "data/new", "done"),
        ("read", "data/new", "ENOENT"),
    ] {
        assert_eq!(ask_about(&gateway, what, path), expected, "{what} {path}");
    }
    for (query, expected) in [
        ("read=/etc/shadow", "EACCES"),
        ("read=/proc/1/environ", "EACCES"),
        ("list=/", "EACCES"),
        ("write=/tmp/never", "EACCES"),
        ("read=/etc/passwd", "done"),
        ("read=/proc/self/maps", "done"),
        ("write=/dev/null", "done"),
    ] {
        assert_eq!(ask(&gateway, query), expected, "{query}");
    }
    if landlock() == Landlock::Whole {
        let signal = format!("signal={}", gateway.pid());
        assert_eq!(ask(&gateway, &signal), "EPERM");
    }
    gateway.stop();
}

#[test]
fn in_its_sandbox_an_extension_may_connect_and_not_administer() {
    let gateway = bounds("sandbox.profile = 'standard'\n");
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = peer.local_addr().unwrap().port();
    assert_eq!(ask(&gateway, &format!("connect={port}")), "done");
    for (query, expected) in [
        ("listen", "EPERM"),
        // AF_PACKET; AF_INET, SOCK_RAW, ICMP; AF_ALG; AF_NETLINK, SOCK_RAW, as getifaddrs(3) does.
        ("socket=17,3,0", "EPERM"),
        ("socket=2,3,1", "EPERM"),
        ("socket=38,5,0", "EPERM"),
        ("socket=16,3,0", "done"),
        ("run=/bin/true", "EPERM"),
    ] {
        assert_eq!(ask(&gateway, query), expected, "{query}");
    }
    for (call, expected) in CALLS {
        assert_eq!(ask(&gateway, &format!("call={call}")), expected, "{call}");
    }
    let worker = gateway.get("/").process();
    let filters = of_threads(worker, "Seccomp");
    assert!(filters.len() > 2, "{filters:?}");
    assert!(filters.iter().all(|mode| mode == "2"), "{filters:?}");
    let privileges = of_threads(worker, "NoNewPrivs");
    assert!(privileges.iter().all(|mode| mode == "1"), "{privileges:?}");
    gateway.stop();
}

#[test]
fn without_a_sandbox_an_extension_may_what_its_user_may() {
    let gateway = bounds("");
    for (query, expected) in [
        ("list=/", "done"),
        ("listen", "done"),
        ("run=/bin/true", "exit 0"),
        ("call=prlimit", "done"),
    ] {
        assert_eq!(ask(&gateway, query), expected, "{query}");
    }
    assert_eq!(ask_about(&gateway, "write", "secret"), "done");
    let signal = format!("signal={}", gateway.pid());
    assert_eq!(ask(&gateway, &signal), "done");
    let worker = gateway.get("/").process();
    let privileges = of_threads(worker, "NoNewPrivs");
    assert!(privileges.iter().all(|mode| mode == "1"), "{privileges:?}");
    gateway.stop();
}

#[test]
fn the_sandbox_gives_the_network_that_it_is_told_to() {
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = peer.local_addr().unwrap().port();
    let gateway = bounds("sandbox = { profile = 'standard', network = 'none' }\n");
    let _socket = UnixListener::bind(gateway.folder().join("socket")).unwrap();
    assert_eq!(ask(&gateway, &format!("connect={port}")), "EPERM");
    assert_eq!(ask_about(&gateway, "unix", "socket"), "done");
    gateway.stop();
    let gateway = bounds("sandbox = { profile = 'standard', network = 'all' }\n");
    assert_eq!(ask(&gateway, &format!("connect={port}")), "done");
    assert_eq!(ask(&gateway, "listen"), "done");
    assert_eq!(ask(&gateway, "socket=2,3,1"), "EPERM");
    gateway.stop();
}

#[test]
fn the_sandbox_gives_files_and_programs_that_it_is_told_to() {
    let keys =
        "sandbox = { profile = 'standard', read = ['secret', 'data'], execute = '/bin/true' }\n";
    let gateway = bounds(keys);
    if !protects_files(&gateway) {
        assert_eq!(ask(&gateway, "run=/bin/true"), "exit 0");
        return gateway.stop();
    }
    assert_eq!(ask_about(&gateway, "read", "secret"), "done");
    assert_eq!(ask_about(&gateway, "write", "secret"), "EACCES");
    assert_eq!(ask_about(&gateway, "list", "data"), "done");
    assert_eq!(ask_about(&gateway, "write", "data/new"), "EACCES");
    assert_eq!(ask(&gateway, "run=/bin/true"), "exit 0");
    assert_eq!(ask(&gateway, "run=/bin/false"), "EACCES");
    gateway.stop();
}

#[test]
fn in_its_sandbox_an_extension_behind_a_link_reads_both_folders() {
    let folder = folder();
    let links = folder.path().join("links");
    std::fs::create_dir(&links).unwrap();
    std::fs::rename(folder.path().join("own"), folder.path().join("real")).unwrap();
    std::os::unix::fs::symlink("../real/bounds.so", links.join("bounds.so")).unwrap();
    std::fs::write(links.join("file"), "x").unwrap();
    std::fs::rename(links, folder.path().join("own")).unwrap();
    let gateway = bounds_in(folder, "sandbox.profile = 'standard'\n");
    if !protects_files(&gateway) {
        return gateway.stop();
    }
    for (path, expected) in [
        ("own/file", "done"),
        ("real/file", "done"),
        ("secret", "EACCES"),
    ] {
        assert_eq!(ask_about(&gateway, "read", path), expected, "{path}");
    }
    gateway.stop();
}

/// A worker on a kernel that does not know Landlock: the program refuses the system call, and becomes the worker.
fn old_kernel(folder: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/old_kernel.c");
    let worker = format!("-DWORKER=\"{}\"", binary("isapi-worker").display());
    let status = Command::new(peer("cc"))
        .args(["-std=gnu11", "-Wall", "-Werror", &worker, "-o"])
        .args([&folder.join("worker"), &source])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_required_sandbox_starts_where_the_kernel_keeps_all_of_it() {
    let gateway = bounds("sandbox = { profile = 'standard', required = true }\n");
    if landlock() == Landlock::Whole {
        assert!(protects_files(&gateway));
    } else {
        let refusal = ["ERROR", "the sandbox is required, but"];
        gateway.log().wait_for(&refusal);
        assert_eq!(gateway.get("/").status(), 500);
    }
    gateway.stop();
}

fn on_old_kernel(sandbox: &str) -> Gateway {
    let folder = folder();
    old_kernel(folder.path());
    let keys = format!("{sandbox}\n[server]\nworker = '{{dir}}/worker'\n");
    bounds_in(folder, &keys)
}

#[test]
fn a_kernel_without_landlock_is_told() {
    let gateway = on_old_kernel("sandbox.profile = 'standard'");
    gateway.log().wait_for(&[
        "WARN",
        "the sandbox is not whole: this kernel has no Landlock",
        "run Linux 6.12 or later",
    ]);
    assert_eq!(ask_about(&gateway, "read", "secret"), "done");
    assert_eq!(ask(&gateway, "call=mount"), "EPERM");
    gateway.stop();
}

#[test]
fn a_kernel_without_landlock_is_not_enough_where_the_sandbox_is_required() {
    let gateway = on_old_kernel("sandbox = { profile = 'standard', required = true }");
    gateway.log().wait_for(&[
        "ERROR",
        "the sandbox is required, but this kernel has no Landlock",
    ]);
    assert_eq!(gateway.get("/").status(), 500);
    gateway.stop();
}

/// Two pools: `/bounds` with these keys, `/steady`. Everybody may read the folder.
fn two_pools(keys: &str) -> Gateway {
    let folder = folder();
    extension("steady", &[], folder.path());
    // The built worker may lie where nobody else gets to.
    copy_program(&binary("isapi-worker"), &folder.path().join("worker"));
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), everybody).unwrap();
    let text = r#"
[server]
worker = "{dir}/worker"
[[site]]
[[site.handler]]
path = "/bounds/*"
pool = "bounds"
[[site.handler]]
path = "/steady/*"
pool = "steady"
[pool.steady]
extension = "{dir}/steady.so"
[pool.bounds]
extension = "{dir}/own/bounds.so"
"#;
    Gateway::with_config_in(folder, &[text, keys].concat())
}

#[test]
fn a_fork_bomb_is_bounded_and_goes_with_its_worker() {
    // A user of the system that runs nothing else.
    let gateway = two_pools("user = 'games'\nlimits.processes = 150\n");
    assert_eq!(gateway.get("/bounds/?bomb").text(), "refused");
    for _ in 0..20 {
        assert_eq!(gateway.get("/steady/").text(), "version 1");
    }
    let below: Vec<Process> = gateway.processes().into_iter().collect();
    assert!((50..200).contains(&below.len()), "{}", below.len());
    let steady = gateway.get("/steady/").process();
    // The gateway ends them all with the worker.
    gateway.stop();
    for process in below {
        assert!(!process.is_alive(), "{process:?} {steady}");
    }
}

#[test]
fn a_leak_of_descriptors_is_bounded() {
    let gateway = two_pools("limits.open_files = 100\n");
    assert_eq!(gateway.get("/bounds/?files").text(), "refused");
    assert_eq!(gateway.get("/steady/").text(), "version 1");
    // What it has is enough to answer.
    assert_eq!(gateway.get("/bounds/").text(), "nothing");
    gateway.stop();
}
