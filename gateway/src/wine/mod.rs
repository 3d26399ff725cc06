//! Wine: where it is, its prefix, and its server while workers need it.
//!
//! `install` finds it, `prefix` keeps the folder that holds Windows' files and registry, `session` runs the server,
//! `drive` names folders.

mod drive;
mod install;
mod prefix;
mod session;

use std::ffi::OsString;
use std::path::PathBuf;

pub use drive::Drive;
pub use install::{Wine, worker};
pub use prefix::default_prefix;
pub use session::Session;

use crate::process::environment;

/// What is set in the environment of everything that runs under Wine. Messages of Wine's own would end up in the log
/// of the extension; Mono, Gecko and the debugger are not for servers.
pub const SETTINGS: [(&str, &str); 2] = [
    ("WINEDEBUG", "-all"),
    ("WINEDLLOVERRIDES", "mscoree,mshtml,winedbg.exe="),
];

/// Why Windows extensions cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum WineError {
    /// There is no Wine.
    #[error("Wine is not installed: Windows extensions need it")]
    NotFound,
    /// What the configuration names is not Wine.
    #[error("{} is not Wine's loader: there is no wineserver beside it", .0.display())]
    NoServer(PathBuf),
    /// The 32-bit part is missing.
    #[error("Wine's 32-bit DLLs are missing: there is no {}", .0.display())]
    No32Bit(PathBuf),
    /// The worker for Windows was not built or not installed.
    #[error("the worker for Windows is missing: there is no {}", .0.display())]
    NoWorker(PathBuf),
    /// There is no folder where the gateway could keep its prefix.
    #[error("there is no folder for the Wine prefix: HOME is not set")]
    NoFolder,
    /// The prefix cannot be used.
    #[error("the Wine prefix {} cannot be used: {reason}", .prefix.display())]
    Prefix {
        /// Its folder.
        prefix: PathBuf,
        /// Why.
        reason: String,
    },
}

impl WineError {
    /// What to do.
    pub fn remedy(&self) -> String {
        match self {
            Self::NotFound => {
                "install it (Debian: apt-get install --no-install-recommends wine64), or name its loader with `wine` in [server]".into()
            }
            Self::NoServer(_) => "name the loader itself, such as \"/usr/lib/wine/wine64\"".into(),
            Self::No32Bit(_) => {
                "run `make windows`, or unpack usr/lib/i386-linux-gnu/wine/i386-windows of Debian's package libwine:i386, of the same version, there".into()
            }
            Self::NoWorker(_) => {
                "build it with `make windows`, or copy it beside isapi-worker".into()
            }
            Self::NoFolder => "name a folder with `wine_prefix` in [server]".into(),
            Self::Prefix { .. } => {
                "let the gateway's user own and write the folder, or name another with `wine_prefix` in [server]".into()
            }
        }
    }
}

/// The environment of a process under Wine, but for the prefix.
pub fn settings() -> impl Iterator<Item = (OsString, OsString)> {
    let settings = SETTINGS.map(|(name, value)| (name.into(), value.into()));
    environment::inherited().chain(settings)
}
