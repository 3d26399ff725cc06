//! HTTP/1.1 as the load generator speaks it, without I/O: requests that are made once, answers that are checked as they
//! come.

/// Largest head of an answer, bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// Largest line of the chunked coding, bytes.
const LINE_LIMIT: usize = 1024;

/// A request as it goes out.
pub fn request(target: &str, body: &[u8]) -> Vec<u8> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let mut text = format!(
        "{method} {target} HTTP/1.1\r\nHost: bench\r\nUser-Agent: isapi-gateway-bench\r\nAccept: */*\r\n"
    );
    if !body.is_empty() {
        text.push_str("Content-Type: application/octet-stream\r\n");
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The head is not one of HTTP/1.
    #[error("the head of the answer is not valid")]
    Head,
    /// The chunked coding is broken.
    #[error("the chunked coding of the answer is not valid")]
    Chunk,
    /// Bytes came that belong to no request.
    #[error("the answer is longer than it said")]
    Extra,
}

/// Reads one answer to a GET or POST.
#[derive(Debug, Default)]
pub struct AnswerReader {
    state: State,
    line: Vec<u8>,
    status: u16,
    closes: bool,
    body_bytes: u64,
    /// The body itself, when it is wanted.
    kept: Option<Vec<u8>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    Sized(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    ToClose,
    Done,
}

/// How the body of an answer is framed (RFC 9112 §6.3).
#[derive(Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    closes: bool,
}

impl AnswerReader {
    /// One that keeps the body.
    pub fn keeping() -> Self {
        Self {
            kept: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// Makes ready for the next answer.
    pub fn reset(&mut self) {
        self.line.clear();
        *self = Self {
            line: std::mem::take(&mut self.line),
            ..Self::default()
        };
    }

    /// Bytes have come.
    ///
    /// # Errors
    /// When they are no answer.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Defect> {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Head => self.head(bytes)?,
                State::Sized(left) => self.body(bytes, left, State::Sized, State::Done),
                State::Chunk(left) => self.body(bytes, left, State::Chunk, State::ChunkEnd),
                State::ToClose => self.body(bytes, u64::MAX, |_| State::ToClose, State::Done),
                State::ChunkSize | State::ChunkEnd | State::Trailer => self.chunk_line(bytes)?,
                State::Done => return Err(Defect::Extra),
            };
        }
        Ok(())
    }

    /// The server has closed the connection. Returns whether that ends the answer as it should.
    pub fn end(&mut self) -> bool {
        if self.state == State::ToClose {
            self.state = State::Done;
        }
        self.is_done()
    }

    /// Whether the answer is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Its status, once the head has come.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Bytes of its body so far.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Whether the connection ends with this answer.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// Takes the body that was kept.
    pub fn take_body(&mut self) -> Vec<u8> {
        self.kept.take().unwrap_or_default()
    }

    fn head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Defect> {
        // Nearly always the whole head comes at once and need not be copied.
        if self.line.is_empty()
            && let Some(end) = find_end(bytes, 0)
        {
            self.begin_body(&bytes[..end])?;
            return Ok(&bytes[end..]);
        }
        let before = self.line.len();
        self.line.extend_from_slice(bytes);
        let Some(end) = find_end(&self.line, before.saturating_sub(3)) else {
            return match self.line.len() > HEAD_LIMIT {
                true => Err(Defect::Head),
                false => Ok(&[]),
            };
        };
        let head = std::mem::take(&mut self.line);
        self.begin_body(&head[..end])?;
        Ok(&bytes[end - before..])
    }

    fn begin_body(&mut self, head: &[u8]) -> Result<(), Defect> {
        let mut lines = head.split(|byte| *byte == b'\n');
        let status = status(lines.next().unwrap_or_default()).ok_or(Defect::Head)?;
        if (100..200).contains(&status) {
            // An interim answer: the real one follows.
            return Ok(());
        }
        let mut framing = Framing {
            closes: head.starts_with(b"HTTP/1.0"),
            ..Framing::default()
        };
        lines.try_for_each(|line| framing.read(line))?;
        self.status = status;
        self.closes = framing.closes;
        self.state = match (framing.chunked, framing.length) {
            _ if matches!(status, 204 | 304) => State::Done,
            (true, _) => State::ChunkSize,
            (false, Some(0)) => State::Done,
            (false, Some(length)) => State::Sized(length),
            (false, None) => {
                self.closes = true;
                State::ToClose
            }
        };
        Ok(())
    }

    fn body<'a>(
        &mut self,
        bytes: &'a [u8],
        left: u64,
        more: impl FnOnce(u64) -> State,
        end: State,
    ) -> &'a [u8] {
        let count = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(&bytes[..count]);
        }
        self.body_bytes += count as u64;
        let left = left - count as u64;
        self.state = if left == 0 { end } else { more(left) };
        &bytes[count..]
    }

    fn chunk_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Defect> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(bytes.len(), |end| end + 1);
        self.line.extend_from_slice(&bytes[..count]);
        if self.line.len() > LINE_LIMIT {
            return Err(Defect::Chunk);
        }
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            self.state = match self.state {
                State::ChunkSize => match chunk_size(&line)? {
                    0 => State::Trailer,
                    size => State::Chunk(size),
                },
                State::ChunkEnd if line.trim_ascii().is_empty() => State::ChunkSize,
                State::Trailer if line.trim_ascii().is_empty() => State::Done,
                State::Trailer => State::Trailer,
                _ => return Err(Defect::Chunk),
            };
        }
        Ok(&bytes[count..])
    }
}

impl Framing {
    fn read(&mut self, line: &[u8]) -> Result<(), Defect> {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Ok(());
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let text = std::str::from_utf8(value).map_err(|_| Defect::Head)?;
            self.length = Some(text.parse().map_err(|_| Defect::Head)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = value.eq_ignore_ascii_case(b"chunked");
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.closes = value.eq_ignore_ascii_case(b"close");
        }
        Ok(())
    }
}

/// Where the head ends: behind the empty line.
fn find_end(bytes: &[u8], from: usize) -> Option<usize> {
    let found = bytes[from..]
        .windows(4)
        .position(|four| four == b"\r\n\r\n");
    found.map(|at| from + at + 4)
}

fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?.get(1..)?;
    let number = rest.strip_prefix(b" ")?.get(..3)?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

fn chunk_size(line: &[u8]) -> Result<u64, Defect> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits.trim_ascii()).map_err(|_| Defect::Chunk)?;
    u64::from_str_radix(text, 16).map_err(|_| Defect::Chunk)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<AnswerReader, Defect> {
        let mut reader = AnswerReader::keeping();
        pieces.iter().try_for_each(|piece| reader.push(piece))?;
        Ok(reader)
    }

    #[test]
    fn requests_have_a_length_only_with_a_body() {
        let get = String::from_utf8(request("/x?y", b"")).unwrap();
        assert!(get.starts_with("GET /x?y HTTP/1.1\r\n") && get.ends_with("\r\n\r\n"));
        assert!(!get.contains("Content-Length"));
        let post = String::from_utf8(request("/", b"abc")).unwrap();
        assert!(post.starts_with("POST / ") && post.ends_with("Content-Length: 3\r\n\r\nabc"));
    }

    #[test]
    fn answers_are_read_in_all_framings() {
        let sized = read(&[b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"]).unwrap();
        assert!(sized.is_done() && !sized.closes());
        assert_eq!((sized.status(), sized.body_bytes()), (200, 5));
        let mut chunked = read(&[
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
        ])
        .unwrap();
        assert!(chunked.is_done() && chunked.closes());
        assert_eq!(chunked.take_body(), b"abcde");
        let mut to_close = read(&[b"HTTP/1.0 200 OK\r\n\r\nab", b"c"]).unwrap();
        assert!(!to_close.is_done() && to_close.end() && to_close.closes());
        assert_eq!(to_close.take_body(), b"abc");
        let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(read(&[interim]).unwrap().status(), 204);
    }

    #[test]
    fn short_and_wrong_answers_are_noticed() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert!(!read(&[head, b"hell"]).unwrap().end());
        assert_eq!(read(&[head, b"hello!"]).err(), Some(Defect::Extra));
        assert_eq!(read(&[b"SMTP\r\n\r\n"]).err(), Some(Defect::Head));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(read(&[chunked, b"x\r\n"]).err(), Some(Defect::Chunk));
        assert_eq!(read(&[chunked, b"1\r\nab\n"]).err(), Some(Defect::Chunk));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let _ = read(&pieces);
        }

        #[test]
        fn splits_change_nothing(cuts in prop::collection::vec(0_usize..90, 0..6)) {
            let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n";
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(answer.len())).collect();
            cuts.extend([0, answer.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &answer[cut[0]..cut[1]]).collect();
            let mut reader = read(&pieces).unwrap();
            prop_assert!(reader.is_done());
            prop_assert_eq!(reader.take_body(), b"abcdefg");
        }
    }
}
