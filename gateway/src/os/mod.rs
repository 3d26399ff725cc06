//! What differs between systems: groups of processes, connections to workers, stop signals, links, programs.
//!
//! Each system has a file of its own with the same functions and types.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;
