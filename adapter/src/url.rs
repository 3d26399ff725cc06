//! URLs: percent escapes, and the server's own normalisation (ISAPI.md §4.2, code 1033). Pure.

/// Resolves `%XX` escapes once. What is no escape stays.
pub fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            decoded.push(high << 4 | low);
            rest = after;
        } else {
            decoded.push(*first);
            rest = tail;
        }
    }
    decoded
}

/// Normalises the path of a URL: escapes are resolved, `.` and `..` segments and doubled slashes go. `..` never leads
/// above the first slash. Scheme, host and query stay as they are. The result is never longer than the URL.
///
/// `None`: an escape stands for NUL, which would hide the rest.
pub fn normalize(url: &[u8]) -> Option<Vec<u8>> {
    let (origin, rest) = url.split_at(origin_length(url));
    let query = rest.iter().position(|byte| *byte == b'?');
    let (path, query) = rest.split_at(query.unwrap_or(rest.len()));
    let path = decode(path);
    if path.contains(&0) {
        return None;
    }
    Some([origin, &without_dots(&path), query].concat())
}

/// Length of `scheme://host:port`; 0 for a URL that begins with its path.
fn origin_length(url: &[u8]) -> usize {
    let scheme = url
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
        .count();
    if scheme == 0 || !url[scheme..].starts_with(b"://") {
        return 0;
    }
    let host = scheme + b"://".len();
    url[host..]
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .map_or(url.len(), |end| host + end)
}

fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut is_folder = false;
    for segment in path.split(|byte| *byte == b'/') {
        is_folder = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    let mut result = Vec::with_capacity(path.len());
    if path.starts_with(b"/") {
        result.push(b'/');
    }
    result.extend_from_slice(&kept.join(&b'/'));
    if is_folder && !kept.is_empty() {
        result.push(b'/');
    }
    result
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_normalised() {
        for (url, expected) in [
            ("", ""),
            ("/", "/"),
            ("/a//b", "/a/b"),
            ("//a", "/a"),
            ("/a/./b/", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/../../a", "/a"),
            ("/%2e%2E/a%20b", "/a b"),
            ("/a%2f..%2fb", "/b"),
            ("/%2541", "/%41"),
            ("/100%", "/100%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
            ("/a/../b?x=/../%41//", "/b?x=/../%41//"),
            ("/...", "/..."),
            ("a/../b", "b"),
            ("../a/", "a/"),
            ("http://h:1//a/../%62?q", "http://h:1/b?q"),
            ("http://h", "http://h"),
            ("http://h?q//", "http://h?q//"),
        ] {
            let normal = normalize(url.as_bytes());
            assert_eq!(normal.as_deref(), Some(expected.as_bytes()), "{url}");
        }
        assert_eq!(normalize(b"/a%00b"), None);
        assert_eq!(normalize(b"/a?%00"), Some(b"/a?%00".to_vec()));
    }

    proptest! {
        #[test]
        fn never_longer_and_without_dots(url in "/([a-b./%2eE]{0,30}|.{0,30})") {
            if let Some(normal) = normalize(url.as_bytes()) {
                prop_assert!(normal.len() <= url.len());
                let path = normal.split(|byte| *byte == b'?').next().unwrap_or_default();
                prop_assert!(path.starts_with(b"/") && !path.windows(2).any(|pair| pair == b"//"));
                prop_assert!(!path.split(|byte| *byte == b'/').any(|name| matches!(name, b"." | b"..")));
            }
        }

        #[test]
        fn any_bytes_are_no_danger(url in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(normalize(&url).is_none_or(|normal| normal.len() <= url.len()));
        }
    }
}
