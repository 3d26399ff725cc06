//! A result goes to other people: it names files by their names, or by their place in the working folder. It tells
//! neither the working folder, nor those of the files that the command line names, nor the user's own, where a path
//! begins with them; other folders stay. Pure but for [`Folders::of`].

use std::path::{Path, PathBuf};

use super::models::FOLDER;

/// What is shown in place of a folder when no file in it is named.
const HERE: &str = ".";

/// Folders of this machine, and what is shown in their place.
#[derive(Debug)]
pub struct Folders {
    /// Each without its last slash; those in others come first.
    shown: Vec<(String, &'static str)>,
    /// What the names of the servers' own folders begin with.
    servers: String,
}

impl Folders {
    /// The working folder, those of these files, and the user's own.
    pub fn of<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        let parents = files.into_iter().filter_map(|file| {
            let file = std::path::absolute(file).ok()?;
            Some(file.parent()?.to_owned())
        });
        let working = std::env::current_dir().ok();
        let left_out = parents.chain(working).map(|folder| (folder, HERE));
        let home = std::env::var_os("HOME").map(|home| (PathBuf::from(home), "~"));
        Self::new(left_out.chain(home), &std::env::temp_dir())
    }

    fn new(folders: impl IntoIterator<Item = (PathBuf, &'static str)>, temporary: &Path) -> Self {
        let text = |(folder, shown): (PathBuf, &'static str)| {
            let folder = folder.to_str()?.trim_end_matches('/');
            (folder.starts_with('/')).then(|| (folder.to_owned(), shown))
        };
        let mut shown: Vec<_> = folders.into_iter().filter_map(text).collect();
        shown.sort_by_key(|(folder, _)| std::cmp::Reverse(folder.len()));
        let servers = temporary.join(FOLDER);
        Self {
            shown,
            servers: servers.to_string_lossy().into_owned(),
        }
    }

    /// The text without them.
    pub fn leave_out(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('/') {
            let (before, path) = rest.split_at(at);
            out += before;
            // In the middle of another path there begins none.
            let is_begin = !out.ends_with(is_of_name);
            let (shown, left) = match self.folder(path).filter(|_| is_begin) {
                Some(found) => found,
                None => path.split_at(1),
            };
            out += shown;
            rest = left;
        }
        out + rest
    }

    /// What is shown in place of the folder that this path begins with, and what follows the folder.
    fn folder<'a>(&self, path: &'a str) -> Option<(&'static str, &'a str)> {
        if let Some(name) = path.strip_prefix(&self.servers) {
            let is_end = |it| it == '/' || !is_of_name(it);
            let left = &name[name.find(is_end).unwrap_or(name.len())..];
            return Some(("", left.strip_prefix('/').unwrap_or(left)));
        }
        let found = |(folder, shown): &(String, &'static str)| {
            let left = path.strip_prefix(folder.as_str())?;
            match left.chars().next().filter(|it| is_of_name(*it)) {
                Some('/') if *shown == HERE => Some(("", &left[1..])),
                Some('/') | None => Some((*shown, left)),
                Some(_) => None,
            }
        };
        self.shown.iter().find_map(found)
    }
}

/// Whether a name of a file may have it: what follows goes on with the same path.
fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || "/._-~".contains(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folders() -> Folders {
        let folders = [
            ("/srv/project", HERE),
            ("/srv/project/target/release", HERE),
            ("/home/someone", "~"),
            ("/", HERE),
        ];
        let folders = folders.map(|(folder, shown)| (PathBuf::from(folder), shown));
        Folders::new(folders, Path::new("/tmp"))
    }

    #[test]
    fn files_keep_their_names() {
        for (text, shown) in [
            (
                "/srv/project/target/release/isapi-worker is not built",
                "isapi-worker is not built",
            ),
            (
                "--samples=/srv/project/target/samples /etc/nginx",
                "--samples=target/samples /etc/nginx",
            ),
            ("(/home/someone/.local/wine)", "(~/.local/wine)"),
            (
                "cannot read /tmp/isapi-bench-a1B2c3/gateway.toml: gone",
                "cannot read gateway.toml: gone",
            ),
            ("in /srv/project: /home/someone, /", "in .: ~, /"),
            (
                "--path /legacy.dll?x=/srv/projects/ 1/2",
                "--path /legacy.dll?x=/srv/projects/ 1/2",
            ),
            ("/mnt/srv/project/file", "/mnt/srv/project/file"),
        ] {
            assert_eq!(folders().leave_out(text), shown);
        }
    }

    proptest! {
        #[test]
        fn no_folder_is_left(before in "[ :='\"]?", inside in "[a-z/.]{0,8}", after in "\\PC*") {
            let after = after.replace('/', "");
            let text = format!("{before}/srv/project/{inside} {after}");
            prop_assert!(!folders().leave_out(&text).contains("/srv/project"));
            let plain = text.replace('/', "");
            prop_assert_eq!(folders().leave_out(&plain), plain);
        }
    }
}
