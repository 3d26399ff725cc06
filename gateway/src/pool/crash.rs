//! What a worker says on standard error, and what of it is the report of its crash.

mod fault;

use std::collections::VecDeque;

use crate::observe::crash_report::content::{Fault, Frame, Kind};

/// Begins the line in which a dying worker says why.
const MARK: &str = "isapi-worker: crash: ";
/// Begins, behind the mark, the lines in which it tells the last calls of the request whose thread crashed.
const CALL: &str = "call ";
/// Begins those in which it tells the function calls that led to the crash.
const FRAME: &str = "frame ";
/// Calls that are kept: as many as workers tell.
const MOST_CALLS: usize = 8;
/// Frames that are kept: as many as workers tell.
const MOST_FRAMES: usize = 32;
/// Last lines that are kept …
const TAIL_LINES: usize = 100;
/// … and bytes of them.
const TAIL_BYTES: usize = 16 * 1024;

/// Logs a worker's lines and keeps the report of its crash.
pub struct CrashReport {
    pool: String,
    pid: u32,
    crash: Option<Crash>,
    tail: Tail,
}

/// The last lines.
#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

/// What a worker said of its crash.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Crash {
    /// In its own words.
    pub text: String,
    /// The request whose thread faulted.
    pub culprit: Option<Culprit>,
    /// That request's last calls, oldest first: `3: WriteClient 1024 bytes = TRUE at 12 µs`.
    pub calls: Vec<String>,
    /// The function calls that led to it, the innermost first.
    pub frames: Vec<Frame>,
}

/// A request, by the numbers that gateway and worker know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// Index of its lane.
    pub lane: usize,
    /// Its number on it.
    pub id: u16,
}

/// Whose fault the death of a worker is to the requests of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Nobody knows.
    Unknown,
    /// That of a request on another lane.
    Elsewhere,
    /// That of the request with this number.
    Request(u16),
}

impl Blame {
    /// To the requests of a lane, if the culprit is known.
    pub fn of(culprit: Option<Culprit>, lane: usize) -> Self {
        match culprit {
            None => Blame::Unknown,
            Some(culprit) if culprit.lane == lane => Blame::Request(culprit.id),
            Some(_) => Blame::Elsewhere,
        }
    }
}

impl Crash {
    /// From the line without its mark: `SIGSEGV (11) at x.so+0x12 in thread 52, request 0:17 GET /x`. What the client
    /// has chosen comes last.
    fn parse(text: &str) -> Self {
        let culprit = || {
            let (_, rest) = text.split_once(", request ")?;
            let (lane, rest) = rest.split_once(':')?;
            let (id, _) = rest.split_once(' ')?;
            Some(Culprit {
                lane: lane.parse().ok()?,
                id: id.parse().ok()?,
            })
        };
        Self {
            text: text.to_owned(),
            culprit: culprit(),
            calls: Vec::new(),
            frames: Vec::new(),
        }
    }

    /// What it was, in parts; `None` if the worker has said nothing.
    pub fn fault(&self) -> Option<Fault> {
        (!self.text.is_empty()).then(|| fault::parse(&self.text, self.frames.first()))
    }

    /// What kind of death that is.
    pub fn kind(&self) -> Kind {
        if self.text.starts_with("the extension has called exit") {
            Kind::Exit
        } else if self.text.starts_with("the thread has ended") {
            Kind::ThreadGone
        } else if self.text.starts_with("the request hangs") {
            Kind::Hang
        } else {
            Kind::Crash
        }
    }
}

impl Tail {
    fn push(&mut self, line: &str) {
        self.bytes += line.len();
        self.lines.push_back(line.to_owned());
        while self.lines.len() > TAIL_LINES || self.bytes > TAIL_BYTES {
            let Some(first) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= first.len();
        }
    }
}

impl CrashReport {
    /// For a worker of this pool.
    pub fn new(pool: String, pid: u32) -> Self {
        Self {
            pool,
            pid,
            crash: None,
            tail: Tail::default(),
        }
    }

    /// Takes a line. The calls of a crash are not logged here, but with the worker's end; frames are for the report alone.
    pub fn take(&mut self, line: &str) {
        let (pool, pid) = (&self.pool, self.pid);
        let Some(text) = line.strip_prefix(MARK) else {
            tracing::warn!(pool, pid, "{line}");
            self.tail.push(line);
            return;
        };
        if let (Some(frame), Some(crash)) = (text.strip_prefix(FRAME), &mut self.crash) {
            if crash.frames.len() < MOST_FRAMES {
                crash.frames.extend(fault::frame(frame));
            }
            return;
        }
        match (text.strip_prefix(CALL), &mut self.crash) {
            (Some(call), Some(crash)) if crash.calls.len() < MOST_CALLS => {
                crash.calls.push(call.to_owned());
            }
            (call, crash) => {
                tracing::error!(pool, pid, "{line}");
                if call.is_none() {
                    // The first one: what follows may be its consequence.
                    crash.get_or_insert_with(|| Crash::parse(text));
                }
            }
        }
    }

    /// What the worker said of its crash, and its last lines beside that.
    pub fn finish(self) -> (Option<Crash>, Vec<String>) {
        (self.crash, self.tail.lines.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_culprit_is_told_by_its_numbers() {
        let culprit = |text: &str| Crash::parse(text).culprit;
        assert_eq!(
            culprit("SIGSEGV (11) at x.so+0x12 in thread 52, request 1:17 GET /x, request 0:3 y"),
            Some(Culprit { lane: 1, id: 17 })
        );
        for other in [
            "A in thread 1, no request",
            "A, request GET /1:2 ",
            "A, request 1:99999 GET /",
            "",
        ] {
            assert_eq!(culprit(other), None);
        }
    }

    fn report(lines: &[&str]) -> Option<Crash> {
        let mut report = CrashReport::new("pool".into(), 1);
        lines.iter().for_each(|line| report.take(line));
        report.finish().0
    }

    #[test]
    fn the_first_report_counts() {
        assert_eq!(report(&["isapi-worker: a word", "crash: x"]), None);
        let crash = report(&["x", "isapi-worker: crash: A at b", "isapi-worker: crash: C"]);
        assert_eq!(crash.map(|crash| crash.text), Some("A at b".into()));
    }

    #[test]
    fn the_calls_behind_it_belong_to_it() {
        let call = "isapi-worker: crash: call 3: WriteClient = TRUE";
        assert_eq!(report(&[call]), None);
        let calls = |lines: &[&str]| report(lines).map(|crash| crash.calls);
        let crash = ["isapi-worker: crash: A", call, "another", call];
        assert_eq!(
            calls(&crash),
            Some(vec!["3: WriteClient = TRUE".to_owned(); 2])
        );
        let many = [&crash[..], &[call; 100]].concat();
        assert_eq!(calls(&many).map(|calls| calls.len()), Some(8));
    }

    #[test]
    fn frames_are_kept_in_order_and_bounded() {
        let line = |text: &str| format!("isapi-worker: crash: {text}");
        let mut report = CrashReport::new("pool".into(), 1);
        report.take(&line("frame 0: 0x1 early.so+0x1"));
        report.take(&line(
            "SIGSEGV (11) reading 0x0 at a.so+0x12 in thread 5, no request",
        ));
        report.take(&line("frame nonsense"));
        for number in 0..100 {
            report.take(&line(&format!("frame {number}: 0x{number:x} a.so+0x12")));
        }
        let crash = report.finish().0.unwrap_or_default();
        let addresses: Vec<_> = crash
            .frames
            .iter()
            .map(|frame| frame.address.as_deref())
            .collect();
        assert_eq!(addresses.len(), MOST_FRAMES);
        assert_eq!(addresses[..3], [Some("0x0"), Some("0x1"), Some("0x2")]);
        assert_eq!(crash.kind(), Kind::Crash);
    }

    #[test]
    fn the_last_lines_are_kept() {
        let mut report = CrashReport::new("pool".into(), 1);
        for number in 0..1000 {
            report.take(&format!("line {number}"));
        }
        let tail = report.finish().1;
        assert_eq!((tail.len(), tail[99].as_str()), (100, "line 999"));
        let mut report = CrashReport::new("pool".into(), 1);
        for _ in 0..10 {
            report.take(&"x".repeat(4096));
        }
        assert_eq!(report.finish().1.len(), 4);
    }
}
