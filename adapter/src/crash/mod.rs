//! Crash reports: an extension that brings its process down leaves one line on standard error, and behind it the last
//! calls of the request whose thread it was, and the function calls that led to the crash. So does one that hangs and is
//! killed for that, where the system has a way to ask its thread.
//!
//! ```text
//! isapi-worker: crash: EXCEPTION_ACCESS_VIOLATION (0xC0000005) reading 0x0 at foo.dll+0x1234 in thread 52, request 0:17 GET /x
//! isapi-worker: crash: SIGSEGV (11) writing 0x0 at foo.so+0x1234 in thread 4711, no request
//! isapi-worker: crash: the request hangs at libc.so.6+0x1234 in thread 4711, request 0:17 GET /x
//! isapi-worker: crash: call 3: WriteClient 1024 bytes = TRUE at 12 µs
//! isapi-worker: crash: frame 1: 0x7f30115c6180 foo.so+0x1180
//! ```
//!
//! The numbers before the request are those of the gateway's connection and of the request on it: by them the gateway
//! tells the culprit from the others. Other web servers have none.
//!
//! Handlers of faults may not allocate, lock or wait, so the requests under way and their last calls are noted in fixed
//! memory, without queries: those may hold secrets.
#![allow(unsafe_code)]

mod calls;
mod line;
#[cfg(any(unix, test))]
mod maps;
mod ticks;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::cell::Cell;
use std::fmt;
use std::ptr::null_mut;
use std::sync::atomic::{
    AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed,
};

pub use calls::{Calls, Running};
#[cfg(unix)]
pub use unix::check_thread;
#[cfg(windows)]
pub use windows::check_thread;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use line::Line;

use crate::threads::{MOST_SOURCES, MOST_THREADS};

/// The first of the threads for completion functions, behind those that run `HttpExtensionProc`: as many as may be
/// inside, and for each connection one that reads.
pub const COMPLETIONS: usize = MOST_THREADS + MOST_SOURCES;
/// Threads whose requests are noted.
const THREADS: usize = COMPLETIONS + MOST_THREADS;
/// Bytes of method and path that are kept.
const TEXT: usize = 200;

static NOTES: [Note; THREADS] = [const { Note::new() }; THREADS];

/// What a thread is busy with. Only that thread touches it, and the handler that runs on it.
struct Note {
    /// The system's number of the thread, 0 before it has started.
    thread: AtomicU32,
    /// The gateway's connection and the request's number on it, which is never 0; 0 without a gateway.
    name: AtomicU32,
    length: AtomicUsize,
    text: [AtomicU8; TEXT],
    /// When the request began.
    began: AtomicU64,
    /// The calls of the request, or NULL.
    calls: AtomicPtr<Calls>,
}

thread_local! {
    /// The calling thread's note.
    static NOTE: Cell<Option<&'static Note>> = const { Cell::new(None) };
}

impl Note {
    const fn new() -> Self {
        Self {
            thread: AtomicU32::new(0),
            name: AtomicU32::new(0),
            length: AtomicUsize::new(0),
            text: [const { AtomicU8::new(0) }; TEXT],
            began: AtomicU64::new(0),
            calls: AtomicPtr::new(null_mut()),
        }
    }

    /// The calls of the request; for reports about the note's own thread, or about one that waits for that or has ended.
    fn calls(&self) -> Option<&Calls> {
        let calls = self.calls.load(Relaxed);
        // SAFETY: `with_calls` sets the pointer only as long as what it points to is borrowed. That thread is here,
        // waits, or has ended inside, and then what it had borrowed is never given back.
        unsafe { calls.as_ref() }
    }
}

/// Sees to reports from now on.
pub fn install() {
    ticks::start();
    system::install();
}

/// The calling thread is number `number` of its pool from now on, counted as the notes are.
pub fn watch_thread(number: usize) {
    system::prepare_thread();
    if let Some(note) = NOTES.get(number) {
        note.thread.store(system::thread_id(), Relaxed);
        NOTE.set(Some(note));
    }
}

/// The pool's thread `number`, which calls this, is about to hand a request to the extension.
pub fn request_begins(number: usize, name: Option<(u16, u16)>, method: &[u8], path: &[u8]) {
    let Some(note) = NOTES.get(number) else {
        return;
    };
    let mut places = note.text.iter();
    for text in [method, b" ", path] {
        for (byte, place) in text.iter().zip(&mut places) {
            place.store(*byte, Relaxed);
        }
    }
    let length = TEXT - places.len();
    let name = name.map_or(0, |(lane, id)| u32::from(lane) << 16 | u32::from(id));
    note.name.store(name, Relaxed);
    note.began.store(ticks::now(), Relaxed);
    note.length.store(length, Relaxed);
}

/// The extension has returned.
pub fn request_ends(number: usize) {
    if let Some(note) = NOTES.get(number) {
        note.length.store(0, Relaxed);
    }
}

/// Runs code of the extension on the calling thread: a crash meanwhile tells these calls.
pub fn with_calls<T>(calls: &Calls, run: impl FnOnce() -> T) -> T {
    let set = |calls| {
        if let Some(note) = NOTE.get() {
            note.calls.store(calls, Relaxed);
        }
    };
    set(std::ptr::from_ref(calls).cast_mut());
    let result = run();
    set(null_mut());
    result
}

/// What was done with the address of a fault.
#[derive(Clone, Copy, Debug)]
enum Access {
    Reading,
    Writing,
    Executing,
}

/// Where a fault happened.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    /// Address of the instruction.
    address: usize,
    /// File name of the library that it belongs to, and its offset there.
    module: Option<(&'a [u8], usize)>,
}

/// One crash.
struct Report<'a> {
    what: fmt::Arguments<'a>,
    access: Option<(Access, usize)>,
    place: Option<Place<'a>>,
    thread: u32,
}

impl Report<'_> {
    /// Writes the lines to standard error.
    fn send(&self) {
        write_line(format_args!("{self}"));
        let calls = busy_with(self.thread).and_then(|(note, _)| note.calls());
        for noted in calls.iter().flat_map(|calls| calls.last()) {
            write_line(format_args!("{noted}"));
        }
    }
}

fn write_line(text: fmt::Arguments<'_>) {
    let mut line = Line::new();
    // What does not fit is cut off.
    let _ = fmt::write(&mut line, format_args!("isapi-worker: crash: {text}"));
    system::write_to_stderr(line.finish());
}

/// Calls of functions that are told at most.
const MOST_FRAMES: usize = 32;

/// The calls of functions that led to a crash, told one by one, the innermost first: its number 0 is the place of the crash.
struct Frames {
    count: usize,
}

impl Frames {
    fn new() -> Self {
        Self { count: 0 }
    }

    /// Writes one more to standard error. False when it was the last that is told.
    fn tell(&mut self, place: Place<'_>) -> bool {
        write_line(format_args!("frame {}: {place}", self.count));
        self.count += 1;
        self.count < MOST_FRAMES
    }
}

/// `0x7f30115c6180 foo.so+0x1180`, or the address alone.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address)?;
        if let Some((name, offset)) = self.module {
            f.write_str(" ")?;
            name.iter().try_for_each(|byte| visible(*byte, f))?;
            write!(f, "+{offset:#x}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if let Some((access, address)) = self.access {
            let access = match access {
                Access::Reading => "reading",
                Access::Writing => "writing",
                Access::Executing => "executing",
            };
            write!(f, " {access} {address:#x}")?;
        }
        match self.place {
            Some(Place {
                module: Some((name, offset)),
                ..
            }) => {
                f.write_str(" at ")?;
                name.iter().try_for_each(|byte| visible(*byte, f))?;
                write!(f, "+{offset:#x}")?;
            }
            Some(Place { address, .. }) => write!(f, " at {address:#x}")?,
            None => {}
        }
        write!(f, " in thread {}, ", self.thread)?;
        match busy_with(self.thread) {
            Some((note, length @ 1..)) => {
                f.write_str("request ")?;
                match note.name.load(Relaxed) {
                    0 => {}
                    name => write!(f, "{}:{} ", name >> 16, name & 0xffff)?,
                }
                let text = note.text.iter().take(length);
                text.map(|byte| byte.load(Relaxed))
                    .try_for_each(|byte| visible(byte, f))
            }
            _ => f.write_str("no request"),
        }
    }
}

/// The note of a thread that is busy with a request, and the length of its text; the length is 0 when it is not.
fn busy_with(thread: u32) -> Option<(&'static Note, usize)> {
    let note = NOTES
        .iter()
        .find(|note| note.thread.load(Relaxed) == thread)?;
    Some((note, note.length.load(Relaxed)))
}

/// The thread that has been busy with one request for longest.
#[cfg(unix)]
fn longest_busy(notes: &[Note]) -> Option<u32> {
    let busy = notes.iter().filter(|note| note.length.load(Relaxed) > 0);
    let longest = busy.min_by_key(|note| note.began.load(Relaxed));
    longest.map(|note| note.thread.load(Relaxed))
}

/// A byte from outside: nothing that could look like another line.
fn visible(byte: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let byte = if byte.is_ascii_graphic() || byte == b' ' {
        byte
    } else {
        b'?'
    };
    fmt::Write::write_char(f, char::from(byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn says_everything_that_is_known() {
        NOTES[200].thread.store(77, Relaxed);
        request_begins(200, Some((2, 17)), b"GET", b"/a\nb.dll");
        let mut report = Report {
            what: format_args!("EXCEPTION_ACCESS_VIOLATION (0xC0000005)"),
            access: Some((Access::Writing, 0)),
            place: Some(Place {
                address: 0x1000,
                module: Some((b"a.dll", 0x12)),
            }),
            thread: 77,
        };
        assert_eq!(
            report.to_string(),
            "EXCEPTION_ACCESS_VIOLATION (0xC0000005) writing 0x0 at a.dll+0x12 in thread 77, \
             request 2:17 GET /a?b.dll"
        );
        request_ends(200);
        report.access = None;
        report.place = Some(Place {
            address: 0x1000,
            module: None,
        });
        assert!(
            report
                .to_string()
                .ends_with("(0xC0000005) at 0x1000 in thread 77, no request")
        );
        report.thread = 78;
        assert!(report.to_string().ends_with("in thread 78, no request"));
    }

    #[test]
    fn tells_so_many_frames_and_where_they_are() {
        let frame = |module| Place {
            address: 0x1000,
            module,
        };
        assert_eq!(frame(None).to_string(), "0x1000");
        assert_eq!(
            frame(Some((b"a b\n.so", 0x12))).to_string(),
            "0x1000 a b?.so+0x12"
        );
        let mut frames = Frames {
            count: MOST_FRAMES - 2,
        };
        assert!(frames.tell(frame(None)));
        assert!(!frames.tell(frame(None)));
    }

    #[test]
    fn keeps_the_beginning_of_a_long_path() {
        NOTES[201].thread.store(79, Relaxed);
        request_begins(201, None, b"GET", &[b'x'; 1000]);
        let report = Report {
            what: format_args!("SIGSEGV (11)"),
            access: None,
            place: None,
            thread: 79,
        };
        let path = "x".repeat(TEXT - 4);
        assert!(report.to_string().ends_with(&format!("request GET {path}")));
    }

    #[test]
    #[cfg(unix)]
    fn the_thread_that_is_busy_for_longest_is_found() {
        let notes = [const { Note::new() }; 4];
        for (number, (note, began)) in (1..).zip(notes.iter().zip([5, 30, 10, 20])) {
            note.thread.store(number, Relaxed);
            note.began.store(began, Relaxed);
        }
        assert_eq!(longest_busy(&notes), None);
        for (busy, longest) in [(1, 2), (3, 4), (2, 3)] {
            notes[busy].length.store(1, Relaxed);
            assert_eq!(longest_busy(&notes), Some(longest));
        }
    }

    #[test]
    fn knows_the_calls_of_a_thread_as_long_as_it_runs_the_extension() {
        std::thread::spawn(|| {
            watch_thread(202);
            let calls = Calls::new();
            calls.begin(crate::call::Call::ReadClient).end(0);
            let inside = with_calls(&calls, || {
                let found = NOTES[202].calls();
                found.map(|calls| calls.last().count())
            });
            assert_eq!(inside, Some(1));
            assert!(NOTES[202].calls().is_none());
        })
        .join()
        .unwrap();
    }
}
