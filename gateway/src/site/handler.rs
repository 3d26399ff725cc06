//! Which of a site's handlers takes a request, and what the URL means to it. Pure.

use http::Method;

use super::Script;
use super::path::{Division, divide};
use crate::config::Handler;
use crate::error::Error;

/// The first handler whose path and verb fit, with the URL path, which is decoded, divided by its path. `None` when
/// no handler is for this path.
///
/// # Errors
/// [`Error::VerbNotAllowed`] when handlers are for this path but none takes the verb.
pub fn choose<'a>(
    handlers: &[Handler],
    method: &Method,
    url: &'a [u8],
) -> Result<Option<(usize, Division<'a>)>, Error> {
    let mut allow: Vec<Method> = Vec::new();
    for (index, handler) in handlers.iter().enumerate() {
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

/// The rows of ISAPI.md §5.4 for a divided URL; `root` is the site's folder, `program` the extension or program.
///
/// # Errors
/// [`Error::BadUrl`] when the part of the URL that names a file names a stream of it (`a.abc:b`).
pub fn script(
    root: &[u8],
    program: &[u8],
    path_info: bool,
    url: &[u8],
    division: &Division,
) -> Result<Script, Error> {
    Ok(match *division {
        // A, A0
        Division::Itself { name, extra } => Script {
            name: name.to_vec(),
            path_info: extra.to_vec(),
            path_translated: below(root, extra),
            filename: program.to_vec(),
        },
        Division::File { name, .. } if name.contains(&b':') => {
            return Err(Error::BadUrl("a stream name in the path"));
        }
        // C
        Division::File { name, extra } if path_info => Script {
            name: name.to_vec(),
            path_info: extra.to_vec(),
            path_translated: below(root, extra),
            filename: below(root, name),
        },
        // B, B0, D
        Division::File { name, .. } => Script {
            name: name.to_vec(),
            path_info: url.to_vec(),
            path_translated: below(root, name),
            filename: below(root, name),
        },
    })
}

/// The physical path of a URL path, which has neither `..` nor NUL; of the empty one, the root itself.
fn below(root: &[u8], url: &[u8]) -> Vec<u8> {
    if url.is_empty() {
        return root.to_vec();
    }
    [root.strip_suffix(b"/").unwrap_or(root), url].concat()
}
