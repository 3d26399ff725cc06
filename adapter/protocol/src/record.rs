//! One record: header, content, padding (FastCGI 1.0 §3.3).

use crate::ProtocolError;

/// The protocol version in the first byte of each record.
pub const VERSION: u8 = 1;

/// Bytes in a record header.
pub const HEADER_LEN: usize = 8;

/// The most content bytes that one record can hold.
pub const MAX_CONTENT: usize = 65_535;

/// What a record means (FastCGI 1.0 §8), the private types of this project included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordType {
    /// Server to application: a request begins.
    BeginRequest,
    /// Server to application: the client has gone, the request should end.
    AbortRequest,
    /// Application to server: the request has been answered.
    EndRequest,
    /// Server to application: stream of name-value pairs.
    Params,
    /// Server to application: stream, the request's body.
    Stdin,
    /// Application to server: stream, the answer.
    Stdout,
    /// Application to server: stream, text for the error log.
    Stderr,
    /// Server to application: stream, the file that a Filter works on.
    Data,
    /// Server to application, management: which limits has the application?
    GetValues,
    /// Application to server, management: the limits.
    GetValuesResult,
    /// Application to server, management: the record's type is not known.
    UnknownType,
    /// Private (128), both directions, management: see [`Hello`](crate::Hello).
    Hello,
    /// Private (129), both directions: the peer may send so many more bytes of this request's stream.
    Credit,
    /// Private (130), application to server: the answer ends here but is not complete.
    Cut,
    /// Private (131), application to server: text to be appended to the access log's query field.
    LogParameter,
    /// Private (132), application to server: one event of the callback trace.
    Trace,
    /// Private (133), application to server: stream of name-value pairs, a child request; counts as STDOUT.
    ExecParams,
    /// Private (134), application to server: stream, the child request's body; counts as STDOUT.
    ExecStdin,
    /// Private (135), server to application: the child request is over.
    ExecStatus,
    /// Private (136), application to server: the server's own error page shall be the answer.
    ErrorPage,
    /// Private (137), application to server, management: the extension wants to be replaced.
    Unhealthy,
    /// Private (138), server to application: a request without a body. It is all of BEGIN_REQUEST for a Responder on a
    /// connection that stays, of PARAMS and of STDIN.
    Request,
    /// Private (139), application to server: the last bytes of a whole answer. It is all of STDOUT's end and of
    /// END_REQUEST, and counts as STDOUT.
    Answer,
    /// Private (140), both directions: bytes of STDOUT or of STDIN that lie in a buffer of the memory that both share.
    Shared,
    /// Private (141), both directions, management: these buffers of the peer's may be written again.
    Released,
    /// A type that neither FastCGI 1.0 nor this project defines.
    Other(u8),
}

impl From<u8> for RecordType {
    #[inline]
    fn from(number: u8) -> Self {
        match number {
            1 => Self::BeginRequest,
            2 => Self::AbortRequest,
            3 => Self::EndRequest,
            4 => Self::Params,
            5 => Self::Stdin,
            6 => Self::Stdout,
            7 => Self::Stderr,
            8 => Self::Data,
            9 => Self::GetValues,
            10 => Self::GetValuesResult,
            11 => Self::UnknownType,
            128 => Self::Hello,
            129 => Self::Credit,
            130 => Self::Cut,
            131 => Self::LogParameter,
            132 => Self::Trace,
            133 => Self::ExecParams,
            134 => Self::ExecStdin,
            135 => Self::ExecStatus,
            136 => Self::ErrorPage,
            137 => Self::Unhealthy,
            138 => Self::Request,
            139 => Self::Answer,
            140 => Self::Shared,
            141 => Self::Released,
            other => Self::Other(other),
        }
    }
}

impl From<RecordType> for u8 {
    #[inline]
    fn from(kind: RecordType) -> Self {
        match kind {
            RecordType::BeginRequest => 1,
            RecordType::AbortRequest => 2,
            RecordType::EndRequest => 3,
            RecordType::Params => 4,
            RecordType::Stdin => 5,
            RecordType::Stdout => 6,
            RecordType::Stderr => 7,
            RecordType::Data => 8,
            RecordType::GetValues => 9,
            RecordType::GetValuesResult => 10,
            RecordType::UnknownType => 11,
            RecordType::Hello => 128,
            RecordType::Credit => 129,
            RecordType::Cut => 130,
            RecordType::LogParameter => 131,
            RecordType::Trace => 132,
            RecordType::ExecParams => 133,
            RecordType::ExecStdin => 134,
            RecordType::ExecStatus => 135,
            RecordType::ErrorPage => 136,
            RecordType::Unhealthy => 137,
            RecordType::Request => 138,
            RecordType::Answer => 139,
            RecordType::Shared => 140,
            RecordType::Released => 141,
            RecordType::Other(number) => number,
        }
    }
}

/// A whole record, borrowed from the bytes that were received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// What the record means.
    pub kind: RecordType,
    /// The request that the record belongs to; 0 in management records.
    pub id: u16,
    /// The content, without padding.
    pub content: &'a [u8],
}

/// What stands before the content of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What the record means.
    pub kind: RecordType,
    /// The request that the record belongs to; 0 in management records.
    pub id: u16,
    /// Bytes of content.
    pub content: usize,
    /// Bytes of padding behind it.
    pub padding: usize,
}

impl Header {
    /// Takes a header from the start of `input`. Returns it with the bytes behind it, of the content or not, or `None`
    /// when more bytes are needed.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongVersion`] as soon as the first byte is there and is not [`VERSION`].
    #[inline]
    pub fn parse(input: &[u8]) -> Result<Option<(Self, &[u8])>, ProtocolError> {
        if let Some(&version) = input.first()
            && version != VERSION
        {
            return Err(ProtocolError::WrongVersion(version));
        }
        let Some((&[_, kind, id1, id0, length1, length0, padding, _], rest)) =
            input.split_first_chunk::<HEADER_LEN>()
        else {
            return Ok(None);
        };
        let header = Self {
            kind: kind.into(),
            id: u16::from_be_bytes([id1, id0]),
            content: u16::from_be_bytes([length1, length0]).into(),
            padding: padding.into(),
        };
        Ok(Some((header, rest)))
    }
}

/// Takes one record from the start of `input`.
///
/// Returns the record and the number of bytes that it used, padding included, or `None` when more bytes are needed.
/// A whole record always fits into [`HEADER_LEN`] + [`MAX_CONTENT`] + 255 bytes.
///
/// # Errors
///
/// Those of [`Header::parse`].
#[inline]
pub fn parse(input: &[u8]) -> Result<Option<(Record<'_>, usize)>, ProtocolError> {
    let Some((header, rest)) = Header::parse(input)? else {
        return Ok(None);
    };
    let padded = header.content + header.padding;
    if rest.len() < padded {
        return Ok(None);
    }
    let record = Record {
        kind: header.kind,
        id: header.id,
        content: &rest[..header.content],
    };
    Ok(Some((record, HEADER_LEN + padded)))
}
