//! Processes, as /proc shows them.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::PATIENCE;

/// How long a daemon of a test that has failed may take to end.
const LAST_TIME: Duration = Duration::from_secs(10);

/// One process; its start time tells it from a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    started: u64,
}

/// What of a process is in memory, in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Now (VmRSS).
    pub now: u64,
    /// At most so far (VmHWM).
    pub peak: u64,
}

/// A child process that is killed when the test is over.
pub struct Running(pub Child);

/// A child process with processes of its own, which end with it only when it is asked to: it is when the test is over.
pub struct Daemon(pub Running);

impl Process {
    /// The process with this id, if there is one.
    pub fn find(pid: u32) -> Option<Self> {
        Stat::read(pid).map(|stat| stat.process)
    }

    /// All processes below this one.
    pub fn descendants(pid: u32) -> BTreeSet<Self> {
        let all: Vec<Stat> = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .filter_map(Stat::read)
            .collect();
        let mut parents = vec![pid];
        let mut found = BTreeSet::new();
        while let Some(parent) = parents.pop() {
            for stat in all.iter().filter(|stat| stat.parent == parent) {
                found.insert(stat.process);
                parents.push(stat.process.pid);
            }
        }
        found
    }

    /// Whether it still runs; a zombie does not.
    pub fn is_alive(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.process == self && !stat.is_zombie)
    }

    /// Waits for its end.
    pub fn wait_gone(self) {
        wait_until(&format!("process {} ends", self.pid), || !self.is_alive());
    }
}

/// Memory of a process.
pub fn memory(pid: u32) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.unwrap().split_whitespace().next();
        number.unwrap().parse().unwrap()
    };
    Memory {
        now: field("VmRSS:"),
        peak: field("VmHWM:"),
    }
}

/// Processes whose command line names this folder, as Unix or as Wine writes it.
pub fn mentioning(folder: &std::path::Path) -> Vec<u32> {
    let name = folder.to_str().unwrap();
    let names = |pid: u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line)
            .replace('\\', "/")
            .contains(name)
    };
    let all = std::fs::read_dir("/proc").unwrap();
    let pids = all.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid| names(*pid)).collect()
}

/// Sends a signal.
pub fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Sends a signal to all processes of a group.
pub fn send_group(leader: u32, signal: Signal) {
    let leader = Pid::from_raw(i32::try_from(leader).unwrap()).unwrap();
    kill_process_group(leader, signal).unwrap();
}

/// Waits for something that only asking can tell.
pub fn wait_until(what: &str, is_so: impl FnMut() -> bool) {
    wait_within(PATIENCE, what, is_so);
}

fn wait_within(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Running {
    /// Waits for its end.
    pub fn wait_end(&mut self) -> ExitStatus {
        self.wait_end_within(PATIENCE)
    }

    /// Waits for its end for so long.
    pub fn wait_end_within(&mut self, limit: Duration) -> ExitStatus {
        let mut status = None;
        wait_within(limit, &format!("process {} ends", self.0.id()), || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Daemon {
    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) {
        send(self.0.id(), Signal::TERM);
        self.0.wait_end();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        send(self.0.id(), Signal::TERM);
        let deadline = Instant::now() + LAST_TIME;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Stat {
    process: Process,
    parent: u32,
    is_zombie: bool,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        let text = String::from_utf8_lossy(&text);
        // The name before it may hold anything, also parentheses.
        let (_, fields) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        Some(Self {
            process: Process {
                pid,
                started: fields.get(19)?.parse().ok()?,
            },
            parent: fields.get(1)?.parse().ok()?,
            is_zombie: matches!(*fields.first()?, "Z" | "X"),
        })
    }
}
