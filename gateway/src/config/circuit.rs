//! `[pool.NAME.circuit]`: when the requests that bring workers down are kept from them.

use std::time::Duration;

use super::diagnostic::Findings;
use super::section::Section;
use super::workers::{RapidFail, growing};

/// When the requests of a pattern, which is a method and a path, are answered without a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// So many workers brought down … Default 3; 0, never, where `rapid_fail` has 0 failures.
    pub failures: usize,
    /// … within this time open the circuit. That of `rapid_fail`.
    pub interval: Duration,
    /// It is open for so long the first time. Default 10 s. It doubles with each trial that fails …
    pub delay: Duration,
    /// … up to this. Default 5 min.
    pub max_delay: Duration,
}

impl Circuit {
    /// What holds beside this rapid-fail protection, if nothing is said.
    pub fn beside(rapid_fail: &RapidFail) -> Self {
        Self {
            // Who wants crashes never to turn the pool off does not want it for a part of the requests either.
            failures: if rapid_fail.failures == 0 { 0 } else { 3 },
            interval: rapid_fail.interval,
            delay: Duration::from_secs(10),
            max_delay: Duration::from_secs(5 * 60),
        }
    }
}

/// Reads the table of a pool.
pub fn read(section: &mut Section, rapid_fail: &RapidFail, findings: &mut Findings) -> Circuit {
    let default = Circuit::beside(rapid_fail);
    let Some(mut section) = section.section(findings, "circuit") else {
        return default;
    };
    let usual = (default.failures, default.delay, default.max_delay);
    let (failures, delay, max_delay) = growing(&mut section, findings, usual);
    section.finish(findings);
    Circuit {
        failures,
        delay,
        max_delay,
        ..default
    }
}
