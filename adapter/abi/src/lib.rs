//! The ISAPI binary interface: what a host and an extension agree on, and nothing else.
//!
//! Every structure, constant and callback type of `httpext.h` (extensions) and `httpfilt.h` (filters) is here under
//! the name that it has there, laid out as a Windows compiler lays it out, so that one declaration serves the worker
//! that plays the server's part, an extension written in Rust, and the native `.so` built against `adapter/include`.
//! There is no logic in this crate: only [`requests::name`] and [`types::MAKELONG`] are functions.
//!
//! | Module | Holds |
//! |---|---|
//! | [`types`] | the Windows types that the interface is made of |
//! | [`ecb`] | entry points, `EXTENSION_CONTROL_BLOCK`, its four callbacks, the completion callback |
//! | [`status`] | what `HttpExtensionProc` returns and what `TerminateExtension` is told |
//! | [`io`] | the `HSE_IO_*` flags |
//! | [`requests`] | the codes of `ServerSupportFunction` |
//! | [`support`] | the structures that those codes take |
//! | [`trace`] | the structures of the two tracing codes |
//! | [`filter`] | ISAPI filters |
//! | [`error`] | the Win32 error numbers that callbacks leave behind |
//!
//! # Conventions
//!
//! - Directions are the extension's: *in* is written by the host and read by the extension, *out* the other way round.
//!   Structures of [`support`] are filled by the extension unless a field says otherwise.
//! - Every function is `extern "system"`: `__stdcall` on 32-bit Windows, the platform's C convention elsewhere.
//! - A callback that fails returns [`types::FALSE`] after setting the calling thread's last error (`ISAPI.md` §0.2).
//! - No Rust panic and no C++ exception may cross any of these functions (`ISAPI.md` §1.1).
//! - `o32/o64` layouts are asserted at compile time for both pointer sizes.

#![no_std]
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    non_camel_case_types,
    reason = "the names are those of httpext.h and httpfilt.h, so that documents and C sources can be compared"
)]

pub mod ecb;
pub mod error;
pub mod filter;
pub mod io;
mod layout;
pub mod requests;
pub mod status;
pub mod support;
pub mod trace;
pub mod types;
