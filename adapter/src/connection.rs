//! One FastCGI connection: records in, requests to the threads, records out.

mod greeting;
#[cfg(unix)]
mod hub;
mod link;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use fastcgi_protocol::{
    Application, ByNumber, Event, Grant, Hello, IndexedParams, Limits, Options, Params,
    ProtocolError, RecordBuffer, Window, encode,
};
use shared_buffers::Share;

use crate::bell::Bell;
use crate::body;
use crate::os::{Transport, uninterrupted};
use crate::outgoing::{Outgoing, Wait};
use crate::path::Served;
use crate::session::{Credit, Session};
use crate::threads::{Source, Threads};
use crate::trace::Level;
use crate::variables::Variables;
use greeting::{MAX_REQUESTS, greeting, told};

pub use greeting::refusal;
#[cfg(unix)]
pub use hub::Hub;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Our gateway: greeting, many requests at once, credit. It has split the URL already.
    Gateway {
        /// Which of its connections this is: 0 is that on standard input and output, the others are in the order in
        /// which they were given.
        lane: u16,
    },
    /// Any web server: one request at a time, held back by not reading on. The URL is split here.
    WebServer,
}

impl Peer {
    fn is_gateway(self) -> bool {
        matches!(self, Peer::Gateway { .. })
    }
}

/// Why a connection ended otherwise than by its end.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The other end broke the protocol.
    #[error("protocol error: {0}")]
    Protocol(#[from] ProtocolError),
    /// The gateway sent a request before its greeting.
    #[error("request before the greeting: run with --listen for other FastCGI clients")]
    NoGreeting,
    /// Reading failed.
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
}

/// A connection, as its requests see it.
pub struct Connection {
    peer: Peer,
    /// What the URLs of web servers are taken for.
    served: Served,
    transport: Arc<dyn Transport>,
    /// Whoever reads has it.
    incoming: Mutex<Incoming>,
    /// Some of what was read last is what a thread has waited for.
    left: AtomicBool,
    outgoing: Outgoing,
    /// Its share of the memory that the gateway has, too.
    share: Option<Share>,
    /// When we have closed our side.
    closed: OnceLock<Instant>,
    threads: Arc<Threads>,
    state: Mutex<State>,
    /// The request of a web server that lines for its log may still go to. Locked while one is sent, so that
    /// none comes behind the request's end.
    reporting: Mutex<Option<u16>>,
    /// How it ended, unless it has not or somebody knows already.
    end: Mutex<Option<Result<(), ConnectionError>>>,
    ended: Bell,
    /// Itself, to be handed to its requests.
    this: Weak<Connection>,
}

struct Incoming {
    buffer: RecordBuffer,
    /// What is to be answered to what has been read.
    replies: Vec<u8>,
}

struct State {
    application: Application,
    sessions: ByNumber<Arc<Session>>,
    /// The gateway's greeting as we have answered it.
    greeting: Option<Hello>,
    /// What the gateway's greeting says of its pool, as parameters of each request.
    told: Arc<Params>,
}

/// Serves a connection of a web server until its end. A request that is still running then learns that its client has gone.
///
/// # Errors
/// When the other end broke the protocol or the connection broke.
#[cfg(windows)]
pub fn serve(
    transport: Arc<dyn Transport>,
    threads: &Arc<Threads>,
    max_connections: usize,
) -> Result<(), ConnectionError> {
    let connection = Connection::of_web_server(transport, threads, max_connections);
    let mut ready = Vec::new();
    let result = loop {
        match connection.receive(&mut ready) {
            Ok(true) => {
                threads.submit(&mut ready);
                connection.reply();
            }
            over => break over.map(|_| ()),
        }
    };
    connection.lost();
    // What came whole before a connection broke is run and ends like any other request, or it would stay for ever.
    threads.submit(&mut ready);
    result
}

impl Connection {
    /// Has a connection of the gateway served by the threads; what comes is read on that processor. The requests that are
    /// still running at its end learn that their client has gone.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn attend(
        transport: Arc<dyn Transport>,
        lane: u16,
        processor: Option<usize>,
        share: Option<Share>,
        threads: &Arc<Threads>,
    ) -> std::io::Result<Arc<Self>> {
        let connection = Self::new(transport, Peer::Gateway { lane }, share, threads, 1);
        threads.attend_to(Arc::clone(&connection) as _, processor)?;
        Ok(connection)
    }

    /// Waits for the end of a connection of the gateway.
    ///
    /// # Errors
    /// When the other end broke the protocol or the connection broke.
    pub fn wait(&self) -> Result<(), ConnectionError> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match end.take() {
                Some(result) => return result,
                None => end = self.ended.wait(end),
            }
        }
    }

    fn of_web_server(
        transport: Arc<dyn Transport>,
        threads: &Arc<Threads>,
        max_connections: usize,
    ) -> Arc<Self> {
        Self::new(transport, Peer::WebServer, None, threads, max_connections)
    }

    fn new(
        transport: Arc<dyn Transport>,
        peer: Peer,
        share: Option<Share>,
        threads: &Arc<Threads>,
        max_connections: usize,
    ) -> Arc<Self> {
        let gateway = peer.is_gateway();
        let options = Options {
            max_requests: if gateway {
                usize::from(MAX_REQUESTS)
            } else {
                1
            },
            multiplex: gateway,
            max_connections,
            private: gateway,
            ..Options::default()
        };
        let state = State {
            application: Application::new(options),
            sessions: ByNumber::default(),
            greeting: None,
            told: Arc::default(),
        };
        Arc::new_cyclic(|this| Self {
            peer,
            served: Served::by(threads.extension().path()),
            outgoing: Outgoing::new(Arc::clone(&transport)),
            transport,
            share,
            closed: OnceLock::new(),
            left: AtomicBool::new(false),
            incoming: Mutex::new(Incoming {
                buffer: RecordBuffer::new(),
                replies: Vec::new(),
            }),
            threads: Arc::clone(threads),
            state: Mutex::new(state),
            reporting: Mutex::new(None),
            end: Mutex::new(None),
            ended: Bell::default(),
            this: this.clone(),
        })
    }

    /// Waits for something to read and takes in all that is there. Requests that the extension can be called for now go to
    /// `ready`; [`Self::reply`] is to be called afterwards. `false` at the end of the connection.
    fn receive(&self, ready: &mut Vec<Arc<Session>>) -> Result<bool, ConnectionError> {
        self.receive_in(&mut self.incoming(), ready)
    }

    fn receive_in(
        &self,
        incoming: &mut Incoming,
        ready: &mut Vec<Arc<Session>>,
    ) -> Result<bool, ConnectionError> {
        let Incoming { buffer, replies } = incoming;
        let count = uninterrupted(|| self.transport.read(buffer.space()))?;
        if count == 0 {
            return Ok(false);
        }
        buffer.advance(count);
        while let Some(record) = buffer.next()? {
            let mut state = self.lock();
            if let Some(event) = state.application.receive(record, replies)? {
                self.on(state, event, ready, replies)?;
            }
        }
        Ok(true)
    }

    /// Sends what is to be answered to what has been read, and closes a connection whose last request was refused.
    fn reply(&self) {
        self.reply_in(&mut self.incoming());
    }

    fn reply_in(&self, incoming: &mut Incoming) {
        let replies = &mut incoming.replies;
        if replies.is_empty() {
            return;
        }
        // A connection that cannot be written shows by its end.
        let _ = self
            .outgoing
            .send(self.patience(), |out| out.extend_from_slice(replies));
        replies.clear();
        if self.lock().application.must_close() {
            self.close();
        }
    }

    /// Says to the other end that nothing more comes.
    fn close(&self) {
        self.closed.get_or_init(Instant::now);
        self.outgoing.close();
    }

    /// Carries out one event. Requests that the extension can be called for now go to `ready`.
    fn on(
        &self,
        mut state: MutexGuard<'_, State>,
        event: Event<'_>,
        ready: &mut Vec<Arc<Session>>,
        replies: &mut Vec<u8>,
    ) -> Result<(), ConnectionError> {
        match event {
            Event::Hello(offer) => {
                state.told = Arc::new(told(&offer));
                if let Some(level) = offer.fields.get(b"trace").and_then(Level::named) {
                    level.set_for_process();
                }
                let answer = greeting(&self.threads).limit_to(&offer);
                encode::hello(replies, &answer);
                state.greeting = Some(answer);
            }
            Event::Request { id, mut params, .. } => {
                let refused = match self.peer {
                    Peer::WebServer => self.served.apply(&mut params).err(),
                    Peer::Gateway { .. } => None,
                };
                let session = self.new_session(&mut state, id, params.into())?;
                drop(state);
                if self.peer == Peer::WebServer {
                    *self.reporting() = Some(id);
                }
                match refused {
                    Some(reason) => session.refuse(400, reason),
                    None if session.becomes_ready() => ready.push(session),
                    None => {}
                }
            }
            Event::WholeRequest { id, params } => {
                let params = IndexedParams::parse(params, &Limits::default())?;
                let session = self.new_session(&mut state, id, params)?;
                drop(state);
                if session.end_body() {
                    ready.push(session);
                }
            }
            Event::Stdin { id, data } => {
                let Some(session) = state.sessions.get(id).cloned() else {
                    return Ok(());
                };
                drop(state);
                if self.peer == Peer::WebServer && session.holds_more_than(body::ROOM as usize) {
                    self.threads.submit(ready);
                    session.wait_for_room();
                }
                if session.push_body(data)? {
                    ready.push(session);
                }
            }
            Event::Shared { id, buffer, length } => {
                let session = id.and_then(|id| state.sessions.get(id)).cloned();
                drop(state);
                let share = self.share()?;
                let data = usize::try_from(length).ok();
                let data = data.and_then(|length| share.bytes(buffer, length));
                let data = data.ok_or(ProtocolError::BadBuffer)?;
                if let Some(session) = session
                    && session.push_body(data)?
                {
                    ready.push(session);
                }
                share.done_with(1 << buffer);
            }
            Event::StdinEnd { id } => {
                if let Some(session) = state.sessions.get(id).filter(|session| session.end_body()) {
                    ready.push(Arc::clone(session));
                }
            }
            Event::Abort { id } => {
                if let Some(session) = state.sessions.get(id).filter(|session| session.abort()) {
                    ready.push(Arc::clone(session));
                }
            }
            Event::Credit { id, bytes } => {
                if let Some(session) = state.sessions.get(id) {
                    session.add_credit(bytes)?;
                }
            }
            Event::Released(released) => {
                if !self.share()?.release(released) {
                    return Err(ProtocolError::BadBuffer.into());
                }
            }
            Event::ExecStatus { id, status } => {
                if let Some(session) = state.sessions.get(id) {
                    session.child_over(status);
                }
            }
        }
        Ok(())
    }

    /// A new request.
    fn new_session(
        &self,
        state: &mut State,
        id: u16,
        params: IndexedParams,
    ) -> Result<Arc<Session>, ConnectionError> {
        let credit = match (&state.greeting, self.peer) {
            (Some(hello), _) => Some(Credit {
                stdin: Grant::new(hello.stdin_window),
                stdout: Window::new(hello.stdout_window),
            }),
            (None, Peer::Gateway { .. }) => return Err(ConnectionError::NoGreeting),
            (None, Peer::WebServer) => None,
        };
        let variables = Variables::with(params, Arc::clone(&state.told));
        let length = variables.content_length();
        // Whoever calls us holds the connection.
        let Some(link) = self.this.upgrade() else {
            return Err(ConnectionError::NoGreeting);
        };
        let session = Arc::new(Session::new(id, link, variables, length, credit));
        state.sessions.insert(id, Arc::clone(&session));
        Ok(session)
    }

    /// The connection is over: what still runs has lost its client.
    fn lost(&self) {
        let sessions: Vec<_> = self.lock().sessions.values().cloned().collect();
        let mut unstarted = sessions
            .into_iter()
            .filter(|session| session.abort())
            .collect();
        self.threads.submit(&mut unstarted);
    }

    fn share(&self) -> Result<&Share, ProtocolError> {
        self.share.as_ref().ok_or(ProtocolError::BadBuffer)
    }

    fn patience(&self) -> Wait {
        match self.peer {
            Peer::Gateway { .. } => Wait::No,
            Peer::WebServer => Wait::Written,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reporting(&self) -> MutexGuard<'_, Option<u16>> {
        self.reporting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Connection {
    fn read(&self, ready: &mut Vec<Arc<Session>>) -> bool {
        let mut incoming = self.incoming();
        let result = match self.receive_in(&mut incoming, ready) {
            Ok(true) => {
                self.reply_in(&mut incoming);
                return true;
            }
            over => over.map(|_| ()),
        };
        drop(incoming);
        self.lost();
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        self.ended.ring();
        false
    }

    fn hold(&self) {
        self.outgoing.hold();
    }

    fn release(&self) {
        self.outgoing.release();
    }

    fn wait(&self, limit: Duration) -> bool {
        self.transport.wait_readable(Some(limit))
    }

    fn is_left(&self) -> bool {
        self.left.swap(false, Ordering::Relaxed)
    }
}
