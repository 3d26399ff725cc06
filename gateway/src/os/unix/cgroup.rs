//! Control groups of workers (cgroups(7), version 2): limits for a worker with everything that it starts, and an end for
//! all of it, also for what has left its process group.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Pid;

use crate::config::cgroup::{self as config, CPU_PERIOD};

/// Begins the names of workers' groups; the number of their gateway and one of their own follow.
const NAME: &str = "isapi-worker-";
/// Where the gateway goes when its own group is to have groups with limits: then no process may be in it.
const GATEWAY: &str = "isapi-gateway";

/// How often a group is looked at for processes that have been started while others were moved.
const LOOKS: u32 = 100;

/// How often it is tried to remove a group whose last process is ending, and the pause between, together two seconds.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// The group of one worker. It is removed when it is dropped, or soon after, when its last process has gone.
pub struct Cgroup(PathBuf);

/// Why there is none, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No such file system.
    #[error("this system has no cgroup v2 for the gateway: mount it, or remove the table `cgroup`")]
    None,
    /// The gateway may not make groups there.
    #[error(
        "{path}: {error}: have the group delegated to the gateway's user (systemd: `Delegate=yes`), or name one with `parent`",
        path = path.display()
    )]
    NotDelegated {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The parent has no such controllers to give.
    #[error(
        "{path} has no controller {missing}, so that limit does not hold: have it delegated, or name another group with `parent`",
        path = path.display()
    )]
    NoController {
        /// The parent.
        path: PathBuf,
        /// Their names, separated by blanks.
        missing: String,
    },
}

impl Cgroup {
    /// Makes the group of a worker, with those of the limits that can be had.
    ///
    /// # Errors
    /// When it cannot be made, or not all limits can be had and they are required.
    pub fn create(config: &config::Cgroup) -> Result<(Self, Option<CgroupError>), CgroupError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let parent = match &config.parent {
            Some(parent) => parent.clone(),
            None => own()?,
        };
        sweep(&parent);
        let limits = limits(config);
        let wanted: Vec<&str> = limits.iter().map(|limit| limit.controller).collect();
        let missing = enable(&parent, &wanted)?;
        let lack = || CgroupError::NoController {
            path: parent.clone(),
            missing: missing.join(" "),
        };
        if config.required && !missing.is_empty() {
            return Err(lack());
        }
        let number = NUMBER.fetch_add(1, Relaxed);
        let group = Self(parent.join(format!("{NAME}{}-{number}", std::process::id())));
        fs::create_dir(&group.0).map_err(not_delegated(&parent))?;
        for limit in limits {
            if !missing.contains(&limit.controller) {
                group
                    .write(limit.file, &limit.value)
                    .map_err(not_delegated(&group.0))?;
            }
        }
        Ok((group, (!missing.is_empty()).then(lack)))
    }

    /// Puts a process into it; what that starts from now on is in it, too.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add(&self, process: Pid) -> Result<(), CgroupError> {
        self.write("cgroup.procs", &process.as_raw_nonzero().to_string())
            .map_err(not_delegated(&self.0))
    }

    /// Ends all processes in it.
    pub fn kill(&self) {
        // Before Linux 5.14 there was no such file; then the process group has to do.
        let _ = self.write("cgroup.kill", "1");
    }

    /// How many processes in it were killed because of its limit of memory.
    pub fn out_of_memory(&self) -> u64 {
        let events = fs::read_to_string(self.0.join("memory.events")).unwrap_or_default();
        let mut counts = events
            .lines()
            .filter_map(|line| line.strip_prefix("oom_kill "));
        counts
            .next()
            .and_then(|count| count.parse().ok())
            .unwrap_or(0)
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::write(self.0.join(file), text)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if fs::remove_dir(&self.0).is_ok() {
            return;
        }
        let group = std::mem::take(&mut self.0);
        let remove = move || {
            let try_again = |_| {
                std::thread::sleep(PAUSE);
                fs::remove_dir(&group).is_ok()
            };
            (0..TRIES).any(try_again);
        };
        // What cannot be removed now is removed before a later worker starts, or by a later gateway.
        let _ = std::thread::Builder::new().spawn(remove);
    }
}

/// A file of a group, what is to be written to it, and who looks after it.
struct Limit {
    controller: &'static str,
    file: &'static str,
    value: String,
}

fn limits(config: &config::Cgroup) -> Vec<Limit> {
    let memory = config.memory.map(|bytes| bytes.to_string());
    let processes = config.processes.map(|count| count.to_string());
    let cpu = config.cpu.map(|share| format!("{share} {CPU_PERIOD}"));
    [
        ("memory", "memory.max", memory),
        ("pids", "pids.max", processes),
        ("cpu", "cpu.max", cpu),
    ]
    .into_iter()
    .filter_map(|(controller, file, value)| {
        Some(Limit {
            controller,
            file,
            value: value?,
        })
    })
    .collect()
}

/// Lets the groups below have these controllers; returns those that there are none of.
fn enable<'a>(parent: &Path, wanted: &[&'a str]) -> Result<Vec<&'a str>, CgroupError> {
    let read = |file: &str| {
        let text = fs::read_to_string(parent.join(file)).map_err(not_delegated(parent))?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    };
    let available: Vec<String> = read("cgroup.controllers")?;
    let enabled: Vec<String> = read("cgroup.subtree_control")?;
    let is_in = |list: &[String], name: &str| list.iter().any(|listed| listed == name);
    let missing = wanted.iter().copied();
    let missing = missing.filter(|name| !is_in(&available, name)).collect();
    let new: Vec<String> = wanted
        .iter()
        .filter(|name| is_in(&available, name) && !is_in(&enabled, name))
        .map(|name| format!("+{name}"))
        .collect();
    if new.is_empty() {
        return Ok(missing);
    }
    let enable = || fs::write(parent.join("cgroup.subtree_control"), new.join(" "));
    let is_busy = |error: &io::Error| error.raw_os_error() == Some(Errno::BUSY.raw_os_error());
    match enable() {
        Err(error) if is_busy(&error) => empty(parent).and_then(|()| enable()),
        enabled => enabled,
    }
    .map_err(not_delegated(parent))?;
    Ok(missing)
}

/// Moves the gateway, and whatever else is in its group, to one below.
fn empty(group: &Path) -> io::Result<()> {
    // Workers of several pools may start at once: whoever comes second finds the group empty.
    static MOVING: Mutex<()> = Mutex::new(());
    let _moving = MOVING.lock().unwrap_or_else(PoisonError::into_inner);
    let below = group.join(GATEWAY);
    match fs::create_dir(&below) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let mut into = File::options()
        .append(true)
        .create(true)
        .open(below.join("cgroup.procs"))?;
    for _ in 0..LOOKS {
        let inside = fs::read_to_string(group.join("cgroup.procs"))?;
        if inside.is_empty() {
            break;
        }
        for process in inside.lines() {
            match into.write_all(format!("{process}\n").as_bytes()) {
                // It has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {}
                moved => moved?,
            }
        }
    }
    Ok(())
}

/// Removes groups of workers that have ended, and of gateways that were killed. Those with processes stay.
fn sweep(parent: &Path) {
    let own = std::process::id();
    let owner = |name: &str| name.strip_prefix(NAME)?.split_once('-')?.0.parse().ok();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let owner: Option<u32> = entry.file_name().to_str().and_then(owner);
        let is_left =
            |owner: u32| owner == own || !Path::new("/proc").join(owner.to_string()).exists();
        if owner.is_some_and(is_left) {
            // Not empty: it is in use, or soon will not be.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The group that the gateway was started in.
fn own() -> Result<PathBuf, CgroupError> {
    // It may move to another one later.
    static OWN: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let read = |file| fs::read_to_string(file).ok();
        folder(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)
    };
    OWN.get_or_init(find).clone().ok_or(CgroupError::None)
}

/// Where the group of `/proc/PID/cgroup` is, by `/proc/PID/mountinfo` (proc(5)).
fn folder(groups: &str, mounts: &str) -> Option<PathBuf> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (root, point) = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let found = (place.next()?, place.next()?);
        kind.starts_with("cgroup2 ").then_some(found)
    })?;
    let below = Path::new(group).strip_prefix(root).ok()?;
    Some(match below.as_os_str().is_empty() {
        true => PathBuf::from(point),
        false => Path::new(point).join(below),
    })
}

fn not_delegated(path: &Path) -> impl FnOnce(io::Error) -> CgroupError {
    let path = path.to_owned();
    move |error| CgroupError::NotDelegated { path, error }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MOUNTS: &str = "\
25 30 0:23 / /sys rw shared:7 - sysfs sysfs rw
31 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn finds_the_group_of_a_process() {
        let service = "0::/system.slice/isapi-gateway.service\n";
        let expected = "/sys/fs/cgroup/system.slice/isapi-gateway.service";
        assert_eq!(folder(service, MOUNTS), Some(expected.into()));
        assert_eq!(folder("0::/\n", MOUNTS), Some("/sys/fs/cgroup".into()));
        let hybrid = "4:memory:/x\n0::/y\n";
        assert_eq!(folder(hybrid, MOUNTS), Some("/sys/fs/cgroup/y".into()));
        // In a container that sees a part of the tree.
        let part = MOUNTS.replace("0:26 / ", "0:26 /pod ");
        assert_eq!(
            folder("0::/pod/x\n", &part),
            Some("/sys/fs/cgroup/x".into())
        );
        assert_eq!(folder("0::/other\n", &part), None);
        assert_eq!(folder("4:memory:/x\n", MOUNTS), None);
        assert_eq!(
            folder(service, "25 30 0:23 / /sys rw - sysfs sysfs rw\n"),
            None
        );
    }

    /// A folder that looks like a group.
    fn parent(controllers: &str) -> tempfile::TempDir {
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(folder.path().join("cgroup.controllers"), controllers).unwrap();
        fs::write(folder.path().join("cgroup.subtree_control"), "pids\n").unwrap();
        folder
    }

    fn config(parent: &Path) -> config::Cgroup {
        config::Cgroup {
            parent: Some(parent.to_owned()),
            memory: Some(1 << 20),
            processes: Some(50),
            cpu: Some(150_000),
            required: true,
        }
    }

    #[test]
    fn writes_the_limits_and_the_process() {
        let folder = parent("cpuset cpu memory pids\n");
        let (group, lack) = Cgroup::create(&config(folder.path())).unwrap();
        assert!(lack.is_none());
        group.add(rustix::process::getpid()).unwrap();
        group.kill();
        let read = |file: &str| fs::read_to_string(group.0.join(file)).unwrap();
        assert_eq!(read("memory.max"), "1048576");
        assert_eq!(read("pids.max"), "50");
        assert_eq!(read("cpu.max"), "150000 100000");
        assert_eq!(read("cgroup.procs"), std::process::id().to_string());
        assert_eq!(read("cgroup.kill"), "1");
        let enabled = fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(enabled, "+memory +cpu");
        assert_eq!(group.out_of_memory(), 0);
        fs::write(group.0.join("memory.events"), "oom 3\noom_kill 2\n").unwrap();
        assert_eq!(group.out_of_memory(), 2);
    }

    #[test]
    fn everything_in_a_group_moves_to_one_below() {
        let folder = parent("memory");
        let file = folder.path().join("cgroup.procs");
        let moved = || fs::read_to_string(folder.path().join(GATEWAY).join("cgroup.procs"));
        fs::write(&file, "").unwrap();
        empty(folder.path()).unwrap();
        assert_eq!(moved().unwrap(), "");
        // This one stays as full as it was, but not for ever.
        fs::write(&file, "7\n12\n").unwrap();
        empty(folder.path()).unwrap();
        assert!(moved().unwrap().starts_with("7\n12\n7\n12\n"));
    }

    #[test]
    fn tells_what_cannot_be_had() {
        let folder = parent("pids");
        let mut config = config(folder.path());
        let refused = Cgroup::create(&config).err().unwrap().to_string();
        assert!(refused.contains("no controller memory cpu"), "{refused}");
        config.required = false;
        let (group, lack) = Cgroup::create(&config).unwrap();
        assert_eq!(lack.unwrap().to_string(), refused);
        assert!(group.0.join("pids.max").exists());
        assert!(!group.0.join("memory.max").exists());
        config.parent = Some(folder.path().join("gone"));
        let refused = Cgroup::create(&config).err().unwrap().to_string();
        assert!(refused.contains("Delegate=yes"), "{refused}");
    }

    #[test]
    fn groups_of_the_dead_are_removed() {
        let folder = parent("memory pids cpu");
        let names = ["isapi-worker-4194999-0", "isapi-worker-1-0", "other"];
        for name in names {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let group = Cgroup::create(&config(folder.path())).unwrap().0;
        let left = names.map(|name| folder.path().join(name).exists());
        // That of process 1, which lives, is not ours.
        assert_eq!(left, [false, true, true]);
        let own = group.0.clone();
        for file in fs::read_dir(&own).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
        drop(group);
        assert!(!own.exists());
        // One that is not empty goes when it is.
        let group = Cgroup::create(&config(folder.path())).unwrap().0;
        let own = group.0.clone();
        drop(group);
        for file in fs::read_dir(&own).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
        while own.exists() {
            std::thread::yield_now();
        }
    }
}
