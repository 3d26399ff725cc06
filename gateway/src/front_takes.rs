//! What a web server before us does in our place when an answer asks for it: it sends files (`X-Sendfile`,
//! `X-Accel-Redirect`) and runs local redirects. Pure, but for its folders, whose links are resolved once.

use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::config;

/// The value is the path of a file.
pub const X_SENDFILE: HeaderName = HeaderName::from_static("x-sendfile");
/// The value is the path of a URL that only an application can use.
pub const X_ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

/// What nginx, lighttpd and mod_xsendfile take escapes away from.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What a web server takes off us. By default nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FrontTakes {
    /// Header, what stands for the folder in its value, folder; the longest folder first.
    folders: Vec<(HeaderName, Vec<u8>, PathBuf)>,
    /// ISAPI_SENDFILE, which tells the folders to workers.
    table: Vec<u8>,
    /// It runs local redirects.
    pub local_redirects: bool,
}

/// Where no web server is before us.
pub static NOTHING: FrontTakes = FrontTakes {
    folders: Vec::new(),
    table: Vec::new(),
    local_redirects: false,
};

impl FrontTakes {
    /// As the listener says. A folder that is gone holds no files.
    pub fn new(listener: &config::FastCgiListener) -> Self {
        let (sent, internal) = (&listener.sendfile.folders, &listener.sendfile.internal);
        let sent = sent.iter().flat_map(|folder| {
            let folder = folder.canonicalize().ok()?;
            let path = folder.as_os_str().as_encoded_bytes().to_owned();
            Some((X_SENDFILE, path, folder))
        });
        let internal = internal.iter().flat_map(|(prefix, folder)| {
            let folder = folder.canonicalize().ok()?;
            Some((X_ACCEL_REDIRECT, prefix.clone().into_bytes(), folder))
        });
        let mut folders: Vec<_> = internal.chain(sent).collect();
        folders.sort_by_key(|(_, _, folder)| std::cmp::Reverse(folder.as_os_str().len()));
        let mut table = Vec::new();
        for (header, before, folder) in &folders {
            table.extend_from_slice(header.as_str().as_bytes());
            table.push(b' ');
            if header == X_ACCEL_REDIRECT {
                table.extend_from_slice(before);
                table.push(b'=');
            }
            table.extend_from_slice(folder.as_os_str().as_encoded_bytes());
            table.push(b'\n');
        }
        Self {
            folders,
            table,
            local_redirects: listener.local_redirects,
        }
    }

    /// The value of ISAPI_SENDFILE; empty where nothing is taken.
    pub fn table(&self) -> &[u8] {
        &self.table
    }

    /// The header by which the web server sends this file, a path without links. `None`: it does not.
    pub fn header(&self, file: &Path) -> Option<(HeaderName, HeaderValue)> {
        self.folders.iter().find_map(|(header, before, folder)| {
            let rest = file.strip_prefix(folder).ok()?;
            let before = before.strip_suffix(b"/").unwrap_or(before);
            let path = [before, b"/", rest.as_os_str().as_encoded_bytes()].concat();
            let value = percent_encode(&path, IN_PATH).to_string();
            Some((header.clone(), HeaderValue::try_from(value).ok()?))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::front::fastcgi::Address;

    #[test]
    fn a_file_in_a_folder_has_the_header_of_the_longest_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        let mut listener = config::FastCgiListener::new(Address::Unix("/x".into()));
        assert!(FrontTakes::new(&listener).table().is_empty());
        listener.sendfile = config::SendFile {
            folders: vec![root.clone(), root.join("gone")],
            internal: [("/in".to_owned(), root.join("a/b"))].into(),
        };
        let takes = FrontTakes::new(&listener);
        let shown = root.to_str().unwrap();
        assert_eq!(
            String::from_utf8(takes.table().to_vec()).unwrap(),
            format!("x-accel-redirect /in={shown}/a/b\nx-sendfile {shown}\n")
        );
        for (file, expected) in [
            (
                "a/b/c d/%.txt",
                Some("x-accel-redirect: /in/c%20d/%25.txt".to_owned()),
            ),
            ("a/x", Some(format!("x-sendfile: {shown}/a/x"))),
        ] {
            let header = takes.header(&root.join(file));
            let line = header.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            assert_eq!(line, expected, "{file}");
        }
        assert_eq!(takes.header(Path::new("/etc/passwd")), None);
    }
}
