//! Windows' names of Unix folders. Pure.
//!
//! Under Wine the whole file system is drive Z:, and a prefix may have more drives and folders that lie somewhere else.
//! Extensions want paths as Windows writes them (ISAPI.md §5.4), the gateway and web servers have those of Unix.

/// Unix folders that have a name on Windows other than below `Z:\`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drives {
    /// Unix folder and its Windows name, both without a slash at the end; longest Unix folder first.
    folders: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Drives {
    /// Adds `C=/srv/inetpub` or `C:\inetpub=/srv/inetpub`.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let expected =
            || r"expected DRIVE=/UNIX/FOLDER, such as C=/srv or C:\inetpub=/srv/inetpub".to_owned();
        let (name, folder) = text.split_once('=').ok_or_else(expected)?;
        let is_name = matches!(
            name.as_bytes(),
            [letter] | [letter, b':'] | [letter, b':', b'\\', ..] if letter.is_ascii_alphabetic()
        );
        if !is_name || !folder.starts_with('/') {
            return Err(expected());
        }
        let mut windows = name.trim_end_matches('\\').as_bytes().to_vec();
        if windows.len() == 1 {
            windows.push(b':');
        }
        let unix = folder.trim_end_matches('/').as_bytes().to_vec();
        self.folders.push((unix, windows));
        self.folders
            .sort_by_key(|(unix, _)| std::cmp::Reverse(unix.len()));
        Ok(())
    }

    /// A Unix path as Windows path: below the longest folder that has a name, else below `Z:\`. What is a Windows path
    /// already only gets its slashes turned.
    pub fn to_windows(&self, path: &[u8]) -> Vec<u8> {
        let (name, rest): (&[u8], &[u8]) = if path.starts_with(b"/") {
            self.folders
                .iter()
                .find_map(|(unix, windows)| {
                    let rest = path.strip_prefix(unix.as_slice())?;
                    (rest.is_empty() || rest[0] == b'/').then_some((&windows[..], rest))
                })
                .unwrap_or((b"Z:", path))
        } else {
            (b"", path)
        };
        let mut result = name.to_vec();
        // Two at the start are the beginning of a network path or of `\\?\`.
        let may_double = if name.is_empty() { 1 } else { 0 };
        for byte in rest {
            match byte {
                b'/' | b'\\' if result.len() > may_double && result.ends_with(br"\") => {}
                b'/' => result.push(b'\\'),
                other => result.push(*other),
            }
        }
        if rest.is_empty() && result.ends_with(b":") {
            result.push(b'\\');
        }
        result
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn mapped(drives: &[&str], path: &str) -> String {
        let mut all = Drives::default();
        for drive in drives {
            all.add(drive).unwrap();
        }
        String::from_utf8(all.to_windows(path.as_bytes())).unwrap()
    }

    #[test]
    fn everything_is_below_z() {
        assert_eq!(mapped(&[], "/"), r"Z:\");
        assert_eq!(mapped(&[], "/srv/www"), r"Z:\srv\www");
        assert_eq!(mapped(&[], "/srv//www/"), r"Z:\srv\www\");
        assert_eq!(mapped(&[], "/für"), r"Z:\für");
    }

    #[test]
    fn the_longest_folder_wins() {
        let drives = ["C=/srv/inetpub", r"D:\data=/srv/inetpub/data/", "E:=/"];
        assert_eq!(mapped(&drives, "/srv/inetpub"), r"C:\");
        assert_eq!(
            mapped(&drives, "/srv/inetpub/wwwroot/a.dll"),
            r"C:\wwwroot\a.dll"
        );
        assert_eq!(mapped(&drives, "/srv/inetpub/data"), r"D:\data");
        assert_eq!(mapped(&drives, "/srv/inetpub/data/x"), r"D:\data\x");
        assert_eq!(mapped(&drives, "/srv/inetpubs"), r"E:\srv\inetpubs");
        assert_eq!(mapped(&drives, "/"), r"E:\");
    }

    #[test]
    fn windows_paths_stay() {
        assert_eq!(mapped(&[], ""), "");
        assert_eq!(mapped(&[], r"C:\inetpub\/x/y"), r"C:\inetpub\x\y");
        assert_eq!(mapped(&[], r"\\server\share\\x"), r"\\server\share\x");
        assert_eq!(mapped(&[], r"\\?\C:\x"), r"\\?\C:\x");
    }

    #[test]
    fn refuses_what_is_no_drive() {
        for text in [
            "", "C", "C=", "C=srv", "1=/srv", "CD=/srv", "C:x=/srv", "=/srv",
        ] {
            assert!(Drives::default().add(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_unix_path_gets_a_drive_and_no_slash(path in "/[a-c/ü]{0,20}") {
            let path = mapped(&["C=/a/b", "D=/a"], &path);
            prop_assert!(path.as_bytes()[1..].starts_with(br":\"), "{path}");
            prop_assert!(!path.contains('/') && !path.contains(r"\\"), "{path}");
        }
    }
}
