//! Fronts: bytes to requests, responses to bytes.

pub mod fastcgi;
pub mod http;
pub mod inherited;
pub mod listen;
mod seldom;
mod socket;

use ::http::{Method, Uri};

use crate::body::BodyError;

/// Logs why the body of an answer has ended early.
fn log_broken(error: &BodyError, method: &Method, uri: &Uri) {
    let path = uri.path();
    match error {
        BodyError::Cut(_) => tracing::error!(label = "cut", %method, path, "{error}"),
        BodyError::Client(_) => tracing::debug!(label = "client_gone", %method, path, "{error}"),
    }
}
