//! The process that starts programs for a thread of the gateway: the worker executable, which is small and has one
//! thread (`adapter/src/run/programs.rs`). The programs are the gateway's children all the same.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socketpair,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::unix::Streams;
use crate::os::{self, Group};
use crate::runtime;

/// An answer: the process, and the error for which it did not become the program; zero for either.
const ANSWER: usize = 8;

/// Its first words, before it takes orders.
const READY: [u8; ANSWER] = [0; ANSWER];

/// Answers that are read at a time.
const ANSWERS: usize = 64;

const MOST_STREAMS: usize = 3;

thread_local! {
    static STARTER: RefCell<Option<(PathBuf, Option<Arc<Starter>>)>> = const { RefCell::new(None) };
}

/// Whoever waits for an answer.
type Asker = oneshot::Sender<io::Result<Pid>>;

/// A process that starts programs.
pub struct Starter {
    orders: OwnedFd,
    /// In the sequence of their orders, in which the answers come.
    askers: Mutex<VecDeque<Asker>>,
    /// It knows what is wanted of it, and may have taken orders.
    is_ready: AtomicBool,
    has_ended: AtomicBool,
}

/// The one for this thread, started if need be. `None`: there can be none with this executable.
pub fn of_this_thread(worker: &Path) -> Option<Arc<Starter>> {
    STARTER.with_borrow_mut(|known| {
        if let Some((of, starter)) = known
            && of == worker
        {
            // One that ends before it is ready would do so again.
            if starter.as_ref().is_none_or(|starter| !starter.has_ended()) {
                return starter.clone();
            }
            if !starter.as_ref().is_some_and(|starter| starter.is_ready()) {
                *starter = None;
                warn(worker, "it ends at once");
                return None;
            }
        }
        let starter = match Starter::start(worker) {
            Ok(starter) => Some(starter),
            Err(error) if os::is_shortage(&error) => return None,
            Err(error) => {
                warn(worker, error);
                None
            }
        };
        *known = Some((worker.to_owned(), starter.clone()));
        starter
    })
}

fn warn(worker: &Path, why: impl Display) {
    let worker = worker.display();
    tracing::warn!(
        "the gateway starts CGI programs itself, which takes longer, as {worker} cannot do it: {why}"
    );
}

impl Starter {
    fn start(worker: &Path) -> io::Result<Arc<Self>> {
        let flags = SocketFlags::CLOEXEC;
        let (orders, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let (answers, their_answers) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfl(&answers, OFlags::NONBLOCK)?;
        let mut command = Command::new(worker);
        command
            .arg("--start-programs")
            .env_clear()
            .process_group(0)
            .stdin(theirs)
            .stdout(their_answers);
        let child = runtime::as_usual(|| command.spawn())?;
        let starter = Arc::new(Self {
            orders,
            askers: Mutex::default(),
            is_ready: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        });
        let answers = pipe::Receiver::from_owned_fd_unchecked(answers)?;
        tokio::spawn(Arc::clone(&starter).hand_out(answers, child));
        Ok(starter)
    }

    /// Has a program started. `None`: it cannot be done here, or not now; nothing has been started.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub async fn order(&self, order: &[u8], streams: &Streams) -> io::Result<Option<Pid>> {
        match send(&self.orders, order, streams) {
            Err(
                // So many wait that the gateway had better lend a hand.
                Errno::AGAIN
                // It is too long.
                | Errno::MSGSIZE
                | Errno::NOBUFS
                // Nobody takes it.
                | Errno::PIPE
                | Errno::CONNRESET,
            ) => return Ok(None),
            sent => sent?,
        }
        let (asker, answer) = oneshot::channel();
        self.askers().push_back(asker);
        match answer.await {
            Ok(answer) => answer.map(Some),
            Err(_ended) if self.is_ready() => Err(io::Error::other(
                "the process that starts programs has ended",
            )),
            Err(_ended) => Ok(None),
        }
    }

    /// Hands out the answers until the process has ended.
    async fn hand_out(self: Arc<Self>, mut answers: pipe::Receiver, mut process: Child) {
        let mut buffer = [0; ANSWER * ANSWERS];
        // Each is written at once, and so read whole.
        while let Ok(count @ 1..) = answers.read(&mut buffer).await {
            for answer in buffer.get(..count).unwrap_or_default().chunks_exact(ANSWER) {
                if answer == READY {
                    self.is_ready.store(true, Ordering::Relaxed);
                    continue;
                }
                let asker = self.askers().pop_front();
                if let Some(Err(Ok(process))) = asker.map(|asker| asker.send(read(answer))) {
                    // Who asks waits for the answer, unless the gateway ends.
                    Group::led_by(process).kill();
                }
            }
        }
        self.has_ended.store(true, Ordering::Relaxed);
        self.askers().clear();
        let _ = process.kill().and_then(|()| process.wait());
    }

    fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    fn askers(&self) -> std::sync::MutexGuard<'_, VecDeque<Asker>> {
        // Nothing under this lock can panic half-way.
        self.askers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends an order in one piece, or not at all.
fn send(to: &OwnedFd, order: &[u8], streams: &Streams) -> Result<(), Errno> {
    let (output, error) = (streams.output.as_fd(), streams.error.as_fd());
    let both = [output, error];
    let all = streams
        .input
        .as_ref()
        .map(|input| [output, error, input.as_fd()]);
    let streams = all.as_ref().map_or(&both[..], |all| all);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_STREAMS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(streams));
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(to, &[IoSlice::new(order)], &mut control, flags).map(drop)
}

fn read(answer: &[u8]) -> io::Result<Pid> {
    let number = |at| Some(i32::from_ne_bytes(*answer.get(at..)?.first_chunk()?));
    let process = number(0).and_then(Pid::from_raw);
    match (process, number(4)) {
        (Some(process), Some(0)) => Ok(process),
        (process, error) => {
            if let Some(process) = process {
                // Nobody else knows of it. It has ended.
                let _ = os::reap(process);
            }
            Err(io::Error::from_raw_os_error(error.unwrap_or_default()))
        }
    }
}
