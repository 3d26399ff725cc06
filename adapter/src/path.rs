//! What the URL means to the extension when no gateway has split it: behind nginx in listen mode, or as a CGI program
//! (ISAPI.md §5.4, "From FastCGI").

use std::path::Path;

use fastcgi_protocol::Params;

/// An extension that serves every URL that it gets.
pub struct Served {
    /// Its file's name, with ending.
    file: String,
    /// Its folder: the root where the front names none.
    folder: Vec<u8>,
}

impl Served {
    /// By the extension in this file.
    pub fn by(file: &Path) -> Self {
        let name = file.file_name().unwrap_or_default();
        let folder = file.parent().unwrap_or(Path::new(""));
        Self {
            file: name.to_string_lossy().into_owned(),
            folder: folder.to_string_lossy().into_owned().into_bytes(),
        }
    }

    /// Sets SCRIPT_NAME, PATH_INFO, PATH_TRANSLATED and SCRIPT_FILENAME by ISAPI's rules.
    ///
    /// Let P be SCRIPT_NAME + PATH_INFO. A segment of P that is the extension's file name splits it (row A). Without one, a
    /// PATH_INFO that the front has split off itself is kept (row C); else the whole of P is both (rows B and D).
    /// PATH_TRANSLATED of the front is never trusted.
    ///
    /// # Errors
    /// When P is refused for its form: NUL, `..`, backslash, stream names, trailing dots or blanks.
    pub fn apply(&self, params: &mut Params) -> Result<(), &'static str> {
        let script = params.get(b"SCRIPT_NAME").unwrap_or_default();
        let info = params.get(b"PATH_INFO").unwrap_or_default();
        let is_split = !info.is_empty() && info != script;
        let (whole, split) = ([script, info].concat(), script.len());
        refuse(&whole)?;
        let root = params.get(b"DOCUMENT_ROOT").unwrap_or_default();
        let has_root = !root.is_empty();
        let root = if has_root { root } else { &self.folder };
        let (name, info, translated) = match split_at_segment(&whole, &self.file) {
            Some((name, info)) => (name, info, info),
            None if is_split => (&whole[..split], &whole[split..], &whole[split..]),
            None => (&whole[..], &whole[..], &whole[..]),
        };
        let translated = join(root, translated);
        let filename = params.get(b"SCRIPT_FILENAME").unwrap_or_default();
        let filename = filename.is_empty().then(|| join(root, name));
        params.set(b"SCRIPT_NAME", name);
        params.set(b"PATH_INFO", info);
        params.set(b"PATH_TRANSLATED", &translated);
        if let Some(filename) = filename {
            params.set(b"SCRIPT_FILENAME", &filename);
        }
        if !has_root {
            params.set(b"DOCUMENT_ROOT", &self.folder);
        }
        Ok(())
    }
}

/// A URL path below a physical root, without a doubled slash between them.
pub fn join(root: &[u8], url: &[u8]) -> Vec<u8> {
    let root = root.strip_suffix(b"/").unwrap_or(root);
    match url.first() {
        None | Some(b'/') => [root, url].concat(),
        Some(_) => [root, b"/", url].concat(),
    }
}

/// Refuses paths that name something else on Windows than they seem to (ISAPI.md §5.4).
pub fn refuse(path: &[u8]) -> Result<(), &'static str> {
    if path
        .iter()
        .any(|byte| byte.is_ascii_control() || matches!(byte, b'\\' | b':'))
    {
        return Err("control character, backslash or colon in the path");
    }
    for segment in path.split(|byte| *byte == b'/') {
        if segment == b".." {
            return Err("`..` in the path");
        }
        if segment != b"." && matches!(segment.last(), Some(b'.' | b' ')) {
            return Err("path segment with a trailing dot or blank");
        }
    }
    Ok(())
}

fn split_at_segment<'a>(path: &'a [u8], file: &str) -> Option<(&'a [u8], &'a [u8])> {
    let mut start = 0;
    for segment in path.split(|byte| *byte == b'/') {
        let end = start + segment.len();
        if segment.eq_ignore_ascii_case(file.as_bytes()) {
            return Some(path.split_at(end));
        }
        start = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn applied(script: &str, info: &str) -> [String; 4] {
        let mut params = Params::new();
        params.push(b"SCRIPT_NAME", script.as_bytes());
        if !info.is_empty() {
            params.push(b"PATH_INFO", info.as_bytes());
        }
        params.push(b"DOCUMENT_ROOT", b"/srv/www");
        params.push(b"PATH_TRANSLATED", b"/etc/passwd");
        let served = Served::by(Path::new("/opt/foo.so"));
        served.apply(&mut params).unwrap();
        [
            b"SCRIPT_NAME".as_slice(),
            b"PATH_INFO",
            b"PATH_TRANSLATED",
            b"SCRIPT_FILENAME",
        ]
        .map(|name| String::from_utf8(params.get(name).unwrap().to_vec()).unwrap())
    }

    #[test]
    fn rows_of_the_table() {
        assert_eq!(
            applied("/x/foo.so/extra", ""),
            ["/x/foo.so", "/extra", "/srv/www/extra", "/srv/www/x/foo.so"]
        );
        assert_eq!(
            applied("/x/foo.so", "/extra"),
            ["/x/foo.so", "/extra", "/srv/www/extra", "/srv/www/x/foo.so"]
        );
        assert_eq!(
            applied("/x/foo.so", ""),
            ["/x/foo.so", "", "/srv/www", "/srv/www/x/foo.so"]
        );
        assert_eq!(
            applied("/d/a.abc", ""),
            [
                "/d/a.abc",
                "/d/a.abc",
                "/srv/www/d/a.abc",
                "/srv/www/d/a.abc"
            ]
        );
        assert_eq!(
            applied("/d/a.abc", "/extra"),
            ["/d/a.abc", "/extra", "/srv/www/extra", "/srv/www/d/a.abc"]
        );
    }

    #[test]
    fn dangerous_paths_are_refused() {
        let served = Served::by(Path::new("/foo.so"));
        for path in [
            "/../etc",
            "/a\0b",
            "/a\\b",
            "/foo.so::$DATA",
            "/a./b",
            "/a /b",
        ] {
            let mut params = Params::new();
            params.push(b"SCRIPT_NAME", path.as_bytes());
            assert!(served.apply(&mut params).is_err(), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_root(path in "[/a-c. :\\\\]{0,30}") {
            let mut params = Params::new();
            params.push(b"SCRIPT_NAME", path.as_bytes());
            if Served::by(Path::new("/root/b")).apply(&mut params).is_ok() {
                let translated = params.get(b"PATH_TRANSLATED").unwrap();
                prop_assert!(translated.starts_with(b"/root"));
                prop_assert!(!translated.split(|byte| *byte == b'/').any(|segment| segment == b".."));
            }
        }
    }
}
