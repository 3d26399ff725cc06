//! `[pool.NAME.sandbox]`: what an extension may do, where its user may do more. The worker itself sees to it.

use std::path::{Path, PathBuf};

use super::diagnostic::{Findings, Wrong};
use super::parse::path;
use super::section::Section;
use super::value;

/// The key of `[pool.NAME]` that is read here.
pub const KEY: &str = "sandbox";

/// Keys of the table with paths.
pub const PATHS: [&str; 3] = ["read", "write", "execute"];

/// What an extension may do: read its own folder and what every library needs, connect over the network, and this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// Files and folders that it may read …
    pub read: Vec<PathBuf>,
    /// … that it may read and change …
    pub write: Vec<PathBuf>,
    /// … and programs that it may start, or folders of them.
    pub execute: Vec<PathBuf>,
    /// How it may use the network.
    pub network: NetworkUse,
    /// Whether workers do not start where the system cannot keep all of this. Default false: a warning.
    pub required: bool,
}

/// How an extension may use the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkUse {
    /// It may connect, and wait for connections.
    All,
    /// It may connect.
    #[default]
    Connect,
    /// Unix sockets alone.
    None,
}

impl NetworkUse {
    /// Its name in the configuration and towards workers.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Connect => "connect",
            Self::None => "none",
        }
    }
}

impl Sandbox {
    /// Its paths, by their keys.
    pub fn paths(&self) -> impl Iterator<Item = (&'static str, &[PathBuf])> {
        let lists = [&self.read, &self.write, &self.execute];
        PATHS.into_iter().zip(lists.map(Vec::as_slice))
    }
}

/// Reads the table. `None`: no sandbox.
pub fn read(section: &mut Section, folder: &Path, findings: &mut Findings) -> Option<Sandbox> {
    let mut section = section.section(findings, KEY)?;
    let is_on = section.require(findings, "profile", |value| {
        match value::string(value)?.as_str() {
            "standard" => Ok(true),
            "none" => Ok(false),
            other => Err(Wrong::with_remedy(
                format!("\"{other}\" is not a profile"),
                r#"write "standard", or "none" for no sandbox"#,
            )),
        }
    });
    let mut paths = |key| {
        let paths = section.list(findings, key, |value| path(value, folder));
        paths.unwrap_or_default()
    };
    let [read, write, execute] = PATHS.map(&mut paths);
    let network = section.get(findings, "network", |value| {
        let text = value::string(value)?;
        [NetworkUse::All, NetworkUse::Connect, NetworkUse::None]
            .into_iter()
            .find(|choice| choice.name() == text)
            .ok_or_else(|| {
                Wrong::with_remedy(
                    format!("\"{text}\" is not a choice"),
                    r#"write "all", "connect" or "none""#,
                )
            })
    });
    let required = section.get(findings, "required", value::boolean);
    section.finish(findings);
    is_on?.then_some(Sandbox {
        read,
        write,
        execute,
        network: network.unwrap_or_default(),
        required: required.unwrap_or(false),
    })
}
