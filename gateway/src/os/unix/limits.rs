//! A worker's process gets what it may have, and no more.

use std::io;
use std::thread::{self, Builder};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, prlimit};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

use super::Group;
use super::cgroup::{Cgroup, CgroupError};
use crate::config::{Limits, cgroup};

/// Starts a worker that can never gain privileges, not by programs either that are set-user-ID, with these limits.
/// The worker sets those of setrlimit(2) itself, as that takes no privilege; a Windows program cannot. `pool` is for the
/// log.
///
/// # Errors
/// When it cannot be started or its limits cannot be set; then no process is left.
pub fn spawn_limited(
    command: &mut Command,
    limits: &Limits,
    is_windows: bool,
    pool: &str,
) -> io::Result<(Child, Group)> {
    if let Some(user) = &limits.user {
        command.uid(user.id).gid(user.group).env("HOME", &user.home);
    }
    if !is_windows {
        command.args(resources(limits).map(|limit| {
            let Limit {
                name, soft, hard, ..
            } = limit;
            format!("--limit={name}={soft}:{hard}")
        }));
    }
    // Before there is a worker: one that was in the gateway's group would keep it from having groups with limits.
    let cgroup = match &limits.cgroup {
        Some(config) => prepare(config, pool)?.map(|cgroup| (cgroup, config)),
        None => None,
    };
    let child = spawn_unprivileged(command)?;
    // Before it has loaded its extension, as it waits for the greeting. On an error the child is dropped, which kills it.
    let mut group = Group::of(&child)?;
    if let Some((cgroup, config)) = cgroup {
        let enclosed = cgroup.add(group.leader).map(|()| cgroup);
        group.cgroup = unless_required(enclosed, config, pool)?;
    }
    for limit in resources(limits).filter(|_| is_windows) {
        let values = Rlimit {
            current: Some(limit.soft),
            maximum: Some(limit.hard),
        };
        prlimit(Some(group.leader), limit.resource, values)?;
    }
    Ok((child, group))
}

/// Makes a control group for a worker, unless that cannot be and is not required.
fn prepare(config: &cgroup::Cgroup, pool: &str) -> io::Result<Option<Cgroup>> {
    let made = unless_required(Cgroup::create(config), config, pool)?;
    Ok(made.map(|(cgroup, lack)| {
        if let Some(lack) = lack {
            warn(pool, &lack);
        }
        cgroup
    }))
}

/// Makes a failure a warning where the control group is not required.
fn unless_required<T>(
    result: Result<T, CgroupError>,
    config: &cgroup::Cgroup,
    pool: &str,
) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if config.required => Err(io::Error::other(error)),
        Err(error) => {
            warn(pool, &error);
            Ok(None)
        }
    }
}

fn warn(pool: &str, lack: &CgroupError) {
    tracing::warn!(pool, "a worker has not all of its `cgroup`: {lack}");
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

/// A limit: its name towards the worker, what it is to the system, and its values.
struct Limit {
    name: &'static str,
    resource: Resource,
    soft: u64,
    hard: u64,
}

fn resources(limits: &Limits) -> impl Iterator<Item = Limit> {
    let same = |limit: u64| (limit, limit);
    // The first SIGXCPU tells why; what comes at the maximum is a plain SIGKILL.
    let seconds = |time: Duration| (time.as_secs(), time.as_secs() + 1);
    [
        ("open-files", Resource::Nofile, limits.open_files.map(same)),
        ("processes", Resource::Nproc, limits.processes.map(same)),
        ("core-size", Resource::Core, limits.core_size.map(same)),
        ("cpu-time", Resource::Cpu, limits.cpu_time.map(seconds)),
        (
            "address-space",
            Resource::As,
            limits.address_space.map(same),
        ),
    ]
    .into_iter()
    .filter_map(|(name, resource, values)| {
        let (soft, hard) = values?;
        Some(Limit {
            name,
            resource,
            soft,
            hard,
        })
    })
}
