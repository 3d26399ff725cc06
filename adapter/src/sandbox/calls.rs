//! Which system calls a process may use (seccomp(2)): all but those that no extension has use for, as they administer the
//! machine, reach into other processes, or make other name spaces. Extensions and their libraries are not ours, so a list
//! of what is allowed would be wrong for one of them.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{self, Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::{Network, Profile};

/// Refused with EPERM, whatever the profile says.
const REFUSED: &[c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // File systems and name spaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_unshare,
    libc::SYS_setns,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // Doors into the kernel that were open too wide too often. What io_uring does no filter sees.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
];

/// The same number on every machine; `libc` does not know it yet.
const OPEN_TREE_ATTR: c_long = 467;

/// Those that only one machine has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

const STARTS_PROGRAMS: [c_long; 2] = [libc::SYS_execve, libc::SYS_execveat];

/// Calls about the process that the first argument names. 0 is the caller, as which C libraries ask; other processes of
/// the same user would be in reach, too.
const ABOUT_A_PROCESS: [c_long; 3] = [
    libc::SYS_prlimit64,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
];

/// Calls for one process or thread, for a process group or for all of a user, and the first argument for the latter two.
const ABOUT_MANY: [(c_long, u32, u32); 2] = [
    (libc::SYS_setpriority, libc::PRIO_PGRP, libc::PRIO_USER),
    // IOPRIO_WHO_PGRP and IOPRIO_WHO_USER, which `libc` does not know.
    (libc::SYS_ioprio_set, 2, 3),
];

/// `personality` with this value only asks.
const ASK: u32 = 0xffff_ffff;

/// Why system calls cannot be refused.
#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    /// There is no filter for this machine.
    #[error("seccomp: {0}")]
    Filter(#[from] BackendError),
    /// The system does not take it.
    #[error("seccomp: {0}")]
    Refused(#[from] seccompiler::Error),
}

/// System calls, and with which arguments; none: with any.
type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Binds all threads of this process.
pub fn restrict(profile: &Profile) -> Result<(), CallsError> {
    // Its arguments lie in memory where a filter does not see them. Who is told that there is no such call takes the
    // older one, whose can be seen.
    let hidden = Rules::from([(libc::SYS_clone3, Vec::new())]);
    for (rules, error) in [(hidden, libc::ENOSYS), (refused(profile)?, libc::EPERM)] {
        let program = compile(rules, error)?;
        seccompiler::apply_filter_all_threads(&program)?;
    }
    Ok(())
}

fn refused(profile: &Profile) -> Result<Rules, BackendError> {
    let mut rules = Rules::new();
    let plain = REFUSED.iter().chain(REFUSED_HERE).copied();
    rules.extend(plain.map(|call| (call, Vec::new())));
    if profile.execute.is_empty() {
        rules.extend(STARTS_PROGRAMS.map(|call| (call, Vec::new())));
    }
    rules.insert(libc::SYS_clone, new_name_spaces()?);
    let other = [(0, Ne, 0), (0, Ne, ASK)];
    rules.insert(libc::SYS_personality, vec![all(&other)?]);
    for call in ABOUT_A_PROCESS {
        rules.insert(call, vec![all(&[(0, Ne, 0)])?]);
    }
    for (call, group, user) in ABOUT_MANY {
        let other_group = all(&[(0, Eq, group), (1, Ne, 0)])?;
        rules.insert(call, vec![other_group, all(&[(0, Eq, user)])?]);
    }
    rules.insert(libc::SYS_socket, sockets(profile.network)?);
    if profile.network != Network::All {
        rules.insert(libc::SYS_listen, Vec::new());
    }
    Ok(rules)
}

/// `clone` with any of the flags that make a name space.
fn new_name_spaces() -> Result<Vec<SeccompRule>, BackendError> {
    let flags = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    let rule = |flag: libc::c_int| {
        let flag = flag.cast_unsigned();
        all(&[(0, MaskedEq(u64::from(flag)), flag)])
    };
    flags.into_iter().map(rule).collect()
}

/// `socket` for other families, and for raw sockets of those that have them.
fn sockets(network: Network) -> Result<Vec<SeccompRule>, BackendError> {
    /// What the kernel takes for a raw socket for the sake of the oldest programs.
    const PACKET: libc::c_int = 10;
    /// The type without its flags.
    const TYPE: SeccompCmpOp = MaskedEq(0xf);
    let number = libc::c_int::cast_unsigned;
    let internet: &[libc::c_int] = match network {
        Network::All | Network::Connect => &[libc::AF_INET, libc::AF_INET6],
        Network::None => &[],
    };
    let families = [libc::AF_UNIX, libc::AF_NETLINK];
    let families = families.iter().chain(internet);
    let other: Vec<_> = families.map(|family| (0, Ne, number(*family))).collect();
    let mut rules = vec![all(&other)?];
    for family in internet {
        for raw in [libc::SOCK_RAW, PACKET] {
            rules.push(all(&[(0, Eq, number(*family)), (1, TYPE, number(raw))])?);
        }
    }
    Ok(rules)
}

/// Fits when each of these arguments, by their numbers, fits.
fn all(arguments: &[(u8, SeccompCmpOp, u32)]) -> Result<SeccompRule, BackendError> {
    let condition = |(argument, operator, value): &(u8, SeccompCmpOp, u32)| {
        SeccompCondition::new(*argument, Dword, operator.clone(), u64::from(*value))
    };
    SeccompRule::new(arguments.iter().map(condition).collect::<Result<_, _>>()?)
}

fn compile(mut rules: Rules, error: libc::c_int) -> Result<BpfProgram, BackendError> {
    if cfg!(target_arch = "x86_64") {
        /// Marks the same calls in the way of the x32 programs, which some kernels take from all.
        const X32: c_long = 0x4000_0000;
        let again = rules
            .iter()
            .map(|(call, rules)| (call | X32, rules.clone()));
        let again: Rules = again.collect();
        rules.extend(again);
    }
    let refuse = SeccompAction::Errno(error.cast_unsigned());
    let machine = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, machine)?.try_into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_profile_makes_a_filter_that_the_system_takes() {
        for network in [Network::All, Network::Connect, Network::None] {
            for execute in [vec![], vec!["/bin/sh".into()]] {
                let profile = Profile {
                    network,
                    execute,
                    ..Profile::default()
                };
                let program = compile(refused(&profile).unwrap(), libc::EPERM).unwrap();
                // BPF_MAXINSNS
                assert!((100..4096).contains(&program.len()), "{}", program.len());
            }
        }
    }

    #[test]
    fn the_profile_chooses_the_calls() {
        let calls = |profile: Profile| refused(&profile).unwrap();
        let strict = calls(Profile::default());
        for call in [libc::SYS_execve, libc::SYS_listen, libc::SYS_ptrace] {
            assert_eq!(strict.get(&call), Some(&Vec::new()), "{call}");
        }
        let loose = calls(Profile {
            network: Network::All,
            execute: vec!["/bin/sh".into()],
            ..Profile::default()
        });
        assert!(!loose.contains_key(&libc::SYS_execve));
        assert!(!loose.contains_key(&libc::SYS_listen));
        for call in [libc::SYS_mount, libc::SYS_prlimit64, libc::SYS_ioprio_set] {
            assert!(loose.contains_key(&call), "{call}");
        }
    }
}
