//! Functions that append whole records to a buffer, padded to multiples of 8 bytes (FastCGI 1.0 §3.3).

use crate::body::KEEP_CONN;
use crate::{
    EncodedPairs, ExecStatus, HEADER_LEN, Hello, MAX_CONTENT, ProtocolStatus, RecordType, Role,
    VERSION, encode_pair,
};

/// The most content bytes in the records of a long stream: the largest number that needs no padding.
pub const CHUNK: usize = 65_528;

/// Fewer bytes are the rest of an answer that is sent with its end: of records of a stream a reader takes what has come.
const SHORT: usize = 16 * 1024;

/// The most bytes of a reason, a log text or a value of the greeting that are sent.
const MAX_TEXT: usize = 1024;

/// The most bytes of a value in an event of the trace.
const MAX_TRACE: usize = 8 * 1024;

/// Appends one record.
///
/// # Panics
///
/// When `content` is longer than [`MAX_CONTENT`]; [`stream`] splits.
#[inline]
pub fn record(out: &mut Vec<u8>, kind: RecordType, id: u16, content: &[u8]) {
    out.reserve(HEADER_LEN + content.len() + 7);
    let header = header(kind, id, content.len());
    out.extend_from_slice(&header);
    out.extend_from_slice(content);
    pad(out, content.len());
}

/// Appends bytes of a stream in as many records as they need. No bytes, no record: an empty one would end the stream.
#[inline]
pub fn stream(out: &mut Vec<u8>, kind: RecordType, id: u16, bytes: &[u8]) {
    for chunk in bytes.chunks(chunk_size(bytes.len())) {
        record(out, kind, id, chunk);
    }
}

/// Appends what `write` appends, as bytes of a stream in as many records as they need.
#[inline]
pub fn stream_of(out: &mut Vec<u8>, kind: RecordType, id: u16, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[0; HEADER_LEN]);
    let content = out.len();
    write(out);
    complete(out, content, kind, id);
}

/// Makes records of a stream's bytes, which run from `content` to the end. In front of them there is room for a header.
fn complete(out: &mut Vec<u8>, content: usize, kind: RecordType, id: u16) {
    let length = out.len() - content;
    if length > CHUNK {
        let bytes = out.split_off(content);
        out.truncate(content - HEADER_LEN);
        stream(out, kind, id, &bytes);
    } else if length > 0 {
        patch(out, content, kind, id);
        pad(out, length);
    } else {
        out.truncate(content - HEADER_LEN);
    }
}

/// Appends bytes to a stream's record that begins at `start`, with nothing behind it, if there is room for them in it.
///
/// # Panics
///
/// When no record of ours begins there.
#[must_use]
pub fn lengthen(out: &mut Vec<u8>, start: usize, bytes: &[u8]) -> bool {
    let content = start + HEADER_LEN;
    let padding = usize::from(out[content - 2]);
    let length = out.len() - padding - content + bytes.len();
    if length > CHUNK {
        return false;
    }
    out.truncate(out.len() - padding);
    out.extend_from_slice(bytes);
    let [.., length1, length0] = length.to_be_bytes();
    out[start + 4..content - 1].copy_from_slice(&[length1, length0, padding_of(length)]);
    pad(out, length);
    true
}

/// Content bytes in the records of so many bytes of a stream: about as many in each, or 64 KiB, which much is written in,
/// would leave a few for a record of their own.
fn chunk_size(bytes: usize) -> usize {
    let records = bytes.div_ceil(CHUNK).max(1);
    bytes.div_ceil(records).next_multiple_of(8).max(8)
}

/// What [`stream`] appends, for who writes the bytes from where they are: of each record its header, its content and its
/// padding.
pub fn stream_parts(
    kind: RecordType,
    id: u16,
    bytes: &[u8],
) -> impl Iterator<Item = ([u8; HEADER_LEN], &[u8], &'static [u8])> {
    bytes.chunks(chunk_size(bytes.len())).map(move |chunk| {
        let padding = &[0; 7][..padding_of(chunk.len()).into()];
        (header(kind, id, chunk.len()), chunk, padding)
    })
}

/// Appends the empty record that ends a stream.
#[inline]
pub fn end_stream(out: &mut Vec<u8>, kind: RecordType, id: u16) {
    record(out, kind, id, &[]);
}

/// Appends BEGIN_REQUEST.
pub fn begin_request(out: &mut Vec<u8>, id: u16, role: Role, keep_conn: bool) {
    let [role1, role0] = u16::from(role).to_be_bytes();
    let flags = if keep_conn { KEEP_CONN } else { 0 };
    record(
        out,
        RecordType::BeginRequest,
        id,
        &[role1, role0, flags, 0, 0, 0, 0, 0],
    );
}

/// Appends ABORT_REQUEST.
pub fn abort_request(out: &mut Vec<u8>, id: u16) {
    record(out, RecordType::AbortRequest, id, &[]);
}

/// Appends the last bytes of an answer, none perhaps, and its good end, as one record where there is room for them in it.
pub fn answer(out: &mut Vec<u8>, id: u16, last: &[u8]) {
    if last.len() < SHORT {
        return record(out, RecordType::Answer, id, last);
    }
    stream(out, RecordType::Stdout, id, last);
    record(out, RecordType::Answer, id, &[]);
}

/// Appends END_REQUEST; `app_status` is what a CGI program's exit code would be.
pub fn end_request(out: &mut Vec<u8>, id: u16, app_status: u32, status: ProtocolStatus) {
    let [a3, a2, a1, a0] = app_status.to_be_bytes();
    record(
        out,
        RecordType::EndRequest,
        id,
        &[a3, a2, a1, a0, status.into(), 0, 0, 0],
    );
}

/// Appends GET_VALUES for these names.
pub fn get_values<'n>(out: &mut Vec<u8>, names: impl IntoIterator<Item = &'n [u8]>) {
    pairs(
        out,
        RecordType::GetValues,
        0,
        names.into_iter().map(|name| (name, &[][..])),
    );
}

/// Appends GET_VALUES_RESULT with these names and values.
pub fn get_values_result<'p>(
    out: &mut Vec<u8>,
    values: impl IntoIterator<Item = (&'p [u8], &'p [u8])>,
) {
    pairs(out, RecordType::GetValuesResult, 0, values);
}

/// Appends UNKNOWN_TYPE: the answer to a management record of that type.
pub fn unknown_type(out: &mut Vec<u8>, kind: u8) {
    record(
        out,
        RecordType::UnknownType,
        0,
        &[kind, 0, 0, 0, 0, 0, 0, 0],
    );
}

/// Appends the greeting; at most 1 KiB of each of its values is sent.
pub fn hello(out: &mut Vec<u8>, hello: &Hello) {
    let params = hello.to_params();
    pairs(
        out,
        RecordType::Hello,
        0,
        shortened(params.iter(), MAX_TEXT),
    );
}

/// Appends credit: the peer may send `bytes` more of this request's stream.
pub fn credit(out: &mut Vec<u8>, id: u16, bytes: u32) {
    record(out, RecordType::Credit, id, &bytes.to_be_bytes());
}

/// Appends the place of `length` bytes of STDOUT or STDIN: the first of this buffer of the memory that both sides share.
pub fn shared(out: &mut Vec<u8>, id: u16, buffer: u32, length: u32) {
    let place = (u64::from(buffer) << 32) | u64::from(length);
    record(out, RecordType::Shared, id, &place.to_be_bytes());
}

/// Appends the notice that the peer may write these buffers again: bit 0 stands for the first.
pub fn released(out: &mut Vec<u8>, buffers: u32) {
    record(out, RecordType::Released, 0, &buffers.to_be_bytes());
}

/// Appends the notice that the answer ends here without being complete; at most 1 KiB of the reason is sent.
pub fn cut(out: &mut Vec<u8>, id: u16, reason: &str) {
    let end = reason.floor_char_boundary(MAX_TEXT);
    record(out, RecordType::Cut, id, &reason.as_bytes()[..end]);
}

/// Appends text for the query field of the access log (`ISAPI.md` §4.2, code 1003); at most 1 KiB of it is sent.
pub fn log_parameter(out: &mut Vec<u8>, id: u16, text: &[u8]) {
    record(
        out,
        RecordType::LogParameter,
        id,
        &text[..text.len().min(MAX_TEXT)],
    );
}

/// Appends an event of the callback trace, as pairs of names and values; `id` is 0 where no request is meant. At most
/// 8 KiB of each value are sent.
pub fn trace<'p>(
    out: &mut Vec<u8>,
    id: u16,
    event: impl IntoIterator<Item = (&'p [u8], &'p [u8])>,
) {
    pairs(out, RecordType::Trace, id, shortened(event, MAX_TRACE));
}

/// Appends the notice that the request's child request is over.
pub fn exec_status(out: &mut Vec<u8>, id: u16, status: ExecStatus) {
    record(out, RecordType::ExecStatus, id, &status.to_bytes());
}

/// Appends the wish that the server's own page for this error be the answer; at most 1 KiB of the reason phrase is sent.
pub fn error_page(out: &mut Vec<u8>, id: u16, status: u16, sub_status: u16, reason: &[u8]) {
    let [s1, s0] = status.to_be_bytes();
    let [u1, u0] = sub_status.to_be_bytes();
    let reason = &reason[..reason.len().min(MAX_TEXT)];
    let content = [&[s1, s0, u1, u0], reason].concat();
    record(out, RecordType::ErrorPage, id, &content);
}

/// Appends the notice that the extension wants its worker to be replaced (`ISAPI.md` §4.2, code 1032); at most 1 KiB
/// of the reason is sent.
pub fn unhealthy(out: &mut Vec<u8>, reason: &[u8]) {
    let reason = &reason[..reason.len().min(MAX_TEXT)];
    record(out, RecordType::Unhealthy, 0, reason);
}

/// Writes the parameters of a request as PARAMS records, straight into the buffer; pairs may span records.
///
/// The records are complete after [`finish`](Self::finish) only.
#[derive(Debug)]
#[must_use = "the parameters are complete after finish() only"]
pub struct ParamsWriter<'a> {
    out: &'a mut Vec<u8>,
    id: u16,
    /// Where the pairs begin; in front of them there is room for a header.
    content: usize,
    /// They are all that there is of the request.
    whole: bool,
}

impl<'a> ParamsWriter<'a> {
    /// Begins the parameters of request `id`.
    pub fn new(out: &'a mut Vec<u8>, id: u16) -> Self {
        out.extend_from_slice(&[0; HEADER_LEN]);
        let content = out.len();
        Self {
            out,
            id,
            content,
            whole: false,
        }
    }

    /// Begins request `id`, which has no body and has not been begun, for a peer that takes it as one record.
    pub fn whole_request(out: &'a mut Vec<u8>, id: u16) -> Self {
        Self {
            whole: true,
            ..Self::new(out, id)
        }
    }

    /// Appends a pair.
    ///
    /// # Panics
    ///
    /// As [`encode_pair`].
    #[inline]
    pub fn pair(&mut self, name: &[u8], value: &[u8]) {
        encode_pair(self.out, name, value);
    }

    /// Appends pairs that have been encoded before.
    #[inline]
    pub fn encoded(&mut self, pairs: &EncodedPairs) {
        self.out.extend_from_slice(pairs.bytes());
    }

    /// Completes the records and ends the stream.
    pub fn finish(self) {
        let Self {
            out,
            id,
            content,
            whole,
        } = self;
        let length = out.len() - content;
        if whole && length <= CHUNK {
            patch(out, content, RecordType::Request, id);
            return pad(out, length);
        }
        if whole {
            let pairs = out.split_off(content);
            out.truncate(content - HEADER_LEN);
            begin_request(out, id, Role::Responder, true);
            stream(out, RecordType::Params, id, &pairs);
        } else {
            complete(out, content, RecordType::Params, id);
        }
        end_stream(out, RecordType::Params, id);
        if whole {
            end_stream(out, RecordType::Stdin, id);
        }
    }
}

fn shortened<'p>(
    pairs: impl IntoIterator<Item = (&'p [u8], &'p [u8])>,
    most: usize,
) -> impl Iterator<Item = (&'p [u8], &'p [u8])> {
    let short = move |(name, value): (&'p [u8], &'p [u8])| (name, &value[..value.len().min(most)]);
    pairs.into_iter().map(short)
}

/// Appends one record of name-value pairs. Pairs for which the record has no room are left out.
fn pairs<'p>(
    out: &mut Vec<u8>,
    kind: RecordType,
    id: u16,
    pairs: impl IntoIterator<Item = (&'p [u8], &'p [u8])>,
) {
    out.extend_from_slice(&[0; HEADER_LEN]);
    let content = out.len();
    for (name, value) in pairs {
        let before = out.len();
        encode_pair(out, name, value);
        if out.len() - content > MAX_CONTENT {
            out.truncate(before);
        }
    }
    let length = out.len() - content;
    patch(out, content, kind, id);
    pad(out, length);
}

/// Fills in the header before the content that runs from `content` to the end.
fn patch(out: &mut [u8], content: usize, kind: RecordType, id: u16) {
    let header = header(kind, id, out.len() - content);
    out[content - HEADER_LEN..content].copy_from_slice(&header);
}

/// A record header; the padding that it announces takes the record to a multiple of 8 bytes.
#[inline]
fn header(kind: RecordType, id: u16, length: usize) -> [u8; HEADER_LEN] {
    assert!(length <= MAX_CONTENT, "a record of more than 65535 bytes");
    let [id1, id0] = id.to_be_bytes();
    let [.., length1, length0] = length.to_be_bytes();
    [
        VERSION,
        kind.into(),
        id1,
        id0,
        length1,
        length0,
        padding_of(length),
        0,
    ]
}

/// Appends the padding that [`header`] announces for content of that length.
#[inline]
fn pad(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&[0; 7][..padding_of(length).into()]);
}

/// How many bytes take content of that length to a multiple of 8.
#[inline]
fn padding_of(length: usize) -> u8 {
    let [.., last] = length.to_be_bytes();
    last.wrapping_neg() & 7
}
