//! `[pool.NAME.cgroup]`: what a worker may have together with everything that it starts (cgroups(7), version 2).

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::diagnostic::{Findings, Wrong};
use super::parse::path;
use super::section::Section;
use super::value;

/// The key of `[pool.NAME]` that is read here.
pub const KEY: &str = "cgroup";

/// The period of `cpu.max`, µs: the kernel's own.
pub const CPU_PERIOD: u32 = 100_000;

/// A control group for each worker, and its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// The group below which those of workers are made. Default: the gateway's own.
    pub parent: Option<PathBuf>,
    /// Memory, bytes (`memory.max`).
    pub memory: Option<u64>,
    /// Processes and threads (`pids.max`).
    pub processes: Option<u64>,
    /// Time on processors, µs in each [`CPU_PERIOD`] (`cpu.max`).
    pub cpu: Option<u32>,
    /// Whether workers do not start where the system does not give all of this. Default false: a warning.
    pub required: bool,
}

/// Reads the table. `None`: workers are in the gateway's own group.
pub fn read(section: &mut Section, folder: &Path, findings: &mut Findings) -> Option<Cgroup> {
    let mut section = section.section(findings, KEY)?;
    let count = |value: &DeValue| value::integer(value, &(16..=1_048_576));
    let cgroup = Cgroup {
        parent: section.get(findings, "parent", |value| path(value, folder)),
        memory: section.get(findings, "memory", value::bytes),
        processes: section
            .get(findings, "processes", count)
            .map(|count| count as u64),
        cpu: section.get(findings, "cpu", processors),
        required: section
            .get(findings, "required", value::boolean)
            .unwrap_or(false),
    };
    section.finish(findings);
    Some(cgroup)
}

/// A number of processors, in hundredths at least, as its share of a period.
fn processors(value: &DeValue) -> Result<u32, Wrong> {
    let text = match value {
        DeValue::Integer(number) => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        other => return Err(value::wrong_type("a number of processors", other)),
    };
    let processors: Option<f64> = text.parse().ok();
    match processors {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked"
        )]
        Some(number @ 0.01..=1024.0) => Ok((number * f64::from(CPU_PERIOD)) as u32),
        _ => Err(Wrong::new(format!(
            "{text} is not a number of processors from 0.01 to 1024"
        ))),
    }
}
