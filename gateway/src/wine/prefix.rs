//! The prefix: the folder with Windows' files, registry and drives, shared by all gateways that are told to use it.
//!
//! Two locks in it, both gone with their process, however it ends: `isapi-gateway.setup` is held while somebody sets the
//! prefix up or ends its server, `isapi-gateway.use` is shared by everybody who has workers there. Who can have the
//! second for itself alone is the last, and may end the server.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Drive, WineError};
use crate::alarms::sleep;
use crate::os::{self, symlink};

/// How often a lock that another gateway holds is asked for again.
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Longest note in the setup file that is read, bytes.
const NOTE_LIMIT: u64 = 4096;

/// The prefix that is used when none is configured: `isapi-gateway/wine` below `$XDG_STATE_HOME`, else below /var/lib
/// for root and `~/.local/state` for others.
///
/// # Errors
/// [`WineError::NoFolder`].
pub fn default_prefix() -> Result<PathBuf, WineError> {
    let state = os::state_folder().ok_or(WineError::NoFolder)?;
    Ok(state.join("wine"))
}

/// A prefix that this process uses.
pub struct Prefix {
    folder: PathBuf,
    /// Shared with all who use the prefix.
    in_use: File,
}

/// The right to change a prefix, for one process at a time.
pub struct Setup(File);

impl Prefix {
    /// Opens the prefix and waits for the right to set it up.
    ///
    /// # Errors
    /// When the folder cannot be created or written.
    pub async fn open(folder: &Path) -> io::Result<(Self, Setup)> {
        fs::create_dir_all(folder)?;
        let prefix = Self {
            folder: folder.to_owned(),
            in_use: open(&folder.join("isapi-gateway.use"))?,
        };
        let setup = prefix.setup().await?;
        Ok((prefix, setup))
    }

    /// Waits for the right to change the prefix.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub async fn setup(&self) -> io::Result<Setup> {
        let file = open(&self.folder.join("isapi-gateway.setup"))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Setup(file)),
                Err(TryLockError::WouldBlock) => sleep(LOCK_PAUSE).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Tells the others that this process uses the prefix.
    ///
    /// # Errors
    /// When the file system has no locks.
    pub fn enter(&self, _: &Setup) -> io::Result<()> {
        // Whoever has it alone has the setup too.
        self.in_use.try_lock_shared().map_err(io::Error::from)
    }

    /// This process uses the prefix no more. Whether it was the last.
    pub fn leave(&self, _: &Setup) -> bool {
        // The end of the process would release it too.
        let _ = self.in_use.unlock();
        self.is_free()
    }

    /// Whether nobody uses the prefix. To be called by who has the right to set it up, and does not use it.
    fn is_free(&self) -> bool {
        let free = self.in_use.try_lock().is_ok();
        let _ = self.in_use.unlock();
        free
    }

    /// Gives the prefix these drives. To be called before [`Self::enter`]. Links are replaced, but not under the eyes
    /// of others, and nothing else is.
    ///
    /// # Errors
    /// What stands in the way, in words for the operator.
    pub fn link(&self, _: &Setup, drives: &BTreeMap<Drive, PathBuf>) -> Result<(), String> {
        for (drive, target) in drives {
            let link = drive.link(&self.folder);
            let failed = |error: io::Error| format!("{}: {error}", link.display());
            match fs::read_link(&link) {
                Ok(current) if current == *target => continue,
                Ok(current) if !self.is_free() => {
                    return Err(format!(
                        "{drive} is {} for another gateway that runs",
                        current.display()
                    ));
                }
                Ok(_) => fs::remove_file(&link).map_err(failed)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return Err(format!("{drive} is a folder of the prefix itself")),
            }
            if let Some(parent) = link.parent() {
                fs::create_dir_all(parent).map_err(failed)?;
            }
            symlink(target, &link).map_err(failed)?;
        }
        Ok(())
    }
}

impl Setup {
    /// What the prefix was set up for, by [`Self::note`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn noted(&mut self) -> io::Result<String> {
        let mut note = Vec::new();
        self.0.rewind()?;
        (&self.0).take(NOTE_LIMIT).read_to_end(&mut note)?;
        Ok(String::from_utf8_lossy(&note).into_owned())
    }

    /// Notes that the prefix is set up, and for what.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&mut self, note: &str) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.write_all(note.as_bytes())
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_one_ends_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let (first, setup) = Prefix::open(folder.path()).await.unwrap();
        first.enter(&setup).unwrap();
        drop(setup);
        let (second, setup) = Prefix::open(folder.path()).await.unwrap();
        second.enter(&setup).unwrap();
        drop(setup);
        let setup = first.setup().await.unwrap();
        assert!(!first.leave(&setup));
        drop(setup);
        let setup = second.setup().await.unwrap();
        assert!(second.leave(&setup));
    }

    #[tokio::test]
    async fn one_sets_up_and_notes_it_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (first, mut setup) = Prefix::open(folder.path()).await.unwrap();
        assert_eq!(setup.noted().unwrap(), "");
        setup.note("a long note").unwrap();
        setup.note("wine-8").unwrap();
        let waiting = tokio::spawn({
            let folder = folder.path().to_owned();
            async move { Prefix::open(&folder).await.unwrap().1.noted().unwrap() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop((first, setup));
        assert_eq!(waiting.await.unwrap(), "wine-8");
    }

    #[tokio::test]
    async fn links_of_others_and_folders_stay() {
        let folder = tempfile::tempdir().unwrap();
        let drives = |target: &str| {
            BTreeMap::from([
                (Drive::parse("D").unwrap(), PathBuf::from(target)),
                (Drive::parse(r"C:\in\etpub").unwrap(), PathBuf::from(target)),
            ])
        };
        let (first, setup) = Prefix::open(folder.path()).await.unwrap();
        first.link(&setup, &drives("/srv/a")).unwrap();
        let linked = |name: &str| fs::read_link(folder.path().join(name)).unwrap();
        assert_eq!(linked("dosdevices/d:"), Path::new("/srv/a"));
        assert_eq!(linked("drive_c/in/etpub"), Path::new("/srv/a"));
        first.link(&setup, &drives("/srv/b")).unwrap();
        assert_eq!(linked("dosdevices/d:"), Path::new("/srv/b"));
        first.enter(&setup).unwrap();
        drop(setup);
        let (second, setup) = Prefix::open(folder.path()).await.unwrap();
        second.link(&setup, &drives("/srv/b")).unwrap();
        let refused = second.link(&setup, &drives("/srv/c")).unwrap_err();
        assert!(refused.contains("/srv/b for another gateway"), "{refused}");
        let own = BTreeMap::from([(Drive::parse(r"C:\in").unwrap(), PathBuf::from("/srv/a"))]);
        let refused = second.link(&setup, &own).unwrap_err();
        assert!(refused.contains("folder of the prefix"), "{refused}");
    }
}
