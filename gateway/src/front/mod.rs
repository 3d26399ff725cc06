//! Fronts: bytes to requests, responses to bytes.

pub mod http;
pub mod listen;
mod socket;
