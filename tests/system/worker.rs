//! A worker that runs without a gateway, and what it is asked.

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use system_tests::{Lines, Output, Running, Signal, binary, peer, run, send};
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
    folder: Rc<TempDir>,
}

impl Worker {
    pub fn start(mut command: Command, folder: Rc<TempDir>) -> Self {
        let mut child = Running(command.stderr(Stdio::piped()).spawn().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        Self { child, log, folder }
    }

    /// `isapi-worker --listen unix:…/socket EXTENSION`.
    pub fn listening(extension: &Path) -> Self {
        Self::listening_in(Rc::new(TempDir::new().unwrap()), extension)
    }

    pub fn listening_in(folder: Rc<TempDir>, extension: &Path) -> Self {
        let mut command = Command::new(binary("isapi-worker"));
        let address = format!("unix:{}", folder.path().join("socket").display());
        command
            .args(["--listen", &address])
            .arg(extension)
            .stdin(Stdio::null());
        Self::start(command, folder)
    }

    /// `spawn-fcgi -n -s …/socket -- isapi-worker EXTENSION`: the worker takes the place of spawn-fcgi.
    pub fn spawned(extension: &Path) -> Self {
        let folder = Rc::new(TempDir::new().unwrap());
        let mut command = Command::new(peer("spawn-fcgi"));
        command
            .args(["-n", "-s"])
            .arg(folder.path().join("socket"))
            .arg("--")
            .arg(binary("isapi-worker"))
            .arg(extension);
        Self::start(command, folder)
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub fn connect(&self) -> Connection {
        Connection::unix(&self.socket())
    }

    pub fn stop(mut self) {
        send(self.child.id(), Signal::TERM);
        self.ends_well();
    }

    pub fn ends_well(&mut self) {
        let status = self.child.wait_end();
        assert!(status.success(), "{status}");
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
