//! `[admin]`: where the gateway tells what it does and takes orders.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::diagnostic::{Findings, Source, Wrong};
use super::section::Section;
use super::{ConfigErrors, Diagnostic, Secret, listener, value};
use crate::front::fastcgi::Address;
use crate::os;

/// Permissions of the socket's file: for the gateway's own user alone.
const MODE: u32 = 0o600;

/// `[admin]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    /// Where it listens. Default: [`default_socket`].
    pub listen: Address,
    /// Permissions of a socket's file. Default 0600.
    pub mode: u32,
    /// What clients must show; always there for a port.
    pub token: Option<Secret>,
}

/// The socket for a gateway that is not told another one, and for commands that ask it: `isapi-gateway/admin.sock` below
/// `/run` for root, else below `$XDG_RUNTIME_DIR`, which not every user has.
pub fn default_socket() -> Option<PathBuf> {
    if !os::HAS_SOCKET_FILES {
        return None;
    }
    let folder = match os::is_root() {
        true => Some(PathBuf::from("/run")),
        false => std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
    };
    let folder = folder.filter(|folder| folder.is_absolute())?;
    Some(folder.join("isapi-gateway/admin.sock"))
}

impl Admin {
    /// Reads `[admin]` of a file, whatever else is in it.
    ///
    /// # Errors
    /// Everything that is wrong with it; that it is not there.
    pub fn load(file: &Path) -> Result<Self, ConfigErrors> {
        let text = super::text_of(file)?;
        let source = Source { file, text: &text };
        let mut findings = Findings::default();
        let (table, _) = DeTable::parse_recoverable(&text);
        let admin = read(
            &mut Section::root(table.get_ref()),
            &super::folder_of(file),
            &mut findings,
        );
        if !findings.is_clean() {
            return Err(findings.into_errors(Some(source)));
        }
        admin.ok_or_else(|| {
            let message = format!("{} has no [admin]", file.display());
            Diagnostic::without_place(message).into()
        })
    }
}

/// Reads the table; a relative path starts from `folder`.
pub fn read(root: &mut Section, folder: &Path, findings: &mut Findings) -> Option<Admin> {
    let mut section = root.section(findings, "admin")?;
    let is_given = section.has("listen");
    let listen = section.get(findings, "listen", |value| listener::address(value, folder));
    let mode = section.get(findings, "mode", listener::mode);
    let token = section.get(findings, "token", |value| {
        Secret::new(&value::string(value)?)
    });
    let listen = match is_given {
        true => listen,
        false => default_socket().map(Address::Unix),
    };
    match &listen {
        None if !is_given => {
            let wrong = Wrong::with_remedy(
                "this user has no folder for sockets of its own ($XDG_RUNTIME_DIR)",
                r#"add `listen = "unix:PATH"`, or an address with a `token`"#,
            );
            findings.error_at(section.place(), wrong);
        }
        Some(Address::Tcp(address)) if !section.has("token") => {
            let wrong = Wrong::with_remedy(
                format!("whoever reaches {address} could stop pools"),
                "add a `token`, such as `openssl rand -hex 16` makes",
            );
            findings.error_at(section.key_place("listen"), wrong);
        }
        Some(Address::Tcp(_)) if section.has("mode") => {
            let wrong = Wrong::with_remedy("`mode` has no meaning for a port", "remove it");
            findings.error_at(section.key_place("mode"), wrong);
        }
        _ => {}
    }
    section.finish(findings);
    Some(Admin {
        listen: listen?,
        mode: mode.unwrap_or(MODE),
        token,
    })
}
