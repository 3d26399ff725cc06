//! Which processors threads run on.

use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};

/// Numbers of processors are below that.
pub const MOST_PROCESSORS: usize = CpuSet::MAX_CPU;

/// A thread of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadId(Pid);

impl ThreadId {
    /// The calling thread.
    pub fn own() -> Self {
        Self(gettid())
    }
}

/// A set of processors.
#[derive(Clone, Debug, Default)]
pub struct Place(CpuSet);

impl Place {
    /// All that the calling thread may use.
    pub fn everywhere() -> Self {
        Self(sched_getaffinity(None).unwrap_or_default())
    }

    /// One alone.
    pub fn at(processor: usize) -> Self {
        let mut set = CpuSet::new();
        if processor < MOST_PROCESSORS {
            set.set(processor);
        }
        Self(set)
    }

    /// Has the thread run on these from now on. Where the system refuses, it runs where it did, which is only slower.
    pub fn take(&self, thread: ThreadId) {
        let _ = sched_setaffinity(Some(thread.0), &self.0);
    }
}
