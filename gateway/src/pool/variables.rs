//! The parameters of a request to a worker: its CGI variables and what the pool adds.

use fastcgi_protocol::{Limits, PAIR_OVERHEAD, ParamsWriter};

use crate::error::Error;
use crate::request::RequestHead;
use crate::site::{self, Target};

/// Appends the parameters of request `id`, INSTANCE_ID, INSTANCE_NAME and APP_POOL_ID (ISAPI.md §5.2) among them.
///
/// # Errors
/// [`Error::BadRequest`] when the worker would not take them; `out` then holds an unfinished record.
pub fn write(
    out: &mut Vec<u8>,
    id: u16,
    pool: &str,
    head: &RequestHead,
    target: &Target,
) -> Result<(), Error> {
    let limits = Limits::default();
    let mut params = ParamsWriter::new(out, id);
    let mut total = 0_usize;
    let mut long_name = false;
    let mut pair = |name: &[u8], value: &[u8]| {
        total = total.saturating_add(name.len() + value.len() + PAIR_OVERHEAD);
        long_name |= name.len() > limits.name;
        if total <= limits.total && !long_name {
            params.pair(name, value);
        }
    };
    site::variables::visit(head, target, &mut pair)?;
    pair(b"INSTANCE_ID", target.site.id.to_string().as_bytes());
    pair(b"INSTANCE_NAME", target.site.name.as_bytes());
    pair(b"APP_POOL_ID", pool.as_bytes());
    if long_name {
        let reason = format!("the name of a header exceeds {} bytes", limits.name);
        return Err(Error::BadRequest(reason));
    }
    if total > limits.total {
        let reason = format!("its variables exceed {} bytes", limits.total);
        return Err(Error::BadRequest(reason));
    }
    params.finish();
    Ok(())
}
