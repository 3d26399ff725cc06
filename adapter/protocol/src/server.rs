//! The web server's end of a connection: requests out, records in, events out (FastCGI 1.0 §3.5, §4, §5).

use crate::body::fixed;
use crate::slot::Slot;
use crate::{
    ChildRequest, EndRequest, ExecStatus, Hello, Params, ProtocolError, ProtocolStatus, Record,
    RecordType, Role, encode,
};

/// What a record means to the web server. What is rare and large is in boxes: an event is moved for every record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerEvent<'a> {
    /// The worker's answer to the greeting.
    Hello(Box<Hello>),
    /// Bytes of the answer, never empty.
    Stdout {
        /// The request.
        id: u16,
        /// The bytes.
        data: &'a [u8],
    },
    /// Bytes of the answer that lie in shared memory.
    Shared {
        /// The request.
        id: u16,
        /// The buffer that they are in.
        buffer: u32,
        /// Their number, not 0.
        length: u32,
    },
    /// The answer's bytes have ended; [`End`](Self::End) follows. Not every application sends it.
    StdoutEnd {
        /// The request.
        id: u16,
    },
    /// Text for the error log, never empty.
    Stderr {
        /// The request.
        id: u16,
        /// The bytes.
        data: &'a [u8],
    },
    /// The last bytes of an answer, none perhaps. It is whole, the request has ended well, and its id is free.
    Answer {
        /// The request.
        id: u16,
        /// The bytes.
        data: &'a [u8],
    },
    /// The request has ended and its id is free.
    End {
        /// The request.
        id: u16,
        /// The exit code that a CGI program would have had.
        app_status: u32,
        /// How it ended for the protocol.
        status: ProtocolStatus,
    },
    /// So many more bytes of STDIN may be sent.
    Credit {
        /// The request.
        id: u16,
        /// Additional credit, in bytes.
        bytes: u32,
    },
    /// The answer will not be completed and must not look complete to the client; [`End`](Self::End) follows.
    Cut {
        /// The request.
        id: u16,
        /// Why, for the log.
        reason: &'a [u8],
    },
    /// Text to be appended to the query field of the access log.
    LogParameter {
        /// The request.
        id: u16,
        /// The text.
        data: &'a [u8],
    },
    /// An event of the callback trace.
    Trace {
        /// The request; 0: none.
        id: u16,
        /// The event: `call`, `arguments`, `result` and so on.
        event: Params,
    },
    /// So many bytes of a child request's description have come and been taken; they count as STDOUT.
    ExecParams {
        /// The request.
        id: u16,
        /// Their number.
        len: usize,
    },
    /// The request wants this child request to be run here in its answer. Its entity follows. To be answered with
    /// [`Server::end_exec`].
    Exec {
        /// The request.
        id: u16,
        /// What is to be run.
        child: Box<ChildRequest>,
    },
    /// Bytes of the child request's entity, never empty; they count as STDOUT.
    ExecStdin {
        /// The request.
        id: u16,
        /// The bytes.
        data: &'a [u8],
    },
    /// The entity has ended.
    ExecStdinEnd {
        /// The request.
        id: u16,
    },
    /// The answer is the server's own page for this error. Nothing but [`End`](Self::End) follows.
    ErrorPage {
        /// The request.
        id: u16,
        /// The HTTP status.
        status: u16,
        /// The sub-status, 0 if there is none.
        sub_status: u16,
        /// The reason phrase; empty: the usual one.
        reason: &'a [u8],
    },
    /// These buffers of the shared memory may be written again: bit 0 stands for the first.
    Released(u32),
    /// The extension wants its worker to be replaced; why, if it says so.
    Unhealthy(&'a [u8]),
    /// The answer to [`encode::get_values`].
    Values(Params),
    /// The application does not know the management record of this type.
    UnknownType(u8),
}

/// The web server's end of one connection: hands out request ids and says what each record means.
#[derive(Debug)]
pub struct Server {
    max_requests: usize,
    private: bool,
    greeted: bool,
    /// Slot i is request i + 1; grows to `max_requests`.
    slots: Vec<Slot>,
    active: usize,
}

impl Server {
    /// The end of a new connection on which up to `max_requests` (at most 65535) may be active at once. `private`: the
    /// peer is a worker that speaks the private records; else they are ignored.
    #[must_use]
    pub fn new(max_requests: usize, private: bool) -> Self {
        Self {
            max_requests: max_requests.min(usize::from(u16::MAX)),
            private,
            greeted: false,
            slots: Vec::new(),
            active: 0,
        }
    }

    /// Begins a request: appends BEGIN_REQUEST and returns the smallest free id, or `None` when as many requests are
    /// active as the connection allows.
    pub fn begin(&mut self, out: &mut Vec<u8>, role: Role, keep_conn: bool) -> Option<u16> {
        let id = self.allot()?;
        encode::begin_request(out, id, role, keep_conn);
        Some(id)
    }

    /// The same without BEGIN_REQUEST: for a request that [`ParamsWriter::whole_request`](crate::ParamsWriter::whole_request)
    /// writes.
    pub fn allot(&mut self) -> Option<u16> {
        if self.active >= self.max_requests {
            return None;
        }
        // With as many active as there are slots, none of them is free.
        let index = if self.active < self.slots.len() {
            self.slots
                .iter()
                .position(|slot| matches!(slot, Slot::Free))?
        } else {
            self.slots.push(Slot::Free);
            self.slots.len() - 1
        };
        let id = u16::try_from(index + 1).ok()?;
        self.slots[index] = Slot::Open;
        self.active += 1;
        Some(id)
    }

    /// Says that the child request of this request is over: appends EXEC_STATUS. Nothing is said when none runs.
    pub fn end_exec(&mut self, out: &mut Vec<u8>, id: u16, status: ExecStatus) {
        let Some(slot) = self.slot(id) else {
            return;
        };
        if slot.end_exec() {
            encode::exec_status(out, id, status);
        }
    }

    /// Takes one record and says what it means. Records of requests that are not active and of unknown types mean
    /// nothing. The worker's [`Hello`] also lowers the number of requests that may be active.
    ///
    /// # Errors
    ///
    /// A violation of the protocol: close the connection.
    #[inline]
    pub fn receive<'a>(
        &mut self,
        record: Record<'a>,
    ) -> Result<Option<ServerEvent<'a>>, ProtocolError> {
        let Record {
            kind,
            id,
            content: data,
        } = record;
        if id == 0 {
            return self.management(kind, data);
        }
        let private = self.private;
        let Some(slot) = self.slot(id).filter(|slot| !matches!(slot, Slot::Free)) else {
            return Ok(None);
        };
        let event = match kind {
            RecordType::Stdout => return slot.stdout(id, data),
            RecordType::Stderr if !data.is_empty() => ServerEvent::Stderr { id, data },
            RecordType::EndRequest => {
                let EndRequest { app_status, status } = EndRequest::parse(data)?;
                *slot = Slot::Free;
                self.active -= 1;
                ServerEvent::End {
                    id,
                    app_status,
                    status,
                }
            }
            RecordType::Answer if private => {
                slot.answer(id, data)?;
                *slot = Slot::Free;
                self.active -= 1;
                ServerEvent::Answer { id, data }
            }
            _ if private => return slot.private(kind, id, data),
            _ => return Ok(None),
        };
        Ok(Some(event))
    }

    /// The number of active requests.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active
    }

    /// True from [`begin`](Self::begin) to [`ServerEvent::End`].
    #[must_use]
    pub fn is_active(&self, id: u16) -> bool {
        usize::from(id)
            .checked_sub(1)
            .and_then(|index| self.slots.get(index))
            .is_some_and(|slot| !matches!(slot, Slot::Free))
    }

    #[inline]
    fn slot(&mut self, id: u16) -> Option<&mut Slot> {
        usize::from(id)
            .checked_sub(1)
            .and_then(|index| self.slots.get_mut(index))
    }

    fn management<'a>(
        &mut self,
        kind: RecordType,
        content: &'a [u8],
    ) -> Result<Option<ServerEvent<'a>>, ProtocolError> {
        let event = match kind {
            RecordType::GetValuesResult => ServerEvent::Values(Params::parse(content)?),
            RecordType::UnknownType => {
                let [kind, ..] = fixed::<8>(kind, content)?;
                ServerEvent::UnknownType(kind)
            }
            RecordType::Hello if self.private => ServerEvent::Hello(Box::new(self.hello(content)?)),
            RecordType::Released if self.private => {
                ServerEvent::Released(u32::from_be_bytes(fixed(kind, content)?))
            }
            RecordType::Unhealthy if self.private => ServerEvent::Unhealthy(content),
            RecordType::Trace if self.private => ServerEvent::Trace {
                id: 0,
                event: Params::parse(content)?,
            },
            _ => return Ok(None),
        };
        Ok(Some(event))
    }

    fn hello(&mut self, content: &[u8]) -> Result<Hello, ProtocolError> {
        if self.greeted {
            return Err(ProtocolError::DuplicateHello);
        }
        self.greeted = true;
        let hello = Hello::parse(content)?;
        self.max_requests = self.max_requests.min(hello.max_requests.into());
        Ok(hello)
    }
}
