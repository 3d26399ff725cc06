//! Files that the web server before us sends by itself (`X-Accel-Redirect`, `X-Sendfile`). Pure.
//!
//! It says which by the parameter ISAPI_SENDFILE, a line for each folder: `X-Accel-Redirect URL=FOLDER` for nginx, which
//! finds the folder's files below that URL, or `X-Sendfile FOLDER` for lighttpd and Apache's mod_xsendfile.

/// The header line by which the web server sends this file, without its end. `table` is the parameter; the file's path,
/// absolute and without links, is looked for only if there is one. Of several folders the first counts.
pub fn line(table: &[u8], path: impl FnOnce() -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    if table.is_empty() {
        return None;
    }
    let path = path()?;
    let lines = table.split(|byte| *byte == b'\n');
    lines.map(<[u8]>::trim_ascii).find_map(|entry| {
        let (before, url, folder) = parts(entry)?;
        let rest = below(&path, folder)?;
        let mut line = before.to_vec();
        escape(&mut line, url);
        escape(&mut line, rest);
        Some(line)
    })
}

/// Header and colon, what stands for the folder in the value, and the folder.
fn parts(entry: &[u8]) -> Option<(&'static [u8], &[u8], &[u8])> {
    let blank = entry.iter().position(|byte| *byte == b' ')?;
    let (name, rest) = entry.split_at(blank);
    let rest = rest.trim_ascii();
    if name.eq_ignore_ascii_case(b"X-Sendfile") {
        let folder = without_slash(rest);
        return Some((b"X-Sendfile: ", folder, folder));
    }
    if !name.eq_ignore_ascii_case(b"X-Accel-Redirect") {
        return None;
    }
    let at = rest.iter().position(|byte| *byte == b'=')?;
    let (url, folder) = (&rest[..at], &rest[at + 1..]);
    Some((
        b"X-Accel-Redirect: ",
        without_slash(url),
        without_slash(folder),
    ))
}

fn without_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

/// What of a path is below a folder, with its slash.
fn below<'a>(path: &'a [u8], folder: &[u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(folder)?;
    rest.starts_with(b"/").then_some(rest)
}

/// Appends a path with escapes, which all of these web servers take away again.
fn escape(line: &mut Vec<u8>, path: &[u8]) {
    for byte in path {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                line.push(*byte);
            }
            other => line.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn told(table: &str, path: &str) -> Option<String> {
        let line = line(table.as_bytes(), || Some(path.into()))?;
        Some(String::from_utf8(line).unwrap())
    }

    #[test]
    fn a_file_below_a_folder_has_a_header() {
        let table =
            "X-Accel-Redirect /in/deep/=/srv/a/b/\nx-accel-redirect /in=/srv/a\nX-Sendfile /srv\n";
        for (path, expected) in [
            ("/srv/a/x.txt", Some("X-Accel-Redirect: /in/x.txt")),
            ("/srv/a/b/c/x", Some("X-Accel-Redirect: /in/deep/c/x")),
            ("/srv/x y%ü", Some("X-Sendfile: /srv/x%20y%25%C3%BC")),
            ("/srv/ab/x", Some("X-Sendfile: /srv/ab/x")),
            ("/srvx/y", None),
            ("/srv", None),
            ("x", None),
        ] {
            assert_eq!(told(table, path).as_deref(), expected, "{path}");
        }
        assert_eq!(
            told("X-Sendfile /", "/etc/x").unwrap(),
            "X-Sendfile: /etc/x"
        );
    }

    #[test]
    fn without_a_folder_nobody_looks_for_the_path() {
        assert_eq!(line(b"", || unreachable!()), None);
        for table in ["nonsense", "X-Other /srv", "X-Accel-Redirect /srv"] {
            assert_eq!(told(table, "/srv/x"), None, "{table}");
        }
        assert_eq!(line(b"X-Sendfile /srv", || None), None);
    }

    proptest! {
        #[test]
        fn any_table_and_path_make_one_line(table: Vec<u8>, path: Vec<u8>) {
            let path = [b"/", &path[..]].concat();
            let line = line(&[&b"X-Sendfile /\n"[..], &table].concat(), || Some(path)).unwrap();
            let colon = line.windows(2).position(|pair| pair == b": ").unwrap();
            let (name, path) = (&line[..colon], &line[colon + 2..]);
            prop_assert!([&b"X-Sendfile"[..], b"X-Accel-Redirect"].contains(&name));
            prop_assert!(path.iter().all(u8::is_ascii_graphic));
        }
    }
}
