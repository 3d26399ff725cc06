//! The application's end of a connection: records in, events out (FastCGI 1.0 §3.5, §4, §5).

use crate::body::{fixed, place};
use crate::{
    BeginRequest, ByNumber, ExecStatus, Hello, Limits, Params, ParamsDecoder, ProtocolError,
    ProtocolStatus, Record, RecordType, Role, encode,
};

/// What the application's end accepts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests that may be active at once on this connection; more are refused as OVERLOADED. Told as FCGI_MAX_REQS.
    pub max_requests: usize,
    /// False: a second request beside an active one is refused as CANT_MPX_CONN. Told as FCGI_MPXS_CONNS.
    pub multiplex: bool,
    /// Told as FCGI_MAX_CONNS.
    pub max_connections: usize,
    /// Limits for the parameters of one request.
    pub limits: Limits,
    /// Accept the role Authorizer beside Responder.
    pub authorizer: bool,
    /// The peer is a gateway that speaks the private records; else they are unknown types.
    pub private: bool,
}

/// One request at a time, as web servers use FastCGI: Responder only, default limits, no private records.
impl Default for Options {
    fn default() -> Self {
        Self {
            max_requests: 1,
            multiplex: false,
            max_connections: 1,
            limits: Limits::default(),
            authorizer: false,
            private: false,
        }
    }
}

/// What a record means to the application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// The gateway's offer; to be answered with [`encode::hello`].
    Hello(Hello),
    /// A request with all its parameters.
    Request {
        /// The request's id: 1 to 65535.
        id: u16,
        /// What is asked for.
        role: Role,
        /// False: close the connection after the answer; see [`Application::must_close`].
        keep_conn: bool,
        /// The parameters.
        params: Params,
    },
    /// A request for a Responder, without a body. Neither [`Stdin`](Self::Stdin) nor [`StdinEnd`](Self::StdinEnd) follows.
    WholeRequest {
        /// The request's id: 1 to 65535.
        id: u16,
        /// The parameters as they came, for [`IndexedParams::parse`](crate::IndexedParams::parse).
        params: &'a [u8],
    },
    /// Bytes of the request's body, never empty.
    Stdin {
        /// The request.
        id: u16,
        /// The bytes.
        data: &'a [u8],
    },
    /// Bytes of a body that lie in shared memory.
    Shared {
        /// The request; `None` if it is over or its body has ended, and only the buffer is to be given back.
        id: Option<u16>,
        /// The buffer that they are in.
        buffer: u32,
        /// Their number, not 0.
        length: u32,
    },
    /// The body has ended.
    StdinEnd {
        /// The request.
        id: u16,
    },
    /// The server has no more use for the answer. The request is to be ended with END_REQUEST as soon as possible.
    Abort {
        /// The request.
        id: u16,
    },
    /// So many more bytes of STDOUT may be sent.
    Credit {
        /// The request.
        id: u16,
        /// Additional credit, in bytes.
        bytes: u32,
    },
    /// These buffers of the shared memory may be written again: bit 0 stands for the first.
    Released(u32),
    /// The child request that the request asked for is over.
    ExecStatus {
        /// The request that asked.
        id: u16,
        /// How the child ended.
        status: ExecStatus,
    },
}

/// The application's end of one connection: knows the active requests and says what each record means.
///
/// It answers by itself what needs no application: GET_VALUES, unknown management records, requests to be refused. Each
/// record adds at most 128 bytes of such answers, so the caller that writes them out before it reads on stays bounded.
#[derive(Debug)]
pub struct Application {
    options: Options,
    greeted: bool,
    /// The server has asked for values.
    asked: bool,
    /// A request that wanted the connection closed has been answered.
    closing: bool,
    requests: ByNumber<Request>,
}

/// An active request.
#[derive(Debug)]
struct Request {
    keep_conn: bool,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Params(Role, ParamsDecoder),
    Stdin,
    StdinEnded,
}

impl Application {
    /// The end of a new connection.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            greeted: false,
            asked: false,
            closing: false,
            requests: ByNumber::default(),
        }
    }

    /// Takes one record and says what it means, if it means anything to the application; answers that need no
    /// application are appended to `out`.
    ///
    /// # Errors
    ///
    /// A violation of the protocol: close the connection.
    #[inline]
    pub fn receive<'a>(
        &mut self,
        record: Record<'a>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        if record.id == 0 {
            return self.management(record, out);
        }
        match record.kind {
            RecordType::Request if self.options.private => self.whole(record, out),
            RecordType::Stdin => self.stdin(record),
            RecordType::BeginRequest => self.begin(record, out),
            RecordType::Params => self.params(record),
            RecordType::AbortRequest => Ok(self.abort(record.id, out)),
            RecordType::Credit if self.options.private => self.credit(record),
            RecordType::Shared if self.options.private => self.shared(record),
            RecordType::ExecStatus if self.options.private => self.exec_status(record),
            _ => Ok(None),
        }
    }

    /// The request has been answered with END_REQUEST; its id may be used again.
    pub fn finish(&mut self, id: u16) {
        if let Some(request) = self.requests.remove(id) {
            self.closing |= !request.keep_conn;
        }
    }

    /// True from BEGIN_REQUEST to [`finish`](Self::finish).
    #[must_use]
    pub fn is_active(&self, id: u16) -> bool {
        self.requests.get(id).is_some()
    }

    /// The number of active requests.
    #[must_use]
    pub fn active(&self) -> usize {
        self.requests.len()
    }

    /// True when an active request has all its parameters and not all of its body.
    #[must_use]
    pub fn awaits_stdin(&self) -> bool {
        let mut requests = self.requests.values();
        requests.any(|request| matches!(request.phase, Phase::Stdin))
    }

    /// True when a request without FCGI_KEEP_CONN has been answered or refused and no other is active: write what there
    /// is to write, then close the connection.
    #[must_use]
    pub fn must_close(&self) -> bool {
        self.closing && self.requests.is_empty()
    }

    /// What stands at the end of a connection on which an answer was cut short. nginx takes the mere end of a connection for
    /// a good end of an answer, but not a record of no version (ISAPI.md §9.8). Whoever asks for values has read the
    /// specification, and takes an answer without END_REQUEST for what it is: HAProxy, which would go on using a
    /// connection that ends with such a record (seen with 2.6).
    #[must_use]
    pub fn cut_mark(&self) -> &'static [u8] {
        if self.asked { &[] } else { &[0; 8] }
    }

    /// Tells a web server that uses the connection for several requests at once, and has asked for values, to begin no
    /// more. Returns whether it has been told: what is on its way is still to be answered before the connection ends.
    #[must_use]
    pub fn retire(&self, out: &mut Vec<u8>) -> bool {
        let tells = self.asked && self.options.multiplex;
        if tells {
            encode::get_values_result(out, [(b"FCGI_MAX_REQS".as_slice(), b"0".as_slice())]);
        }
        tells
    }

    fn management<'a>(
        &mut self,
        record: Record<'a>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        match record.kind {
            RecordType::GetValues => {
                self.asked = true;
                self.values(record.content, out)?;
            }
            RecordType::Hello if self.options.private => {
                return self.hello(record.content).map(Some);
            }
            RecordType::Released if self.options.private => {
                let buffers = u32::from_be_bytes(fixed(record.kind, record.content)?);
                return Ok(Some(Event::Released(buffers)));
            }
            // The answer to an answer would never end.
            RecordType::UnknownType => {}
            other => encode::unknown_type(out, other.into()),
        }
        Ok(None)
    }

    /// Answers each name that is known, once.
    fn values(&self, content: &[u8], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let asked = Params::parse(content)?;
        let known = [
            ("FCGI_MAX_CONNS", self.options.max_connections.to_string()),
            ("FCGI_MAX_REQS", self.options.max_requests.to_string()),
            (
                "FCGI_MPXS_CONNS",
                u8::from(self.options.multiplex).to_string(),
            ),
        ];
        let answer = known
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        encode::get_values_result(out, answer.filter(|(name, _)| asked.get(name).is_some()));
        Ok(())
    }

    fn hello(&mut self, content: &[u8]) -> Result<Event<'static>, ProtocolError> {
        if self.greeted {
            return Err(ProtocolError::DuplicateHello);
        }
        self.greeted = true;
        Hello::parse(content).map(Event::Hello)
    }

    fn begin<'a>(
        &mut self,
        record: Record<'a>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        let BeginRequest { role, keep_conn } = BeginRequest::parse(record.content)?;
        if self.admit(record.id, role, out)? {
            let phase = Phase::Params(role, ParamsDecoder::new(self.options.limits));
            self.requests
                .insert(record.id, Request { keep_conn, phase });
        } else {
            self.closing |= !keep_conn;
        }
        Ok(None)
    }

    #[inline]
    fn whole<'a>(
        &mut self,
        record: Record<'a>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        let Record { id, content, .. } = record;
        if !self.admit(id, Role::Responder, out)? {
            return Ok(None);
        }
        let request = Request {
            keep_conn: true,
            phase: Phase::StdinEnded,
        };
        self.requests.insert(id, request);
        Ok(Some(Event::WholeRequest {
            id,
            params: content,
        }))
    }

    /// Whether a request with that role may begin. One that may not is refused in `out`.
    #[inline]
    fn admit(&self, id: u16, role: Role, out: &mut Vec<u8>) -> Result<bool, ProtocolError> {
        if self.is_active(id) {
            return Err(ProtocolError::DuplicateBegin(id));
        }
        let refusal = self.refusal(role);
        if let Some(status) = refusal {
            encode::end_request(out, id, 0, status);
        }
        Ok(refusal.is_none())
    }

    /// Why a request with that role cannot begin now, if it cannot.
    fn refusal(&self, role: Role) -> Option<ProtocolStatus> {
        let known = match role {
            Role::Responder => true,
            Role::Authorizer => self.options.authorizer,
            Role::Filter | Role::Other(_) => false,
        };
        if !known {
            Some(ProtocolStatus::UnknownRole)
        } else if !self.options.multiplex && self.active() > 0 {
            Some(ProtocolStatus::CantMultiplex)
        } else if self.active() >= self.options.max_requests {
            Some(ProtocolStatus::Overloaded)
        } else {
            None
        }
    }

    fn params<'a>(&mut self, record: Record<'a>) -> Result<Option<Event<'a>>, ProtocolError> {
        let id = record.id;
        let Some(request) = self.requests.get_mut(id) else {
            return Ok(None);
        };
        let Phase::Params(_, decoder) = &mut request.phase else {
            return Err(ProtocolError::AfterParamsEnd(id));
        };
        if !record.content.is_empty() {
            decoder.push(record.content)?;
            return Ok(None);
        }
        let Phase::Params(role, decoder) = std::mem::replace(&mut request.phase, Phase::Stdin)
        else {
            return Ok(None);
        };
        let params = decoder.finish()?;
        Ok(Some(Event::Request {
            id,
            role,
            keep_conn: request.keep_conn,
            params,
        }))
    }

    #[inline]
    fn stdin<'a>(&mut self, record: Record<'a>) -> Result<Option<Event<'a>>, ProtocolError> {
        let Record {
            kind,
            id,
            content: data,
        } = record;
        let Some(request) = self.requests.get_mut(id) else {
            return Ok(None);
        };
        match request.phase {
            Phase::Params(..) => Err(ProtocolError::BeforeParamsEnd { kind, id }),
            Phase::Stdin if data.is_empty() => {
                request.phase = Phase::StdinEnded;
                Ok(Some(Event::StdinEnd { id }))
            }
            Phase::Stdin => Ok(Some(Event::Stdin { id, data })),
            Phase::StdinEnded => Ok(None),
        }
    }

    fn shared<'a>(&self, record: Record<'a>) -> Result<Option<Event<'a>>, ProtocolError> {
        let Record { kind, id, content } = record;
        let (buffer, length) = place(content)?;
        let wanted = match self.requests.get(id).map(|request| &request.phase) {
            Some(Phase::Params(..)) => return Err(ProtocolError::BeforeParamsEnd { kind, id }),
            Some(Phase::Stdin) => Some(id),
            Some(Phase::StdinEnded) | None => None,
        };
        Ok(Some(Event::Shared {
            id: wanted,
            buffer,
            length,
        }))
    }

    /// A request that the application has not seen yet ends here.
    fn abort(&mut self, id: u16, out: &mut Vec<u8>) -> Option<Event<'static>> {
        let Phase::Params(..) = self.requests.get(id)?.phase else {
            return Some(Event::Abort { id });
        };
        self.finish(id);
        encode::end_request(out, id, 0, ProtocolStatus::RequestComplete);
        None
    }

    fn credit<'a>(&self, record: Record<'a>) -> Result<Option<Event<'a>>, ProtocolError> {
        let Record { kind, id, content } = record;
        let bytes = u32::from_be_bytes(fixed(kind, content)?);
        Ok(self
            .is_answering(kind, id)?
            .then_some(Event::Credit { id, bytes }))
    }

    fn exec_status<'a>(&self, record: Record<'a>) -> Result<Option<Event<'a>>, ProtocolError> {
        let Record { kind, id, content } = record;
        let status = ExecStatus::parse(content)?;
        Ok(self
            .is_answering(kind, id)?
            .then_some(Event::ExecStatus { id, status }))
    }

    /// Whether the application has this request and may be answering it.
    fn is_answering(&self, kind: RecordType, id: u16) -> Result<bool, ProtocolError> {
        match self.requests.get(id).map(|request| &request.phase) {
            None => Ok(false),
            Some(Phase::Params(..)) => Err(ProtocolError::BeforeParamsEnd { kind, id }),
            Some(Phase::Stdin | Phase::StdinEnded) => Ok(true),
        }
    }
}
