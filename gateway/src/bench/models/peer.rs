//! Other web servers than nginx, as the front of what both kinds of them run.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::application::Application;
use super::child::{Child, free_port, listens};
use super::place::{Place, installed};
use super::{Kind, Model, Running, apache, lighttpd};

/// A web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// lighttpd, with one worker process.
    Lighttpd,
    /// Apache, with its event model.
    Apache,
}

/// What it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A libfcgi application (mod_fastcgi, mod_proxy_fcgi).
    Libfcgi,
    /// A CGI program (mod_cgi, mod_cgid).
    Cgi,
}

/// A web server with something behind it.
pub struct Peer(pub Server, pub Behind);

/// All of them.
pub const PEERS: [Peer; 4] = [
    Peer(Server::Lighttpd, Behind::Libfcgi),
    Peer(Server::Lighttpd, Behind::Cgi),
    Peer(Server::Apache, Behind::Libfcgi),
    Peer(Server::Apache, Behind::Cgi),
];

/// What is behind a server that is started, and where.
pub enum Handler {
    /// An application that listens on this Unix socket.
    Socket(PathBuf),
    /// A program.
    Program(PathBuf),
}

impl Model for Peer {
    fn id(&self) -> String {
        let behind = match self.1 {
            Behind::Libfcgi => "libfcgi",
            Behind::Cgi => "cgi",
        };
        format!("{}-{behind}", self.0.title().to_ascii_lowercase())
    }

    fn title(&self) -> String {
        let behind = match self.1 {
            Behind::Libfcgi => "libfcgi application",
            Behind::Cgi => "CGI program",
        };
        format!("{} → {behind}", self.0.title())
    }

    fn kind(&self) -> Kind {
        match self.1 {
            Behind::Libfcgi => Kind::Isolated,
            Behind::Cgi => Kind::Process,
        }
    }

    fn absence(&self, place: &Place) -> Option<String> {
        let behind = || match self.1 {
            Behind::Libfcgi => Application::Libfcgi.check(place),
            Behind::Cgi => place.program("cgi/bench").map(drop),
        };
        self.0.check().and_then(|()| behind()).err()
    }

    fn start(&self, place: &Place) -> anyhow::Result<Running> {
        let folder = place.folder()?;
        let address = free_port()?;
        let (behind, handler) = match self.1 {
            Behind::Libfcgi => {
                let (child, socket) = Application::Libfcgi.start(place, folder.path())?;
                (Some(child), Handler::Socket(socket))
            }
            Behind::Cgi => {
                let program = place.program("cgi/bench").map_err(anyhow::Error::msg)?;
                (None, Handler::Program(program))
            }
        };
        let mut command = self.0.command(folder.path(), address.port(), &handler)?;
        let mut child = Child::start(&mut command, folder.path())?;
        child.wait_until(|| listens(address))?;
        let mut children = vec![child];
        children.extend(behind);
        Ok(Running::new(address, children, folder))
    }
}

impl Server {
    fn title(self) -> &'static str {
        match self {
            Self::Lighttpd => "lighttpd",
            Self::Apache => "Apache",
        }
    }

    fn check(self) -> Result<(), String> {
        match self {
            Self::Lighttpd => installed("lighttpd").map(drop),
            Self::Apache => apache::check(),
        }
    }

    /// How it is started on a port of this machine, to hand `/bench` to the handler; its configuration is in the folder.
    fn command(self, folder: &Path, port: u16, handler: &Handler) -> anyhow::Result<Command> {
        match self {
            Self::Lighttpd => lighttpd::command(folder, port, handler),
            Self::Apache => apache::command(folder, port, handler),
        }
    }
}
