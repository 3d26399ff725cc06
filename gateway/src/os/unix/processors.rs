//! Which processors threads run on.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

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
