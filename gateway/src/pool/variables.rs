//! What workers are told: of their pool, in the greeting, and of a request, in its parameters.

use fastcgi_protocol::{Limits, PAIR_OVERHEAD, Params, ParamsWriter};

use super::Pool;
use crate::config;
use crate::error::Error;
use crate::request::RequestHead;
use crate::request::headers::Sent;
use crate::site::{self, Target};

/// Most bytes of the list of error pages, less than what a value of the greeting can hold.
const MOST_CODES: usize = 1000;

/// The greeting's fields for the workers of a pool: `pool`, `send-url`, `trace`, and `error-pages`, the errors for which
/// there is a page.
pub fn greeting(pool: &config::Pool) -> Params {
    let mut codes = String::new();
    for code in &pool.error_pages {
        let code = code.to_string();
        if codes.len() + code.len() < MOST_CODES {
            codes.push_str(&code);
            codes.push(' ');
        }
    }
    [
        ("pool", pool.name.as_str()),
        ("send-url", pool.send_url.name()),
        ("trace", pool.trace.name()),
        ("error-pages", codes.trim_end()),
    ]
    .into_iter()
    .collect()
}

/// Writes the parameters of a request: what workers get with every request ([`site::variables::fixed`]) and its other
/// CGI variables; where they differ from those of the site's root, APPL_MD_PATH and APPL_PHYSICAL_PATH (ISAPI.md §5.2);
/// ISAPI_TRACE if the client, who may, or the operator asks for a trace;
/// ISAPI_SENDFILE if the web server before us sends files.
///
/// # Errors
/// [`Error::BadRequest`] when the worker would not take them; there is an unfinished record then.
pub fn write(
    mut params: ParamsWriter<'_>,
    pool: &Pool,
    head: &RequestHead,
    target: &Target<'_>,
) -> Result<(), Error> {
    let limits = Limits::default();
    let site = target.site;
    let mut total = site.fixed.cost();
    let trace = pool.trace_header.as_ref();
    let sent = head.headers.unread();
    // The secret is not the extension's business; a variable of the same name is no header then.
    let mut made = Vec::new();
    let secret =
        trace.and_then(|header| site::variables::variable(header.name().as_str(), &mut made));
    let passed_on = sent.filter(|_| secret.is_none());
    let encoded = [
        head.connection_variables.as_deref(),
        passed_on.map(Sent::variables),
    ];
    for pairs in encoded.into_iter().flatten() {
        total += pairs.cost();
        params.encoded(pairs);
    }
    let mut long_name = false;
    let mut pair = |name: &[u8], value: &[u8]| {
        total += name.len() + value.len() + PAIR_OVERHEAD;
        long_name |= name.len() > limits.name;
        params.pair(name, value);
    };
    if head.connection_variables.is_none() && !sent.is_some_and(Sent::has_connection) {
        site::variables::visit_connection(&head.connection, &mut pair);
    }
    let mut unless_secret = |name: &[u8], value: &[u8]| {
        if secret.is_none_or(|secret| secret != name) {
            pair(name, value);
        }
    };
    site::variables::visit_changing(head, target, &mut unless_secret);
    if let (Some(sent), None) = (sent, passed_on) {
        let variables = sent.variables().iter();
        variables.for_each(|(name, value)| unless_secret(name, value));
    }
    let script = &target.script;
    let url = match &*script.name {
        [] => &script.path_info,
        name => name,
    };
    if let Some(application) = site.directories.application(url) {
        let path = format!("/LM/W3SVC/{}/ROOT{}", site.id, application.path);
        pair(b"APPL_MD_PATH", path.as_bytes());
        pair(
            b"APPL_PHYSICAL_PATH",
            application.root.as_os_str().as_encoded_bytes(),
        );
    }
    let asked = trace.and_then(|header| header.level(head.headers.get(header.name())?.as_bytes()));
    if let Some(level) = asked.or_else(|| pool.trace()) {
        pair(b"ISAPI_TRACE", level.name().as_bytes());
    }
    let sent = head.front.takes().table();
    if !sent.is_empty() {
        pair(b"ISAPI_SENDFILE", sent);
    }
    if long_name {
        let reason = format!("the name of a header exceeds {} bytes", limits.name);
        return Err(Error::BadRequest(reason));
    }
    if total > limits.total {
        let reason = format!("its variables exceed {} bytes", limits.total);
        return Err(Error::BadRequest(reason));
    }
    params.encoded(&site.fixed);
    params.finish();
    Ok(())
}
