//! The hook of every callback: notes it for a crash report, and tells it to the trace where one is wanted.

mod describe;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::Instant;

use isapi_abi::requests::HSE_REQ_DONE_WITH_SESSION;
use isapi_abi::status;

use super::{Entry, INVALID};
use crate::call::Call;
use crate::crash;
use crate::log;
use crate::session::{Session, Win32};
use crate::trace::{Event, Level};

use describe::Description;

/// A callback and what the extension has passed to it.
#[derive(Clone, Copy)]
pub(super) enum Callback {
    GetServerVariable {
        name: *const u8,
        buffer: *mut c_void,
        size: *mut u32,
    },
    WriteClient {
        buffer: *mut c_void,
        size: *mut u32,
        flags: u32,
    },
    ReadClient {
        buffer: *mut c_void,
        size: *mut u32,
    },
    ServerSupportFunction {
        code: u32,
        buffer: *mut c_void,
        size: *mut u32,
        data_type: *mut u32,
    },
}

/// The trace of one request.
pub(super) struct Trace {
    level: Level,
    began: Instant,
}

thread_local! {
    /// The request for which the extension runs on this thread.
    static CURRENT: RefCell<Option<Arc<Entry>>> = const { RefCell::new(None) };
}

impl Trace {
    /// For a request that begins: at its own level, or at that of the process. `None`: off.
    pub(super) fn of(session: &Session) -> Option<Self> {
        let own = Level::named(session.variables().param("ISAPI_TRACE"));
        let level = own.unwrap_or_else(Level::of_process);
        (level != Level::Off).then(|| Self {
            level,
            began: Instant::now(),
        })
    }
}

impl Callback {
    fn call(self) -> Call {
        match self {
            Self::GetServerVariable { .. } => Call::GetServerVariable,
            Self::WriteClient { .. } => Call::WriteClient,
            Self::ReadClient { .. } => Call::ReadClient,
            Self::ServerSupportFunction { code, .. } => Call::ServerSupportFunction(code),
        }
    }

    /// The bytes that the call is about.
    fn size(self) -> Option<u32> {
        match self {
            Self::GetServerVariable { size, .. }
            | Self::WriteClient { size, .. }
            | Self::ReadClient { size, .. } => {
                // SAFETY: a pointer to a DWORD or NULL, by the contract of these callbacks.
                (!size.is_null()).then(|| unsafe { size.read_unaligned() })
            }
            // What S is depends on the code.
            Self::ServerSupportFunction { .. } => None,
        }
    }

    fn ends_session(self) -> bool {
        self.call() == Call::ServerSupportFunction(HSE_REQ_DONE_WITH_SESSION)
    }
}

/// Runs a callback that belongs to no open session: it fails with 87 (ISAPI.md §2.4). It is told with the request for
/// which the extension runs on this thread, or else to the operator.
pub(super) fn stray(callback: Callback) -> Result<(), Win32> {
    // Not there any more while the thread ends.
    let current = CURRENT.try_with(|current| current.borrow().clone());
    if let Ok(Some(entry)) = current {
        return entry.observe(callback, || Err(INVALID));
    }
    let level = Level::of_process();
    if level != Level::Off {
        let description = Description::of(callback, level);
        let mut event = description.into_event(callback.call());
        event.result = Some(FALSE.into());
        event.error = Some(INVALID.0);
        log::line(format_args!(
            "trace: {event}: its ConnID belongs to no request"
        ));
    }
    Err(INVALID)
}

const TRUE: &str = "TRUE";
const FALSE: &str = "FALSE";

impl Entry {
    /// Runs a callback of this request.
    pub(super) fn observe(
        &self,
        callback: Callback,
        run: impl FnOnce() -> Result<(), Win32>,
    ) -> Result<(), Win32> {
        let running = self.calls.begin(callback.call());
        if let Some(bytes) = callback.size() {
            running.size(bytes);
        }
        let result = match &self.trace {
            None => run(),
            Some(trace) => self.traced(trace, callback, run),
        };
        running.end(result.map_or_else(|Win32(error)| error, |()| 0));
        result
    }

    #[cold]
    fn traced(
        &self,
        trace: &Trace,
        callback: Callback,
        run: impl FnOnce() -> Result<(), Win32>,
    ) -> Result<(), Win32> {
        let all = trace.level >= Level::Calls;
        let began = Instant::now();
        // What is passed to a call that succeeds may be gone behind it; where it fails, it still has to be there.
        let before = all.then(|| Description::of(callback, trace.level));
        if callback.ends_session() {
            // Told before the request ends. The call does not fail.
            if let Some(description) = before {
                let mut event = description.into_event(callback.call());
                event.result = Some(TRUE.into());
                self.tell(trace, began, event);
            }
            return run();
        }
        let result = run();
        if !all && result.is_ok() {
            return result;
        }
        let mut description = before.unwrap_or_else(|| Description::of(callback, trace.level));
        let duration = began.elapsed();
        if result.is_ok() {
            description.add_outcome(callback);
        }
        let mut event = description.into_event(callback.call());
        let (text, error) = match result {
            Ok(()) => (TRUE, None),
            Err(Win32(error)) => (FALSE, Some(error)),
        };
        event.result = Some(text.into());
        event.error = error;
        event.duration = u64::try_from(duration.as_micros()).ok();
        self.tell(trace, began, event);
        result
    }

    /// Calls `HttpExtensionProc`, which returns a status.
    pub(super) fn enter(self: &Arc<Self>, proc: impl FnOnce() -> u32) -> u32 {
        const CALL: &str = "HttpExtensionProc";
        let began = self.trace.as_ref().map(|_| Instant::now());
        if let (Some(trace), Some(began)) = (self.trace_of_all(), began) {
            let event = Event {
                call: CALL.into(),
                arguments: self.session.to_string(),
                ..Event::default()
            };
            self.tell(trace, began, event);
        }
        let status = self.run(proc);
        let name = status::name(status);
        let failed = status == status::HSE_STATUS_ERROR || name.is_none();
        if let (Some(trace), Some(began)) = (self.trace_if(failed), began) {
            let result = match name {
                Some(name) => format!("{status} {name}"),
                None => status.to_string(),
            };
            let event = Event {
                call: CALL.into(),
                result: Some(result.into()),
                duration: u64::try_from(began.elapsed().as_micros()).ok(),
                ..Event::default()
            };
            self.tell(trace, Instant::now(), event);
        }
        status
    }

    /// Calls the completion function of an operation that has moved so many bytes and ended with this error, or 0.
    pub(super) fn complete_with(self: &Arc<Self>, bytes: u32, error: u32, function: impl FnOnce()) {
        let call = Call::Completion(error);
        if let Some(trace) = self.trace_if(error != 0) {
            let event = Event {
                call: call.to_string(),
                arguments: format!("{bytes} bytes"),
                error: (error != 0).then_some(error),
                ..Event::default()
            };
            self.tell(trace, Instant::now(), event);
        }
        let running = self.calls.begin(call);
        running.size(bytes);
        self.run(function);
        running.end(0);
    }

    /// Runs code of the extension on this thread.
    fn run<T>(self: &Arc<Self>, code: impl FnOnce() -> T) -> T {
        CURRENT.set(Some(Arc::clone(self)));
        let result = crash::with_calls(&self.calls, code);
        CURRENT.set(None);
        result
    }

    fn trace_of_all(&self) -> Option<&Trace> {
        self.trace_if(false)
    }

    /// The trace, if it wants a call that has `failed` or not.
    fn trace_if(&self, failed: bool) -> Option<&Trace> {
        self.trace
            .as_ref()
            .filter(|trace| failed || trace.level >= Level::Calls)
    }

    fn tell(&self, trace: &Trace, at: Instant, mut event: Event) {
        let micros = at.saturating_duration_since(trace.began).as_micros();
        event.micros = u64::try_from(micros).ok();
        self.session.trace(event);
    }
}
