//! A control group that this process and all servers are in: the kernel counts the processor time of everything that has
//! ever run in it, those processes too whose end nobody waits for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A control group of version 2, below the one that this process was in. Left and removed when dropped.
#[derive(Debug)]
pub struct Group {
    folder: PathBuf,
    before: PathBuf,
}

impl Group {
    /// Makes a group and moves this process into it. Processes that it starts afterwards are in it, too.
    ///
    /// # Errors
    /// Why there is none: only root and owners of a delegated group may have one.
    pub fn join() -> Result<Self, String> {
        let read =
            |file: &str| fs::read_to_string(file).map_err(|error| format!("{file}: {error}"));
        let before = own(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?)
            .ok_or("there is no control group of version 2")?;
        let folder = before.join(format!("isapi-gateway-bench-{}", std::process::id()));
        let refused = |error| format!("{}: {error}", folder.display());
        fs::create_dir(&folder).map_err(refused)?;
        let group = Self { folder, before };
        let shown = |error: std::io::Error| format!("{}: {error}", group.folder.display());
        group.used().ok_or("it does not tell the processor time")?;
        move_to(&group.folder, &std::process::id().to_string()).map_err(shown)?;
        Ok(group)
    }

    /// Processor time of everything in it so far.
    pub fn used(&self) -> Option<Duration> {
        let text = fs::read_to_string(self.folder.join("cpu.stat")).ok()?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "))?;
        Some(Duration::from_micros(value.parse().ok()?))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Those that have detached themselves go on where this process was. What cannot be removed is a group that costs
        // nothing.
        let inside = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        for process in inside.lines() {
            let _ = move_to(&self.before, process);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

fn move_to(folder: &Path, process: &str) -> std::io::Result<()> {
    fs::write(folder.join("cgroup.procs"), process)
}

/// The folder of the group that a process is in, from /proc/PID/mountinfo and /proc/PID/cgroup (cgroups(7)).
fn own(mounts: &str, groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mount = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let is_group = kind.starts_with("cgroup2 ");
        is_group.then(|| place.split(' ').nth(4)).flatten()
    })?;
    Some(Path::new(mount).join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_beside_others() {
        let mounts = "33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:3 - cgroup2 cgroup2 rw\n";
        let groups = "2:cpuacct:/\n0::/system.slice/x.service\n";
        let expected = Path::new("/sys/fs/cgroup/unified/system.slice/x.service");
        assert_eq!(own(mounts, groups).as_deref(), Some(expected));
        assert_eq!(own("", groups), None);
        assert_eq!(own(mounts, "2:cpuacct:/\n"), None);
    }
}
