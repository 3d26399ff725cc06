//! The extension control block and its four callbacks: where C meets the worker (ISAPI.md §2, §3).
//!
//! Each request whose session is open has an entry in one table. `ConnID` is index and generation of that entry, an
//! untrusted number: a callback after the end of the session finds nothing and fails with 87 (ISAPI.md §2.4).
#![allow(unsafe_code)]

mod arguments;
mod block;
mod exec;
mod io;
mod lent;
#[cfg(test)]
mod stress;
mod table;
mod trace;

use std::ffi::c_void;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use isapi_abi::error::{ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_INDEX, ERROR_INVALID_PARAMETER};
use isapi_abi::io::HSE_IO_ASYNC;
use isapi_abi::requests::HSE_REQ_DONE_WITH_SESSION;
use isapi_abi::status::HSE_STATUS_SUCCESS;
use isapi_abi::types::{BOOL, FALSE, HCONN, TRUE};

pub use arguments::{Arguments, HeaderEx};
use block::Block;
pub use exec::ExecUrl;
use io::Memory;
pub use io::{Completion, Element, TransmitFile, Vector};
pub use lent::{Output, Room};
use table::TABLE;
use trace::{Callback, Trace};

use crate::crash::Calls;
use crate::extension::Extension;
use crate::life::{Action, Event};
use crate::os;
use crate::session::{Session, Win32};
use crate::support;
use crate::variables::Value;

/// A request inside the extension.
pub struct Entry {
    /// The request.
    pub session: Arc<Session>,
    block: Block,
    /// The ConnID.
    id: usize,
    /// What code 1005 has registered.
    completion: Mutex<Option<Completion>>,
    /// For the report of a crash.
    calls: Calls,
    /// `None`: off.
    trace: Option<Trace>,
}

impl Entry {
    /// An entry without a ConnID for a request whose first body bytes are `data` of `total`.
    pub(crate) fn new(session: &Arc<Session>, data: Vec<u8>, total: u32) -> Self {
        Self {
            session: Arc::clone(session),
            block: Block::new(session.variables(), data, total),
            id: 0,
            completion: Mutex::new(None),
            calls: Calls::new(),
            trace: Trace::of(session),
        }
    }

    /// Sets the ConnID, before the extension sees the block.
    fn set_id(&mut self, id: usize) {
        self.id = id;
        self.block
            .set_connection(std::ptr::without_provenance_mut(id));
    }
}

/// Runs `HttpExtensionProc` for one request on this thread.
pub fn call(extension: &Extension, session: &Arc<Session>) {
    let (data, total) = session.begin();
    let entry = TABLE.insert(Arc::new(Entry::new(session, data, total)));
    // SAFETY: the block is valid and stays at its address as long as its entry, which the table keeps while the session is
    // open, this function during the call, and an operation until its completion function has returned.
    let status = entry.enter(|| unsafe { extension.http_extension_proc(entry.block.ecb()) });
    end(&entry, Event::Returned(status));
}

/// Waits until no request is inside the extension, pending ones included. Returns whether that came true in time.
pub fn wait_until_none(deadline: Instant) -> bool {
    TABLE.wait_until_empty(deadline)
}

fn end(entry: &Entry, event: Event) {
    let (http_status, log_data) = entry.block.outcome();
    let action = entry.session.end(event, http_status, &log_data);
    if action.close || action.release {
        TABLE.leave(entry.id, action);
    }
}

/// GetServerVariable (ISAPI.md §3.1).
pub(crate) unsafe extern "system" fn get_server_variable(
    id: HCONN,
    name: *const u8,
    buffer: *mut c_void,
    size: *mut u32,
) -> BOOL {
    let callback = Callback::GetServerVariable { name, buffer, size };
    answer(id, callback, |entry| {
        // SAFETY: the extension passes a NUL-terminated name or NULL, and a pointer to a DWORD or NULL.
        let (name, capacity) = unsafe {
            (
                arguments::text(name).ok_or(INVALID)?,
                size.as_ref().copied().ok_or(INVALID)?,
            )
        };
        let value = entry.session.variables().get(name);
        let (bytes, end) = match value.ok_or(Win32(ERROR_INVALID_INDEX))? {
            Value::Bytes(value) => (value, &b"\0"[..]),
            Value::Wide(value) => {
                let bytes = value.iter().flat_map(|unit| unit.to_le_bytes());
                (bytes.collect(), &b"\0\0"[..])
            }
        };
        let needed = u32::try_from(bytes.len() + end.len()).map_err(|_| INVALID)?;
        // SAFETY: `size` is a valid DWORD, see above.
        unsafe { size.write(needed) };
        if capacity < needed {
            return Err(Win32(ERROR_INSUFFICIENT_BUFFER));
        }
        if buffer.is_null() {
            return Err(INVALID);
        }
        let buffer = buffer.cast::<u8>();
        // SAFETY: the extension says that there are `capacity` bytes at `buffer`.
        unsafe {
            buffer.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            let behind = buffer.add(bytes.len());
            behind.copy_from_nonoverlapping(end.as_ptr(), end.len());
        }
        Ok(())
    })
}

/// WriteClient (ISAPI.md §3.2). `HSE_IO_DISCONNECT_AFTER_SEND` and `HSE_IO_NODELAY` have no effect here.
pub(crate) unsafe extern "system" fn write_client(
    id: HCONN,
    buffer: *mut c_void,
    size: *mut u32,
    flags: u32,
) -> BOOL {
    let callback = Callback::WriteClient {
        buffer,
        size,
        flags,
    };
    answer(id, callback, |entry| {
        // SAFETY: a pointer to a DWORD or NULL.
        let count = unsafe { size.as_ref().copied().ok_or(INVALID)? };
        if flags & HSE_IO_ASYNC != 0 {
            // SAFETY: the extension leaves the bytes in place until its completion function is called.
            let bytes = unsafe { Memory::new(buffer.cast(), count as usize) }.ok_or(INVALID)?;
            return entry.write_asynchronously(bytes);
        }
        // SAFETY: the extension says that there are `count` bytes at `buffer`; they are only read during this call.
        entry
            .session
            .write(unsafe { arguments::bytes(buffer.cast(), count) }.ok_or(INVALID)?)
    })
}

/// ReadClient (ISAPI.md §3.3).
pub(crate) unsafe extern "system" fn read_client(
    id: HCONN,
    buffer: *mut c_void,
    size: *mut u32,
) -> BOOL {
    answer(id, Callback::ReadClient { buffer, size }, |entry| {
        // SAFETY: a pointer to a DWORD or NULL.
        let size = unsafe { size.as_mut().ok_or(INVALID)? };
        // SAFETY: the extension says that there is room for `*size` bytes at `buffer`, which nothing else uses meanwhile.
        let buffer = unsafe { arguments::room(buffer.cast(), *size) }.ok_or(INVALID)?;
        let count = entry.session.read(buffer)?;
        *size = u32::try_from(count).map_err(|_| INVALID)?;
        Ok(())
    })
}

/// ServerSupportFunction (ISAPI.md §3.4).
pub(crate) unsafe extern "system" fn server_support_function(
    id: HCONN,
    code: u32,
    buffer: *mut c_void,
    size: *mut u32,
    data_type: *mut u32,
) -> BOOL {
    let callback = Callback::ServerSupportFunction {
        code,
        buffer,
        size,
        data_type,
    };
    answer(id, callback, |entry| {
        // SAFETY: the extension passes what ISAPI defines for this code; `support` reads only what the code defines.
        let mut arguments = unsafe { Arguments::new(buffer, size, data_type) };
        if code == HSE_REQ_DONE_WITH_SESSION {
            let status = arguments.dword_in_buffer().unwrap_or(HSE_STATUS_SUCCESS);
            // First, since the session's end lets an outstanding operation complete: its completion function must not
            // find the request any more.
            TABLE.leave(entry.id, Action::CLOSE);
            end(entry, Event::Done(status));
            return Ok(());
        }
        support::call(entry, code, &mut arguments)
    })
}

const INVALID: Win32 = Win32(ERROR_INVALID_PARAMETER);

/// Runs a callback. One that succeeds leaves the last error as it was (ISAPI.md §0.2).
fn answer(
    id: HCONN,
    callback: Callback,
    run: impl FnOnce(&Arc<Entry>) -> Result<(), Win32>,
) -> BOOL {
    let before = os::last_error();
    let result = match TABLE.get(id) {
        Some(entry) => entry.observe(callback, || run(&entry)),
        None => trace::stray(callback),
    };
    let (last_error, answer) = match result {
        Ok(()) => (before, TRUE),
        Err(Win32(code)) => (code, FALSE),
    };
    os::set_last_error(last_error);
    answer
}
