//! Sockets that the service manager has opened for us. They carry no protocol and no limits: a socket belongs to the
//! listener of the configuration that has its address.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::listen::{self, Bound};
use crate::os::{self, BoundFile};

/// Those that no listener has taken yet.
#[derive(Default)]
pub struct Inherited {
    ports: Vec<(SocketAddr, TcpListener)>,
    files: Vec<(PathBuf, BoundFile)>,
}

impl Inherited {
    /// Takes what this process was given. To be called once, before there are other threads.
    ///
    /// # Errors
    /// When there is something that is no socket that listens.
    pub fn take() -> anyhow::Result<Self> {
        let (ports, files) =
            os::inherited().context("a socket of the service manager cannot be used")?;
        let ports = ports
            .into_iter()
            .map(|socket| Ok((socket.local_addr()?, socket)));
        Ok(Self {
            ports: ports.collect::<std::io::Result<_>>()?,
            files,
        })
    }

    /// A listener on a port: the socket that is there, else one of our own; `option` as in [`listen::bind`].
    ///
    /// # Errors
    /// When the address cannot be had, in words for the operator.
    pub fn port(&mut self, address: SocketAddr, option: &'static str) -> anyhow::Result<Bound> {
        match self.ports.iter().position(|(own, _)| *own == address) {
            Some(index) => {
                let (_, socket) = self.ports.swap_remove(index);
                Ok(listen::inherited(socket, address, option))
            }
            None => listen::bind(address, option),
        }
    }

    /// The socket with this path in the file system, if there is one.
    #[cfg_attr(
        windows,
        expect(unreachable_code, reason = "there are no such sockets on Windows")
    )]
    pub fn file(&mut self, path: &Path) -> Option<BoundFile> {
        let index = self.files.iter().position(|(own, _)| own == path)?;
        Some(self.files.swap_remove(index).1)
    }

    /// Ends the distribution.
    ///
    /// # Errors
    /// When a socket is left, in words for the operator.
    pub fn finish(self) -> anyhow::Result<()> {
        let port = self.ports.first().map(|(address, _)| address.to_string());
        let file = self.files.first();
        let file = || file.map(|(path, _)| format!("unix:{}", path.display()));
        match port.or_else(file) {
            Some(address) => bail!(
                "the service manager has opened {address}, but no listener has this address; \
                 name it in `http` or `fastcgi` in [server], or take it out of the socket unit"
            ),
            None => Ok(()),
        }
    }
}
