//! Code 1015: the client's certificate (ISAPI.md §4.2).

use isapi_abi::error::ERROR_NOT_FOUND;

use super::MISSING;
use crate::ecb::Arguments;
use crate::session::{Session, Win32};

/// Fills the CERT_CONTEXT_EX in B. Without a certificate its size and flags are 0 on a TLS connection; on others there
/// is nothing to ask for: 1168.
pub(super) fn get(session: &Session, arguments: &mut Arguments) -> Result<(), Win32> {
    if !arguments.has_buffer() {
        return Err(MISSING);
    }
    let variables = session.variables();
    match variables.certificate() {
        Some(der) => arguments.set_certificate(&der, variables.certificate_flags()),
        None if variables.is_secure() => arguments.set_certificate(&[], 0),
        None => Err(Win32(ERROR_NOT_FOUND)),
    }
}
