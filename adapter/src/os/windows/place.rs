//! Which processors threads run on: that is left to the system here.

/// Numbers of processors are below that.
pub const MOST_PROCESSORS: usize = 1024;

/// A thread of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadId;

impl ThreadId {
    /// The calling thread.
    pub fn own() -> Self {
        Self
    }
}

/// A set of processors.
#[derive(Clone, Debug, Default)]
pub struct Place;

impl Place {
    /// All that there are.
    pub fn everywhere() -> Self {
        Self
    }

    /// One alone.
    pub fn at(_: usize) -> Self {
        Self
    }

    /// Has the thread run on these: not here.
    pub fn take(&self, _: ThreadId) {}
}
