//! The answer of one request: the forms in which an extension can start it, made into one CGI answer
//! (ISAPI.md §6). Pure: it appends what has to go out to a buffer and knows nothing of connections.

pub mod chunked;
pub mod head;
mod page;

use chunked::Chunked;
use head::{Framing, Opening, Status};
use isapi_abi::status::HSE_STATUS_ERROR;

/// Longest raw head that is collected before it counts as body, bytes (ISAPI.md §6.4).
const RAW_HEAD_LIMIT: usize = 65_536;

/// Why a call that sends something was refused. The extension sees FALSE + 87.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is exactly one head for each answer.
    #[error("the response head has been sent already")]
    HeadSent,
    /// 101 cannot be had (ISAPI.md §6.2).
    #[error("status 101 is not possible")]
    SwitchingProtocols,
    /// A redirect URL with CR, LF or NUL.
    #[error("the URL has control characters")]
    BadUrl,
    /// The chunked coding of the extension is malformed.
    #[error("{0}")]
    Chunked(#[from] chunked::Malformed),
    /// The answer is finished.
    #[error("the response is finished")]
    Finished,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Whole.
    Complete,
    /// The client must not take it for whole; the reason is for the log.
    Cut(&'static str),
    /// The extension failed before it sent anything: an error answer went out; the reason is for the log.
    Failed(&'static str),
}

/// An answer in the making.
#[derive(Debug)]
pub struct Response {
    phase: Phase,
    /// The request's method is HEAD: body bytes are swallowed.
    head_request: bool,
    /// The front obeys `Connection: close` in a head: our gateway does, to others it means nothing (RFC 3875 §6.3.4).
    can_close: bool,
    /// The extension declines to keep the client's connection.
    close: bool,
    /// Line ends that the text of the header call lacked. The extension may write them before its body.
    missing: u8,
    /// The head of a 200 is all that has been written, with this framing.
    bare: Option<Framing>,
}

#[derive(Debug)]
enum Phase {
    /// Nothing has been sent.
    Start,
    /// Raw bytes that may be a head.
    RawHead(Vec<u8>),
    Body(Body),
    Finished,
}

#[derive(Debug)]
enum Body {
    /// Bytes are swallowed: HEAD, 204, 304.
    None,
    Open,
    /// Bytes that still belong to it; more are cut off.
    Length(u64),
    Chunked(Chunked),
}

impl Response {
    /// An answer to a request with this method. `can_close`: the front obeys `Connection: close` in a head.
    pub fn new(method: &[u8], can_close: bool) -> Self {
        Self {
            phase: Phase::Start,
            head_request: method == b"HEAD",
            can_close,
            close: false,
            missing: 0,
            bare: None,
        }
    }

    /// The extension does not want the client's connection kept: fKeepConn FALSE, HSE_IO_DISCONNECT_AFTER_SEND
    /// (ISAPI.md §6.6). Counts when it comes before the head.
    pub fn decline_keep_alive(&mut self) {
        self.close = true;
    }

    /// Whether a head has gone out or is being collected.
    pub fn has_started(&self) -> bool {
        !matches!(self.phase, Phase::Start)
    }

    /// Header calls 3 and 1016: a status string and header lines, body bytes behind the empty line (§6.2, §6.3).
    ///
    /// # Errors
    /// When a head was sent before, or the status is 101.
    pub fn send_header(
        &mut self,
        status: &[u8],
        headers: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        if self.has_started() {
            return Err(Refused::HeadSent);
        }
        let (status, stray) = head::parse_status(status);
        match status.code {
            101 => return Err(Refused::SwitchingProtocols),
            100..=199 => return Ok(()),
            _ => {}
        }
        let text = head::split_header_text(headers);
        head::begin_head(&status, headers.len(), out);
        let headers = head::pass_headers(text.lines, out);
        self.close |= headers.close;
        if let Some(line) = stray {
            self.close |= head::pass_headers(line, out).close;
        }
        self.begin_body(&status, headers.framing, out);
        self.missing = text.missing;
        self.write(text.body, out)
    }

    /// Codes 1 and 2: a complete redirect (ISAPI.md §4.2, code 1).
    ///
    /// # Errors
    /// When a head was sent before or the URL cannot stand in a header.
    pub fn redirect(&mut self, url: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        self.check_redirect(url)?;
        let body = page::moved(url);
        let lines = [b"Content-Type: text/html\r\nLocation: ", url, b"\r\n"].concat();
        self.start(
            &Status::standard(302),
            &lines,
            Framing::Length(body.len() as u64),
            out,
        );
        self.write(&body, out)?;
        self.phase = Phase::Finished;
        Ok(())
    }

    /// Code 2 where the front runs local redirects: the document at a URL of this site (RFC 3875 §6.2.2).
    ///
    /// # Errors
    /// As [`Response::redirect`].
    pub fn local_redirect(&mut self, url: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        self.check_redirect(url)?;
        out.extend_from_slice(&[b"Location: ", url, b"\r\n\r\n"].concat());
        self.phase = Phase::Finished;
        Ok(())
    }

    /// A child request is about to add to the answer (code 1026). The front counts its bytes against a declared length.
    ///
    /// # Errors
    /// When the answer is finished.
    pub fn begin_child(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        self.missing = 0;
        match self.phase {
            Phase::Finished => return Err(Refused::Finished),
            Phase::RawHead(_) => self.raw_body(out)?,
            _ => {}
        }
        self.bare = None;
        if let Phase::Body(body @ Body::Length(_)) = &mut self.phase {
            *body = Body::Open;
        }
        Ok(())
    }

    /// A child request has added to the answer. What it began with is the answer's head.
    pub fn child_over(&mut self) {
        if let Phase::Start = self.phase {
            self.phase = Phase::Body(match self.head_request {
                true => Body::None,
                false => Body::Open,
            });
        }
    }

    /// The web server sends a file of this size as the body: it is told which one by a header line of the head, which is
    /// all that `out` holds. `is_last`: nothing follows the file. Returns whether that is possible: the answer is a 200
    /// of which only the head has been written, and the file is all of its body.
    pub fn leave_to_front(
        &mut self,
        size: u64,
        is_last: bool,
        line: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let is_whole = match self.bare {
            Some(Framing::Length(length)) => length == size,
            Some(Framing::Open) => is_last,
            _ => false,
        };
        // What has been sent cannot be changed any more.
        if !is_whole || !head::add_file(out, line) {
            return false;
        }
        self.bare = None;
        self.missing = 0;
        self.phase = Phase::Body(Body::Length(0));
        true
    }

    /// A page of the front is the answer (code 1028).
    ///
    /// # Errors
    /// When it has begun.
    pub fn replace(&mut self) -> Result<(), Refused> {
        if self.has_started() {
            return Err(Refused::HeadSent);
        }
        self.phase = Phase::Finished;
        Ok(())
    }

    /// `WriteClient`. As first output it may bring a head of its own (§6.4).
    ///
    /// # Errors
    /// When the answer is finished or its chunked coding malformed.
    pub fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        if self.missing > 0 && !bytes.is_empty() {
            bytes = self.skip_missing(bytes);
        }
        if !bytes.is_empty() {
            self.bare = None;
        }
        match &mut self.phase {
            Phase::Finished => return Err(Refused::Finished),
            Phase::Body(body) => return body.write(bytes, out),
            Phase::Start if bytes.is_empty() => {}
            Phase::Start => {
                self.phase = Phase::RawHead(bytes.to_vec());
                self.advance_raw_head(out)?;
            }
            Phase::RawHead(collected) => {
                collected.extend_from_slice(bytes);
                self.advance_raw_head(out)?;
            }
        }
        Ok(())
    }

    /// How many of `bytes` a write would pass on unchanged, so that large writes need no copy. `None`: they have to go
    /// through [`Response::write`].
    pub fn passes(&self, bytes: &[u8]) -> Option<usize> {
        match &self.phase {
            _ if self.missing > 0 => None,
            Phase::Body(Body::None) => Some(0),
            Phase::Body(Body::Open) => Some(bytes.len()),
            Phase::Body(Body::Length(left)) => {
                Some(usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len())))
            }
            _ => None,
        }
    }

    /// Counts `bytes` that [`Response::passes`] let through.
    pub fn passed(&mut self, bytes: usize) {
        self.bare = None;
        if let Phase::Body(Body::Length(left)) = &mut self.phase {
            *left = left.saturating_sub(bytes as u64);
        }
    }

    /// Whether the body may go on.
    pub fn takes_more(&self) -> bool {
        !matches!(self.phase, Phase::Body(Body::None | Body::Length(0)))
    }

    /// The extension is done: `status` is its return value or DONE's, `http_status` the ECB's dwHttpStatusCode, which
    /// counts only when nothing was sent (ISAPI.md §1.4).
    pub fn finish(&mut self, status: u32, http_status: u32, out: &mut Vec<u8>) -> Ending {
        if let Phase::RawHead(_) = self.phase
            && self.raw_body(out).is_err()
        {
            return Ending::Cut("malformed chunked coding");
        }
        // Unknown values too (ISAPI.md §1.4).
        let failed = status >= HSE_STATUS_ERROR;
        match std::mem::replace(&mut self.phase, Phase::Finished) {
            Phase::Start if failed => self.error_page(
                500,
                "extension returned HSE_STATUS_ERROR and sent no response",
                out,
            ),
            Phase::Start => match u16::try_from(http_status) {
                Ok(code @ 400..=999) => self.error_page(
                    code,
                    "extension sent no response, only dwHttpStatusCode",
                    out,
                ),
                _ => self.error_page(500, "extension sent no response", out),
            },
            Phase::Body(_) if failed => {
                Ending::Cut("extension returned HSE_STATUS_ERROR after its head")
            }
            Phase::Body(Body::Length(1..)) => {
                Ending::Cut("extension sent fewer bytes than its Content-Length")
            }
            Phase::Body(Body::Chunked(chunked)) if !chunked.is_finished() => {
                Ending::Cut("extension did not end its chunked coding")
            }
            Phase::Body(_) | Phase::RawHead(_) | Phase::Finished => Ending::Complete,
        }
    }

    fn check_redirect(&self, url: &[u8]) -> Result<(), Refused> {
        if self.has_started() {
            Err(Refused::HeadSent)
        } else if url.iter().any(u8::is_ascii_control) {
            Err(Refused::BadUrl)
        } else {
            Ok(())
        }
    }

    /// Appends a head with these lines.
    fn start(&mut self, status: &Status<'_>, lines: &[u8], framing: Framing, out: &mut Vec<u8>) {
        head::begin_head(status, lines.len(), out);
        out.extend_from_slice(lines);
        self.begin_body(status, framing, out);
    }

    /// Appends what ends the head.
    fn begin_body(&mut self, status: &Status<'_>, framing: Framing, out: &mut Vec<u8>) {
        if self.close && self.can_close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        head::end_head(status, framing, out);
        self.bare = (status.code == 200).then_some(framing);
        self.phase = Phase::Body(match framing {
            _ if self.head_request || status.forbids_body() => Body::None,
            Framing::Open => Body::Open,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunked::default()),
        });
    }

    /// Answers with an error page instead of what the extension would have sent. Nothing may have been sent before.
    pub fn error_page(&mut self, code: u16, reason: &'static str, out: &mut Vec<u8>) -> Ending {
        let status = Status::standard(code);
        let body = page::error(&status);
        let framing = Framing::Length(body.len() as u64);
        self.start(&status, b"Content-Type: text/html\r\n", framing, out);
        if let Phase::Body(writable) = &mut self.phase {
            // Plain bytes of the declared length cannot be refused.
            let _ = writable.write(&body, out);
        }
        self.phase = Phase::Finished;
        Ending::Failed(reason)
    }

    /// Header text without its empty line, and then a `WriteClient` that begins with one: the extension has ended its
    /// head itself, as hosts that pass the text on as it is let it do. These line ends are not body, however many
    /// calls they come in. A CR and its LF come together.
    fn skip_missing<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while self.missing > 0
            && let Some(rest) = head::skip_line_end(bytes)
        {
            bytes = rest;
            self.missing -= 1;
        }
        if !bytes.is_empty() {
            self.missing = 0;
        }
        bytes
    }

    /// Decides what the raw bytes collected so far are.
    fn advance_raw_head(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        let Phase::RawHead(collected) = &self.phase else {
            return Ok(());
        };
        let opening = head::opening(collected);
        if opening == Opening::Body
            || (collected.len() > RAW_HEAD_LIMIT && head::split_head(collected).is_none())
        {
            return self.raw_body(out);
        }
        let whole = opening != Opening::Undecided && head::split_head(collected).is_some();
        if whole {
            self.raw_head(opening, out)
        } else {
            Ok(())
        }
    }

    /// The collected bytes are a head and perhaps the first body bytes.
    fn raw_head(&mut self, opening: Opening, out: &mut Vec<u8>) -> Result<(), Refused> {
        let Phase::RawHead(collected) = std::mem::replace(&mut self.phase, Phase::Start) else {
            return Ok(());
        };
        let Some((text, body)) = head::split_head(&collected) else {
            return Ok(());
        };
        let (status_line, lines) = match opening {
            Opening::StatusLine => text.split_at(
                text.iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(text.len(), |at| at + 1),
            ),
            _ => (&text[..0], text),
        };
        let mut passed = Vec::with_capacity(lines.len() + 2);
        let headers = head::pass_headers(lines, &mut passed);
        let status = match (status_line, headers.status) {
            ([], Some(status)) => head::parse_status(status).0,
            ([], None) if headers.location => Status::standard(302),
            (line, _) => head::parse_status(line).0,
        };
        match status.code {
            101 => return Err(Refused::SwitchingProtocols),
            100..=199 => return self.write(body, out),
            _ => {}
        }
        self.close |= headers.close;
        self.start(&status, &passed, headers.framing, out);
        self.write(body, out)
    }

    /// The collected bytes are no head: all of them are body (§6.4 rule 4).
    fn raw_body(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        let Phase::RawHead(collected) = std::mem::replace(&mut self.phase, Phase::Start) else {
            return Ok(());
        };
        self.start(
            &Status::standard(200),
            b"Content-Type: text/html\r\n",
            Framing::Open,
            out,
        );
        self.write(&collected, out)
    }
}

impl Body {
    fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        match self {
            Body::None => {}
            Body::Open => out.extend_from_slice(bytes),
            Body::Length(left) => {
                let kept = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                out.extend_from_slice(&bytes[..kept]);
                *left -= kept as u64;
            }
            Body::Chunked(chunked) => chunked.decode(bytes, out)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
