//! Whether a file has changed. Asking is cheap and works on every file system, and where a file is renamed into place.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::os;

/// What tells a version of a file from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    number: (u64, u64),
    size: u64,
    modified: SystemTime,
}

impl Identity {
    /// That of the file now; `None` if there is none.
    pub fn of(file: &Path) -> Option<Self> {
        let metadata = fs::metadata(file).ok()?;
        Some(Self {
            number: os::file_number(&metadata),
            size: metadata.len(),
            modified: metadata.modified().ok()?,
        })
    }
}

/// Watches a file by looking now and then.
pub struct FileWatch {
    /// The version that is in use.
    known: Option<Identity>,
    /// A newer one, which may not be whole yet.
    newer: Option<Identity>,
}

impl FileWatch {
    /// The file as it is when the watch begins.
    pub fn new(known: Option<Identity>) -> Self {
        Self { known, newer: None }
    }

    /// Takes what the file is now. True once for each new version, when it has been the same for two looks: until then
    /// somebody may still be writing it. A file that is missing may come back.
    pub fn has_changed(&mut self, now: Option<Identity>) -> bool {
        let newer = now.filter(|_| now != self.known);
        let is_stable = newer.is_some() && newer == self.newer;
        if is_stable {
            self.known = newer;
        }
        self.newer = newer.filter(|_| !is_stable);
        is_stable
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_new_version_counts_once_when_it_is_stable() {
        let version = |size| {
            Some(Identity {
                number: (1, 1),
                size,
                modified: SystemTime::UNIX_EPOCH,
            })
        };
        let mut watch = FileWatch::new(version(1));
        let looks = [1, 2, 3, 3, 3, 0, 0, 3, 2, 3, 4, 0, 4, 4];
        let changed: Vec<usize> = (0..looks.len())
            .filter(|at| watch.has_changed(version(looks[*at]).filter(|_| looks[*at] > 0)))
            .collect();
        assert_eq!(changed, [3, 13]);
    }

    #[test]
    fn writing_in_place_and_renaming_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.so");
        assert_eq!(Identity::of(&file), None);
        fs::write(&file, "one").unwrap();
        let first = Identity::of(&file);
        assert_eq!(first, Identity::of(&file));
        fs::write(&file, "three").unwrap();
        let second = Identity::of(&file);
        assert_ne!(first, second);
        let other = folder.path().join("other");
        fs::write(&other, "three").unwrap();
        fs::rename(other, &file).unwrap();
        assert_ne!(second, Identity::of(&file));
    }
}
