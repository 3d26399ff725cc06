//! What outlives the gateway.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Where the gateway keeps what outlives it: `isapi-gateway` below `%LOCALAPPDATA%`, or `%ProgramData%` for a user without.
pub fn state_folder() -> Option<PathBuf> {
    let folder = ["LOCALAPPDATA", "ProgramData"]
        .iter()
        .find_map(std::env::var_os)?;
    let folder = PathBuf::from(folder).join("isapi-gateway");
    folder.is_absolute().then_some(folder)
}

/// Makes a folder with those above it; who may look into it is inherited.
///
/// # Errors
/// When it cannot be made.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Makes a new file; who may read it is inherited.
///
/// # Errors
/// When it cannot be made, or is there.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    File::create_new(path)
}

/// Windows has no core files.
pub fn core_pattern() -> Option<String> {
    None
}
