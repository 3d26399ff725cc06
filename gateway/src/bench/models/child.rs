//! A server process: started, awaited, ended with everything that it has started.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, wait};

use crate::bench::usage;

/// How long a server may take to listen. Wine's prefix may have to be created first.
const START: Duration = Duration::from_secs(180);
/// How long it may take to end by itself.
const STOP: Duration = Duration::from_secs(10);
/// Longest time between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of standard error that are shown.
const SHOWN: usize = 2000;

/// A process that is ended when this is dropped.
pub struct Child {
    process: std::process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts a program in a process group of its own; its standard error goes to a file in `folder`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command, folder: &Path) -> anyhow::Result<Self> {
        let program = Path::new(command.get_program()).to_owned();
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = folder.join(format!("{name}.log"));
        let process = command
            .stderr(File::create(&log)?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { process, log })
    }

    /// Reads a line of its standard output, which must be a pipe, to a word, and returns what follows.
    ///
    /// # Errors
    /// When it ends before; with what it said.
    pub fn line_after(&mut self, word: &str) -> anyhow::Result<String> {
        let out = self.process.stdout.take().context("no standard output")?;
        for line in BufReader::new(out).lines() {
            if let Some((_, rest)) = line?.split_once(word) {
                return Ok(rest.trim().to_owned());
            }
        }
        bail!("it ended: {}", self.said().unwrap_or_default());
    }

    /// Waits until it listens.
    ///
    /// # Errors
    /// When it ends before, or does not listen in time.
    pub fn wait_until(&mut self, mut listens: impl FnMut() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        while !listens() {
            if let Some(status) = self.process.try_wait()? {
                bail!("it ended ({status}): {}", self.said_or_nothing());
            }
            if Instant::now() > deadline {
                bail!(
                    "it does not listen within {START:?}: {}",
                    self.said_or_nothing()
                );
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// The end of what it has written to standard error; `None`: nothing.
    pub fn said(&self) -> Option<String> {
        let bytes = std::fs::read(&self.log).ok()?;
        let text =
            String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(SHOWN)..]).into_owned();
        (!text.trim().is_empty()).then(|| text.trim().to_owned())
    }

    fn said_or_nothing(&self) -> String {
        self.said().unwrap_or_else(|| "it says nothing".to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        let Some(pid) = pid else { return };
        // It may have ended already; then there is nobody to get the signal.
        let _ = kill_process(pid, Signal::TERM);
        let deadline = Instant::now() + STOP;
        while let Ok(None) = self.process.try_wait() {
            if Instant::now() > deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.process.wait();
    }
}

/// Ends the processes that servers have left behind; to be called when no server runs.
pub fn reap_orphans() {
    let deadline = Instant::now() + STOP;
    loop {
        // None is left that could be waited for, or none has ended.
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        let left = usage::undetached_ids().unwrap_or_default();
        if left.is_empty() {
            return;
        }
        let signal = match Instant::now() > deadline {
            true => Signal::KILL,
            false => Signal::TERM,
        };
        for pid in left.into_iter().filter_map(|pid| i32::try_from(pid).ok()) {
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = kill_process(pid, signal);
            }
        }
        if Instant::now() > deadline + STOP {
            return;
        }
        std::thread::sleep(LOOK);
    }
}

/// Kills what servers have started, for an end in a hurry.
pub fn kill_all() {
    for pid in usage::undetached_ids().unwrap_or_default() {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Below those that the system gives to whoever connects or binds to port 0: nobody gets one of these by chance before the
/// server listens there.
const PORTS: Range<u16> = 10_000..32_000;

/// A port of 127.0.0.1 that is free now, and that was not given before unless there is no other.
///
/// # Errors
/// When there is none.
pub fn free_port() -> std::io::Result<SocketAddr> {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Runs beside each other begin at different places.
    let first = std::process::id() % u32::from(PORTS.end - PORTS.start);
    let mut last = None;
    for _ in PORTS {
        let step = u32::from(GIVEN.fetch_add(1, Relaxed));
        let offset = (first + step) % u32::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(offset).unwrap_or_default();
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return listener.local_addr(),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| ErrorKind::AddrInUse.into()))
}

/// Whether somebody listens there.
pub fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

/// Whether somebody listens on this Unix socket.
pub fn listens_unix(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

/// A command whose standard input and output are closed.
pub fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}
