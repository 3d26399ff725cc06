//! FastCGI 1.0 for both ends of a connection, without any input or output.
//!
//! Bytes that arrive go into a [`RecordBuffer`], which yields one [`Record`] after the other. The application's end
//! feeds them to an [`Application`], the web server's end to a [`Server`]; both answer with events. Bytes to be sent
//! are appended to a plain `Vec<u8>` by the functions of [`encode`]. Reading and writing are the caller's business, so
//! the same code serves blocking threads, an async runtime, property tests and fuzzers.
//!
//! Beside the standard records there are a few private ones for what an ISAPI worker needs and FastCGI lacks: a
//! greeting ([`Hello`]), credit per request and direction ([`Window`], [`Grant`]), a whole request and the end of a whole
//! answer as one record each, an answer that was cut short, child requests ([`ChildRequest`]), error pages, and texts for
//! the gateway's logs. They are spoken only where both ends were told so.
//! An [`Order`] is no record at all: with it the gateway has CGI programs started.
//!
//! What comes from outside is never trusted: every length is checked before it is used, nothing is buffered without a
//! bound, and a violation is a [`ProtocolError`], after which the connection must be closed.

#![forbid(unsafe_code)]

mod application;
mod body;
mod buffer;
mod credit;
pub mod encode;
mod error;
mod exec;
mod hello;
mod method;
mod number;
mod order;
mod params;
mod record;
mod server;
mod slot;

pub use application::{Application, Event, Options};
pub use body::{BeginRequest, EndRequest, ProtocolStatus, Role};
pub use buffer::RecordBuffer;
pub use credit::{Grant, MAX_WINDOW, Window};
pub use encode::{
    ParamsWriter, abort_request, begin_request, credit, cut, end_request, end_stream, error_page,
    exec_status, get_values, get_values_result, hello, log_parameter, record, stream, trace,
    unhealthy, unknown_type,
};
pub use error::ProtocolError;
pub use exec::{ChildRequest, ExecStatus};
pub use hello::{HELLO_VERSION, Hello};
pub use method::is_idempotent;
pub use number::ByNumber;
pub use order::{Order, Ordered};
pub use params::{
    EncodedPairs, IndexedParams, Limits, PAIR_OVERHEAD, Pair, Params, ParamsDecoder, encode_pair,
    pairs,
};
pub use record::{HEADER_LEN, Header, MAX_CONTENT, Record, RecordType, VERSION, parse};
pub use server::{Server, ServerEvent};
