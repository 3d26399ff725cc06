//! What is asked of the handler (adapter/samples/bench.c), and what the answer must be.

use std::fmt;
use std::str::FromStr;

use super::http;
use super::result::Shape;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A request that is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// Thirteen bytes.
    Hello,
    /// Twenty-four server variables.
    Variables,
    /// A body of 1 KiB and back.
    Echo1k,
    /// A body of 64 KiB and back.
    Echo64k,
    /// A body of 1 MiB and back.
    Echo1m,
    /// 64 MiB down.
    Stream64m,
    /// The check digits of a thousand card numbers.
    Card,
    /// 1 GiB down, while the memory of the servers is watched.
    Stream1g,
    /// Clients that ask for 64 MiB and read nothing.
    Stalled,
    /// Hello at a fixed rate, with and without a request at its side that takes a second.
    Slow,
    /// GET of one URL of the user's own extension.
    Own,
}

/// The loads of the sample handler, in the order of the report.
pub const LOADS: [Load; 10] = [
    Load::Hello,
    Load::Variables,
    Load::Echo1k,
    Load::Echo64k,
    Load::Echo1m,
    Load::Stream64m,
    Load::Card,
    Load::Stream1g,
    Load::Stalled,
    Load::Slow,
];

/// What the slow request of [`Load::Slow`] asks for.
pub const SLEEP: &str = "/bench?load=sleep";

impl Load {
    /// Its name on the command line and in the report.
    pub fn id(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Variables => "variables",
            Self::Echo1k => "echo-1k",
            Self::Echo64k => "echo-64k",
            Self::Echo1m => "echo-1m",
            Self::Stream64m => "stream-64m",
            Self::Card => "card",
            Self::Stream1g => "stream-1g",
            Self::Stalled => "stalled",
            Self::Slow => "slow",
            Self::Own => "own",
        }
    }

    /// What it is, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Hello => "hello: 13 bytes",
            Self::Variables => "24 server variables",
            Self::Echo1k => "echo of 1 KiB",
            Self::Echo64k => "echo of 64 KiB",
            Self::Echo1m => "echo of 1 MiB",
            Self::Stream64m => "64 MiB down",
            Self::Card => "check digits of 1,000 card numbers",
            Self::Stream1g => "1 GiB down, once",
            Self::Stalled => "clients that ask for 64 MiB and read nothing",
            Self::Slow => "hello beside a request that takes a second",
            Self::Own => "GET of the extension's URL",
        }
    }

    /// Request target; `own` is that of the user's extension.
    pub fn target(self, own: &str) -> String {
        match self {
            Self::Own => own.to_owned(),
            Self::Hello | Self::Slow => "/bench?load=hello".to_owned(),
            Self::Variables => "/bench?load=variables".to_owned(),
            Self::Echo1k | Self::Echo64k | Self::Echo1m => "/bench?load=echo".to_owned(),
            Self::Stream64m | Self::Stalled => "/bench?load=stream".to_owned(),
            Self::Stream1g => "/bench?load=stream-1g".to_owned(),
            Self::Card => "/bench?load=card".to_owned(),
        }
    }

    /// The request as it goes out, to the handler below this path.
    pub fn request(self, below: &str, own: &str) -> Vec<u8> {
        http::request(&format!("{below}{}", self.target(own)), &self.body())
    }

    /// How it is measured, if not by repeating it: a study of a few models.
    pub fn study(self) -> Option<Shape> {
        match self {
            Self::Stream1g => Some(Shape::Once),
            Self::Stalled => Some(Shape::Stalled { clients: 8 }),
            Self::Slow => Some(Shape::Beside {
                rate: 1000,
                connections: 16,
            }),
            _ => None,
        }
    }

    /// Requests whose bodies make the work: their rate is told by bytes, not by whole answers, of which a second may
    /// hold but a few.
    pub fn is_bulk(self) -> bool {
        matches!(self, Self::Echo1m | Self::Stream64m)
    }

    /// Connections at most: more of them only hold more memory.
    pub fn most_connections(self) -> usize {
        match self {
            Self::Echo1m => 8,
            Self::Stream64m => 4,
            _ => usize::MAX,
        }
    }

    /// Whether this is the right answer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(self, status: u16, body: &[u8]) -> Result<(), String> {
        if self == Self::Own {
            return match status {
                200..=399 => Ok(()),
                _ => Err(format!("status {status}")),
            };
        }
        if status != 200 {
            return Err(format!("status {status}"));
        }
        let is_right = match self {
            Self::Hello | Self::Slow => body == b"Hello, world!",
            Self::Card => body == b"109 of 1000 are valid\n",
            Self::Variables => is_table(body),
            Self::Stream64m | Self::Stalled => body.len() == 64 * MIB && is_lines(body),
            Self::Stream1g => body.len() == 1024 * MIB && is_lines(body),
            Self::Echo1k | Self::Echo64k | Self::Echo1m => body == self.body(),
            Self::Own => true,
        };
        if is_right {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
        Err(format!("the wrong {} bytes: {shown:?} …", body.len()))
    }

    fn body(self) -> Vec<u8> {
        let size = match self {
            Self::Echo1k => KIB,
            Self::Echo64k => 64 * KIB,
            Self::Echo1m => MIB,
            _ => return Vec::new(),
        };
        LINE.iter().copied().cycle().take(size).collect()
    }
}

const LINE: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-\n";

fn is_lines(body: &[u8]) -> bool {
    body.chunks(LINE.len()).all(|line| line == LINE)
}

fn is_table(body: &[u8]) -> bool {
    let has = |line: &[u8]| body.split(|byte| *byte == b'\n').any(|found| found == line);
    body.iter().filter(|byte| **byte == b'\n').count() == 24
        && has(b"REQUEST_METHOD=GET")
        && has(b"QUERY_STRING=load=variables")
        && has(b"HTTP_USER_AGENT=isapi-gateway-bench")
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || LOADS.map(Self::id).join(", ");
        LOADS
            .into_iter()
            .find(|load| load.id() == text)
            .ok_or_else(|| format!("there is no load {text:?}; there are {}", known()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for load in LOADS {
            assert_eq!(load.id().parse(), Ok(load));
        }
        assert!("own".parse::<Load>().is_err());
    }

    #[test]
    fn only_the_right_answer_passes() {
        assert_eq!(Load::Hello.check(200, b"Hello, world!"), Ok(()));
        for (status, body) in [(500, "Hello, world!"), (200, "Hello, worlds"), (200, "")] {
            assert!(Load::Hello.check(status, body.as_bytes()).is_err());
        }
        let body = Load::Echo1k.body();
        assert_eq!(Load::Echo1k.check(200, &body), Ok(()));
        assert!(Load::Echo1k.check(200, &body[1..]).is_err());
        assert!(Load::Stream64m.check(200, &body).is_err());
        assert_eq!(Load::Own.check(302, b""), Ok(()));
        assert!(Load::Own.check(404, b"").is_err());
    }
}
