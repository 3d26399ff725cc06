//! `[access_log]`: one line for each request, for log analysers.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;

use super::diagnostic::{Findings, Wrong};
use super::section::Section;
use super::{parse, value};

/// Bytes that may wait to be written.
const BUFFERS: RangeInclusive<u64> = 64 * 1024..=1024 * 1024 * 1024;

/// How long lines may wait to be written together.
const INTERVALS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);

/// `[access_log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// The file, which is appended to.
    pub file: PathBuf,
    /// What a line looks like. Default: W3C.
    pub format: LogFormat,
    /// Most bytes that wait to be written; lines beyond are dropped and counted. Default 1 MiB.
    pub buffer: usize,
    /// How long a line may wait for others, to be written with them. Default 1 s.
    pub flush_interval: Duration,
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// The W3C's extended log file format with IIS's fields.
    #[default]
    W3c,
    /// Apache's and nginx's combined format.
    Combined,
    /// A JSON object.
    Json,
}

impl LogFormat {
    fn named(name: &str) -> Option<Self> {
        match name {
            "w3c" => Some(Self::W3c),
            "combined" => Some(Self::Combined),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Reads the table; a relative path starts from `folder`.
pub fn read(root: &mut Section, folder: &Path, findings: &mut Findings) -> Option<AccessLog> {
    let mut section = root.section(findings, "access_log")?;
    let file = section.require(findings, "file", |value| parse::path(value, folder));
    let format = section.get(findings, "format", format);
    let buffer = section.get(findings, "buffer", |value| {
        value::bytes_within(value, &BUFFERS)
    });
    let flush_interval = section.get(findings, "flush_interval", |value| {
        value::duration(value, &INTERVALS)
    });
    section.finish(findings);
    Some(AccessLog {
        file: file?,
        format: format.unwrap_or_default(),
        buffer: buffer.unwrap_or(1024 * 1024),
        flush_interval: flush_interval.unwrap_or(Duration::from_secs(1)),
    })
}

fn format(value: &DeValue) -> Result<LogFormat, Wrong> {
    let text = value::string(value)?;
    LogFormat::named(&text).ok_or_else(|| {
        Wrong::with_remedy(
            format!("\"{text}\" is not a format of the access log"),
            r#"the formats are "w3c", "combined" and "json""#,
        )
    })
}
