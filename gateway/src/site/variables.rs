//! The CGI variables of a request (RFC 3875 §4.1, ISAPI.md §5.2).

use super::Target;
use crate::error::Error;
use crate::request::RequestHead;

/// Calls `each` for every CGI variable of the request, in a fixed order, names in upper case: the meta-variables of
/// RFC 3875 §4.1 and of nginx's `fastcgi_params`, then one `HTTP_NAME` for every header (values of repeated headers
/// joined with ", ", cookies with "; "; `Proxy` left out: httpoxy).
///
/// # Errors
/// [`Error::BadRequest`] when two headers collide as variable names (`X-A` and `X_A`).
pub fn visit(
    _head: &RequestHead,
    _target: &Target,
    _each: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), Error> {
    Ok(())
}
