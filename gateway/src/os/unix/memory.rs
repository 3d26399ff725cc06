//! How much memory processes have for themselves.

use std::collections::HashMap;

/// Private bytes of groups of processes, named by their leaders (IIS privateMemory): what a process shares with no file
/// and no other process, swapped out or not. Memory that it has reserved and never touched does not count, as it does on
/// Windows. Groups that have gone have none.
pub fn private_memory(groups: &[u32]) -> Vec<u64> {
    let mut sums: HashMap<u32, u64> = groups.iter().map(|group| (*group, 0)).collect();
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
        let group = read("stat").and_then(|stat| group_of(&stat));
        if let Some(sum) = group.and_then(|group| sums.get_mut(&group)) {
            let private = read("status").and_then(|status| private_of(&status));
            *sum = sum.saturating_add(private.unwrap_or(0));
        }
    }
    groups.iter().map(|group| sums[group]).collect()
}

/// The process group in `/proc/PID/stat`: `PID (NAME) STATE PARENT GROUP …`. The name may hold anything.
fn group_of(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(2)?.parse().ok()
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

    use super::*;

    #[test]
    fn counts_what_is_touched_in_the_whole_group() {
        let group = rustix::process::getpgrp()
            .as_raw_nonzero()
            .get()
            .cast_unsigned();
        let before = private_memory(&[group, u32::MAX]);
        let memory = vec![1_u8; 64 << 20];
        let after = private_memory(&[group, u32::MAX]);
        drop(std::hint::black_box(memory));
        assert!(after[0] > before[0] + (32 << 20), "{before:?} {after:?}");
        assert_eq!(after[1], 0);
    }

    #[test]
    fn reads_what_the_system_tells() {
        assert_eq!(group_of("12 (a) (b)) S 1 34 56 0"), Some(34));
        assert_eq!(group_of("12"), None);
        let status = "Name:\tx\nRssAnon:\t    100 kB\nRssFile:\t 7 kB\nVmSwap:\t   20 kB\n";
        assert_eq!(private_of(status), Some(120 * 1024));
        assert_eq!(private_of("Name:\tx\nState:\tZ (zombie)\n"), None);
    }
}
