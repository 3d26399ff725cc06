//! What programs get of the gateway's own environment.

use std::ffi::{OsStr, OsString};

use crate::os::ESSENTIAL_VARIABLES;

/// The variables without which no program runs.
pub fn essential() -> impl Iterator<Item = (OsString, OsString)> {
    let known = ESSENTIAL_VARIABLES.iter();
    known.filter_map(|name| Some(((*name).into(), std::env::var_os(name)?)))
}

fn is_essential(name: &OsStr) -> bool {
    let mut essential = ESSENTIAL_VARIABLES.iter();
    essential.any(|essential| name.eq_ignore_ascii_case(essential))
}

/// The few variables that every program needs: none that may hold a secret.
pub fn inherited() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| is_inherited(name))
}

fn is_inherited(name: &OsStr) -> bool {
    let is_general = name.to_str().is_some_and(|name| {
        matches!(name, "PATH" | "HOME" | "LANG" | "TZ" | "TMPDIR") || name.starts_with("LC_")
    });
    is_general || is_essential(name)
}
