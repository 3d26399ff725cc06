//! What the extension's process may do besides computing: a profile for an extension that reads its own folder and talks
//! to the network. Landlock says which files it may use, seccomp which system calls.
//!
//! The worker binds itself, before it loads the extension and has a second thread: so every thread and every process
//! that comes later is bound, too, and neither can get out again.

mod calls;
mod files;

use std::path::{Path, PathBuf};

use crate::log;

pub use calls::CallsError;
pub use files::FilesError;

/// What an extension gets beyond what every one needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Files and folders that it may read.
    pub read: Vec<PathBuf>,
    /// Files and folders that it may read and change.
    pub write: Vec<PathBuf>,
    /// Programs, and folders of programs, that it may start; they are bound as it is. Empty: none.
    pub execute: Vec<PathBuf>,
    /// How it may use the network.
    pub network: Network,
    /// Whether it may not run at all where the system cannot keep all of this.
    pub required: bool,
}

/// How an extension may use the network. Whatever is chosen, it gets no sockets of other kinds than Unix, IPv4, IPv6 and
/// netlink, and no raw ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// It may also wait for connections.
    All,
    /// It may connect.
    #[default]
    Connect,
    /// Unix sockets alone.
    None,
}

impl Network {
    /// By its name on the command line.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "connect" => Some(Self::Connect),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// Why an extension cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Its files.
    #[error("the sandbox cannot be made: {0}")]
    Files(#[from] FilesError),
    /// Its system calls.
    #[error("the sandbox cannot be made: {0}")]
    Calls(#[from] CallsError),
    /// The system does not have all that the profile needs, and all is required.
    #[error("the sandbox is required, but {0}")]
    Incomplete(&'static str),
}

/// Binds this process. What the system cannot keep is told on standard error.
///
/// # Errors
/// When a path of the profile is missing, the system refuses what it has, or does not have all that is required.
pub fn enter(profile: &Profile, extension: &Path) -> Result<(), SandboxError> {
    let incomplete = files::restrict(profile, extension)?;
    if let Some(what) = incomplete {
        if profile.required {
            return Err(SandboxError::Incomplete(what));
        }
        log::line(format_args!("the sandbox is not whole: {what}"));
    }
    Ok(calls::restrict(profile)?)
}
