//! What a worker or application may say of one request, and when (FastCGI 1.0 §5.3, §5.5): the order of its records.

use crate::body::{fixed, place};
use crate::{ChildRequest, Limits, Params, ParamsDecoder, ProtocolError, RecordType, ServerEvent};

/// A request's number, and how far its answer has come.
#[derive(Debug)]
pub(crate) enum Slot {
    /// No request has the number.
    Free,
    /// No byte of the answer has come.
    Open,
    /// Some have.
    Answering,
    /// The description of a child request comes.
    ExecParams(Box<ParamsDecoder>),
    /// The child request's entity comes.
    ExecStdin,
    /// The entity is whole, the child request runs.
    Exec,
    /// The child request has ended before its entity.
    ExecEnded,
    /// The answer has ended; END_REQUEST follows.
    StdoutEnded,
}

impl Slot {
    /// The child request is over; whether there was one.
    pub(crate) fn end_exec(&mut self) -> bool {
        *self = match self {
            Self::ExecStdin => Self::ExecEnded,
            Self::Exec => Self::Answering,
            _ => return false,
        };
        true
    }

    /// STDOUT.
    #[inline]
    pub(crate) fn stdout<'a>(
        &mut self,
        id: u16,
        data: &'a [u8],
    ) -> Result<Option<ServerEvent<'a>>, ProtocolError> {
        match self {
            Self::StdoutEnded => Ok(None),
            // Also in the middle of a child request: an answer that breaks off.
            _ if data.is_empty() => {
                *self = Self::StdoutEnded;
                Ok(Some(ServerEvent::StdoutEnd { id }))
            }
            Self::Open | Self::Answering => {
                *self = Self::Answering;
                Ok(Some(ServerEvent::Stdout { id, data }))
            }
            _ => Err(ProtocolError::ExecOrder {
                kind: RecordType::Stdout,
                id,
            }),
        }
    }

    /// STDOUT that lies in shared memory. It is not looked at here, but stands in the same order.
    fn shared<'a>(
        &mut self,
        id: u16,
        data: &'a [u8],
    ) -> Result<Option<ServerEvent<'a>>, ProtocolError> {
        let kind = RecordType::Shared;
        let (buffer, length) = place(data)?;
        if !matches!(self, Self::Open | Self::Answering) {
            return Err(ProtocolError::ExecOrder { kind, id });
        }
        *self = Self::Answering;
        Ok(Some(ServerEvent::Shared { id, buffer, length }))
    }

    /// Whether this may be the whole rest of an answer. None is left behind an error page.
    pub(crate) fn answer(&self, id: u16, data: &[u8]) -> Result<(), ProtocolError> {
        match self {
            Self::Open | Self::Answering => Ok(()),
            Self::StdoutEnded if data.is_empty() => Ok(()),
            _ => Err(ProtocolError::ExecOrder {
                kind: RecordType::Answer,
                id,
            }),
        }
    }

    /// The private records.
    pub(crate) fn private<'a>(
        &mut self,
        kind: RecordType,
        id: u16,
        data: &'a [u8],
    ) -> Result<Option<ServerEvent<'a>>, ProtocolError> {
        Ok(Some(match kind {
            RecordType::Shared => return self.shared(id, data),
            RecordType::Credit => ServerEvent::Credit {
                id,
                bytes: u32::from_be_bytes(fixed(kind, data)?),
            },
            RecordType::Cut => ServerEvent::Cut { id, reason: data },
            RecordType::LogParameter => ServerEvent::LogParameter { id, data },
            RecordType::Trace => ServerEvent::Trace {
                id,
                event: Params::parse(data)?,
            },
            RecordType::ExecParams | RecordType::ExecStdin | RecordType::ErrorPage
                if matches!(self, Self::StdoutEnded) =>
            {
                return Ok(None);
            }
            RecordType::ExecParams => return self.exec_params(id, data).map(Some),
            RecordType::ExecStdin => return self.exec_stdin(id, data),
            RecordType::ErrorPage => return self.error_page(id, data).map(Some),
            _ => return Ok(None),
        }))
    }

    fn exec_params<'a>(
        &mut self,
        id: u16,
        data: &'a [u8],
    ) -> Result<ServerEvent<'a>, ProtocolError> {
        if let Self::Open | Self::Answering = self {
            *self = Self::ExecParams(Box::new(ParamsDecoder::new(Limits::default())));
        }
        let Self::ExecParams(decoder) = self else {
            let kind = RecordType::ExecParams;
            return Err(ProtocolError::ExecOrder { kind, id });
        };
        if !data.is_empty() {
            decoder.push(data)?;
            return Ok(ServerEvent::ExecParams {
                id,
                len: data.len(),
            });
        }
        let whole = std::mem::replace(decoder, Box::new(ParamsDecoder::new(Limits::default())));
        *self = Self::ExecStdin;
        let child = Box::new(ChildRequest::parse(&whole.finish()?)?);
        Ok(ServerEvent::Exec { id, child })
    }

    fn exec_stdin<'a>(
        &mut self,
        id: u16,
        data: &'a [u8],
    ) -> Result<Option<ServerEvent<'a>>, ProtocolError> {
        match self {
            Self::ExecStdin | Self::ExecEnded if !data.is_empty() => {
                Ok(Some(ServerEvent::ExecStdin { id, data }))
            }
            Self::ExecStdin => {
                *self = Self::Exec;
                Ok(Some(ServerEvent::ExecStdinEnd { id }))
            }
            Self::ExecEnded => {
                *self = Self::Answering;
                Ok(None)
            }
            _ => Err(ProtocolError::ExecOrder {
                kind: RecordType::ExecStdin,
                id,
            }),
        }
    }

    fn error_page<'a>(
        &mut self,
        id: u16,
        data: &'a [u8],
    ) -> Result<ServerEvent<'a>, ProtocolError> {
        let Some((&[s1, s0, u1, u0], reason)) = data.split_first_chunk() else {
            return Err(ProtocolError::BadLength {
                kind: RecordType::ErrorPage,
                len: data.len(),
            });
        };
        if !matches!(self, Self::Open) {
            return Err(ProtocolError::LateErrorPage(id));
        }
        *self = Self::StdoutEnded;
        Ok(ServerEvent::ErrorPage {
            id,
            status: u16::from_be_bytes([s1, s0]),
            sub_status: u16::from_be_bytes([u1, u0]),
            reason,
        })
    }
}
