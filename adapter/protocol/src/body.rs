//! The fixed bodies of BEGIN_REQUEST and END_REQUEST (FastCGI 1.0 §5.1, §5.5).

use crate::{ProtocolError, RecordType};

/// FCGI_KEEP_CONN in the flags of BEGIN_REQUEST.
pub(crate) const KEEP_CONN: u8 = 1;

/// What the application is asked to do (FastCGI 1.0 §6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Answer the request, as a CGI program does.
    Responder,
    /// Allow or deny the request.
    Authorizer,
    /// Answer the request with a changed form of a file.
    Filter,
    /// A role that FastCGI 1.0 does not define.
    Other(u16),
}

impl From<u16> for Role {
    fn from(number: u16) -> Self {
        match number {
            1 => Self::Responder,
            2 => Self::Authorizer,
            3 => Self::Filter,
            other => Self::Other(other),
        }
    }
}

impl From<Role> for u16 {
    fn from(role: Role) -> Self {
        match role {
            Role::Responder => 1,
            Role::Authorizer => 2,
            Role::Filter => 3,
            Role::Other(number) => number,
        }
    }
}

/// How a request ended for the protocol (FastCGI 1.0 §5.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtocolStatus {
    /// The regular end.
    RequestComplete,
    /// Refused: the application serves one request at a time on a connection.
    CantMultiplex,
    /// Refused: the application has no means left.
    Overloaded,
    /// Refused: the application does not know the role.
    UnknownRole,
    /// A status that FastCGI 1.0 does not define.
    Other(u8),
}

impl From<u8> for ProtocolStatus {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::RequestComplete,
            1 => Self::CantMultiplex,
            2 => Self::Overloaded,
            3 => Self::UnknownRole,
            other => Self::Other(other),
        }
    }
}

impl From<ProtocolStatus> for u8 {
    fn from(status: ProtocolStatus) -> Self {
        match status {
            ProtocolStatus::RequestComplete => 0,
            ProtocolStatus::CantMultiplex => 1,
            ProtocolStatus::Overloaded => 2,
            ProtocolStatus::UnknownRole => 3,
            ProtocolStatus::Other(number) => number,
        }
    }
}

/// The body of BEGIN_REQUEST.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BeginRequest {
    /// What the application is asked to do.
    pub role: Role,
    /// False: the application closes the connection after the answer.
    pub keep_conn: bool,
}

impl BeginRequest {
    /// Reads a record's content.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::BadLength`] unless it has 8 bytes.
    pub fn parse(content: &[u8]) -> Result<Self, ProtocolError> {
        let [role1, role0, flags, ..] = fixed::<8>(RecordType::BeginRequest, content)?;
        Ok(Self {
            role: u16::from_be_bytes([role1, role0]).into(),
            keep_conn: flags & KEEP_CONN != 0,
        })
    }
}

/// The body of END_REQUEST.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndRequest {
    /// The exit code that a CGI program would have had.
    pub app_status: u32,
    /// How the request ended for the protocol.
    pub status: ProtocolStatus,
}

impl EndRequest {
    /// Reads a record's content.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::BadLength`] unless it has 8 bytes.
    pub fn parse(content: &[u8]) -> Result<Self, ProtocolError> {
        let [a3, a2, a1, a0, status, ..] = fixed::<8>(RecordType::EndRequest, content)?;
        Ok(Self {
            app_status: u32::from_be_bytes([a3, a2, a1, a0]),
            status: status.into(),
        })
    }
}

/// The content of [`RecordType::Shared`]: a buffer, and how many bytes are in it, not 0.
pub(crate) fn place(content: &[u8]) -> Result<(u32, u32), ProtocolError> {
    let [b3, b2, b1, b0, l3, l2, l1, l0] = fixed(RecordType::Shared, content)?;
    match u32::from_be_bytes([l3, l2, l1, l0]) {
        0 => Err(ProtocolError::BadBuffer),
        length => Ok((u32::from_be_bytes([b3, b2, b1, b0]), length)),
    }
}

/// The content of a record whose length is fixed.
pub(crate) fn fixed<const N: usize>(
    kind: RecordType,
    content: &[u8],
) -> Result<[u8; N], ProtocolError> {
    content.try_into().map_err(|_| ProtocolError::BadLength {
        kind,
        len: content.len(),
    })
}
