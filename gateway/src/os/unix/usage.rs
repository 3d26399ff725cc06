//! What processes take of the machine.

use std::collections::HashMap;
use std::time::Duration;

use crate::os::Usage;

/// What groups of processes, named by their leaders, take. Memory is what a process shares with no file and no other
/// process, swapped out or not (IIS privateMemory); what it has reserved and never touched does not count, as it does on
/// Windows. Time is also that of processes that have been waited for. Groups that have gone have none.
pub fn usage(groups: &[u32]) -> Vec<Usage> {
    if groups.is_empty() {
        return Vec::new();
    }
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let mut sums: HashMap<u32, Usage> = groups
        .iter()
        .map(|group| (*group, Usage::default()))
        .collect();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let folder = process.path();
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
        let is_process = process
            .file_name()
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if !is_process {
            continue;
        }
        let Some((group, time)) = read("stat").and_then(|stat| group_and_time(&stat)) else {
            continue;
        };
        if let Some(sum) = sums.get_mut(&group) {
            let private = read("status").and_then(|status| private_of(&status));
            sum.memory = sum.memory.saturating_add(private.unwrap_or(0));
            // To the millisecond: ticks are a hundredth of a second.
            let millis = time.saturating_mul(1000) / ticks;
            sum.cpu = sum.cpu.saturating_add(Duration::from_millis(millis));
        }
    }
    groups.iter().map(|group| sums[group]).collect()
}

/// The process group in `/proc/PID/stat`, and the ticks on processors: its own and those of children that it has waited
/// for (proc(5)): `PID (NAME) STATE PARENT GROUP …`. The name may hold anything.
fn group_and_time(stat: &str) -> Option<(u32, u64)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let group = fields.get(2)?.parse().ok()?;
    let times = fields.get(11..15)?.iter();
    let ticks = times.map(|ticks| ticks.parse::<u64>().unwrap_or(0)).sum();
    Some((group, ticks))
}

/// From `/proc/PID/status` (proc(5)).
fn private_of(status: &str) -> Option<u64> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        kilobytes.checked_mul(1024)
    };
    field("RssAnon:")?.checked_add(field("VmSwap:").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, Signal, kill_process_group};

    use super::*;

    #[test]
    fn counts_what_is_touched_in_the_whole_group() {
        // The last one holds everything, and waits for who reads it.
        let mut leader = Command::new("sh")
            .args(["-c", "head -c 67108864 /dev/zero | tail -c 67108864"])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = leader.stdout.as_mut().unwrap();
        output.read_exact(&mut [0]).unwrap();
        let found = usage(&[leader.id(), u32::MAX]);
        let group = Pid::from_raw(leader.id().cast_signed()).unwrap();
        kill_process_group(group, Signal::KILL).unwrap();
        leader.wait().unwrap();
        assert!(found[0].memory > 64 << 20, "{found:?}");
        assert_eq!(found[1], Usage::default());
    }

    #[test]
    fn reads_what_the_system_tells() {
        let stat = "12 (a) (b)) S 1 34 56 0 -1 4194560 1 2 3 4 100 20 3 0 20 0";
        assert_eq!(group_and_time(stat), Some((34, 123)));
        assert_eq!(group_and_time("12 (a) S 1 34"), None);
        assert_eq!(group_and_time("12"), None);
        let status = "Name:\tx\nRssAnon:\t    100 kB\nRssFile:\t 7 kB\nVmSwap:\t   20 kB\n";
        assert_eq!(private_of(status), Some(120 * 1024));
        assert_eq!(private_of("Name:\tx\nState:\tZ (zombie)\n"), None);
    }
}
