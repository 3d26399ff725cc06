//! What the system allows a worker: its user and its resource limits (setrlimit(2)). What is not given is as it is for
//! the gateway itself.

use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use super::cgroup::{self, Cgroup};
use super::diagnostic::{Findings, Wrong};
use super::section::Section;
use super::value;
use crate::os;
use crate::process::user::{self, User};

/// Keys of `[pool.NAME]` that are read here.
pub const KEYS: [&str; 4] = ["user", "group", "limits", cgroup::KEY];

/// What a worker may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `user`: whose processes workers are; their group, if it is not the user's own, is `group`.
    pub user: Option<User>,
    /// `limits.open_files`: descriptors (RLIMIT_NOFILE).
    pub open_files: Option<u64>,
    /// `limits.processes`: processes and threads of the workers' user, all together (RLIMIT_NPROC).
    pub processes: Option<u64>,
    /// `limits.core_size`: size of a core file, bytes (RLIMIT_CORE).
    pub core_size: Option<u64>,
    /// `limits.cpu_time`: time on a processor, all threads together (RLIMIT_CPU); whole seconds.
    pub cpu_time: Option<Duration>,
    /// `limits.address_space`: memory with everything that is mapped, bytes (RLIMIT_AS). Not for Windows DLLs: Wine
    /// reserves far more than it uses.
    pub address_space: Option<u64>,
    /// `cgroup`: what it may have together with everything that it starts.
    pub cgroup: Option<Cgroup>,
}

/// Reads the keys of a pool that are about the limits of its workers.
pub fn read(section: &mut Section, folder: &Path, findings: &mut Findings) -> Limits {
    let cgroup = cgroup::read(section, folder, findings);
    let user = user(section, findings);
    let Some(mut section) = section.section(findings, "limits") else {
        return Limits {
            user,
            cgroup,
            ..Limits::default()
        };
    };
    let count = |value: &DeValue| value::integer(value, &(64..=1_048_576));
    let limits = Limits {
        user,
        open_files: section
            .get(findings, "open_files", count)
            .map(|count| count as u64),
        processes: section
            .get(findings, "processes", count)
            .map(|count| count as u64),
        core_size: section.get(findings, "core_size", value::bytes),
        cpu_time: section.get(findings, "cpu_time", |value| {
            value::duration(value, &(Duration::from_secs(1)..=value::LONGEST))
        }),
        address_space: section.get(findings, "address_space", value::bytes),
        cgroup,
    };
    let is_root = match &limits.user {
        Some(user) => user.id == 0,
        None => os::is_root(),
    };
    if limits.processes.is_some() && is_root {
        let wrong = Wrong::with_remedy(
            "`processes` counts all that a user runs, and does not bind root: it needs a `user` that is not root",
            "add `user`, best one that runs nothing else",
        );
        findings.error_at(section.key_place("processes"), wrong);
    }
    section.finish(findings);
    limits
}

fn user(section: &mut Section, findings: &mut Findings) -> Option<User> {
    let user = section.get(findings, "user", |value| {
        let name = value::text(value)?;
        user::find(&name).map_err(|error| Wrong::new(format!("\"{name}\": {error}")))
    });
    let group = section.get(findings, "group", |value| {
        let name = value::text(value)?;
        user::find_group(&name).map_err(|error| Wrong::new(format!("\"{name}\": {error}")))
    });
    if section.has("group") && !section.has("user") {
        let wrong = Wrong::with_remedy("`group` has no meaning without `user`", "add `user`");
        findings.error_at(section.key_place("group"), wrong);
    }
    let user = user?;
    Some(User {
        group: group.unwrap_or(user.group),
        ..user
    })
}
