//! Which of a site's handlers takes a request, and what the URL means to it. Pure.

use std::borrow::Cow;

use http::Method;

use super::Script;
use super::path::{Division, divide};
use crate::config::{Access, Handler, HandlerPath};
use crate::error::{Error, Missing};

/// The first handler whose path and verb fit, without those that `skip` leaves out, with the URL path, which is decoded, divided by its path. `None` when
/// no handler is for this path.
///
/// # Errors
/// [`Error::VerbNotAllowed`] when handlers are for this path but none takes the verb.
pub fn choose<'a>(
    handlers: &[Handler],
    skip: impl Fn(usize) -> bool,
    method: &Method,
    url: &'a [u8],
) -> Result<Option<(usize, Division<'a>)>, Error> {
    let mut allow: Vec<Method> = Vec::new();
    for (index, handler) in handlers.iter().enumerate() {
        if skip(index) {
            continue;
        }
        let Some(division) = divide(&handler.path, handler.path_info, url) else {
            continue;
        };
        if handler.verbs.is_empty() || handler.verbs.contains(method) {
            return Ok(Some((index, division)));
        }
        for verb in &handler.verbs {
            if !allow.contains(verb) {
                allow.push(verb.clone());
            }
        }
    }
    if allow.is_empty() {
        Ok(None)
    } else {
        Err(Error::VerbNotAllowed { allow })
    }
}

/// Whether a virtual directory with this access lets a handler run in it: one that is named in the URL wants execute,
/// a script map script or execute, and what stands for all URLs nothing.
///
/// # Errors
/// [`Error::Forbidden`] when it does not.
pub fn permit(path: &HandlerPath, access: Access) -> Result<(), Error> {
    let permitted = match path {
        HandlerPath::Exact(_) => access.execute,
        HandlerPath::ScriptMap(_) => access.script || access.execute,
        HandlerPath::Prefix(_) | HandlerPath::Wildcard => true,
    };
    permitted
        .then_some(())
        .ok_or(Error::Forbidden(Missing::Execute))
}

/// The rows of ISAPI.md §5.4 for a divided URL; `map` gives the physical path of a URL path, `program` is the extension
/// or program. Without one, what the URL names is a file of the site, as it is for php-fpm.
///
/// # Errors
/// [`Error::BadUrl`] when the part of the URL that names a file names a stream of it (`a.abc:b`).
pub fn script<'a>(
    map: impl Fn(&[u8]) -> Cow<'a, [u8]>,
    program: Option<&'a [u8]>,
    path_info: bool,
    url: &'a [u8],
    division: &Division<'a>,
) -> Result<Script<'a>, Error> {
    Ok(match *division {
        // A, A0
        Division::Itself { name, extra } => Script {
            name: name.into(),
            path_info: extra.into(),
            path_translated: map(extra),
            filename: program.map_or_else(|| map(name), Cow::Borrowed),
        },
        Division::File { name, .. } if name.contains(&b':') => {
            return Err(Error::BadUrl("a stream name in the path"));
        }
        // C
        Division::File { name, extra } if path_info => Script {
            name: name.into(),
            path_info: extra.into(),
            path_translated: map(extra),
            filename: map(name),
        },
        // B, B0, D
        Division::File { name, .. } => Script {
            name: name.into(),
            path_info: url.into(),
            path_translated: map(name),
            filename: map(name),
        },
    })
}
