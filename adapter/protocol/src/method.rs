//! Methods of HTTP.

/// Whether a request of this method does no more when it runs twice (RFC 9110 §9.2.2). Gateway and worker must agree: the
/// worker holds back answers of requests that the gateway would run again if the worker died.
pub fn is_idempotent(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE"
    )
}
