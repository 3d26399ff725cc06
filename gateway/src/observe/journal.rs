//! What is noted of a request while it is answered.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use jiff::Timestamp;

use super::access_log::{Asked, Line};
use super::traffic::{Ledger, Over, Traffic};
use crate::body::{Body, BodyError};
use crate::error::Error;
use crate::request::RequestHead;
use crate::response::Response;

/// Most bytes that extensions can have logged for one request. `lpszLogData` has 79, HSE_APPEND_LOG_PARAMETER any number.
const LOG_LIMIT: usize = 4096;

/// ERROR_NETNAME_DELETED: what IIS logs of a client that has gone.
const CLIENT_GONE: u32 = 64;

/// ERROR_PROCESS_ABORTED, as for a backend that died before its answer had begun.
const CUT: u32 = 1067;

/// What has been noted of one request. It is held by all that may have something to add, and goes to the ledger when the
/// last of them is done: an extension may add to the access log after the client has its answer.
#[derive(Debug)]
pub struct Journal {
    begun: Instant,
    kind: Kind,
    received: AtomicU64,
    sent: AtomicU64,
    notes: Mutex<Notes>,
}

/// Who has asked.
#[derive(Debug)]
enum Kind {
    /// A client.
    Client {
        ledger: Arc<Ledger>,
        /// What only the access log wants to know.
        asked: Option<Box<(Timestamp, Asked)>>,
    },
    /// The extension that answers this other request.
    Child(Arc<Journal>),
}

#[derive(Debug, Default)]
struct Notes {
    /// The pool that answers.
    pool: Option<Arc<Traffic>>,
    status: Option<StatusCode>,
    error: Option<&'static str>,
    sub_status: u16,
    win32: u32,
    /// What extensions have added.
    parameter: Vec<u8>,
    /// How long the answer took; `None` until it is over.
    taken: Option<Duration>,
}

impl Journal {
    /// Of a client's request that begins now.
    pub fn new(head: &RequestHead, ledger: &Arc<Ledger>) -> Arc<Self> {
        let asked = ledger
            .log
            .is_some()
            .then(|| Box::new((Timestamp::now(), Asked::new(head))));
        ledger.all.begin();
        Self::of(Kind::Client {
            ledger: Arc::clone(ledger),
            asked,
        })
    }

    /// Of a child request that begins now.
    pub fn child(self: &Arc<Self>) -> Arc<Self> {
        Self::of(Kind::Child(Arc::clone(self)))
    }

    fn of(kind: Kind) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            kind,
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            notes: Mutex::default(),
        })
    }

    /// A pool gets the request. After a local redirect that may be another one than before.
    pub fn enter(&self, pool: &str) {
        let traffic = self.ledger().pools.get(pool).cloned();
        if let Some(traffic) = &traffic {
            traffic.begin();
        }
        let left = std::mem::replace(&mut self.notes().pool, traffic);
        if let Some(traffic) = left {
            let status = Some(StatusCode::FOUND);
            traffic.end(&self.over(status, None, self.begun.elapsed()));
        }
    }

    /// The request has waited so long for room in its pool.
    pub fn waited(&self, time: Duration) {
        if let Some(traffic) = &self.notes().pool {
            traffic.wait.observe(time.as_secs_f64());
        }
    }

    /// The body of the request, counted as it is read.
    pub fn receiving(self: &Arc<Self>, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let journal = Arc::clone(self);
        let counted = body.map_frame(move |frame| {
            journal.received.fetch_add(length(&frame), Relaxed);
            frame
        });
        counted.boxed_unsync()
    }

    /// Why the request has failed.
    pub fn failed(&self, error: &Error) {
        let mut notes = self.notes();
        notes.error = Some(error.outcome().label);
        notes.sub_status = error.sub_status();
        notes.win32 = error.win32();
    }

    /// The extension's answer is a page of the gateway with this sub-status.
    pub fn sub_status(&self, sub_status: u16) {
        self.notes().sub_status = sub_status;
    }

    /// Text of the extension for the log (ISAPI.md §2.1 `lpszLogData`, §4.2 code 1003).
    pub fn log_parameter(&self, text: &[u8]) {
        if let Kind::Child(parent) = &self.kind {
            return parent.log_parameter(text);
        }
        let mut notes = self.notes();
        let room = LOG_LIMIT.saturating_sub(notes.parameter.len());
        notes
            .parameter
            .extend_from_slice(&text[..room.min(text.len())]);
    }

    /// The answer, watched on its way.
    pub fn answering(self: &Arc<Self>, response: Response) -> Response<Sent> {
        self.notes().status = Some(response.status);
        let declared = || {
            if response.headers.unread().is_some() {
                // The body of such an answer knows it if it is declared.
                return None;
            }
            let value = response.headers.get(CONTENT_LENGTH)?;
            value.to_str().ok()?.parse().ok()
        };
        // Most bodies know it, which takes less than to look for the header.
        let length = response.body.size_hint().exact().or_else(declared);
        response.map(|inner| Sent {
            inner,
            length,
            journal: Some(Arc::clone(self)),
            ended: None,
        })
    }

    /// Bytes of the answer's body so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    fn ledger(&self) -> &Ledger {
        match &self.kind {
            Kind::Client { ledger, .. } => ledger,
            Kind::Child(parent) => parent.ledger(),
        }
    }

    fn over(
        &self,
        status: Option<StatusCode>,
        error: Option<&'static str>,
        taken: Duration,
    ) -> Over {
        Over {
            status,
            error,
            taken,
            sent: self.sent(),
            received: self.received.load(Relaxed),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let notes = self.notes();
        let taken = notes.taken.unwrap_or_else(|| self.begun.elapsed());
        let over = self.over(notes.status, notes.error, taken);
        if let Some(pool) = &notes.pool {
            pool.end(&over);
        }
        let Kind::Client { ledger, asked } = &self.kind else {
            return;
        };
        ledger.all.end(&over);
        if let (Some(log), Some(asked)) = (&ledger.log, asked) {
            let (begun, asked) = asked.as_ref();
            log.write(&Line {
                begun: *begun,
                asked,
                taken,
                status: notes.status,
                sub_status: notes.sub_status,
                win32: match notes.status {
                    None => CLIENT_GONE,
                    Some(_) => notes.win32,
                },
                sent: over.sent,
                received: over.received,
                parameter: &notes.parameter,
            });
        }
    }
}

/// The body of an answer.
pub struct Sent {
    inner: Body,
    /// Its bytes, where they are declared: then nobody asks for more behind the last.
    length: Option<u64>,
    /// Who notes it.
    journal: Option<Arc<Journal>>,
    /// How it has ended, as Win32 numbers it; `None` when it has not.
    ended: Option<u32>,
}

/// A body that nobody watches.
impl From<Body> for Sent {
    fn from(inner: Body) -> Self {
        Self {
            inner,
            length: None,
            journal: None,
            ended: None,
        }
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(journal) = &self.journal {
                    journal.sent.fetch_add(length(frame), Relaxed);
                }
            }
            Some(Err(BodyError::Client(_))) => self.ended = Some(CLIENT_GONE),
            Some(Err(BodyError::Cut(_))) => self.ended = Some(CUT),
            None => self.ended = Some(0),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Sent {
    /// Notes that nobody gets any more of it from now on, and how it has ended. Otherwise that is noted when it is dropped.
    pub fn end(&mut self, now: Instant) {
        let Some(journal) = self.journal.take() else {
            return;
        };
        let is_whole = self.inner.is_end_stream() || self.length == Some(journal.sent());
        let ended = self.ended.unwrap_or(if is_whole { 0 } else { CLIENT_GONE });
        let mut notes = journal.notes();
        notes.taken = Some(now.saturating_duration_since(journal.begun));
        if ended != 0 {
            notes.win32 = ended;
        }
        match ended {
            CUT => notes.error = Some("cut"),
            CLIENT_GONE => notes.error = Some("client_gone"),
            _ => {}
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if self.journal.is_some() {
            self.end(Instant::now());
        }
    }
}

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}
