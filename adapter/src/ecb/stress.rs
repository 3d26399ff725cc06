//! Requests whose extension, completion functions and front all act at the same time, at random: what the threads of a
//! badly behaved extension do to the table, the session and the completion threads through its callbacks.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use fastcgi_protocol::{ExecStatus, Grant, Params, Window};
use isapi_abi::ecb::EXTENSION_CONTROL_BLOCK;
use isapi_abi::requests::{
    HSE_REQ_ASYNC_READ_CLIENT, HSE_REQ_CANCEL_IO, HSE_REQ_CLOSE_CONNECTION, HSE_REQ_EXEC_URL,
    HSE_REQ_IO_COMPLETION, HSE_REQ_IS_CONNECTED, HSE_REQ_SEND_RESPONSE_HEADER,
    HSE_REQ_SET_FLUSH_FLAG,
};
use isapi_abi::status::HSE_STATUS_PENDING;
use isapi_abi::support::HSE_EXEC_URL_INFO;

use super::*;
use crate::completions::Completions;
use crate::link::{Gone, Link, Stream};
use crate::response::Ending;
use crate::session::Credit;
use crate::variables::Variables;

/// Bytes of the body that the front may send ahead: more than the read-ahead.
const STDIN_WINDOW: u32 = 60_000;
/// Bytes of each request's body.
const BODY: u64 = 150_000;
/// What each thread does before it comes to its end.
const ACTIONS: usize = 60;
/// Only a hang takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % limit
    }
}

/// The front of one request, which notes what must not happen.
struct Front {
    completions: Arc<Completions>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// What the worker may send, and the front.
    stdout: u64,
    stdin: u64,
    /// A child request is under way.
    child: bool,
    finished: bool,
    wrong: Vec<&'static str>,
}

impl Known {
    fn check(&mut self, holds: bool, otherwise: &'static str) {
        if !holds {
            self.wrong.push(otherwise);
        }
    }
}

impl Front {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for Front {
    fn send(&self, _: u16, _: Stream, bytes: &[u8]) -> Result<(), Gone> {
        let mut known = self.lock();
        let open = !known.finished;
        known.check(open, "bytes behind the end");
        let left = known.stdout.checked_sub(bytes.len() as u64);
        known.check(left.is_some(), "more bytes than credit");
        known.stdout = left.unwrap_or_default();
        Ok(())
    }

    fn end_stream(&self, _: u16, stream: Stream) {
        let mut known = self.lock();
        let open = !known.finished;
        known.check(open, "a child request behind the end");
        known.child |= stream == Stream::ExecParams;
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn finish(&self, id: u16, last: &[u8], _: Ending, _: &[u8]) {
        // A second end shows there as bytes behind the first.
        let _ = self.send(id, Stream::Stdout, last);
        self.lock().finished = true;
    }

    fn report(&self, _: u16, _: &str) {
        let mut known = self.lock();
        let open = !known.finished;
        known.check(open, "a report behind the end");
    }

    fn grant(&self, _: u16, bytes: u32) {
        // Others have a chance to end the request now.
        (0..20).for_each(|_| thread::yield_now());
        let mut known = self.lock();
        let open = !known.finished;
        known.check(open, "credit behind the end");
        known.stdin += u64::from(bytes);
        let window = known.stdin <= u64::from(STDIN_WINDOW);
        known.check(window, "more credit than the window");
    }

    fn resume(&self, session: Arc<Session>) {
        self.completions.submit(session);
    }
}

/// What the extension keeps of a request. It lives until the test ends, as it does in extensions that never free it.
struct Kept {
    id: HCONN,
    random: Mutex<Random>,
    /// Room for the one operation that may be outstanding.
    room: *mut u8,
    started: AtomicU32,
    completed: AtomicU32,
}

// SAFETY: the test leaves `room` to the one outstanding operation.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

const ROOM: u32 = 40;

impl Kept {
    fn support<T>(&self, code: u32, buffer: *mut T, size: *mut u32, data_type: *mut u32) -> BOOL {
        // SAFETY: the callers pass what the code defines.
        unsafe { server_support_function(self.id, code, buffer.cast(), size, data_type) }
    }

    fn done(&self) {
        self.support(
            HSE_REQ_DONE_WITH_SESSION,
            null_mut::<u8>(),
            null_mut(),
            null_mut(),
        );
    }

    /// Counts an operation that has been started; it may be over by then.
    fn start(&self, call: impl FnOnce() -> BOOL) {
        self.started.fetch_add(1, Ordering::Relaxed);
        if call() == FALSE {
            self.started.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn write_asynchronously(&self) {
        let mut size = 25;
        let bytes = b"some bytes, and some more".as_ptr().cast_mut();
        // SAFETY: bytes that are always there.
        self.start(|| unsafe { write_client(self.id, bytes.cast(), &raw mut size, HSE_IO_ASYNC) });
    }

    fn read_asynchronously(&self) {
        let (mut size, mut flags) = (ROOM, HSE_IO_ASYNC);
        let (size, flags) = (&raw mut size, &raw mut flags);
        self.start(|| self.support(HSE_REQ_ASYNC_READ_CLIENT, self.room, size, flags));
    }

    fn exec(&self) {
        let mut info = HSE_EXEC_URL_INFO {
            pszUrl: null_mut(),
            pszMethod: null_mut(),
            pszChildHeaders: null_mut(),
            pUserInfo: null_mut(),
            pEntity: null_mut(),
            dwExecUrlFlags: 0,
        };
        let info = &raw mut info;
        self.start(|| self.support(HSE_REQ_EXEC_URL, info, null_mut(), null_mut()));
    }

    /// Something that an extension may do at any time, and should not do after the end.
    fn act(&self) {
        let choice = self.random.lock().unwrap().below(64);
        let mut bytes = vec![0_u8; 20_000];
        let mut size = 300;
        match choice {
            0..10 => {
                // SAFETY: there are so many bytes.
                unsafe { write_client(self.id, bytes.as_mut_ptr().cast(), &raw mut size, 0) };
            }
            10..20 => {
                size = 20_000;
                // SAFETY: there is so much room.
                unsafe { read_client(self.id, bytes.as_mut_ptr().cast(), &raw mut size) };
            }
            20..35 => self.write_asynchronously(),
            35..48 => self.read_asynchronously(),
            48..50 => self.exec(),
            50..53 => {
                let head = c"200 OK".as_ptr().cast_mut();
                self.support(HSE_REQ_SEND_RESPONSE_HEADER, head, null_mut(), null_mut());
            }
            53..56 => {
                let mut answer: BOOL = FALSE;
                let answer = &raw mut answer;
                self.support(HSE_REQ_IS_CONNECTED, answer, null_mut(), null_mut());
            }
            56..58 => {
                let name = c"REQUEST_METHOD".as_ptr().cast();
                // SAFETY: there is so much room.
                unsafe {
                    get_server_variable(self.id, name, bytes.as_mut_ptr().cast(), &raw mut size);
                }
            }
            58..60 => {
                self.support(HSE_REQ_CANCEL_IO, null_mut::<u8>(), null_mut(), null_mut());
            }
            60..62 => {
                let flag = std::ptr::without_provenance_mut::<u8>(1);
                self.support(HSE_REQ_SET_FLUSH_FLAG, flag, null_mut(), null_mut());
            }
            62 if self.random.lock().unwrap().below(8) == 0 => {
                self.support(
                    HSE_REQ_CLOSE_CONNECTION,
                    null_mut::<u8>(),
                    null_mut(),
                    null_mut(),
                );
            }
            63 if self.random.lock().unwrap().below(8) == 0 => self.done(),
            _ => thread::yield_now(),
        }
    }
}

/// The completion function: goes on, often with the next operation.
unsafe extern "system" fn completed(
    _: *mut EXTENSION_CONTROL_BLOCK,
    context: *mut c_void,
    _: u32,
    _: u32,
) {
    // SAFETY: the context is such a structure, alive until the test ends.
    let kept = unsafe { &*context.cast::<Kept>() };
    kept.completed.fetch_add(1, Ordering::Relaxed);
    for _ in 0..2 {
        kept.act();
    }
}

/// One thread of the front: body, credit and answers of child requests, whatever the extension does; in the end enough
/// of everything, or the client goes.
fn serve(front: &Front, session: &Arc<Session>, mut left: u64, random: &mut Random) {
    let leaves = random.below(2) == 0;
    let mut action = 0;
    while !front.lock().finished {
        action += 1;
        let mut known = front.lock();
        let answers = action > ACTIONS || random.below(3) == 0;
        let child = answers && std::mem::take(&mut known.child);
        let credit = match action {
            0..ACTIONS => random.below(200),
            _ => 10_000_u64.saturating_sub(known.stdout),
        };
        known.stdout += credit;
        let body = left.min(known.stdin).min(1 + random.below(5_000));
        known.stdin -= body;
        drop(known);
        left -= body;
        session
            .push_body(&vec![0; usize::try_from(body).unwrap()])
            .unwrap();
        session.add_credit(u32::try_from(credit).unwrap()).unwrap();
        if child {
            session.child_over(ExecStatus::default());
        }
        match random.below(40) {
            0 if action > ACTIONS => session.tick(),
            _ if action == ACTIONS && leaves => drop(session.abort()),
            _ if action == ACTIONS => drop(session.end_body()),
            _ => thread::yield_now(),
        }
    }
}

fn run(seed: u64, completions: &Arc<Completions>) {
    let mut random = Random(seed);
    let credit = Credit {
        stdin: Grant::new(STDIN_WINDOW),
        stdout: Window::new(100),
    };
    let ahead = 50_000;
    let front = Arc::new(Front {
        completions: Arc::clone(completions),
        known: Mutex::new(Known {
            stdout: 100,
            stdin: u64::from(STDIN_WINDOW) - ahead,
            ..Known::default()
        }),
    });
    let link = Arc::clone(&front);
    let variables = Variables::new(Params::new());
    let session = Arc::new(Session::new(1, link, variables, Some(BODY), Some(credit)));
    let ahead = vec![0; usize::try_from(ahead).unwrap()];
    assert!(session.push_body(&ahead).unwrap());
    let (data, total) = session.begin();
    let entry = TABLE.insert(Arc::new(Entry::new(&session, data, total)));
    let mut room = [0; ROOM as usize];
    let kept = Kept {
        id: std::ptr::without_provenance_mut(entry.id),
        random: Mutex::new(Random(random.below(u64::MAX))),
        room: room.as_mut_ptr(),
        started: AtomicU32::new(0),
        completed: AtomicU32::new(0),
    };
    let context = (&raw const kept).cast_mut().cast();
    kept.support(
        HSE_REQ_IO_COMPLETION,
        completed as *mut c_void,
        null_mut(),
        context,
    );
    thread::scope(|scope| {
        // Two threads of the extension, one of which runs HttpExtensionProc.
        let other = scope.spawn(|| (0..ACTIONS).for_each(|_| kept.act()));
        scope.spawn(|| {
            (0..ACTIONS).for_each(|_| kept.act());
            end(&entry, Event::Returned(HSE_STATUS_PENDING));
            other.join().unwrap();
            kept.done();
        });
        scope.spawn(|| serve(&front, &session, BODY - 50_000, &mut random));
    });
    // The last completion function may still run.
    assert!(
        TABLE.wait_until_empty(Instant::now() + PATIENCE),
        "seed {seed}: not released"
    );
    let known = front.lock();
    assert!(known.wrong.is_empty(), "seed {seed}: {:?}", known.wrong);
    let (started, completed) = (&kept.started, &kept.completed);
    assert_eq!(
        started.load(Ordering::Relaxed),
        completed.load(Ordering::Relaxed),
        "seed {seed}: each operation completes once"
    );
    assert!(
        TABLE.get(kept.id).is_none(),
        "seed {seed}: its ConnID ended with it"
    );
}

#[test]
fn whatever_threads_do_at_once_a_request_ends_once_and_keeps_its_credit() {
    let completions = Completions::new(3);
    for seed in 0..300 {
        let completions = Arc::clone(&completions);
        let (running, over) = channel::<()>();
        let thread = thread::spawn(move || {
            let _running = running;
            run(seed, &completions);
        });
        let ended = over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected);
        assert!(ended, "seed {seed}: it hangs");
        thread.join().unwrap();
    }
}
