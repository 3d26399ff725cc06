//! Virtual directories: which folder a URL lies in (ISAPI.md §4.2, codes 1001 and 1012). Pure.

use isapi_abi::support::{
    HSE_URL_FLAGS_EXECUTE, HSE_URL_FLAGS_MASK, HSE_URL_FLAGS_READ, HSE_URL_FLAGS_SCRIPT,
};

use crate::path;

/// What the site's root permits if the front does not say.
const ROOT_FLAGS: u32 = HSE_URL_FLAGS_READ | HSE_URL_FLAGS_EXECUTE | HSE_URL_FLAGS_SCRIPT;

/// Where a URL path lies.
#[derive(Debug, PartialEq, Eq)]
pub struct Mapped<'a> {
    /// URL of the virtual directory, such as `/app`; `/` for the site's root.
    pub url: &'a [u8],
    /// Folder of the virtual directory.
    pub folder: &'a [u8],
    /// The file or folder that the URL stands for, whether it exists or not.
    pub path: Vec<u8>,
    /// HSE_URL_FLAGS_*.
    pub flags: u32,
}

/// Maps a URL path without query. `table` has a line `URL TAB FOLDER TAB FLAGS` for each virtual directory, the longest
/// URL first; what no line matches lies below `root`. ASCII letters fit in either case,
/// as in the gateway and in IIS.
pub fn map<'a>(table: &'a [u8], root: &'a [u8], url: &[u8]) -> Mapped<'a> {
    table
        .split(|byte| *byte == b'\n')
        .find_map(|line| map_below(line, url))
        .unwrap_or_else(|| Mapped {
            url: b"/",
            folder: trimmed(root),
            path: path::join(root, url),
            flags: ROOT_FLAGS,
        })
}

fn map_below<'a>(line: &'a [u8], url: &[u8]) -> Option<Mapped<'a>> {
    let mut fields = line.split(|byte| *byte == b'\t');
    let (directory, folder) = (fields.next()?, fields.next()?);
    let flags: u32 = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    if !directory.starts_with(b"/") {
        return None;
    }
    let (name, rest) = url.split_at_checked(trimmed(directory).len())?;
    let fits = name.eq_ignore_ascii_case(trimmed(directory));
    (fits && matches!(rest.first(), None | Some(b'/'))).then(|| Mapped {
        url: directory,
        folder: trimmed(folder),
        path: path::join(folder, rest),
        flags: flags & HSE_URL_FLAGS_MASK,
    })
}

fn trimmed(folder: &[u8]) -> &[u8] {
    folder.strip_suffix(b"/").unwrap_or(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &[u8] = b"/app/sub\t/srv/sub\t1\n/app\t/srv/app/\t517\n";

    fn mapped(table: &[u8], url: &str) -> (String, String, u32) {
        let mapped = map(table, b"/srv/www/", url.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(mapped.url), text(&mapped.path), mapped.flags)
    }

    #[test]
    fn the_longest_url_wins() {
        for (url, directory, path, flags) in [
            ("/app/sub/x", "/app/sub", "/srv/sub/x", 1),
            ("/app/subs", "/app", "/srv/app/subs", 517),
            ("/app/", "/app", "/srv/app/", 517),
            ("/app", "/app", "/srv/app", 517),
            ("/apps", "/", "/srv/www/apps", ROOT_FLAGS),
            ("/App/X", "/app", "/srv/app/X", 517),
            ("/", "/", "/srv/www/", ROOT_FLAGS),
            ("", "/", "/srv/www", ROOT_FLAGS),
            ("x", "/", "/srv/www/x", ROOT_FLAGS),
        ] {
            let expected = (directory.to_owned(), path.to_owned(), flags);
            assert_eq!(mapped(TABLE, url), expected, "{url}");
        }
    }

    #[test]
    fn the_root_may_have_its_own_line() {
        let table = b"/app\t/srv/app\t5\n/\t/srv/root\t1\n";
        assert_eq!(mapped(table, "/x"), ("/".into(), "/srv/root/x".into(), 1));
    }

    #[test]
    fn lines_that_say_nothing_are_passed_over() {
        let table = b"\n/x\n/x\t/y\n/x\t/y\tz\nx\t/y\t1\n";
        assert_eq!(mapped(table, "/x").1, "/srv/www/x");
    }

    proptest! {
        #[test]
        fn the_path_begins_with_the_folder(table in "(/[ab]{0,2}\t/[cd]{0,3}\t[0-9]{1,3}\n){0,4}|.{0,40}", url in "/[ab/]{0,6}") {
            let mapped = map(table.as_bytes(), b"/root", url.as_bytes());
            prop_assert!(mapped.path.starts_with(mapped.folder));
            prop_assert_eq!(mapped.flags & !HSE_URL_FLAGS_MASK, 0);
        }
    }
}
