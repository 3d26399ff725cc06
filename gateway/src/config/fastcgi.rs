//! The keys of a pool whose application speaks FastCGI, and of the files that it may have sent.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;

use super::diagnostic::{Findings, Wrong};
use super::parse::{FROM_A_MOMENT, FROM_ZERO, from_folder, path};
use super::section::{Section, note};
use super::{Sticky, sticky, value};
use crate::os;

/// Most bytes of a body that are read ahead.
const BUFFERED: RangeInclusive<u64> = 0..=1024 * 1024 * 1024;

/// A FastCGI application, and how it is talked to.
#[derive(Clone, Debug, PartialEq)]
pub struct FastCgi {
    /// Where it is.
    pub application: Application,
    /// The folder of the site as the application sees it. Default: the site's own.
    pub root: Option<PathBuf>,
    /// How long a connection may take to be made. Default 5 s.
    pub connect_timeout: Duration,
    /// How long the application may be silent while it is waited for; zero: no limit. Default 60 s.
    pub read_timeout: Duration,
    /// Connections kept open for later requests, for each address. Default: for a program one for each process, else 0.
    pub keep_alive: Option<usize>,
    /// How long a kept connection may be idle. Default 60 s.
    pub keep_alive_timeout: Duration,
    /// Failures in a row after which an address is left out; zero: it never is. Default 3.
    pub max_fails: usize,
    /// For how long. Default 10 s.
    pub fail_timeout: Duration,
    /// Bodies without a length are read ahead so that CONTENT_LENGTH can be told, up to so many bytes; zero: they are
    /// not. Default 0.
    pub buffer_body: usize,
    /// What binds a client to an address.
    pub sticky: Option<Sticky>,
}

/// Where a FastCGI application is.
#[derive(Clone, Debug, PartialEq)]
pub enum Application {
    /// `fastcgi = …`: it runs by itself and listens at these addresses; at least one.
    Listening(Vec<Endpoint>),
    /// `program = …`: the gateway starts it.
    Program {
        /// The program.
        file: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// Where a FastCGI application listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `HOST:PORT`; the host is a name or an address, without brackets.
    Tcp(String, u16),
}

/// Folders from which a CGI or FastCGI application may have files sent, or from which a web server sends them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SendFile {
    /// `X-Sendfile: PATH` may name files below these.
    pub folders: Vec<PathBuf>,
    /// `X-Accel-Redirect: /prefix/…` names files below the prefix's folder.
    pub internal: BTreeMap<String, PathBuf>,
}

impl FastCgi {
    /// The defaults.
    pub fn new(application: Application) -> Self {
        Self {
            application,
            root: None,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(60),
            keep_alive: None,
            keep_alive_timeout: Duration::from_secs(60),
            max_fails: 3,
            fail_timeout: Duration::from_secs(10),
            buffer_body: 0,
            sticky: None,
        }
    }

    /// Reads the keys beside `fastcgi` and `program`.
    pub fn read(
        application: Application,
        section: &mut Section,
        folder: &Path,
        findings: &mut Findings,
    ) -> Self {
        let default = Self::new(application);
        Self {
            root: section.get(findings, "root", |value| path(value, folder)),
            connect_timeout: section
                .get(findings, "connect_timeout", |value| {
                    value::duration(value, &FROM_A_MOMENT)
                })
                .unwrap_or(default.connect_timeout),
            read_timeout: section
                .get(findings, "read_timeout", |value| {
                    value::duration(value, &FROM_ZERO)
                })
                .unwrap_or(default.read_timeout),
            keep_alive: section.get(findings, "keep_alive", |value| {
                value::integer(value, &(0..=10_000))
            }),
            keep_alive_timeout: section
                .get(findings, "keep_alive_timeout", |value| {
                    value::duration(value, &FROM_A_MOMENT)
                })
                .unwrap_or(default.keep_alive_timeout),
            max_fails: section
                .get(findings, "max_fails", |value| {
                    value::integer(value, &(0..=1000))
                })
                .unwrap_or(default.max_fails),
            fail_timeout: section
                .get(findings, "fail_timeout", |value| {
                    value::duration(value, &FROM_A_MOMENT)
                })
                .unwrap_or(default.fail_timeout),
            buffer_body: section
                .get(findings, "buffer_body", |value| {
                    value::bytes_within(value, &BUFFERED)
                })
                .unwrap_or(default.buffer_body),
            sticky: sticky::read(section, findings),
            ..default
        }
    }

    /// The program, if the gateway starts it.
    pub fn program(&self) -> Option<&Path> {
        match &self.application {
            Application::Program { file, .. } => Some(file),
            Application::Listening(_) => None,
        }
    }
}

impl SendFile {
    /// Reads `sendfile` and `accel_redirect`.
    pub fn read(section: &mut Section, folder: &Path, findings: &mut Findings) -> Self {
        let folders = section.list(findings, "sendfile", |value| path(value, folder));
        let mut internal = BTreeMap::new();
        if let Some(table) = section.section(findings, "accel_redirect") {
            for (key, value) in table.entries() {
                let prefix = note(findings, key.span(), value::url_path(key.get_ref()));
                let target = note(findings, value.span(), path(value.get_ref(), folder));
                if let Some((prefix, target)) = prefix.zip(target) {
                    findings.set_place(format!("{}.{prefix}", table.path()), value.span());
                    internal.insert(prefix, target);
                }
            }
        }
        Self {
            folders: folders.unwrap_or_default(),
            internal,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(formatter, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(formatter, "{host}:{port}"),
        }
    }
}

/// `"unix:PATH"` or `"HOST:PORT"`.
///
/// # Errors
/// Anything else.
pub fn address(value: &DeValue, folder: &Path) -> Result<Endpoint, Wrong> {
    let text = value::string(value)?;
    let parsed = match text.strip_prefix("unix:") {
        Some("") => None,
        Some(_) if !os::HAS_SOCKET_FILES => {
            return Err(Wrong::with_remedy(
                "there are no sockets in the file system here",
                "let the application listen at a port, and write \"HOST:PORT\"",
            ));
        }
        Some(path) => Some(Endpoint::Unix(from_folder(Path::new(path), folder))),
        None => host_and_port(&text),
    };
    parsed.ok_or_else(|| {
        Wrong::with_remedy(
            format!("\"{text}\" is not the address of a FastCGI application"),
            r#"write "unix:PATH" or "HOST:PORT""#,
        )
    })
}

/// The path of a program that the gateway starts.
///
/// # Errors
/// What is no path, and any where there are no sockets in the file system.
pub fn program(value: &DeValue, folder: &Path) -> Result<PathBuf, Wrong> {
    if !os::HAS_SOCKET_FILES {
        return Err(Wrong::with_remedy(
            "FastCGI programs cannot be started here: they could not take a socket for their standard input",
            "start it by other means, at a port, and write `fastcgi = \"HOST:PORT\"`",
        ));
    }
    path(value, folder)
}

fn host_and_port(text: &str) -> Option<Endpoint> {
    let (host, port) = text.rsplit_once(':')?;
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| is_number && *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(inner) => {
            let inner = inner.strip_suffix(']')?;
            inner.parse::<std::net::Ipv6Addr>().ok()?;
            inner
        }
        None => crate::site::host::parse(host.as_bytes())?,
    };
    Some(Endpoint::Tcp(host.to_owned(), port))
}
