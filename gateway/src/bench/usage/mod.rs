//! What the servers cost, as the kernel tells.
//!
//! The benchmark adopts every process whose parent ends (as a "child subreaper"), so all servers are below it in the
//! tree of processes. Their processor time is that of a control group, where there may be one; otherwise what /proc says
//! of the tree: there a process that has ended counts in the figures of the parent that waited for it, if one did.

mod group;

use std::collections::BTreeMap;
use std::time::Duration;

pub use group::Group;
use rustix::time::{ClockId, clock_gettime};

/// Everything that is counted, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Processor time of all processes below this one.
    pub servers: Duration,
    /// Processor time of this process: the load generator.
    pub generator: Duration,
    /// Resident memory of all processes below this one, KiB. Pages of files that they share, such as libraries, count in each,
    /// memory that they share counts once: as much of it as one of them has.
    pub memory: u64,
    /// What they have caused to be written to files, bytes; that of processes that have ended is forgotten.
    pub written: u64,
    /// Context switches of the whole machine since it started.
    pub switches: u64,
    /// Processes and threads started on the whole machine since it started.
    pub forks: u64,
}

/// One process in /proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    pid: u32,
    parent: u32,
    session: u32,
    /// Its own processor time and that of children it has waited for, clock ticks.
    ticks: u64,
    /// Resident pages.
    pages: u64,
}

impl Reading {
    /// Reads all figures.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn take(group: Option<&Group>) -> std::io::Result<Self> {
        let generator = own_time();
        let used = group.and_then(Group::used);
        let below = descendants(&processes()?, std::process::id());
        let time = |ticks: u64| {
            Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
        };
        let pages: u64 = below.iter().map(|stat| stat.pages).sum();
        let resident = pages * rustix::param::page_size() as u64 / 1024;
        let shared = below.iter().map(|stat| shared(stat.pid));
        let (all, most) = shared.fold((0, 0), |(all, most), one| (all + one, most.max(one)));
        let (switches, forks) = machine(&std::fs::read_to_string("/proc/stat")?);
        Ok(Self {
            servers: match used {
                // The group holds this process, too.
                Some(used) => used.saturating_sub(generator),
                None => time(below.iter().map(|stat| stat.ticks).sum()),
            },
            generator,
            memory: resident.saturating_sub(all - most),
            written: below.iter().map(|stat| written(stat.pid)).sum(),
            switches,
            forks,
        })
    }
}

/// Resident memory of a process that it shares with others, KiB, pages of files apart; 0 of one that has ended.
fn shared(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("RssShmem:"));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

/// What a process has caused to be written to storage, bytes; 0 of one that has ended or is another user's.
fn written(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    number(&text, "write_bytes: ")
}

/// Processor time of this process.
fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Ids of the processes below this one that have not left its session. Those that have are not the benchmark's to end:
/// Wine's server and the services of Windows serve every gateway that uses the same prefix, and end by themselves after the
/// last of them.
///
/// # Errors
/// When /proc cannot be read.
pub fn undetached_ids() -> std::io::Result<Vec<u32>> {
    let all = processes()?;
    let own = std::process::id();
    let session = all.get(&own).map(|stat| stat.session);
    let below = descendants(&all, own).into_iter();
    let undetached = below.filter(|stat| Some(stat.session) == session);
    Ok(undetached.map(|stat| stat.pid).collect())
}

fn processes() -> std::io::Result<BTreeMap<u32, Stat>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that has ended meanwhile is no error.
        if let Ok(text) = std::fs::read(format!("/proc/{pid}/stat"))
            && let Some(stat) = Stat::parse(pid, &String::from_utf8_lossy(&text))
        {
            found.insert(pid, stat);
        }
    }
    Ok(found)
}

impl Stat {
    /// Reads a line of /proc/PID/stat (proc(5)).
    fn parse(pid: u32, text: &str) -> Option<Self> {
        // The name in parentheses may itself hold anything.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // `fields[0]` is field 3 of the manual.
        let field = |number: usize| fields.get(number - 3)?.parse::<i64>().ok();
        let ticks = (14..=17).map(field).sum::<Option<i64>>()?;
        Some(Self {
            pid,
            parent: u32::try_from(field(4)?).ok()?,
            session: u32::try_from(field(6)?).ok()?,
            ticks: u64::try_from(ticks).ok()?,
            pages: u64::try_from(field(24)?).ok()?,
        })
    }
}

fn descendants(all: &BTreeMap<u32, Stat>, root: u32) -> Vec<Stat> {
    let is_below = |stat: &&Stat| {
        let mut parent = stat.parent;
        // Bounded, since /proc is not read in one moment and might show a circle.
        for _ in 0..all.len() {
            if parent == root {
                return true;
            }
            match all.get(&parent) {
                Some(next) => parent = next.parent,
                None => return false,
            }
        }
        false
    };
    all.values().filter(is_below).copied().collect()
}

/// Context switches and forks from /proc/stat.
fn machine(text: &str) -> (u64, u64) {
    (number(text, "ctxt "), number(text, "processes "))
}

/// The number after a word at the beginning of a line.
fn number(text: &str, word: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    fn line(parent: u32, ticks: [u64; 4], pages: u64) -> String {
        let [user, system, children_user, children_system] = ticks;
        format!(
            "7 (a) b) c) S {parent} 7 6 0 -1 4 1 2 3 4 {user} {system} {children_user} {children_system} 20 0 1 0 99 1000 {pages} 1 1"
        )
    }

    #[test]
    fn a_line_is_read_whatever_the_name() {
        let stat = Stat::parse(7, &line(3, [10, 20, 30, 40], 55)).unwrap();
        assert_eq!((stat.parent, stat.session), (3, 6));
        assert_eq!((stat.ticks, stat.pages), (100, 55));
        assert_eq!(Stat::parse(7, "7 (x) S 1"), None);
    }

    #[test]
    fn shared_memory_is_told_from_other() {
        let (memory, _) = shared_buffers::Memory::create(1).unwrap();
        assert!(memory.writer.fill(0, 0, [&[1; shared_buffers::SIZE], &[]]));
        assert!(shared(std::process::id()) >= 64);
    }

    #[test]
    fn all_below_are_found_and_nobody_else() {
        let stat = |pid, parent| Stat {
            pid,
            parent,
            session: 1,
            ticks: 1,
            pages: 1,
        };
        let tree = [
            stat(2, 1),
            stat(3, 2),
            stat(4, 3),
            stat(5, 1),
            stat(8, 9),
            stat(9, 8),
        ];
        let all = tree.into_iter().map(|stat| (stat.pid, stat)).collect();
        let found: Vec<u32> = descendants(&all, 2).iter().map(|stat| stat.pid).collect();
        assert_eq!(found, [3, 4]);
    }

    #[test]
    fn the_machine_tells_switches_and_forks() {
        assert_eq!(
            machine("cpu 1 2\nctxt 123\nbtime 5\nprocesses 45\n"),
            (123, 45)
        );
    }

    #[test]
    fn who_has_left_the_session_is_not_to_be_ended() {
        let start = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::piped());
            command.stdout(Stdio::piped()).spawn().unwrap()
        };
        let mut near = start("cat", &[]);
        let mut detached = start("setsid", &["sh", "-c", "echo done; read end"]);
        let mut line = String::new();
        let mut out = BufReader::new(detached.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let undetached = undetached_ids().unwrap();
        assert!(undetached.contains(&near.id()));
        assert!(!undetached.contains(&detached.id()));
        for child in [&mut near, &mut detached] {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    #[test]
    fn what_a_child_has_used_is_seen_after_its_end() {
        let shell = "(i=0; while [ $i -lt 99999 ]; do i=$((i+1)); done); echo done; read end";
        let mut child = Command::new("sh")
            .args(["-c", shell])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The inner shell has ended by now, and the outer one has waited for it.
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
        assert!(processes().unwrap()[&child.id()].ticks > 0);
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
