//! What the worker itself has to tell, on standard error.

use std::fmt::Display;
use std::io::Write as _;

/// Writes one line, in one piece, with the program's name before it. A worker goes on when nobody reads its standard
/// error any more, where `eprintln!` would panic.
pub fn line(text: impl Display) {
    let line = format!("isapi-worker: {text}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
