//! The callback trace: how much of it is wanted, and what one event says. Pure, but for the level of the process.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::call::Named;

/// Which calls are told, and how much of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// None.
    #[default]
    Off,
    /// Those that fail.
    Failed,
    /// All. Nothing that may be secret: no queries, no header text, no bodies, no values of variables.
    Calls,
    /// All, with the beginning of each buffer.
    Data,
}

/// The levels by name, in their order.
const LEVELS: [(&str, Level); 4] = [
    ("off", Level::Off),
    ("failed", Level::Failed),
    ("calls", Level::Calls),
    ("data", Level::Data),
];

/// Index in [`LEVELS`] of what requests have that do not say otherwise.
static DEFAULT: AtomicU8 = AtomicU8::new(0);

impl Level {
    /// The level with this name.
    pub fn named(name: &[u8]) -> Option<Self> {
        let (_, level) = LEVELS.iter().find(|(own, _)| own.as_bytes() == name)?;
        Some(*level)
    }

    /// That of requests that do not say otherwise.
    pub fn of_process() -> Self {
        LEVELS[usize::from(DEFAULT.load(Relaxed))].1
    }

    /// Sets the level of requests that do not say otherwise.
    pub fn set_for_process(self) {
        DEFAULT.store(self as u8, Relaxed);
    }
}

/// Bytes of a buffer that are told at most.
pub const SHOWN: usize = 256;

/// One call of the extension or by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Method and path; only where the request's number tells nothing, because its answer is over.
    pub request: Option<String>,
    /// What was called.
    pub call: String,
    /// With what.
    pub arguments: String,
    /// What it returned: TRUE, FALSE or a status; `None` where something begins.
    pub result: Option<Cow<'static, str>>,
    /// Last error, or that of an operation.
    pub error: Option<u32>,
    /// When, in microseconds since the request began; `None` if there is no request.
    pub micros: Option<u64>,
    /// How long it took, in microseconds.
    pub duration: Option<u64>,
    /// The beginning of its buffers, printable.
    pub data: Option<String>,
}

impl Event {
    /// Calls `each` with the name and the text of everything that is known.
    pub fn pairs(&self, each: &mut dyn FnMut(&str, &str)) {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for (name, text) in [
            ("request", self.request.clone()),
            ("call", some(&self.call)),
            ("arguments", some(&self.arguments)),
            ("result", self.result.as_deref().and_then(some)),
            ("error", self.error.map(|error| Named(error).to_string())),
            ("micros", number(self.micros)),
            ("duration", number(self.duration)),
            ("data", self.data.clone()),
        ] {
            if let Some(text) = text {
                each(name, &text);
            }
        }
    }
}

/// For people: `WriteClient(10 bytes) = FALSE, 10054 WSAECONNRESET, 3 µs at 120 µs`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(request) = &self.request {
            write!(f, "{request}: ")?;
        }
        write!(f, "{}({})", self.call, self.arguments)?;
        if let Some(result) = &self.result {
            write!(f, " = {result}")?;
        }
        if let Some(error) = self.error {
            write!(f, ", {}", Named(error))?;
        }
        if let Some(duration) = self.duration {
            write!(f, ", {duration} µs")?;
        }
        if let Some(micros) = self.micros {
            write!(f, " at {micros} µs")?;
        }
        self.data
            .as_ref()
            .map_or(Ok(()), |data| write!(f, ", data {data}"))
    }
}

/// The beginning of some bytes, with everything escaped that is not printable ASCII, and how many there are if those
/// are not all.
pub fn shown(bytes: &[u8], most: usize) -> String {
    let kept = &bytes[..bytes.len().min(most)];
    match bytes.len() - kept.len() {
        0 => format!("\"{}\"", kept.escape_ascii()),
        _ => format!("\"{}\"… of {} bytes", kept.escape_ascii(), bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_names_and_an_order() {
        for (index, (name, level)) in LEVELS.iter().enumerate() {
            assert_eq!(Level::named(name.as_bytes()), Some(*level));
            assert_eq!(*level as usize, index);
        }
        assert_eq!(Level::named(b"all"), None);
        assert!(Level::Off < Level::Failed && Level::Calls < Level::Data);
    }

    #[test]
    fn an_event_reads_like_a_call() {
        let mut event = Event {
            call: "HttpExtensionProc".into(),
            arguments: "GET /x".into(),
            micros: Some(0),
            ..Event::default()
        };
        assert_eq!(event.to_string(), "HttpExtensionProc(GET /x) at 0 µs");
        event = Event {
            request: Some("GET /x".into()),
            call: "WriteClient".into(),
            arguments: "10 bytes".into(),
            result: Some("FALSE".into()),
            error: Some(10054),
            micros: Some(120),
            duration: Some(3),
            data: Some(shown(b"\r\nx\"", 256)),
        };
        assert_eq!(
            event.to_string(),
            r#"GET /x: WriteClient(10 bytes) = FALSE, 10054 WSAECONNRESET, 3 µs at 120 µs, data "\r\nx\"""#
        );
        let mut pairs = Vec::new();
        event.pairs(&mut |name, text| pairs.push(format!("{name}={text}")));
        assert_eq!(
            pairs,
            [
                "request=GET /x",
                "call=WriteClient",
                "arguments=10 bytes",
                "result=FALSE",
                "error=10054 WSAECONNRESET",
                "micros=120",
                "duration=3",
                r#"data="\r\nx\"""#
            ]
        );
    }

    #[test]
    fn long_data_is_cut() {
        assert_eq!(shown(b"", 3), r#""""#);
        assert_eq!(shown(b"abc", 3), r#""abc""#);
        assert_eq!(shown(b"ab\xff\0", 3), r#""ab\xff"… of 4 bytes"#);
    }
}
