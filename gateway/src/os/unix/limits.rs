//! A worker's process gets what it may have, and no more.

use std::io;
use std::thread::{self, Builder};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

use crate::config::Limits;

/// Starts a worker that can never gain privileges, not by programs either that are set-user-ID, with these limits.
///
/// # Errors
/// When it cannot be started or its limits cannot be set; then no process is left.
pub fn spawn_limited(command: &mut Command, limits: &Limits) -> io::Result<Child> {
    if let Some(user) = &limits.user {
        command.uid(user.id).gid(user.group).env("HOME", &user.home);
    }
    let child = spawn_unprivileged(command)?;
    // Before it has loaded its extension: that takes milliseconds. On an error the child is dropped, which kills it.
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    for (resource, limit) in resources(limits) {
        prlimit(pid, resource, limit)?;
    }
    Ok(child)
}

/// `no_new_privs` belongs to a thread and is inherited by its children (prctl(2)), so a thread is made for it: the
/// gateway's own threads also start CGI programs, which may need it otherwise.
fn spawn_unprivileged(command: &mut Command) -> io::Result<Child> {
    let runtime = Handle::current();
    thread::scope(|scope| {
        let spawn = || {
            let _entered = runtime.enter();
            rustix::thread::set_no_new_privs(true)?;
            command.spawn()
        };
        let spawning = Builder::new().spawn_scoped(scope, spawn)?;
        let panicked = |_| Err(io::Error::other("the thread that starts it panicked"));
        spawning.join().unwrap_or_else(panicked)
    })
}

fn resources(limits: &Limits) -> impl Iterator<Item = (Resource, Rlimit)> {
    let same = |limit: u64| Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    // The first SIGXCPU tells why; what comes at the maximum is a plain SIGKILL.
    let seconds = |limit: u64| Rlimit {
        current: Some(limit),
        maximum: Some(limit + 1),
    };
    let cpu_time = limits.cpu_time.map(|time| seconds(time.as_secs()));
    [
        (Resource::Nofile, limits.open_files.map(same)),
        (Resource::Core, limits.core_size.map(same)),
        (Resource::Cpu, cpu_time),
        (Resource::As, limits.address_space.map(same)),
    ]
    .into_iter()
    .filter_map(|(resource, limit)| Some((resource, limit?)))
}
