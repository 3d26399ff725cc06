//! Every refusal and failure in one table: what the client gets, what the log says, what the metric is called.

use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tracing::Level;

use crate::body;
use crate::response::Response;

/// Why a request was not answered by its backend. The text is for the operator's log, never for the client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No site, handler or file answers this URL.
    #[error("nothing is configured for this URL")]
    NotFound,
    /// The URL is refused for its form: NUL, `..`, stream names, trailing dots (ISAPI.md §5.4).
    #[error("the URL is refused: {0}")]
    BadUrl(&'static str),
    /// The request is refused for its form.
    #[error("the request is refused: {0}")]
    BadRequest(String),
    /// The virtual directory does not permit it.
    #[error("the virtual directory has no {0} access")]
    Forbidden(Missing),
    /// The request's body is longer than it may be.
    #[error("the body is longer than {0} bytes")]
    BodyTooLarge(usize),
    /// The handler does not take this verb.
    #[error("the handler does not take this verb")]
    VerbNotAllowed {
        /// Verbs that it does take, for the `Allow` header.
        allow: Vec<Method>,
    },
    /// The worker or program died, or was ended, before it had answered.
    #[error("{0}")]
    BackendDied(String),
    /// The worker died before it had answered, for all that is known by no fault of this request.
    #[error("{reason}")]
    WorkerLost {
        /// How.
        reason: String,
        /// Another request is known to have brought it about.
        innocent: bool,
    },
    /// The worker or program answered with something that is not a response.
    #[error("the answer is not valid: {0}")]
    BadAnswer(String),
    /// The request ran longer than the pool allows.
    #[error("the request ran longer than {0:?} and was ended")]
    RequestTimeout(Duration),
    /// The extension or program cannot be started or loaded.
    #[error("{0}")]
    CannotStart(String),
    /// The extension's or program's file does not exist (ISAPI.md §1.6).
    #[error("{0}")]
    FileMissing(String),
    /// Workers of the pool have died too often (rapid-fail protection, ISAPI.md §7.4).
    #[error("the pool is off, its workers have died too often; the last one: {reason}")]
    PoolOff {
        /// How the last one died.
        reason: String,
        /// Until the next one is tried.
        left: Duration,
    },
    /// Requests of this kind have brought workers down too often, and are kept from them for a while.
    #[error("{pattern} has brought workers down too often, the next one is tried in {left:?}")]
    CircuitOpen {
        /// Method and path.
        pattern: String,
        /// Until the next one is tried.
        left: Duration,
    },
    /// The operator has stopped the pool.
    #[error("{0}")]
    PoolStopped(String),
    /// The pool's queue is full, or the request waited too long in it.
    #[error("the pool's queue is full: {0}")]
    Overloaded(String),
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
    /// The client has gone; nobody reads the answer.
    #[error("the client has gone")]
    ClientGone,
    /// A panic in the gateway while it answered this request.
    #[error("the gateway itself failed; the lines before this one say where")]
    Panicked,
}

/// The access that a virtual directory does not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// To run scripts, extensions and programs (IIS's error 403.1).
    Execute,
    /// To read static files (403.2).
    Read,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Execute => "execute",
            Self::Read => "read",
        })
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What an HTTP client gets.
    pub status: StatusCode,
    /// How loud the log line is.
    pub level: Level,
    /// Name for metrics and structured logs.
    pub label: &'static str,
    /// Seconds for `Retry-After`, where trying again helps.
    pub retry_after: Option<u32>,
}

impl Error {
    /// The row of this error.
    pub fn outcome(&self) -> Outcome {
        let row = |status, level, label| Outcome {
            status,
            level,
            label,
            retry_after: None,
        };
        let later = |status, level, label| Outcome {
            status,
            level,
            label,
            retry_after: Some(5),
        };
        let seconds = |left: &Duration| u32::try_from(left.as_secs().saturating_add(1)).ok();
        match self {
            Error::NotFound => row(StatusCode::NOT_FOUND, Level::DEBUG, "not_found"),
            Error::BadUrl(_) => row(StatusCode::BAD_REQUEST, Level::INFO, "bad_url"),
            Error::BadRequest(_) => row(StatusCode::BAD_REQUEST, Level::INFO, "bad_request"),
            Error::Forbidden(_) => row(StatusCode::FORBIDDEN, Level::DEBUG, "forbidden"),
            Error::BodyTooLarge(_) => {
                row(StatusCode::PAYLOAD_TOO_LARGE, Level::INFO, "body_too_large")
            }
            Error::VerbNotAllowed { .. } => {
                row(StatusCode::METHOD_NOT_ALLOWED, Level::DEBUG, "verb")
            }
            Error::WorkerLost { .. } => row(StatusCode::BAD_GATEWAY, Level::ERROR, "worker_lost"),
            Error::BackendDied(_) => row(StatusCode::BAD_GATEWAY, Level::ERROR, "backend_died"),
            Error::BadAnswer(_) => row(StatusCode::BAD_GATEWAY, Level::ERROR, "bad_answer"),
            Error::RequestTimeout(_) => {
                row(StatusCode::BAD_GATEWAY, Level::ERROR, "request_timeout")
            }
            Error::CannotStart(_) => row(
                StatusCode::INTERNAL_SERVER_ERROR,
                Level::ERROR,
                "cannot_start",
            ),
            Error::FileMissing(_) => row(StatusCode::NOT_FOUND, Level::ERROR, "file_missing"),
            Error::PoolOff { left, .. } => Outcome {
                retry_after: seconds(left),
                ..row(StatusCode::SERVICE_UNAVAILABLE, Level::WARN, "pool_off")
            },
            // The log has told of the circuit.
            Error::CircuitOpen { left, .. } => Outcome {
                retry_after: seconds(left),
                ..row(
                    StatusCode::SERVICE_UNAVAILABLE,
                    Level::DEBUG,
                    "circuit_open",
                )
            },
            Error::PoolStopped(_) => {
                row(StatusCode::SERVICE_UNAVAILABLE, Level::INFO, "pool_stopped")
            }
            Error::Overloaded(_) => {
                later(StatusCode::SERVICE_UNAVAILABLE, Level::WARN, "overloaded")
            }
            Error::Stopping => later(StatusCode::SERVICE_UNAVAILABLE, Level::INFO, "stopping"),
            Error::ClientGone => row(StatusCode::BAD_REQUEST, Level::DEBUG, "client_gone"),
            Error::Panicked => row(StatusCode::INTERNAL_SERVER_ERROR, Level::ERROR, "panic"),
        }
    }

    /// IIS's sub-status, for the page of the configuration; 0: none.
    pub fn sub_status(&self) -> u16 {
        match self {
            Error::Forbidden(Missing::Execute) => 1,
            Error::Forbidden(Missing::Read) => 2,
            _ => 0,
        }
    }

    /// What an extension is told whose child request has failed so (ISAPI.md §4.2, code 1027), as Win32 numbers it.
    pub fn win32(&self) -> u32 {
        match self {
            Error::NotFound | Error::FileMissing(_) => 2, // ERROR_FILE_NOT_FOUND
            Error::BadUrl(_) => 123,                      // ERROR_INVALID_NAME
            Error::BadRequest(_) => 87,                   // ERROR_INVALID_PARAMETER
            Error::Forbidden(_) => 5,                     // ERROR_ACCESS_DENIED
            Error::BodyTooLarge(_) => 223,                // ERROR_FILE_TOO_LARGE
            Error::VerbNotAllowed { .. } => 1,            // ERROR_INVALID_FUNCTION
            Error::BackendDied(_) | Error::WorkerLost { .. } => 1067, // ERROR_PROCESS_ABORTED
            Error::BadAnswer(_) => 13,                    // ERROR_INVALID_DATA
            Error::RequestTimeout(_) => 1460,             // ERROR_TIMEOUT
            Error::CannotStart(_) => 1114,                // ERROR_DLL_INIT_FAILED
            Error::Overloaded(_) => 170,                  // ERROR_BUSY
            // ERROR_SERVICE_NOT_ACTIVE
            Error::PoolOff { .. } | Error::CircuitOpen { .. } | Error::PoolStopped(_) => 1062,
            Error::Stopping => 1115,  // ERROR_SHUTDOWN_IN_PROGRESS
            Error::ClientGone => 995, // ERROR_OPERATION_ABORTED
            Error::Panicked => 1359,  // ERROR_INTERNAL_ERROR
        }
    }

    /// The answer for the client: [`page`] with what the error adds to its head.
    pub fn page(&self, method: &Method) -> Response {
        let outcome = self.outcome();
        let mut response = page(outcome.status, method);
        if let Some(seconds) = outcome.retry_after {
            let seconds = HeaderValue::from(seconds);
            response.headers.insert(RETRY_AFTER, seconds);
        }
        if let Error::VerbNotAllowed { allow } = self {
            let verbs: Vec<_> = allow.iter().map(Method::as_str).collect();
            if let Ok(verbs) = HeaderValue::try_from(verbs.join(", ")) {
                response.headers.insert(ALLOW, verbs);
            }
        }
        response
    }
}

/// A small page with the status and its phrase, and nothing of what is inside.
pub fn page(status: StatusCode, method: &Method) -> Response {
    let phrase = status.canonical_reason().unwrap_or("Error");
    let title = format!("{} {phrase}", status.as_u16());
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1></body>\n</html>\n"
    );
    let headers = HeaderMap::from_iter([
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (CONTENT_LENGTH, HeaderValue::from(page.len())),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]);
    Response {
        status,
        reason: None,
        headers: headers.into(),
        body: match *method {
            Method::HEAD => body::empty(),
            _ => body::full(page),
        },
    }
}
