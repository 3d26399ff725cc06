//! Codes of event tracing: 1042, 1044, 1045 (ISAPI.md §4.2). There is no provider to trace for: extensions are told so,
//! and events that they raise all the same go nowhere.

use isapi_abi::support::HSE_TRACE_INFO;
use isapi_abi::trace::HTTP_TRACE_CONFIGURATION;
use isapi_abi::types::FALSE;

use super::MISSING;
use crate::ecb::Arguments;
use crate::session::Win32;

/// 1042: this request is not traced.
pub(super) fn request(arguments: &mut Arguments) -> Result<(), Win32> {
    arguments.set_buffer(HSE_TRACE_INFO {
        fTraceRequest: FALSE,
        TraceContextId: [0; 16],
        dwReserved1: 0,
        dwReserved2: 0,
    })
}

/// 1044: the provider that the extension names is not enabled.
pub(super) fn provider(arguments: &mut Arguments) -> Result<(), Win32> {
    let asked: HTTP_TRACE_CONFIGURATION = arguments.buffer()?;
    arguments.set_buffer(HTTP_TRACE_CONFIGURATION {
        dwAreas: 0,
        dwVerbosity: 0,
        fProviderEnabled: FALSE,
        ..asked
    })
}

/// 1045.
pub(super) fn raise(arguments: &Arguments) -> Result<(), Win32> {
    if arguments.has_buffer() {
        Ok(())
    } else {
        Err(MISSING)
    }
}
