//! Crash reports: an extension that brings its process down leaves one line on standard error.
//!
//! ```text
//! isapi-worker: crash: EXCEPTION_ACCESS_VIOLATION (0xC0000005) reading 0x0 at foo.dll+0x1234 in thread 52, request 0:17 GET /x
//! isapi-worker: crash: SIGSEGV (11) writing 0x0 at foo.so+0x1234 in thread 4711, no request
//! ```
//!
//! The numbers before the request are those of the gateway's connection and of the request on it: by them the gateway
//! tells the culprit from the others. Other web servers have none.
//!
//! Handlers of faults may not allocate, lock or wait, so the requests under way are noted in fixed memory, without
//! their queries: those may hold secrets.
#![allow(unsafe_code)]

mod line;
#[cfg(any(unix, test))]
mod maps;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};

#[cfg(unix)]
pub use unix::{check_thread, install};
#[cfg(windows)]
pub use windows::{check_thread, install};

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use line::Line;

use crate::threads::MOST_THREADS;

/// Threads whose requests are noted: those that run `HttpExtensionProc`, and behind them those for completion functions.
const THREADS: usize = 2 * MOST_THREADS;
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
}

impl Note {
    const fn new() -> Self {
        Self {
            thread: AtomicU32::new(0),
            name: AtomicU32::new(0),
            length: AtomicUsize::new(0),
            text: [const { AtomicU8::new(0) }; TEXT],
        }
    }
}

/// The calling thread is number `number` of its pool from now on, counted as the notes are.
pub fn watch_thread(number: usize) {
    system::prepare_thread();
    if let Some(note) = NOTES.get(number) {
        note.thread.store(system::thread_id(), Relaxed);
    }
}

/// The pool's thread `number`, which calls this, is about to hand a request to the extension.
pub fn request_begins(number: usize, name: Option<(u16, u16)>, method: &[u8], path: &[u8]) {
    let Some(note) = NOTES.get(number) else {
        return;
    };
    let text = method.iter().chain(b" ").chain(path);
    let mut length = 0;
    for (place, byte) in note.text.iter().zip(text) {
        place.store(*byte, Relaxed);
        length += 1;
    }
    let name = name.map_or(0, |(lane, id)| u32::from(lane) << 16 | u32::from(id));
    note.name.store(name, Relaxed);
    note.length.store(length, Relaxed);
}

/// The extension has returned.
pub fn request_ends(number: usize) {
    if let Some(note) = NOTES.get(number) {
        note.length.store(0, Relaxed);
    }
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
    /// Writes the line to standard error.
    fn send(&self) {
        let mut line = Line::new();
        // What does not fit is cut off.
        let _ = fmt::write(&mut line, format_args!("{self}"));
        system::write_to_stderr(line.finish());
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "isapi-worker: crash: {}", self.what)?;
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
            "isapi-worker: crash: EXCEPTION_ACCESS_VIOLATION (0xC0000005) writing 0x0 at a.dll+0x12 in thread 77, \
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
}
