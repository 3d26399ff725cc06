//! A worker that runs without a gateway, and what it is asked.

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use system_tests::{
    Lines, Machine, Output, Running, Signal, binary, free_port, mentioning, peer, run, send,
};
use tempfile::TempDir;

use crate::fastcgi::Connection;

pub const GET: [(&str, &str); 5] = [
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
    ("REQUEST_METHOD", "GET"),
    ("REQUEST_URI", "/hello.so"),
    ("SCRIPT_NAME", "/hello.so"),
];

/// A worker that listens.
pub struct Worker {
    pub child: Running,
    pub log: Lines,
    way: Way,
    address: Address,
    folder: Rc<TempDir>,
}

/// How it is started.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// `isapi-worker EXTENSION --listen unix:…/socket`
    Listening,
    /// The same with a port.
    OnPort,
    /// `spawn-fcgi -n -s …/socket -- isapi-worker EXTENSION`: the worker takes the place of spawn-fcgi.
    Spawned,
    /// `isapi-worker.exe EXTENSION --listen 127.0.0.1:PORT` under Wine. The extension lies in the worker's folder.
    UnderWine(Machine),
}

/// Where it listens.
#[derive(Clone, Debug)]
pub enum Address {
    Socket(PathBuf),
    /// Of 127.0.0.1.
    Port(u16),
}

impl Worker {
    pub fn listening(extension: &Path) -> Self {
        Self::listening_in(Rc::new(TempDir::new().unwrap()), extension)
    }

    pub fn listening_in(folder: Rc<TempDir>, extension: &Path) -> Self {
        Self::start(Way::Listening, folder, extension)
    }

    pub fn spawned(extension: &Path) -> Self {
        Self::start(Way::Spawned, Rc::new(TempDir::new().unwrap()), extension)
    }

    /// With its socket in this folder, if it has one.
    pub fn start(way: Way, folder: Rc<TempDir>, extension: &Path) -> Self {
        let address = match way {
            Way::Listening | Way::Spawned => Address::Socket(folder.path().join("socket")),
            Way::OnPort | Way::UnderWine(_) => Address::Port(free_port()),
        };
        let mut command = way.command(extension, &address);
        let mut child = Running(command.stderr(Stdio::piped()).spawn().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        Self {
            child,
            log,
            way,
            address,
            folder,
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The path of its socket.
    pub fn socket(&self) -> &Path {
        match &self.address {
            Address::Socket(path) => path,
            Address::Port(port) => panic!("it listens on port {port}"),
        }
    }

    pub fn connect(&self) -> Connection {
        match &self.address {
            Address::Socket(path) => Connection::unix(path),
            Address::Port(port) => Connection::tcp(*port),
        }
    }

    pub fn stop(mut self) {
        self.ask_to_end();
        self.ends_well();
    }

    fn ask_to_end(&self) {
        let first = self.child.id();
        match self.way {
            Way::Listening | Way::OnPort | Way::Spawned => send(first, Signal::TERM),
            Way::UnderWine(_) => {
                // The first of the two is start.exe, for a 32-bit program.
                let mut others = mentioning(self.folder()).into_iter();
                let own = others.find(|pid| *pid != first).unwrap_or(first);
                // Wine makes Ctrl+C of it.
                send(own, Signal::INT);
            }
        }
    }

    pub fn ends_well(&mut self) {
        let status = self.child.wait_end();
        assert!(status.success(), "{status}");
    }
}

impl Way {
    fn command(self, extension: &Path, address: &Address) -> Command {
        let mut command = match (self, address) {
            (Way::UnderWine(machine), _) => machine.worker(extension),
            (Way::Spawned, Address::Socket(path)) => {
                let mut command = Command::new(peer("spawn-fcgi"));
                command.args(["-n", "-s"]).arg(path).arg("--");
                command.arg(binary("isapi-worker")).arg(extension);
                return command;
            }
            _ => {
                let mut command = Command::new(binary("isapi-worker"));
                command.arg(extension);
                command
            }
        };
        let listen = match address {
            Address::Socket(path) => format!("unix:{}", path.display()),
            Address::Port(port) => format!("127.0.0.1:{port}"),
        };
        command.args(["--listen", &listen]).stdin(Stdio::null());
        command
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let status = self.child.try_wait();
            let _ = self.child.kill();
            eprintln!("the worker: {status:?}\n{}", self.log.so_far().join("\n"));
        }
    }
}

/// Runs a program with nothing but these variables in its environment and this on its standard input.
pub fn run_with(command: &mut Command, variables: &[(&str, &str)], input: &[u8]) -> Output {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input).unwrap();
    file.rewind().unwrap();
    command
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    run(command)
}

/// What cgi-fcgi gets from the worker at this socket.
pub fn cgi_fcgi(worker: &Worker, variables: &[(&str, &str)], input: &[u8]) -> String {
    drop(worker.connect());
    let mut command = Command::new(peer("cgi-fcgi"));
    command.args(["-bind", "-connect"]).arg(worker.socket());
    let output = run_with(&mut command, variables, input);
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        output.error
    );
    output.out
}

pub fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut variables = GET.to_vec();
    variables.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    variables.extend(changes);
    variables
}

/// A body of text without line ends: what goes through line-wise collection stays as it is.
pub fn text(size: usize) -> String {
    ('a'..='z').cycle().take(size).collect()
}
