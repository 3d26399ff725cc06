//! The requests of one connection: what each record means to them, and what answers each that runs. The connection's own
//! task answers one of them; those that come meanwhile get tasks of their own.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use fastcgi_protocol::{
    Application, ByNumber, Event, Params, ProtocolError, Record, RecordType, Role,
};
use http::Method;
use http_body_util::BodyExt as _;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::answering::{Ending, Out, Source, Work};
use super::traffic::{Stdin, StdinReader, Traffic};
use super::{FastCgi, params};
use crate::body;
use crate::dispatch::Origin;
use crate::error::Error;
use crate::outbox::Outbox;
use crate::request::Connection;

/// Answers of the protocol itself (GET_VALUES, UNKNOWN_TYPE, refusals) that may wait to be written before no more
/// records are taken, bytes.
const REPLIES_LIMIT: usize = 16 * 1024;

/// How long no request must have been open before a web server counts as having read that it is to begin no more. It has
/// no way to say so, and a request that is on its way when the connection ends is lost: HAProxy answers it with 502, or
/// makes it again if it has no effect.
const RETIREMENT: Duration = Duration::from_millis(500);

/// The requests of one connection. Dropping it ends them: their clients have gone.
pub struct Requests {
    front: Arc<FastCgi>,
    socket: Connection,
    application: Application,
    open: ByNumber<Open>,
    /// Since when none is open.
    idle_since: Option<Instant>,
    /// The one that the connection's task answers, and what that has to do other than before.
    here: Option<u16>,
    next_here: Option<Here>,
    tasks: JoinSet<Ending>,
    traffic: Arc<Traffic>,
    replies: Vec<u8>,
    /// The connection is to end: an answer was cut short, or the gateway stops.
    last: Option<Last>,
}

/// Why a connection is to end, and when.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The gateway stops: no new requests are taken.
    Stopping,
    /// An answer was cut short: no new requests are taken.
    Cut,
    /// The same, but the web server has been told: requests that it has begun before it read that are answered.
    Retiring,
}

/// A request between BEGIN_REQUEST and END_REQUEST.
enum Open {
    /// Its parameters are coming, since then.
    Head(Instant),
    /// It says nothing of its body: the first record of STDIN tells whether there is one. It began then.
    Undecided(Instant, Arc<Origin>),
    Running(Running),
}

/// A request that is being answered.
struct Running {
    /// `None`: by the connection's own.
    task: Option<AbortHandle>,
    stdin: Option<Arc<Stdin>>,
}

/// What the connection's task is to do.
pub enum Here {
    /// To answer this request.
    Begin(Work),
    /// To drop the one that it answers.
    Drop,
}

impl Open {
    /// The task of its own that answers it, if one does.
    fn task(&self) -> Option<Id> {
        match self {
            Self::Running(running) => running.task.as_ref().map(AbortHandle::id),
            _ => None,
        }
    }

    /// Its body, if it runs and has one.
    fn stdin(&self) -> Option<&Stdin> {
        match self {
            Self::Running(running) => running.stdin.as_deref(),
            _ => None,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both without effect when it has come to its end.
        if let Some(task) = &self.task {
            task.abort();
        }
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
            open: ByNumber::default(),
            idle_since: Some(Instant::now()),
            here: None,
            next_here: None,
            tasks: JoinSet::new(),
            traffic,
            replies: Vec::new(),
            last: None,
        }
    }

    /// Whether a record may be taken: neither bodies nor answers have gathered beyond their bounds.
    pub fn have_room(&self) -> bool {
        self.replies.len() < REPLIES_LIMIT && self.traffic.takes_records() && !self.are_over()
    }

    /// Since when none is open; `None` when one is.
    pub fn idle_since(&self) -> Option<Instant> {
        self.idle_since
    }

    /// Whether the connection is to be closed when everything has been written.
    pub fn are_over(&self) -> bool {
        self.application.must_close()
            || match self.last {
                None => false,
                Some(Last::Stopping | Last::Cut) => self.open.is_empty(),
                Some(Last::Retiring) => {
                    let since = self.idle_since;
                    since.is_some_and(|since| since.elapsed() >= RETIREMENT)
                }
            }
    }

    /// When the connection is to be closed, if that is still to come and no request comes until then.
    pub fn retires_at(&self) -> Option<Instant> {
        let since = self
            .idle_since
            .filter(|_| self.last == Some(Last::Retiring));
        let end = since.map(|since| since + RETIREMENT);
        end.filter(|end| *end > Instant::now())
    }

    /// Whether the end of the connection is to show that an answer is not whole.
    pub fn are_cut(&self) -> bool {
        matches!(self.last, Some(Last::Cut | Last::Retiring))
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
        for id in late.map(|(id, _)| id).collect::<Vec<_>>() {
            if let Some(origin) = self.take_undecided(id) {
                self.start(id, origin, None);
            }
        }
        self.oldest().is_some_and(|begun| begun <= since)
    }

    /// Takes what is to be written now into `writing`, which is empty.
    pub fn take_output(&mut self, writing: &mut Outbox) {
        self.traffic.take(writing);
        writing.records().append(&mut self.replies);
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
            }) => self.decide(id, role, params),
            Some(Event::Stdin { id, data }) => self.stdin(id, data),
            Some(Event::StdinEnd { id }) => self.stdin_end(id),
            Some(Event::Abort { id }) => self.abort(id),
            // Private records are unknown types here.
            Some(
                Event::Hello(_)
                | Event::WholeRequest { .. }
                | Event::Credit { .. }
                | Event::Shared { .. }
                | Event::Released(_)
                | Event::ExecStatus { .. },
            ) => {}
            None if kind == RecordType::BeginRequest && self.application.is_active(id) => {
                self.open.insert(id, Open::Head(Instant::now()));
                self.idle_since = None;
            }
            // Aborted before it had all its parameters.
            None if kind == RecordType::AbortRequest => drop(self.remove(id)),
            None => {}
        }
        Ok(())
    }

    /// What the connection's task is to do other than before.
    pub fn next_here(&mut self) -> Option<Here> {
        self.next_here.take()
    }

    /// The connection's task has answered its request, and is to drop it next.
    pub fn ended_here(&mut self, ending: Ending) {
        if let Some(id) = self.here {
            self.ended(id, ending);
        }
    }

    /// Ends the requests that other tasks have answered. The connection's is woken by the next.
    pub fn poll_elsewhere(&mut self, context: &mut Context<'_>) {
        while !self.tasks.is_empty()
            && let Poll::Ready(Some(ended)) = self.tasks.poll_join_next_with_id(context)
        {
            let (task, ending) = match ended {
                Ok(ended) => ended,
                // Its client has gone, and so has its request.
                Err(error) if error.is_cancelled() => continue,
                // A panic in the middle of an answer.
                Err(error) => (error.id(), Ending::Cut),
            };
            let found = self.open.iter().find(|(_, open)| open.task() == Some(task));
            if let Some((id, _)) = found {
                self.ended(id, ending);
            }
        }
    }

    /// A request has all its parameters.
    fn decide(&mut self, id: u16, role: Role, params: Params) {
        let front = &self.front;
        let (mount, takes) = match role {
            // Its answer is no page.
            Role::Authorizer => (front.authorizer.as_str(), None),
            _ => ("", Some(Arc::clone(&front.takes))),
        };
        let head = match params::head(params, mount, self.socket, front.trust, takes) {
            Ok(head) => head,
            Err(error) => return self.refuse(id, &error),
        };
        if let Some(Last::Stopping | Last::Cut) = self.last {
            return self.refuse(id, &Error::Stopping);
        }
        let length = match head.headers.content_length() {
            // Authorizers get no body (FastCGI 1.0 §6.3).
            _ if role == Role::Authorizer => Some(0),
            None => None,
            Some(value) => match params::number(value) {
                Some(length) => Some(length),
                None => {
                    let error = Error::BadRequest("CONTENT_LENGTH is not a length".into());
                    return self.refuse(id, &error);
                }
            },
        };
        // What can be done at once is: what the future of an answer holds is moved several times.
        let origin = Origin::new(head, front.table.current());
        match self.open.get_mut(id) {
            Some(open) if let (None, &Open::Head(since)) = (length, &*open) => {
                *open = Open::Undecided(since, origin);
            }
            _ => self.start(id, origin, length),
        }
    }

    fn stdin(&mut self, id: u16, data: &[u8]) {
        if let Some(origin) = self.take_undecided(id) {
            self.start(id, origin, None);
        }
        if let Some(stdin) = self.open.get(id).and_then(Open::stdin) {
            stdin.push(data);
        }
        if !self.traffic.has_room() {
            let stdins = self.open.values().filter_map(Open::stdin);
            stdins.for_each(Stdin::filled);
        }
    }

    fn stdin_end(&mut self, id: u16) {
        if let Some(origin) = self.take_undecided(id) {
            self.start(id, origin, Some(0));
        }
        if let Some(stdin) = self.open.get(id).and_then(Open::stdin) {
            stdin.end();
        }
    }

    fn take_undecided(&mut self, id: u16) -> Option<Arc<Origin>> {
        let open = self.open.get_mut(id)?;
        let Open::Undecided(since, _) = open else {
            return None;
        };
        let since = *since;
        match std::mem::replace(open, Open::Head(since)) {
            Open::Undecided(_, origin) => Some(origin),
            _ => None,
        }
    }

    /// The client of a request has gone.
    fn abort(&mut self, id: u16) {
        if self.remove(id).is_some() {
            self.finish(id);
        }
    }

    /// Starts to answer a request with a body of that length, or of any.
    fn start(&mut self, id: u16, origin: Arc<Origin>, length: Option<u64>) {
        let stdin = (length != Some(0)).then(|| Stdin::new(Arc::clone(&self.traffic), length));
        let body = match &stdin {
            Some(stdin) => StdinReader(Arc::clone(stdin)).boxed_unsync(),
            None => body::empty(),
        };
        self.run(id, stdin, Source::Request(origin, body));
    }

    /// What shows the web server that an answer is not whole, at the end of the connection.
    pub fn cut_mark(&self) -> &'static [u8] {
        self.application.cut_mark()
    }

    /// Answers a request with the page of an error.
    fn refuse(&mut self, id: u16, error: &Error) {
        tracing::info!(label = error.outcome().label, "{error}");
        let page = Box::new(error.page(&Method::GET));
        self.run(id, None, Source::Refusal(page));
    }

    fn run(&mut self, id: u16, stdin: Option<Arc<Stdin>>, answer: Source) {
        let out = Out {
            traffic: Arc::clone(&self.traffic),
            id,
            rest: stdin.clone(),
        };
        let work = Work { answer, out };
        let task = if self.here.is_none() {
            self.here = Some(id);
            self.next_here = Some(Here::Begin(work));
            None
        } else {
            // In a box, which stays where it is: a task is moved several times.
            Some(self.tasks.spawn(Box::pin(work.run())))
        };
        self.open.insert(id, Open::Running(Running { task, stdin }));
    }

    fn ended(&mut self, id: u16, ending: Ending) {
        self.remove(id);
        match ending {
            Ending::Complete => self.finish(id),
            // It stays active for the protocol, never to end.
            Ending::Cut => self.cut(),
        }
    }

    fn cut(&mut self) {
        if self.last == Some(Last::Retiring) {
            return;
        }
        let told = self.application.retire(&mut self.replies);
        self.last = Some(if told { Last::Retiring } else { Last::Cut });
    }

    /// A request is over, or nobody wants its answer.
    fn remove(&mut self, id: u16) -> Option<Open> {
        let open = self.open.remove(id)?;
        if self.here == Some(id) {
            self.here = None;
            self.next_here = Some(Here::Drop);
        }
        if self.open.is_empty() {
            self.idle_since = Some(Instant::now());
        }
        Some(open)
    }

    fn finish(&mut self, id: u16) {
        self.traffic.end(id);
        self.application.finish(id);
    }
}
