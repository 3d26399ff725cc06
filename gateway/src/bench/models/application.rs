//! What web servers have behind them: FastCGI applications and fcgiwrap, each on a Unix socket.

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::child::{Child, listens_unix, quiet};
use super::place::{Place, installed};
use crate::library::Platform;

/// Threads of a libfcgi application at least. With fewer than the web server has connections, some would starve.
pub const THREADS: usize = 64;

/// An application on a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Application {
    /// The handler with libfcgi, one thread for each connection.
    Libfcgi,
    /// The worker without a gateway.
    Worker,
    /// fcgiwrap, which runs the handler as a CGI program.
    Fcgiwrap(Linking),
}

/// How a CGI program is linked, which is most of what starting it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linking {
    /// With the system's C library.
    Dynamic,
    /// With musl, into one file.
    Static,
}

impl Linking {
    /// The handler as a CGI program that is linked so, among the samples.
    pub fn program(self, place: &Place) -> Result<PathBuf, String> {
        place.program(match self {
            Self::Dynamic => "cgi/bench",
            Self::Static => "cgi/bench-static",
        })
    }
}

impl Application {
    /// Its name.
    pub fn id(self) -> &'static str {
        match self {
            Self::Libfcgi => "libfcgi",
            Self::Worker => "worker",
            Self::Fcgiwrap(Linking::Dynamic) => "fcgiwrap",
            Self::Fcgiwrap(Linking::Static) => "fcgiwrap-static",
        }
    }

    /// What it is, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Libfcgi => "libfcgi application",
            Self::Worker => "ISAPI worker",
            Self::Fcgiwrap(Linking::Dynamic) => "fcgiwrap → CGI program",
            Self::Fcgiwrap(Linking::Static) => "fcgiwrap → CGI program, static",
        }
    }

    /// Why it cannot run here.
    ///
    /// # Errors
    /// The reason.
    pub fn check(self, place: &Place) -> Result<(), String> {
        match self {
            Self::Libfcgi => place.program("fcgi/bench").map(drop),
            Self::Worker => {
                place.extension(Platform::Native)?;
                place.worker("isapi-worker").map(drop)
            }
            Self::Fcgiwrap(linking) => {
                linking.program(place)?;
                installed("fcgiwrap").map(drop)
            }
        }
    }

    /// SCRIPT_FILENAME for the web server to pass on.
    pub fn script(self, place: &Place) -> Result<PathBuf, String> {
        match self {
            Self::Libfcgi => place.program("fcgi/bench"),
            Self::Worker => place.extension(Platform::Native),
            Self::Fcgiwrap(linking) => linking.program(place),
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(self, place: &Place, folder: &Path) -> anyhow::Result<(Child, PathBuf)> {
        let socket = folder.join("application.sock");
        let threads = THREADS.max(place.connections);
        let mut command = match self {
            Self::Libfcgi => {
                let program = place.program("fcgi/bench").map_err(anyhow::Error::msg)?;
                let mut command = quiet(&program);
                let listener = UnixListener::bind(&socket)?;
                command
                    .arg(threads.to_string())
                    .stdin(OwnedFd::from(listener));
                command
            }
            Self::Worker => {
                let worker = place.worker("isapi-worker").map_err(anyhow::Error::msg)?;
                let mut command = quiet(&worker);
                command
                    .arg("--listen")
                    .arg(format!("unix:{}", socket.display()))
                    .args(["--connections", &(2 * threads).to_string()])
                    .arg(
                        place
                            .extension(Platform::Native)
                            .map_err(anyhow::Error::msg)?,
                    );
                command
            }
            Self::Fcgiwrap(_) => {
                let program = installed("fcgiwrap").map_err(anyhow::Error::msg)?;
                let mut command = quiet(&program);
                command
                    .arg("-s")
                    .arg(format!("unix:{}", socket.display()))
                    .args(["-c", "32"]);
                command
            }
        };
        let mut child = Child::start(&mut command, folder)?;
        child.wait_until(|| listens_unix(&socket))?;
        // For web servers that have given up root.
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666))?;
        Ok((child, socket))
    }
}
