//! The way of a request through the middle: site, handler, backend, error table.

mod child;
mod table;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use tokio::sync::watch;
use tracing::Level;

use crate::backend::Backend;
use crate::backend::files::{self, Files, Found};
use crate::body::{self, Body};
use crate::config::ErrorCode;
use crate::error::{self, Error};
use crate::front_takes::X_ACCEL_REDIRECT;
use crate::observe::{Journal, Ledger, Sent};
use crate::os::os_str;
use crate::request::RequestHead;
use crate::response::{Answer, Response};
use crate::site::{HandlerId, Resolved, Sites, Target};

pub use child::{Caller, ChildAnswer};
pub use table::{Released, Table};

/// How often an answer may send the request to another path of this server before it is taken for a loop.
const LOCAL_REDIRECT_LIMIT: usize = 10;

/// Sends each request to what answers it.
pub struct Dispatch {
    sites: Sites,
    files: Files,
    ledger: Arc<Ledger>,
    /// Gone with the last request that goes by it.
    used: watch::Sender<()>,
}

/// A request and where it comes from: what its backend is given, and what it needs to run child requests.
#[derive(Clone)]
pub struct Origin {
    /// Everything but the body.
    pub head: RequestHead,
    /// What is noted of it.
    pub journal: Arc<Journal>,
    dispatch: Arc<Dispatch>,
    /// What asked for it, if it is a child request.
    caller: Option<Caller>,
    /// Handlers that it is not for.
    skip: Vec<HandlerId>,
    /// Its errors have no pages of the configuration.
    plain_errors: bool,
}

/// A failure and the pool it came from, for the log.
struct Failure {
    error: Error,
    pool: Option<Arc<Backend>>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, pool: None }
    }
}

impl Dispatch {
    /// Dispatches to the handlers and folders of `sites`, and notes in the ledger what becomes of it.
    pub fn new(sites: Sites, files: Files, ledger: Arc<Ledger>) -> Self {
        Self {
            sites,
            files,
            ledger,
            used: watch::Sender::new(()),
        }
    }

    async fn answer(&self, mut origin: Arc<Origin>, mut body: Body) -> Result<Response, Failure> {
        for _ in 0..=LOCAL_REDIRECT_LIMIT {
            let uri = {
                let target = match self.route(&origin).await? {
                    Route::Backend(target) => target,
                    Route::Answered(response) => return Ok(response),
                };
                let failed = |error| Failure {
                    error,
                    pool: Some(Arc::clone(&target.backend)),
                };
                origin.journal.enter(target.backend.pool());
                origin.check_room(&target.backend).map_err(failed)?;
                let call = target.backend.call(&origin, body, &target);
                let path = match call.await.map_err(failed)? {
                    Answer::Response(response) => return Ok(response),
                    Answer::LocalRedirect(path) if origin.head.front.takes().local_redirects => {
                        return left_to_front(path).map_err(failed);
                    }
                    Answer::LocalRedirect(path) => path,
                };
                let uri = Uri::from_maybe_shared(path);
                uri.map_err(|error| failed(Error::BadAnswer(format!("its Location: {error}"))))?
            };
            redirect(&mut Arc::make_mut(&mut origin).head, uri);
            body = body::empty();
        }
        let text = format!(
            "more than {LOCAL_REDIRECT_LIMIT} local redirects, the last to {}",
            origin.head.uri
        );
        Err(Error::BadAnswer(text).into())
    }

    /// Finds what answers: the handler of the URL, else a file of the site, the handler of a folder's default document,
    /// or what the site has for everything else. REQUEST_URI stays what the client has asked for.
    async fn route<'a>(&'a self, origin: &'a Origin) -> Result<Route<'a>, Error> {
        match self.sites.resolve(&origin.head, None, &origin.skip)? {
            Resolved::Handler(target) if !target.must_exist => Ok(Route::Backend(target)),
            // In a box: what looks for files is large, and most requests need none of it.
            other => Box::pin(self.look_for_files(origin, other)).await,
        }
    }

    async fn look_for_files<'a>(
        &'a self,
        origin: &'a Origin,
        first: Resolved<'a>,
    ) -> Result<Route<'a>, Error> {
        let Origin { head, skip, .. } = origin;
        let mut resolved = first;
        let mut may_fall_back = true;
        loop {
            let files = match resolved {
                Resolved::Handler(target) => return existing(target).await.map(Route::Backend),
                Resolved::Files(files) => files,
            };
            let instead = match self.files.find(&files).await {
                Ok(Found::File(file)) => {
                    return files::send(head, &file).await.map(Route::Answered);
                }
                Ok(Found::Folder) => {
                    return files::redirect(head, &files.path).map(Route::Answered);
                }
                Ok(Found::Document(url)) => Some(url),
                Err(Error::NotFound) if may_fall_back && files.folder.fallback.is_some() => {
                    may_fall_back = false;
                    files.folder.fallback.clone()
                }
                Err(error) => {
                    files::refuse_other_verbs(head)?;
                    return Err(error);
                }
            };
            resolved = self.sites.resolve(head, instead, skip)?;
        }
    }
}

/// The answer that has the web server before us run this path and query.
fn left_to_front(path: Bytes) -> Result<Response, Error> {
    let value = HeaderValue::from_maybe_shared(path)
        .map_err(|error| Error::BadAnswer(format!("its Location: {error}")))?;
    Ok(Response {
        status: StatusCode::OK,
        reason: None,
        headers: HeaderMap::from_iter([(X_ACCEL_REDIRECT, value)]).into(),
        body: body::empty(),
    })
}

/// What answers a request.
enum Route<'a> {
    Backend(Target<'a>),
    Answered(Response),
}

/// A target whose script is there, if it must be.
async fn existing(target: Target<'_>) -> Result<Target<'_>, Error> {
    if target.must_exist {
        let script = PathBuf::from(&*os_str(&target.script.filename));
        let is_file = tokio::task::spawn_blocking(move || script.is_file()).await;
        if !is_file.map_err(|_| Error::Stopping)? {
            return Err(Error::NotFound);
        }
    }
    Ok(target)
}

impl Origin {
    /// A request of a client.
    pub fn new(head: RequestHead, dispatch: Arc<Dispatch>) -> Arc<Self> {
        Arc::new(Self {
            journal: Journal::new(&head, &dispatch.ledger),
            head,
            dispatch,
            caller: None,
            skip: Vec::new(),
            plain_errors: false,
        })
    }

    /// Answers a request. Every failure is logged once, here, and becomes the error page of its row in the error table,
    /// or the one that the configuration has for it.
    pub async fn run(self: Arc<Self>, body: Body) -> Response<Sent> {
        let response = match self.answer(self.journal.receiving(body)).await {
            Ok(response) => response,
            Err(error) => {
                self.journal.failed(&error);
                Box::pin(self.failed(&error)).await
            }
        };
        self.journal.answering(response)
    }

    /// The answer to an error of this request: the page of the configuration, else the gateway's own.
    pub async fn error_page(
        &self,
        status: StatusCode,
        sub_status: u16,
        reason: Option<Bytes>,
    ) -> Response {
        let mut plain = error::page(status, &self.head.method);
        plain.reason = reason;
        self.with_page(plain, sub_status).await
    }

    async fn failed(&self, error: &Error) -> Response {
        let plain = error.page(&self.head.method);
        if self.plain_errors {
            return plain;
        }
        self.with_page(plain, error.sub_status()).await
    }

    async fn with_page(&self, mut plain: Response, sub_status: u16) -> Response {
        let status = plain.status.as_u16();
        let code = ErrorCode { status, sub_status };
        let Some(file) = self.dispatch.sites.error_page(&self.head, code) else {
            return plain;
        };
        let Some((headers, body)) = files::page(file).await else {
            tracing::warn!("the error page {} cannot be read", file.display());
            return plain;
        };
        plain.headers.remove(CONTENT_TYPE);
        plain.headers.extend(headers);
        if self.head.method != Method::HEAD {
            plain.body = body;
        }
        plain
    }

    /// Answers the request. A failure is logged.
    async fn answer(self: &Arc<Self>, body: Body) -> Result<Response, Error> {
        let answer = pin!(self.dispatch.answer(Arc::clone(self), body));
        catch_panics(answer).await.map_err(|failure| {
            log(&failure, &self.head.method, &self.head.uri);
            failure.error
        })
    }
}

/// As if the client had asked for that path itself, without a body (RFC 3875 §6.2.2).
fn redirect(head: &mut RequestHead, uri: Uri) {
    head.uri = uri;
    head.front.request_uri = None;
    if head.method != Method::HEAD {
        head.method = Method::GET;
    }
    for name in [CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
}

/// A panic while one request is answered is a fault of the gateway, but none that the others should suffer for.
async fn catch_panics(
    mut answer: Pin<&mut impl Future<Output = Result<Response, Failure>>>,
) -> Result<Response, Failure> {
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
        polled.unwrap_or(Poll::Ready(Err(Error::Panicked.into())))
    })
    .await
}

fn log(failure: &Failure, method: &Method, uri: &Uri) {
    let Failure { error, pool } = failure;
    let label = error.outcome().label;
    let (path, pool) = (uri.path(), pool.as_deref().map(Backend::pool));
    match error.outcome().level {
        Level::ERROR => tracing::error!(label, pool, %method, path, "{error}"),
        Level::WARN => tracing::warn!(label, pool, %method, path, "{error}"),
        Level::INFO => tracing::info!(label, pool, %method, path, "{error}"),
        _ => tracing::debug!(label, pool, %method, path, "{error}"),
    }
}

#[cfg(test)]
mod tests;
