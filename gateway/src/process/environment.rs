//! What programs get of the gateway's own environment.

use std::ffi::{OsStr, OsString};

/// The few variables that every program needs: none that may hold a secret.
pub fn inherited() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| is_inherited(name))
}

fn is_inherited(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        matches!(name, "PATH" | "HOME" | "LANG" | "TZ" | "TMPDIR") || name.starts_with("LC_")
    })
}
