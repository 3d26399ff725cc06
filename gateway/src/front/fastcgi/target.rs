//! The URL of a request from its parameters, whoever has divided it (ISAPI.md §5.4, "From FastCGI"). Pure.
//!
//! SCRIPT_NAME and PATH_INFO together are the decoded path that the web server means; where they divide is decided by
//! our own handlers. REQUEST_URI is what the client sent; it is the target as long as it means the same path, since
//! only it keeps the client's own spelling.

use std::borrow::Cow;

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};

use super::told::Told;
use crate::error::Error;
use crate::site::path;

/// What has to be escaped in a path: everything but what RFC 3986 §2.3 leaves unreserved, and slashes.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What cannot stand in a query (RFC 3986 §3.4); the rest is left as it came.
const IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// The target of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// Path and query, percent-encoded.
    pub uri: Uri,
    /// REQUEST_URI, where it is another one: the web server has rewritten the URL.
    pub original: Option<Bytes>,
}

/// The target that these parameters mean. `mount` is put in front of the path: that of the handler that authorizes.
///
/// # Errors
/// [`Error::BadRequest`] when they mean none.
pub fn target(told: &Told<'_>, mount: &str) -> Result<Target, Error> {
    let Told {
        ref request_uri,
        script_name: script,
        path_info: info,
        query,
        ..
    } = *told;
    let sent = PathAndQuery::from_maybe_shared(request_uri.clone()).ok();
    let sent = sent.filter(|sent| sent.path().starts_with('/'));
    let whole = match info {
        b"" => Cow::Borrowed(script),
        info => Cow::Owned([script, info].concat()),
    };
    // The usual case: nothing has been decoded or rewritten.
    let is_plain = |sent: &PathAndQuery| {
        let path = sent.path().as_bytes();
        let sent_query = sent.query().unwrap_or_default().as_bytes();
        path == &*whole && !path.contains(&b'%') && sent_query == query.unwrap_or_default()
    };
    let sent = match sent {
        Some(sent) if mount.is_empty() && is_plain(&sent) => {
            return Ok(Target {
                uri: sent.into(),
                original: None,
            });
        }
        sent => sent,
    };
    let path = match &sent {
        Some(sent) if whole.is_empty() || means(sent.path(), &whole) => sent.path().into(),
        // Some give the whole path as both, as IIS does for script maps.
        Some(sent) if script == info && means(sent.path(), script) => sent.path().into(),
        None if whole.is_empty() => {
            let why = "neither SCRIPT_NAME nor REQUEST_URI names a path";
            return Err(Error::BadRequest(why.into()));
        }
        _ => Cow::from(percent_encode(&whole, IN_PATH)),
    };
    let sent_query = sent.as_ref().and_then(PathAndQuery::query);
    let query = match (query, sent_query) {
        (None, sent) => sent.unwrap_or_default().into(),
        (Some(query), Some(sent)) if query == sent.as_bytes() => sent.into(),
        (Some(query), _) => Cow::from(percent_encode(query, IN_QUERY)),
    };
    if mount.is_empty()
        && let Some(sent) = &sent
        && sent.path() == path
        && sent_query.unwrap_or_default() == query
    {
        return Ok(Target {
            uri: sent.clone().into(),
            original: None,
        });
    }
    let mark = if query.is_empty() { "" } else { "?" };
    let uri = Uri::from_maybe_shared(Bytes::from(format!("{mount}{path}{mark}{query}")))
        .map_err(|error| Error::BadRequest(format!("the URL is not valid: {error}")))?;
    let original = (!request_uri.is_empty()).then(|| request_uri.clone());
    Ok(Target { uri, original })
}

/// Whether the path of a URL means this decoded path.
fn means(sent: &str, decoded: &[u8]) -> bool {
    if sent.as_bytes() == decoded && !sent.contains('%') {
        return true;
    }
    let encoded = Cow::from(percent_encode(decoded, IN_PATH));
    match (path::decode(sent), path::decode(&encoded)) {
        (Ok(sent), Ok(decoded)) => sent == decoded,
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use fastcgi_protocol::Params;
    use proptest::prelude::*;

    use super::*;

    fn meant(params: Params, mount: &str) -> Result<Target, Error> {
        let params = Vec::from(params).into();
        let mut told = Told::default();
        told.read(&params, |_| {});
        target(&told, mount)
    }

    fn uri(pairs: &[(&str, &str)]) -> String {
        let params = Params::from_iter(pairs.iter().copied());
        meant(params, "").unwrap().uri.to_string()
    }

    #[test]
    fn whoever_has_divided_the_path_the_url_is_that_of_the_client() {
        let sent = ("REQUEST_URI", "/x%20y/f%6Fo.dll/ex?q=%20");
        for (script, info) in [
            ("/x y/foo.dll/ex", ""),
            ("/x y/foo.dll", "/ex"),
            ("", "/x y/foo.dll/ex"),
            ("/x y", "/foo.dll/ex"),
            ("/x y/foo.dll/ex", "/x y/foo.dll/ex"),
            ("", ""),
        ] {
            let found = uri(&[
                ("SCRIPT_NAME", script),
                ("PATH_INFO", info),
                ("QUERY_STRING", "q=%20"),
                sent,
            ]);
            assert_eq!(found, sent.1, "{script} {info}");
        }
    }

    #[test]
    fn a_rewritten_url_is_the_one_meant_and_the_original_is_kept() {
        let params = Params::from_iter([
            ("SCRIPT_NAME", "/new 1%.dll"),
            ("PATH_INFO", "/é"),
            ("QUERY_STRING", "a=\"b\"&é"),
            ("REQUEST_URI", "/old?q"),
        ]);
        let target = meant(params, "").unwrap();
        assert_eq!(target.uri, "/new%201%25.dll/%C3%A9?a=%22b%22&%C3%A9");
        assert_eq!(target.original.unwrap(), "/old?q");
        let further = [
            ("SCRIPT_NAME", "/a"),
            ("PATH_INFO", "/b"),
            ("REQUEST_URI", "/a"),
        ];
        assert_eq!(uri(&further), "/a/b");
    }

    #[test]
    fn each_part_may_be_missing() {
        for (pairs, expected) in [
            (&[("REQUEST_URI", "/a?b")][..], "/a?b"),
            (&[("SCRIPT_NAME", "/a")], "/a"),
            (&[("SCRIPT_NAME", "/a"), ("QUERY_STRING", "")], "/a"),
            (&[("SCRIPT_NAME", "/a"), ("QUERY_STRING", "b")], "/a?b"),
            (&[("SCRIPT_NAME", "/a"), ("REQUEST_URI", "/a?b")], "/a?b"),
            (&[("SCRIPT_NAME", "/a"), ("REQUEST_URI", "a?b")], "/a"),
            (&[("SCRIPT_NAME", "/a"), ("REQUEST_URI", "/\u{1}")], "/a"),
            (&[("SCRIPT_NAME", "/b"), ("REQUEST_URI", "/a/../b")], "/b"),
            (
                &[("SCRIPT_NAME", "/a/b"), ("REQUEST_URI", "//a/./b")],
                "//a/./b",
            ),
        ] {
            assert_eq!(uri(pairs), expected, "{pairs:?}");
        }
        assert!(target(&Told::default(), "").is_err());
    }

    #[test]
    fn what_is_no_path_of_a_url_stays_so() {
        for script in ["a", "*", "/a\\b", "/a/../b", "/a\0", "/a::$DATA"] {
            let params = Params::from_iter([("SCRIPT_NAME", script)]);
            let refused = match meant(params, "") {
                Ok(target) => path::decode(target.uri.path()).is_err(),
                Err(_) => true,
            };
            assert!(refused, "{script:?}");
        }
    }

    #[test]
    fn the_authorizer_stands_before_the_path() {
        let params = Params::from_iter([("REQUEST_URI", "/private/x?y")]);
        let target = meant(params, "/auth.dll").unwrap();
        assert_eq!(target.uri, "/auth.dll/private/x?y");
        assert_eq!(target.original.unwrap(), "/private/x?y");
    }

    proptest! {
        /// Any bytes: no panic, and what comes out means the decoded path.
        #[test]
        fn any_bytes(
            script in prop::collection::vec(any::<u8>(), 0..12),
            info in prop::collection::vec(any::<u8>(), 0..12),
            query in prop::collection::vec(any::<u8>(), 0..12),
            sent in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let mut params = Params::new();
            params.push(b"SCRIPT_NAME", &script);
            params.push(b"PATH_INFO", &info);
            params.push(b"QUERY_STRING", &query);
            params.push(b"REQUEST_URI", &sent);
            if let Ok(target) = meant(params, "")
                && let Ok(found) = path::decode(target.uri.path())
                && !(script.is_empty() && info.is_empty())
            {
                let means = |bytes: &[u8]| means(target.uri.path(), bytes);
                let whole = [script.as_slice(), &info].concat();
                prop_assert!(means(&whole) || (script == info && means(&script)), "{found:?}");
            }
        }
    }
}
