//! What a worker says on standard error, and what of it is the report of its crash.

/// Begins the line in which a dying worker says why.
const MARK: &str = "isapi-worker: crash: ";
/// Begins, behind the mark, the lines in which it tells the last calls of the request whose thread crashed.
const CALL: &str = "call ";
/// Calls that are kept: as many as workers tell.
const MOST_CALLS: usize = 8;

/// Logs a worker's lines and keeps the report of its crash.
pub struct CrashReport {
    pool: String,
    pid: u32,
    crash: Option<Crash>,
}

/// What a worker said of its crash.
#[derive(Debug, PartialEq, Eq)]
pub struct Crash {
    /// In its own words.
    pub text: String,
    /// The request whose thread faulted.
    pub culprit: Option<Culprit>,
    /// That request's last calls, oldest first: `3: WriteClient 1024 bytes = TRUE at 12 µs`.
    pub calls: Vec<String>,
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
        }
    }

    /// Takes a line. The calls of a crash are not logged here, but with the worker's end.
    pub fn take(&mut self, line: &str) {
        let (pool, pid) = (&self.pool, self.pid);
        let Some(text) = line.strip_prefix(MARK) else {
            tracing::warn!(pool, pid, "{line}");
            return;
        };
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

    /// What the worker said of its crash.
    pub fn into_crash(self) -> Option<Crash> {
        self.crash
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
        report.into_crash()
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
}
