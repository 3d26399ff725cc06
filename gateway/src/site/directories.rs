//! Virtual directories: which folder a URL lies in (ISAPI.md §4.2, code 1012; §5.4). Pure.

use std::borrow::Cow;

use crate::config::VirtualDirectory;

/// The virtual directories of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directories {
    /// The longest path first.
    sorted: Vec<VirtualDirectory>,
    /// ISAPI_VIRTUAL_DIRECTORIES, which tells them to workers: a line `URL TAB FOLDER TAB FLAGS` for each.
    lines: Vec<u8>,
}

impl Directories {
    /// The table of these directories.
    pub fn new(directories: &[VirtualDirectory]) -> Self {
        let mut sorted = directories.to_vec();
        sorted.sort_by_key(|directory| std::cmp::Reverse(directory.path.len()));
        let mut lines = Vec::new();
        for directory in &sorted {
            lines.extend_from_slice(directory.path.as_bytes());
            lines.push(b'\t');
            lines.extend_from_slice(directory.root.as_os_str().as_encoded_bytes());
            lines.extend_from_slice(format!("\t{}\n", directory.access.flags()).as_bytes());
        }
        Self { sorted, lines }
    }

    /// The directory that a decoded URL path lies in; `None` for the site's root. ASCII letters fit in either case, as
    /// in IIS.
    pub fn find(&self, url: &[u8]) -> Option<&VirtualDirectory> {
        self.position(url).map(|index| &self.sorted[index])
    }

    /// As [`find`](Self::find), the place in [`all`](Self::all).
    pub fn position(&self, url: &[u8]) -> Option<usize> {
        let holds = |directory: &VirtualDirectory| is_below(directory.path.as_bytes(), url);
        self.sorted.iter().position(holds)
    }

    /// The application that a URL path belongs to, where it is not the site's own: the nearest directory that is one.
    pub fn application(&self, url: &[u8]) -> Option<&VirtualDirectory> {
        let holds = |directory: &&VirtualDirectory| {
            directory.application && is_below(directory.path.as_bytes(), url)
        };
        self.sorted.iter().find(holds)
    }

    /// All of them, the longest path first.
    pub fn all(&self) -> &[VirtualDirectory] {
        &self.sorted
    }

    /// The value of ISAPI_VIRTUAL_DIRECTORIES; empty when there are none.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The physical path of a URL path in a site with this root, whether it exists or not. The URL has neither `..` nor
    /// NUL; the empty one stands for the root itself.
    pub fn physical<'a>(&'a self, root: &'a [u8], url: &[u8]) -> Cow<'a, [u8]> {
        let (folder, below) = match self.find(url) {
            Some(directory) => (
                directory.root.as_os_str().as_encoded_bytes(),
                &url[directory.path.len()..],
            ),
            None => (root, url),
        };
        if below.is_empty() {
            return folder.into();
        }
        let folder = folder.strip_suffix(b"/").unwrap_or(folder);
        [folder, below].concat().into()
    }
}

fn is_below(directory: &[u8], url: &[u8]) -> bool {
    url.split_at_checked(directory.len())
        .is_some_and(|(name, rest)| {
            name.eq_ignore_ascii_case(directory) && matches!(rest.first(), None | Some(b'/'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Access;

    fn directory(path: &str, root: &str, application: bool) -> VirtualDirectory {
        VirtualDirectory {
            path: path.to_owned(),
            root: root.into(),
            access: Access {
                read: true,
                script: true,
                execute: !application,
            },
            application,
        }
    }

    fn table() -> Directories {
        Directories::new(&[
            directory("/app", "/srv/app/", true),
            directory("/app/sub", "/srv/sub", false),
        ])
    }

    #[test]
    fn the_longest_path_wins() {
        let table = table();
        for (url, path) in [
            ("/app/sub/x", "/srv/sub/x"),
            ("/App/SUB/X", "/srv/sub/X"),
            ("/app/subs", "/srv/app/subs"),
            ("/app/", "/srv/app/"),
            ("/app", "/srv/app/"),
            ("/apps", "/www/apps"),
            ("/", "/www/"),
            ("", "/www"),
        ] {
            let physical = table.physical(b"/www", url.as_bytes());
            assert_eq!(String::from_utf8_lossy(&physical), path, "{url}");
        }
    }

    #[test]
    fn workers_get_a_line_for_each() {
        let lines = "/app/sub\t/srv/sub\t517\n/app\t/srv/app/\t513\n";
        assert_eq!(String::from_utf8_lossy(table().lines()), lines);
        assert!(Directories::default().lines().is_empty());
    }

    #[test]
    fn an_application_holds_the_directories_in_it() {
        let table = table();
        let application = |url: &str| {
            let found = table.application(url.as_bytes());
            found.map(|directory| directory.path.as_str())
        };
        assert_eq!(application("/app/sub/x.dll"), Some("/app"));
        assert_eq!(application("/apps"), None);
    }
}
