//! A running gateway.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;

use crate::{
    Lines, PATIENCE, Process, Reply, Running, Signal, binary, built, client, copy_program, process,
};

/// A gateway that listens. It is stopped when dropped, and must then leave no process behind.
pub struct Gateway {
    child: Running,
    address: SocketAddr,
    out: Lines,
    log: Lines,
    folder: TempDir,
    /// Processes below it that were seen at some time.
    seen: Mutex<BTreeSet<Process>>,
    stopped: bool,
}

/// What a program that has ended left.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub error: String,
}

/// The gateway's program with these arguments, not started. Its environment holds an `OPERATORS_SECRET`, and what it keeps
/// goes below the folder of what is built.
pub fn gateway_command<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Command {
    command_of(&binary("isapi-gateway"), arguments)
}

fn command_of<A: Into<OsString>>(
    program: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments.into_iter().map(Into::into))
        .env_remove("RUST_LOG")
        .env("OPERATORS_SECRET", "for nobody else")
        .env("XDG_STATE_HOME", built::target_folder().join("tmp/state"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a program whose output is piped to its end.
pub fn run(command: &mut Command) -> Output {
    run_within(command, PATIENCE)
}

/// The same for a program that may take so long.
pub fn run_within(command: &mut Command, limit: Duration) -> Output {
    let mut child = Running(command.spawn().unwrap());
    let out = Lines::of(child.stdout.take().unwrap());
    let error = Lines::of(child.stderr.take().unwrap());
    Output {
        status: child.wait_end_within(limit),
        out: out.to_end().join("\n"),
        error: error.to_end().join("\n"),
    }
}

impl Gateway {
    /// `isapi-gateway serve EXTENSION`.
    pub fn serve(extension: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        let arguments: [OsString; 4] = [
            "serve".into(),
            extension.into(),
            "--http".into(),
            "127.0.0.1:0".into(),
        ];
        Self::start(gateway_command(arguments), folder)
    }

    /// `isapi-gateway serve --config FILE` in a new folder. In the text, `{samples}` and `{cgi}` stand for the folders of
    /// the samples, `{wine}` for the prefix of Wine that all tests share, `{dir}` for the new folder, below which is also what
    /// the gateway keeps.
    pub fn with_config(text: &str) -> Self {
        Self::with_config_in(TempDir::new().unwrap(), text)
    }

    /// The same in a folder that holds what the configuration names.
    pub fn with_config_in(folder: TempDir, text: &str) -> Self {
        Self::with_environment(folder, text, &[])
    }

    /// The same with these variables in its environment.
    pub fn with_environment(folder: TempDir, text: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = gateway_command(["serve", "--http", "127.0.0.1:0", "--config"]);
        command
            .arg(configure(folder.path(), text))
            .envs(variables.iter().copied());
        Self::start(command, folder)
    }

    /// As [`Self::with_config_in`], of a copy of the program in the folder, with this name.
    pub fn of_copy(folder: TempDir, name: &str, text: &str) -> Self {
        let copy = folder.path().join(name);
        copy_program(&binary("isapi-gateway"), &copy);
        let mut command = command_of(&copy, ["serve", "--http", "127.0.0.1:0", "--config"]);
        command.arg(configure(folder.path(), text));
        Self::start(command, folder)
    }

    /// `isapi-gateway serve --config FILE`, listening where the text says: for HTTP first on a port.
    pub fn as_configured(folder: TempDir, text: &str) -> Self {
        let mut command = gateway_command(["serve", "--config"]);
        command.arg(configure(folder.path(), text));
        Self::start(command, folder)
    }

    /// Gives it another configuration, which it does not know of yet. Returns the file.
    pub fn configure(&self, text: &str) -> PathBuf {
        configure(self.folder(), text)
    }

    fn start(mut command: Command, folder: TempDir) -> Self {
        command.env("XDG_STATE_HOME", folder.path().join("state"));
        let mut child = Running(command.spawn().unwrap());
        let out = Lines::of(child.stdout.take().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        let ready = out
            .find(&["listening on http://"])
            .unwrap_or_else(|| panic!("it does not listen:\n{}", log.so_far().join("\n")));
        let (_, address) = ready.split_once("http://").unwrap();
        Self {
            address: address.parse().unwrap(),
            child,
            out,
            log,
            folder,
            seen: Mutex::default(),
            stopped: false,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its own process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its standard output.
    pub fn out(&self) -> &Lines {
        &self.out
    }

    /// Its log: standard error.
    pub fn log(&self) -> &Lines {
        &self.log
    }

    /// The processes below it.
    pub fn processes(&self) -> BTreeSet<Process> {
        let found = Process::descendants(self.pid());
        self.seen.lock().unwrap().extend(&found);
        found
    }

    /// Gets a path on a connection of its own.
    pub fn get(&self, path: &str) -> Reply {
        client::get(self.address, path)
    }

    /// Sends a request on a connection of its own.
    pub fn request(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Reply {
        let mut client = client::Client::connect(self.address);
        let headers = [headers, &["Connection: close"]].concat();
        client.request(method, path, &headers, body);
        client.reply(method)
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        process::send(self.pid(), signal);
    }

    /// Waits for its end after a signal, and for that of every process below it.
    pub fn wait_end(&mut self) -> ExitStatus {
        self.stopped = true;
        let status = self.child.wait_end();
        for process in self.seen.get_mut().unwrap().iter() {
            process.wait_gone();
        }
        status
    }

    /// Stops it: SIGTERM, exit status 0, no process left.
    pub fn stop(mut self) {
        self.end(Signal::TERM);
    }

    fn end(&mut self, signal: Signal) {
        self.processes();
        self.signal(signal);
        let status = self.wait_end();
        assert!(
            status.success(),
            "{status}:\n{}",
            self.log.to_end().join("\n")
        );
    }
}

/// Writes the configuration of a gateway.
fn configure(folder: &Path, text: &str) -> PathBuf {
    let samples = built::samples();
    let prefix = built::target_folder().join("windows/prefix");
    let text = text
        .replace("{samples}", samples.to_str().unwrap())
        .replace("{wine}", prefix.to_str().unwrap())
        .replace("{cgi}", samples.join("cgi").to_str().unwrap())
        .replace("{dir}", folder.to_str().unwrap());
    let (file, new) = (folder.join("gateway.toml"), folder.join("gateway.toml.new"));
    std::fs::write(&new, text).unwrap();
    // At once: a gateway that watches it must not see a half.
    std::fs::rename(new, &file).unwrap();
    file
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the gateway's log:\n{}", self.log.so_far().join("\n"));
            // Its death closes the connections to its workers, which ends them.
            let _ = self.child.kill();
        } else if !self.stopped {
            self.end(Signal::TERM);
        }
    }
}
