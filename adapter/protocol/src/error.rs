//! Every way in which a peer can break the protocol.

use crate::RecordType;

/// A violation by the peer. The connection must be closed: what follows on it cannot be trusted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProtocolError {
    /// A record does not begin with the byte 1.
    #[error(
        "record with version {0}, expected 1: the peer does not speak FastCGI, or breaks an answer off"
    )]
    WrongVersion(u8),
    /// The content of a record with a fixed layout has another length.
    #[error("{kind:?} record with {len} content bytes, which is not its length")]
    BadLength {
        /// The record's type.
        kind: RecordType,
        /// The length found, in bytes.
        len: usize,
    },
    /// The name-value pairs of a request exceed [`Limits::total`](crate::Limits::total).
    #[error("the parameters exceed {limit} bytes")]
    ParamsTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A name exceeds [`Limits::name`](crate::Limits::name).
    #[error("a parameter name of {len} bytes exceeds {limit} bytes")]
    NameTooLong {
        /// The length claimed, in bytes.
        len: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Name-value pairs end in the middle of a pair.
    #[error("the parameters end in the middle of a name-value pair")]
    IncompletePair,
    /// BEGIN_REQUEST for a request that is active.
    #[error("request {0} begins a second time before its end")]
    DuplicateBegin(u16),
    /// A record of a request whose parameters are not complete, but which must come after them.
    #[error("{kind:?} record of request {id} before the end of its parameters")]
    BeforeParamsEnd {
        /// The record's type.
        kind: RecordType,
        /// The request.
        id: u16,
    },
    /// Parameters for a request whose parameters are complete.
    #[error("more parameters for request {0} after their end")]
    AfterParamsEnd(u16),
    /// A record of a child request where there can be none, or output of a request whose child has not ended.
    #[error("{kind:?} record of request {id} out of the order of child requests")]
    ExecOrder {
        /// The record's type.
        kind: RecordType,
        /// The request.
        id: u16,
    },
    /// A field of a child request is not a number.
    #[error("the child request's field \"{0}\" is not a number")]
    BadExec(&'static str),
    /// The server's error page is asked for after bytes of another answer.
    #[error("request {0} asks for an error page after it has begun its answer")]
    LateErrorPage(u16),
    /// A second Hello on the connection.
    #[error("a second Hello on the same connection")]
    DuplicateHello,
    /// Hello lacks a field or the field is not a number in its range.
    #[error("the Hello's field \"{0}\" is missing or out of range")]
    BadHello(&'static str),
    /// The peer speaks another version of the private records.
    #[error(
        "the peer speaks version {0} of the worker protocol, not {expected}: install gateway and worker of one release",
        expected = crate::HELLO_VERSION
    )]
    HelloVersion(u16),
    /// A place in shared memory that there is not, or a buffer that is the other side's.
    #[error("a place in shared memory that is not the sender's to name")]
    BadBuffer,
    /// Credit that takes the window past [`MAX_WINDOW`](crate::MAX_WINDOW).
    #[error("the credit granted exceeds the largest window")]
    CreditOverflow,
    /// More stream bytes than credit was granted for.
    #[error("{len} bytes received with credit for {credit}")]
    CreditExceeded {
        /// The bytes received.
        len: usize,
        /// The credit that was left, in bytes.
        credit: u32,
    },
}
