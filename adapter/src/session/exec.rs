//! Child requests and error pages (ISAPI.md §4.2, codes 1025 to 1028, 1032): what the front adds to the answer itself.

use std::sync::{Arc, MutexGuard};

use fastcgi_protocol::{ChildRequest, ExecStatus, Limits, PAIR_OVERHEAD};
use isapi_abi::error::{
    ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, ERROR_OPERATION_ABORTED,
};

use super::operation::{Complete, Step, Work};
use super::output::Patience;
use super::{Session, State, Win32};
use crate::body::Read;
use crate::link::Stream;
use crate::response::{Refused, Response};

/// Bytes of an entity that are passed on at a time.
const CHUNK: usize = 64 * 1024;

/// Pairs of a child request's description, all of them.
const MOST_PAIRS: usize = 7;

/// The entity of a child request.
pub enum Entity {
    /// These bytes.
    Own(Box<dyn AsRef<[u8]> + Send>),
    /// What the extension has not read of its own. The bytes are those that it had before its call; they count where it
    /// has read none beside them.
    Unread(Box<dyn AsRef<[u8]> + Send>),
}

/// An error page of the front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// HTTP status.
    pub status: u16,
    /// Sub-status, 0 if there is none.
    pub sub_status: u16,
    /// Reason phrase.
    pub reason: Vec<u8>,
}

/// A child request under way.
pub struct Exec {
    params: Vec<u8>,
    entity: Box<dyn AsRef<[u8]> + Send>,
    /// The rest of the request's own body belongs to the entity.
    takes_body: bool,
    stage: Stage,
}

/// What is to be sent next; how much of it has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Params(usize),
    Entity(usize),
    /// The front runs it.
    Running,
}

impl Exec {
    /// Whether there is something to be sent.
    pub(super) fn can_go_on(&self) -> bool {
        self.stage != Stage::Running
    }
}

impl State {
    /// The child request is over, or given up: the answer goes on behind it.
    pub(super) fn end_child(&mut self, error: u32) {
        let status = *self.child.get_or_insert(ExecStatus {
            error,
            ..ExecStatus::default()
        });
        // Without a status nothing was sent for it.
        if status.status > 0 {
            self.response.child_over();
        }
    }
}

impl Session {
    /// Starts a child request (code 1026); its length is that of the entity. `complete` is called as in
    /// [`start`](Self::start), with the child's error, and with 50 where there is no gateway to run it.
    ///
    /// # Errors
    /// Those of [`start`](Self::start), 87 for a description that is too long.
    pub fn exec(
        self: &Arc<Self>,
        mut child: ChildRequest,
        entity: Entity,
        complete: Complete,
    ) -> Result<(), Win32> {
        let mut state = self.open()?;
        let (entity, takes_body) = match entity {
            Entity::Own(bytes) => (bytes, false),
            Entity::Unread(_) if state.body_read => (Box::new([]) as _, true),
            Entity::Unread(read_ahead) => (read_ahead, true),
        };
        let first = (*entity).as_ref().len() as u64;
        let rest = if takes_body {
            state.body.remaining()
        } else {
            Some(0)
        };
        child.length = rest.map(|rest| rest + first);
        let params = child.to_bytes();
        if params.len() + MOST_PAIRS * PAIR_OVERHEAD > Limits::default().total {
            return Err(Win32(ERROR_INVALID_PARAMETER));
        }
        let is_supported = state.credit.is_some();
        let may_take = takes_body && is_supported && state.life.may_start();
        state.body_read |= may_take;
        drop(state);
        let exec = Exec {
            params,
            entity,
            takes_body,
            stage: Stage::Params(0),
        };
        let head = |response: &mut Response, out: &mut Vec<u8>| -> Result<(), Refused> {
            if is_supported {
                response.begin_child(out)?;
            }
            Ok(())
        };
        self.start(head, Work::Exec(Box::new(exec)), complete)
    }

    /// How the last child request ended (code 1027); zeros before the first one and while one runs.
    pub fn child_status(&self) -> ExecStatus {
        self.lock().child.unwrap_or_default()
    }

    /// Answers with the front's page for an error (code 1028), and returns at once.
    ///
    /// # Errors
    /// 2 when there is none, 87 when the answer has begun, 10054 when the client has gone.
    pub fn send_error_page(self: &Arc<Self>, page: &ErrorPage) -> Result<(), Win32> {
        self.find_error_page(page)?;
        let mut state = self.turn()?;
        let replaced = state.response.replace();
        replaced.map_err(|_| Win32(ERROR_INVALID_PARAMETER))?;
        state.sending = true;
        drop(self.advance_error_page(state, page).0);
        drop(self.yield_turn(self.lock()));
        Ok(())
    }

    /// The same as an operation.
    ///
    /// # Errors
    /// Those of [`send_error_page`](Self::send_error_page) and [`start`](Self::start).
    pub fn start_error_page(
        self: &Arc<Self>,
        page: ErrorPage,
        complete: Complete,
    ) -> Result<(), Win32> {
        self.find_error_page(&page)?;
        self.start(
            |response, _| response.replace(),
            Work::ErrorPage(page),
            complete,
        )
    }

    /// The extension wants its worker to be replaced (code 1032). Once is enough for a request.
    pub fn report_unhealthy(&self, reason: &[u8]) {
        let said = std::mem::replace(&mut self.lock().unhealthy, true);
        if !said {
            self.link.unhealthy(self.id, reason);
        }
    }

    fn find_error_page(&self, page: &ErrorPage) -> Result<(), Win32> {
        let status = page.status.to_string();
        let precise = format!("{status}.{}", page.sub_status);
        let pages = self.variables.of_pool("ISAPI_ERROR_PAGES");
        pages
            .split(|byte| *byte == b' ')
            .any(|name| name == status.as_bytes() || name == precise.as_bytes())
            .then_some(())
            .ok_or(Win32(ERROR_FILE_NOT_FOUND))
    }

    pub(super) fn advance_error_page<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        page: &ErrorPage,
    ) -> Step<'a> {
        drop(state);
        self.link.error_page(self.id, page);
        (self.lock(), Some(0))
    }

    /// Sends what came before the child request, its description and its entity, as credit and the arrived body allow,
    /// and waits for its end. One that the front has begun to hear of cannot be taken back: to cancel it means to wait
    /// for its end without more of its entity.
    pub(super) fn advance_exec<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        exec: &mut Exec,
    ) -> Step<'a> {
        loop {
            if state.gone {
                let error = state.lost();
                return (state, Some(error));
            }
            if state.credit.is_none() {
                return (state, Some(ERROR_NOT_SUPPORTED));
            }
            if let Some(status) = state.child {
                if let Stage::Entity(_) = exec.stage {
                    state = self.end_stream(state, Stream::ExecStdin);
                }
                let error = match state.cancelled {
                    true => ERROR_OPERATION_ABORTED,
                    false => status.error,
                };
                return (state, Some(error));
            }
            match exec.stage {
                Stage::Params(0) if state.cancelled => {
                    return (state, Some(ERROR_OPERATION_ABORTED));
                }
                Stage::Params(_) if !state.gathered.is_empty() => {
                    state = self.drain(state);
                    if !state.gathered.is_empty() {
                        return (state, None);
                    }
                }
                Stage::Params(sent) if sent < exec.params.len() => {
                    let left = &exec.params[sent..];
                    let count;
                    (state, count) =
                        self.hand_over(state, Stream::ExecParams, left, Patience::None);
                    exec.stage = Stage::Params(sent + count);
                    if count < left.len() && !state.gone {
                        return (state, None);
                    }
                }
                Stage::Params(_) => {
                    state = self.end_stream(state, Stream::ExecParams);
                    exec.stage = Stage::Entity(0);
                }
                Stage::Entity(sent) => {
                    let entity = (*exec.entity).as_ref();
                    let count;
                    (state, count) = self.advance_entity(state, &entity[sent..], exec.takes_body);
                    exec.stage = match count {
                        Some(0) if !state.gone => return (state, None),
                        Some(count) => Stage::Entity(entity.len().min(sent + count)),
                        None => {
                            state = self.end_stream(state, Stream::ExecStdin);
                            Stage::Running
                        }
                    };
                }
                Stage::Running => return (state, None),
            }
        }
    }

    /// Sends some of `first`, or of the body if nothing is left of it. Returns how much, 0 when nothing can be sent now,
    /// `None` at the end.
    fn advance_entity<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        first: &[u8],
        takes_body: bool,
    ) -> (MutexGuard<'a, State>, Option<usize>) {
        if state.cancelled || (first.is_empty() && !takes_body) {
            return (state, None);
        }
        let credit = state.credit.as_ref();
        let room = credit.map_or(0, |credit| credit.stdout.available().min(CHUNK));
        if room == 0 {
            return (state, Some(0));
        }
        let mut buffer = Vec::new();
        let bytes = match first {
            [] => {
                buffer.resize(room, 0);
                match state.body.read(&mut buffer) {
                    Read::Wait => return (state, Some(0)),
                    Read::End | Read::Short => return (state, None),
                    Read::Bytes(count) => {
                        self.changed.ring();
                        state = self.consumed(state, count);
                        &buffer[..count]
                    }
                }
            }
            _ => &first[..first.len().min(room)],
        };
        let (state, count) = self.hand_over(state, Stream::ExecStdin, bytes, Patience::None);
        (state, Some(count))
    }

    fn end_stream<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        stream: Stream,
    ) -> MutexGuard<'a, State> {
        drop(state);
        self.link.end_stream(self.id, stream);
        self.lock()
    }
}
