//! The web server's end of a connection: requests out, records in, events out (FastCGI 1.0 §3.5, §4, §5).

use crate::body::fixed;
use crate::{
    EndRequest, Hello, Params, ProtocolError, ProtocolStatus, Record, RecordType, Role, encode,
};

/// What a record means to the web server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerEvent<'a> {
    /// The worker's answer to the greeting.
    Hello(Hello),
    /// Bytes of the answer, never empty.
    Stdout {
        /// The request.
        id: u16,
        /// The bytes.
        data: &'a [u8],
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

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slot {
    Free,
    Open,
    StdoutEnded,
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
        if self.active >= self.max_requests {
            return None;
        }
        // With as many active as there are slots, none of them is free.
        let index = if self.active < self.slots.len() {
            self.slots.iter().position(|&slot| slot == Slot::Free)?
        } else {
            self.slots.push(Slot::Free);
            self.slots.len() - 1
        };
        let id = u16::try_from(index + 1).ok()?;
        self.slots[index] = Slot::Open;
        self.active += 1;
        encode::begin_request(out, id, role, keep_conn);
        Some(id)
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
        let Some(slot) = self.slot(id).filter(|slot| **slot != Slot::Free) else {
            return Ok(None);
        };
        let event = match kind {
            RecordType::Stdout if *slot == Slot::StdoutEnded => return Ok(None),
            RecordType::Stdout if data.is_empty() => {
                *slot = Slot::StdoutEnded;
                ServerEvent::StdoutEnd { id }
            }
            RecordType::Stdout => ServerEvent::Stdout { id, data },
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
            RecordType::Credit if self.private => ServerEvent::Credit {
                id,
                bytes: u32::from_be_bytes(fixed(kind, data)?),
            },
            RecordType::Cut if self.private => ServerEvent::Cut { id, reason: data },
            RecordType::LogParameter if self.private => ServerEvent::LogParameter { id, data },
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
            .is_some_and(|slot| *slot != Slot::Free)
    }

    #[inline]
    fn slot(&mut self, id: u16) -> Option<&mut Slot> {
        usize::from(id)
            .checked_sub(1)
            .and_then(|index| self.slots.get_mut(index))
    }

    fn management(
        &mut self,
        kind: RecordType,
        content: &[u8],
    ) -> Result<Option<ServerEvent<'static>>, ProtocolError> {
        let event = match kind {
            RecordType::GetValuesResult => ServerEvent::Values(Params::parse(content)?),
            RecordType::UnknownType => {
                let [kind, ..] = fixed::<8>(kind, content)?;
                ServerEvent::UnknownType(kind)
            }
            RecordType::Hello if self.private => ServerEvent::Hello(self.hello(content)?),
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
