//! Files that the gateway keeps for itself.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::is_root;

/// Where the gateway keeps what outlives it: `isapi-gateway` below `$XDG_STATE_HOME`, for root `/var/lib`, else
/// `~/.local/state`. `None` for a user without a home.
pub fn state_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let folder = PathBuf::from(std::env::var_os(name)?);
        folder.is_absolute().then_some(folder)
    };
    let state = match absolute("XDG_STATE_HOME") {
        Some(state) => state,
        None if is_root() => PathBuf::from("/var/lib"),
        None => absolute("HOME")?.join(".local/state"),
    };
    Some(state.join("isapi-gateway"))
}

/// Makes a folder, with those above it, that its user alone may look into. One that is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a new file that its user alone may read.
///
/// # Errors
/// When it cannot be made, or is there.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// What the system calls core files, or the program that it gives them to (core(5)).
pub fn core_pattern() -> Option<String> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").ok()?;
    Some(pattern.trim_end().to_owned())
}
