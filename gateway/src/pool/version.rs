//! The content of an extension's file by its hash, for reports: found once for each version of the file, in the background.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::file::Identity;
use crate::observe::crash_report::content::Version;

/// A version that will be known soon; `None` when it cannot be.
pub type Known = Arc<OnceLock<Option<Version>>>;

/// The version that was asked for last.
#[derive(Default)]
pub struct Versions(Option<(Identity, Known)>);

impl Versions {
    /// What the file is now. To be called in a runtime.
    pub fn now(&mut self, file: &Path) -> Known {
        let Some(identity) = Identity::of(file) else {
            return Arc::new(OnceLock::from(None));
        };
        if let Some((last, known)) = &self.0
            && *last == identity
        {
            return known.clone();
        }
        let known = Known::default();
        self.0 = Some((identity, known.clone()));
        let (file, result) = (file.to_owned(), known.clone());
        tokio::task::spawn_blocking(move || {
            // Nobody else sets it.
            let _ = result.set(read(&file, identity));
        });
        known
    }
}

/// `None` when it cannot be read, or is another file by now.
fn read(file: &PathBuf, identity: Identity) -> Option<Version> {
    let (sha256, bytes) = hash(file).ok()?;
    let metadata = std::fs::metadata(file).ok()?;
    let modified = Timestamp::try_from(metadata.modified().ok()?).ok()?;
    (Identity::of(file) == Some(identity)).then_some(Version {
        sha256,
        bytes,
        modified,
    })
}

fn hash(file: &PathBuf) -> io::Result<(String, u64)> {
    let mut file = File::open(file)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 * 1024];
    let mut length = 0;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        hash.update(&piece[..count]);
        length += count as u64;
    }
    let hash = hash.finalize();
    let digits = hash.iter().map(|byte| format!("{byte:02x}"));
    Ok((digits.collect(), length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    async fn wait(known: &Known) -> Option<Version> {
        while known.get().is_none() {
            tokio::task::yield_now().await;
        }
        known.get().unwrap().clone()
    }

    #[tokio::test]
    async fn each_version_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.so");
        let mut versions = Versions::default();
        assert_eq!(wait(&versions.now(&file)).await, None);
        std::fs::write(&file, "abc").unwrap();
        let first = versions.now(&file);
        assert!(Arc::ptr_eq(&first, &versions.now(&file)));
        let version = wait(&first).await.unwrap();
        assert_eq!(
            (version.sha256.as_str(), version.bytes),
            (
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                3
            )
        );
        std::fs::write(&file, "abcd").unwrap();
        let second = versions.now(&file);
        assert_eq!(wait(&second).await.unwrap().bytes, 4);
        assert_eq!(first.get().unwrap().as_ref().unwrap().bytes, 3);
    }
}
