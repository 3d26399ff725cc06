//! Windows' names of Unix folders: a drive of its own, or a folder of drive C:.

use std::fmt;
use std::path::{Path, PathBuf};

/// Folders of drive C: that belong to Wine.
const TAKEN: [&str; 5] = [
    "program files",
    "program files (x86)",
    "programdata",
    "users",
    "windows",
];

/// A place in Windows' view of the file system that is a folder of Unix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drive {
    /// A whole drive, by its letter in upper case; neither C nor Z.
    Letter(char),
    /// A folder below C:, its names from the top.
    Folder(Vec<String>),
}

impl Drive {
    /// Reads `D`, `D:` or `C:\inetpub`.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let forms =
            || r#"write a drive from D to Y, or a folder of drive C: "C:\\inetpub""#.to_owned();
        let mut rest = text.chars();
        let letter = rest.next().filter(char::is_ascii_alphabetic);
        let letter = letter.ok_or_else(forms)?.to_ascii_uppercase();
        match (letter, rest.as_str().trim_end_matches('\\')) {
            ('C', "" | ":") => Err(
                r#"drive C: holds Windows itself: give the folders in it, such as "C:\\inetpub" = "/srv/inetpub""#
                    .to_owned(),
            ),
            ('Z', "" | ":") => Err("drive Z: is the whole file system of Unix".to_owned()),
            ('A'..='Y', "" | ":") => Ok(Self::Letter(letter)),
            ('C', path) => {
                let path = path.strip_prefix(":\\").ok_or_else(forms)?;
                let names: Vec<String> = path.split('\\').map(str::to_owned).collect();
                if !names.iter().all(|name| is_name(name)) {
                    return Err(forms());
                }
                if TAKEN.contains(&names[0].to_ascii_lowercase().as_str()) {
                    return Err(format!("C:\\{} belongs to Wine", names[0]));
                }
                Ok(Self::Folder(names))
            }
            _ => Err(forms()),
        }
    }

    /// Where the prefix has a link in its place.
    pub fn link(&self, prefix: &Path) -> PathBuf {
        match self {
            Self::Letter(letter) => prefix
                .join("dosdevices")
                .join(format!("{}:", letter.to_ascii_lowercase())),
            Self::Folder(names) => prefix.join("drive_c").join(names.join("/")),
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |char: char| !char.is_control() && !r#"/\:*?"<>|="#.contains(char);
    !name.is_empty() && name.chars().all(is_plain) && !name.ends_with(['.', ' '])
}

impl fmt::Display for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Letter(letter) => write!(f, "{letter}:"),
            Self::Folder(names) => write!(f, "C:\\{}", names.join("\\")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn drives_and_folders_have_their_links() {
        for (text, shown, link) in [
            ("d", "D:", "dosdevices/d:"),
            ("Y:\\", "Y:", "dosdevices/y:"),
            (r"c:\inetpub", r"C:\inetpub", "drive_c/inetpub"),
            (
                r"C:\data\my site\",
                r"C:\data\my site",
                "drive_c/data/my site",
            ),
        ] {
            let drive = Drive::parse(text).unwrap();
            assert_eq!(drive.to_string(), shown);
            assert_eq!(drive.link(Path::new("/p")), Path::new("/p").join(link));
        }
    }

    #[test]
    fn what_is_wines_stays_wines() {
        for (text, expected) in [
            ("C", "holds Windows itself"),
            ("c:\\", "holds Windows itself"),
            ("Z:", "whole file system"),
            (r"C:\Windows", "belongs to Wine"),
            (r"C:\users\x", "belongs to Wine"),
            ("", "write a drive"),
            ("1", "write a drive"),
            ("DD", "write a drive"),
            (r"D:\x", "write a drive"),
            (r"C:x", "write a drive"),
            (r"C:\..\x", "write a drive"),
            (r"C:\a\\b", "write a drive"),
            (r"C:\a/b", "write a drive"),
        ] {
            let remedy = Drive::parse(text).unwrap_err();
            assert!(remedy.contains(expected), "{text}: {remedy}");
        }
    }
}
