//! `[crash]`: what is kept of workers that have died.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::{Findings, Wrong};
use super::section::Section;
use super::{parse, value};
use crate::os;

/// Bytes that the reports of a pool may take.
const SIZES: RangeInclusive<u64> = 64 * 1024..=1024 * 1024 * 1024;

/// `[crash]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Where the reports go. Default: `crash` in the gateway's [state folder](os::state_folder).
    pub folder: Option<PathBuf>,
    /// Reports of each pool that are kept; 0: none is written. Default 20.
    pub keep: usize,
    /// Bytes that those of a pool may take, the newest alone excepted. Default 4 MiB.
    pub size: u64,
    /// A program and its arguments, run with the path of each new report behind them. Default: none.
    pub hook: Vec<String>,
    /// How long it may run. Default 30 s.
    pub hook_timeout: Duration,
}

impl Default for Crash {
    fn default() -> Self {
        Self {
            folder: None,
            keep: 20,
            size: 4 * 1024 * 1024,
            hook: Vec::new(),
            hook_timeout: Duration::from_secs(30),
        }
    }
}

impl Crash {
    /// Where the reports go; `None` when there is no place for them.
    pub fn folder(&self) -> Option<PathBuf> {
        match &self.folder {
            Some(folder) => Some(folder.clone()),
            None => Some(os::state_folder()?.join("crash")),
        }
    }
}

/// Reads the table; relative paths start from `folder`.
pub fn read(root: &mut Section, folder: &Path, findings: &mut Findings) -> Crash {
    let default = Crash::default();
    let Some(mut section) = root.section(findings, "crash") else {
        return default;
    };
    let crash = Crash {
        folder: section.get(findings, "folder", |value| parse::path(value, folder)),
        keep: section
            .get(findings, "keep", |value| {
                value::integer(value, &(0..=10_000))
            })
            .unwrap_or(default.keep),
        size: section
            .get(findings, "size", |value| value::bytes_within(value, &SIZES))
            .unwrap_or(default.size),
        hook: hook(&mut section, folder, findings),
        hook_timeout: section
            .get(findings, "hook_timeout", |value| {
                value::duration(value, &parse::FROM_A_MOMENT)
            })
            .unwrap_or(default.hook_timeout),
    };
    section.finish(findings);
    crash
}

/// The program is a path, or a name that is looked for in PATH.
fn hook(section: &mut Section, folder: &Path, findings: &mut Findings) -> Vec<String> {
    let given = section.some_of(findings, "hook", value::text);
    let mut hook = given.unwrap_or_default();
    if let Some(program) = hook.first_mut().filter(|program| program.contains('/')) {
        let path = parse::from_folder(Path::new(program), folder);
        *program = path.to_string_lossy().into_owned();
    }
    if section.has("hook_timeout") && !section.has("hook") {
        let wrong =
            Wrong::with_remedy("`hook_timeout` has no meaning without `hook`", "add `hook`");
        findings.error_at(section.key_place("hook_timeout"), wrong);
    }
    hook
}
