//! Every refusal and failure in one table: what the client gets, what the log says, what the metric is called.

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
    /// The handler does not take this verb.
    #[error("the handler does not take this verb")]
    VerbNotAllowed {
        /// Verbs that it does take, for the `Allow` header.
        allow: Vec<Method>,
    },
    /// The worker or program died, or was ended, before it had answered.
    #[error("{0}")]
    BackendDied(String),
    /// The worker or program answered with something that is not a response.
    #[error("the answer is not valid: {0}")]
    BadAnswer(String),
    /// The request ran longer than the pool allows.
    #[error("the request ran longer than {0:?} and was ended")]
    RequestTimeout(std::time::Duration),
    /// The extension or program cannot be started or loaded.
    #[error("{0}")]
    CannotStart(String),
    /// The extension's or program's file does not exist (ISAPI.md §1.6).
    #[error("{0}")]
    FileMissing(String),
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
        match self {
            Error::NotFound => row(StatusCode::NOT_FOUND, Level::DEBUG, "not_found"),
            Error::BadUrl(_) => row(StatusCode::BAD_REQUEST, Level::INFO, "bad_url"),
            Error::BadRequest(_) => row(StatusCode::BAD_REQUEST, Level::INFO, "bad_request"),
            Error::VerbNotAllowed { .. } => {
                row(StatusCode::METHOD_NOT_ALLOWED, Level::DEBUG, "verb")
            }
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
            Error::Overloaded(_) => {
                later(StatusCode::SERVICE_UNAVAILABLE, Level::WARN, "overloaded")
            }
            Error::Stopping => later(StatusCode::SERVICE_UNAVAILABLE, Level::INFO, "stopping"),
            Error::ClientGone => row(StatusCode::BAD_REQUEST, Level::DEBUG, "client_gone"),
            Error::Panicked => row(StatusCode::INTERNAL_SERVER_ERROR, Level::ERROR, "panic"),
        }
    }

    /// The answer for the client: a small page with the status and its phrase, and nothing of what is inside.
    pub fn page(&self, method: &Method) -> Response {
        let outcome = self.outcome();
        let phrase = outcome.status.canonical_reason().unwrap_or("Error");
        let title = format!("{} {phrase}", outcome.status.as_u16());
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body><h1>{title}</h1></body>\n</html>\n"
        );
        let mut headers = HeaderMap::from_iter([
            (
                CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            ),
            (CONTENT_LENGTH, HeaderValue::from(page.len())),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ]);
        if let Some(seconds) = outcome.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Error::VerbNotAllowed { allow } = self {
            let verbs: Vec<_> = allow.iter().map(Method::as_str).collect();
            if let Ok(verbs) = HeaderValue::try_from(verbs.join(", ")) {
                headers.insert(ALLOW, verbs);
            }
        }
        let bodiless = method == Method::HEAD;
        Response {
            status: outcome.status,
            reason: None,
            headers,
            body: if bodiless {
                body::empty()
            } else {
                body::full(page)
            },
        }
    }
}
