//! Which processors threads run on, and when.

use std::io;

use rustix::process::getpriority_process;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityOsValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};

/// The processors that the calling thread may use, by their numbers. None where the system does not tell.
pub fn processors() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else {
        return Vec::new();
    };
    let numbers = 0..CpuSet::MAX_CPU;
    numbers.filter(|number| set.is_set(*number)).collect()
}

/// Has the calling thread, and whatever it will start, run on these processors alone.
///
/// # Errors
/// When there is none of them that it may use.
pub fn bind(processors: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for number in processors {
        set.set(*number);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Whether the calling thread runs under the policy and with the niceness that programs have unless somebody says otherwise.
pub fn runs_as_usual() -> bool {
    thread_schedule_policy().is_ok_and(|policy| policy == policy_of(false))
        && getpriority_process(None).is_ok_and(|niceness| niceness == 0)
}

/// Has the calling thread, which [`runs_as_usual`] or did, run in batches, or as usual again: when it is woken, it waits until what
/// runs on its processor waits, or has used its time. Whatever it will start runs likewise.
///
/// # Errors
/// When the system does not let it.
pub fn run_in_batches(yes: bool) -> io::Result<()> {
    let usual_niceness = ThreadPriority::Os(ThreadPriorityOsValue::default());
    set_thread_priority_and_policy(thread_native_id(), usual_niceness, policy_of(yes))
        .map_err(io::Error::other)
}

fn policy_of(in_batches: bool) -> ThreadSchedulePolicy {
    ThreadSchedulePolicy::Normal(match in_batches {
        true => NormalThreadSchedulePolicy::Batch,
        false => NormalThreadSchedulePolicy::Other,
    })
}
