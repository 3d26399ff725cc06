//! The requests of one connection: what each record means to them, and a task for each that runs.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use fastcgi_protocol::{Application, Event, Params, ProtocolError, Record, RecordType, Role};
use http::Method;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::FastCgi;
use super::traffic::{Stdin, StdinReader, Traffic};
use super::{answer, params};
use crate::body::{self, Body, BodyError};
use crate::dispatch::Dispatch;
use crate::error::Error;
use crate::front::log_broken;
use crate::request::{Connection, Request, RequestHead};
use crate::response::Response;

/// Answers of the protocol itself (GET_VALUES, UNKNOWN_TYPE, refusals) that may wait to be written before no more
/// records are taken, bytes.
const REPLIES_LIMIT: usize = 16 * 1024;

/// The most of an answer that waits for the end of its request's body, bytes.
const HELD_BACK: usize = 64 * 1024;

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of it has been sent.
    Complete,
    /// It was cut short, and the web server must see it.
    Cut,
}

/// The requests of one connection. Dropping it ends them: their clients have gone.
pub struct Requests {
    front: Arc<FastCgi>,
    socket: Connection,
    application: Application,
    open: HashMap<u16, Open>,
    tasks: JoinSet<Ending>,
    traffic: Arc<Traffic>,
    replies: Vec<u8>,
    /// No new requests: an answer was cut short, or the gateway stops.
    last: Option<Last>,
}

/// Why no new requests are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Stopping,
    Cut,
}

/// A request between BEGIN_REQUEST and END_REQUEST.
enum Open {
    /// Its parameters are coming, since then.
    Head(Instant),
    /// It says nothing of its body: the first record of STDIN, awaited since then, tells whether there is one.
    Undecided(Instant, Box<RequestHead>),
    Running(Running),
}

/// A request that is being answered.
struct Running {
    task: AbortHandle,
    stdin: Option<Arc<Stdin>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both without effect when it has come to its end.
        self.task.abort();
        if let Some(stdin) = &self.stdin {
            stdin.break_off();
        }
    }
}

impl Requests {
    /// Of a new connection with that socket.
    pub fn new(front: Arc<FastCgi>, socket: Connection, traffic: Arc<Traffic>) -> Self {
        Self {
            application: Application::new(front.options.clone()),
            front,
            socket,
            open: HashMap::new(),
            tasks: JoinSet::new(),
            traffic,
            replies: Vec::new(),
            last: None,
        }
    }

    /// Whether a record may be taken: neither bodies nor answers have gathered beyond their bounds.
    pub fn have_room(&self) -> bool {
        self.replies.len() < REPLIES_LIMIT && self.traffic.has_room() && !self.are_over()
    }

    /// Whether none is open.
    pub fn are_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether the connection is to be closed when everything has been written.
    pub fn are_over(&self) -> bool {
        self.application.must_close() || (self.last.is_some() && self.open.is_empty())
    }

    /// Whether the end of the connection is to show that an answer is not whole.
    pub fn are_cut(&self) -> bool {
        self.last == Some(Last::Cut)
    }

    /// The requests that are open are the last ones.
    pub fn stop(&mut self) {
        self.last.get_or_insert(Last::Stopping);
    }

    /// Since when the oldest request that does not run yet waits.
    pub fn oldest(&self) -> Option<Instant> {
        let since = |open: &Open| match open {
            Open::Head(since) | Open::Undecided(since, _) => Some(*since),
            Open::Running(_) => None,
        };
        self.open.values().filter_map(since).min()
    }

    /// Goes on with requests that have waited since that time: whether they have a body is found out by those who read
    /// it. Returns whether there is one whose parameters have not come either.
    pub fn overdue(&mut self, since: Instant) -> bool {
        let is_late = |open: &Open| matches!(open, Open::Undecided(begun, _) if *begun <= since);
        let late = self.open.iter().filter(|(_, open)| is_late(open));
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some(head) = self.take_undecided(id) {
                self.start(id, head, None);
            }
        }
        self.oldest().is_some_and(|begun| begun <= since)
    }

    /// Takes what is to be written now into `writing`, which is empty.
    pub fn take_output(&mut self, writing: &mut Vec<u8>) {
        self.traffic.take(writing);
        writing.append(&mut self.replies);
    }

    /// Carries out what a record says.
    ///
    /// # Errors
    /// A violation of the protocol: the connection cannot be used further.
    pub fn receive(&mut self, record: Record<'_>) -> Result<(), ProtocolError> {
        let Record { kind, id, .. } = record;
        match self.application.receive(record, &mut self.replies)? {
            Some(Event::Request {
                id, role, params, ..
            }) => self.decide(id, role, &params),
            Some(Event::Stdin { id, data }) => self.stdin(id, data),
            Some(Event::StdinEnd { id }) => self.stdin_end(id),
            Some(Event::Abort { id }) => self.abort(id),
            // Private records are unknown types here.
            Some(Event::Hello(_) | Event::Credit { .. } | Event::ExecStatus { .. }) => {}
            None if kind == RecordType::BeginRequest && self.application.is_active(id) => {
                self.open.insert(id, Open::Head(Instant::now()));
            }
            // Aborted before it had all its parameters.
            None if kind == RecordType::AbortRequest => drop(self.open.remove(&id)),
            None => {}
        }
        Ok(())
    }

    /// Waits for the end of a task, and ends its request. Never returns when there is none.
    pub async fn join(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.ended(ended),
            None => std::future::pending().await,
        }
    }

    /// A request has all its parameters.
    fn decide(&mut self, id: u16, role: Role, params: &Params) {
        let mount = match role {
            Role::Authorizer => self.front.authorizer.as_str(),
            _ => "",
        };
        let head = params::head(params, mount, self.socket, self.front.trust);
        let mut head = match head {
            Ok(head) => head,
            Err(error) => return self.refuse(id, &error),
        };
        if role == Role::Responder {
            head.front.takes = Arc::clone(&self.front.takes);
        }
        if self.last.is_some() {
            return self.refuse(id, &Error::Stopping);
        }
        let length = match head.headers.get(CONTENT_LENGTH) {
            // Authorizers get no body (FastCGI 1.0 §6.3).
            _ if role == Role::Authorizer => Some(0),
            None => {
                let undecided = Open::Undecided(Instant::now(), Box::new(head));
                self.open.insert(id, undecided);
                return;
            }
            Some(value) => match value.to_str().ok().and_then(length) {
                Some(length) => Some(length),
                None => {
                    let error = Error::BadRequest("CONTENT_LENGTH is not a length".into());
                    return self.refuse(id, &error);
                }
            },
        };
        self.start(id, head, length);
    }

    fn stdin(&mut self, id: u16, data: &[u8]) {
        if let Some(head) = self.take_undecided(id) {
            self.start(id, head, None);
        }
        if let Some(Open::Running(Running {
            stdin: Some(stdin), ..
        })) = self.open.get(&id)
        {
            stdin.push(data);
        }
    }

    fn stdin_end(&mut self, id: u16) {
        if let Some(head) = self.take_undecided(id) {
            self.start(id, head, Some(0));
        }
        if let Some(Open::Running(Running {
            stdin: Some(stdin), ..
        })) = self.open.get(&id)
        {
            stdin.end();
        }
    }

    fn take_undecided(&mut self, id: u16) -> Option<RequestHead> {
        match self.open.remove(&id)? {
            Open::Undecided(_, head) => Some(*head),
            other => {
                self.open.insert(id, other);
                None
            }
        }
    }

    /// The client of a request has gone.
    fn abort(&mut self, id: u16) {
        if self.open.remove(&id).is_some() {
            self.finish(id);
        }
    }

    /// Starts to answer a request with a body of that length, or of any.
    fn start(&mut self, id: u16, head: RequestHead, length: Option<u64>) {
        let stdin = (length != Some(0)).then(|| Stdin::new(Arc::clone(&self.traffic), length));
        let body = match &stdin {
            Some(stdin) => StdinReader(Arc::clone(stdin)).boxed_unsync(),
            None => body::empty(),
        };
        let request = Request { head, body };
        let dispatch = self.front.table.current();
        let rest = stdin.clone();
        self.run(id, stdin, |traffic| async move {
            let out = Out { traffic, id, rest };
            answer(dispatch, request, out).await
        });
    }

    /// What shows the web server that an answer is not whole, at the end of the connection.
    pub fn cut_mark(&self) -> &'static [u8] {
        self.application.cut_mark()
    }

    /// Answers a request with the page of an error.
    fn refuse(&mut self, id: u16, error: &Error) {
        tracing::info!(label = error.outcome().label, "{error}");
        let response = error.page(&Method::GET);
        self.run(id, None, |traffic| async move {
            let rest = None;
            let sent = Out { traffic, id, rest }.send(response).await;
            sent.map_or(Ending::Cut, |()| Ending::Complete)
        });
    }

    fn run<F>(&mut self, id: u16, stdin: Option<Arc<Stdin>>, answer: impl FnOnce(Arc<Traffic>) -> F)
    where
        F: Future<Output = Ending> + Send + 'static,
    {
        // In a box, which stays where it is: a task is moved several times.
        let answer = Box::pin(answer(Arc::clone(&self.traffic)));
        let task = self.tasks.spawn(answer);
        self.open.insert(id, Open::Running(Running { task, stdin }));
    }

    fn ended(&mut self, ended: Result<(Id, Ending), JoinError>) {
        let (task, ending) = match ended {
            Ok(ended) => ended,
            // Its client has gone, and so has its request.
            Err(error) if error.is_cancelled() => return,
            // A panic in the middle of an answer.
            Err(error) => (error.id(), Ending::Cut),
        };
        let is_it =
            |open: &Open| matches!(open, Open::Running(running) if running.task.id() == task);
        let Some(id) = self
            .open
            .iter()
            .find_map(|(id, open)| is_it(open).then_some(*id))
        else {
            return;
        };
        self.open.remove(&id);
        match ending {
            Ending::Complete => self.finish(id),
            // It stays active for the protocol, never to end.
            Ending::Cut => self.last = Some(Last::Cut),
        }
    }

    fn finish(&mut self, id: u16) {
        self.traffic.end(id);
        self.application.finish(id);
    }
}

/// Answers a request.
async fn answer(dispatch: Arc<Dispatch>, request: Request, out: Out) -> Ending {
    let (method, uri) = (request.head.method.clone(), request.head.uri.clone());
    let response = dispatch.run(request).await;
    match out.send(response).await {
        Ok(()) => Ending::Complete,
        Err(error) => {
            log_broken(&error, &method, &uri);
            Ending::Cut
        }
    }
}

/// Where an answer goes.
struct Out {
    traffic: Arc<Traffic>,
    id: u16,
    /// The request's body, as long as it is awaited: nginx stops sending it as soon as it has the head of an answer, and
    /// an extension that has begun its answer would wait for the rest in vain.
    rest: Option<Arc<Stdin>>,
}

impl Out {
    /// Sends a response as the bytes of STDOUT, as fast as the web server takes them.
    async fn send(mut self, response: Response) -> Result<(), BodyError> {
        let mut head = Vec::with_capacity(512);
        answer::write_head(&mut head, &response);
        let mut held = BytesMut::from(head.as_slice());
        let mut body = response.body;
        while let Some(frame) = self.next(&mut body, &mut held).await {
            // Trailers have no place in FastCGI.
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            if self.rest.is_some() && held.len() + data.len() <= HELD_BACK {
                held.extend_from_slice(&data);
            } else {
                self.release(&mut held).await;
                self.traffic.send(self.id, data).await;
            }
        }
        self.release(&mut held).await;
        Ok(())
    }

    /// The next frame of an answer. What has been held back is sent when it need not be any longer.
    async fn next(&mut self, body: &mut Body, held: &mut BytesMut) -> Option<Frame> {
        if let Some(rest) = &self.rest {
            tokio::select! {
                biased;
                () = poll_fn(|context| rest.poll_ended(context)) => {}
                frame = body.frame() => return frame,
            }
        }
        self.release(held).await;
        body.frame().await
    }

    /// Holds nothing back from now on.
    async fn release(&mut self, held: &mut BytesMut) {
        self.rest = None;
        if !held.is_empty() {
            self.traffic.send(self.id, held.split().freeze()).await;
        }
    }
}

type Frame = Result<http_body::Frame<Bytes>, BodyError>;

fn length(text: &str) -> Option<u64> {
    let only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| text.parse().ok()).flatten()
}
