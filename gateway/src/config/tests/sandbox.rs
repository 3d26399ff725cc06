//! What a pool's workers may do and have: the sandbox and control groups.

use super::super::Sandbox;
use super::super::cgroup::Cgroup;
use super::super::sandbox::NetworkUse;
use super::*;

const HANDLER: &str = "[[site]]\n[[site.handler]]\npath = '/x'\npool = 'x'\n";

fn pool(keys: &str) -> String {
    format!("[pool.x]\nextension = 'x.so'\n{keys}\n{HANDLER}")
}

#[test]
fn reads_the_sandbox() {
    let folder = Folder::new();
    let read = |keys: &str| folder.load(&pool(keys)).unwrap().0.pools["x"].clone();
    assert_eq!(read("").sandbox, None);
    assert_eq!(read("sandbox.profile = 'none'").sandbox, None);
    let standard = Some(Sandbox::default());
    assert_eq!(read("sandbox.profile = 'standard'").sandbox, standard);
    let keys = "sandbox = { profile = 'standard', read = 'www', write = ['www', '/'], execute = 'x.so', network = 'none', \
                required = true }";
    let expected = Sandbox {
        read: vec![folder.path("www")],
        write: vec![folder.path("www"), "/".into()],
        execute: vec![folder.path("x.so")],
        network: NetworkUse::None,
        required: true,
    };
    assert_eq!(read(keys).sandbox, Some(expected));
}

#[test]
fn reads_control_groups() {
    let folder = Folder::new();
    std::fs::write(folder.path("www/cgroup.controllers"), "").unwrap();
    let read = |keys: &str| folder.load(&pool(keys)).unwrap().0.pools["x"].clone();
    assert_eq!(read("").limits.cgroup, None);
    assert_eq!(read("cgroup = {}").limits.cgroup, Some(Cgroup::default()));
    let keys =
        "cgroup = { parent = 'www', memory = '1GiB', processes = 100, cpu = 1.5, required = true }";
    let expected = Cgroup {
        parent: Some(folder.path("www")),
        memory: Some(1 << 30),
        processes: Some(100),
        cpu: Some(150_000),
        required: true,
    };
    assert_eq!(read(keys).limits.cgroup, Some(expected));
}

#[test]
fn tells_mistakes_with_their_places() {
    let folder = Folder::new();
    for (keys, expected) in [
        (
            "sandbox = 'standard'",
            "3:11: this is a string, expected a table",
        ),
        ("sandbox = {}", "3:11: [pool.x.sandbox] has no `profile`"),
        (
            "sandbox.profile = 'strict'",
            "3:19: \"strict\" is not a profile",
        ),
        (
            "sandbox = { profile = 'standard', reads = '/' }",
            "3:35: unknown key `reads` in [pool.x.sandbox]",
        ),
        (
            "sandbox = { profile = 'standard', write = ['www', 'gone'] }",
            "3:51: gone does not exist",
        ),
        (
            "sandbox = { profile = 'standard', network = 'some' }",
            "3:45: \"some\" is not a choice",
        ),
        (
            "user = 'root'\nlimits.processes = 100",
            "4:8: `processes` counts all that a user runs",
        ),
        (
            "cgroup.memory = 'much'",
            "3:17: \"much\" is not a number of bytes",
        ),
        (
            "cgroup.processes = 1",
            "3:20: 1 is not a whole number from 16",
        ),
        (
            "cgroup.cpu = 0",
            "3:14: 0 is not a number of processors from 0.01 to 1024",
        ),
        (
            "cgroup.cpu = nan",
            "3:14: nan is not a number of processors",
        ),
        (
            "cgroup.cpu = '50%'",
            "3:14: this is a string, expected a number of processors",
        ),
        (
            "cgroup.parent = 'www'",
            "3:17: www is not a cgroup of version 2",
        ),
        ("cgroup.parent = 'gone'", "3:17: gone does not exist"),
    ] {
        let errors = folder.errors(&pool(keys));
        assert_eq!(errors.len(), 1, "{keys}\n{errors:#?}");
        assert!(
            errors[0].starts_with(&format!("gateway.toml:{expected}")),
            "{keys}\n{}",
            errors[0]
        );
    }
    let cgi = format!("[pool.x]\ncgi = 'x.cgi'\nsandbox.profile = 'standard'\n{HANDLER}");
    let errors = folder.errors(&cgi);
    assert!(
        errors[0].starts_with("gateway.toml:3:1: `sandbox` has no meaning for a `cgi` pool"),
        "{errors:#?}"
    );
}
