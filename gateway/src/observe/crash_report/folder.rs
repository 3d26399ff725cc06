//! The folder of the reports: one file for each, `POOL-TIME-PID.json`, whole or not at all, and of each pool the newest.
//! Of reports that would have the same name, the later ones have a later time in it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};

use super::content::Report;
use crate::os;

const SUFFIX: &str = ".json";
/// Ends the name of a file that is being written.
const UNFINISHED: &str = ".unfinished";
/// After this time nobody writes any more.
const ABANDONED: Duration = Duration::from_secs(60);

/// A folder, and how much of it may be used for each pool.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    /// Most reports.
    keep: usize,
    /// Most bytes of them.
    size: u64,
}

impl Folder {
    /// Makes it if it is not there, for its user alone.
    ///
    /// # Errors
    /// When that fails.
    pub fn open(path: PathBuf, keep: usize, size: u64) -> io::Result<Self> {
        os::create_private_folder(&path)?;
        Ok(Self { path, keep, size })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a report to a file for its user alone, and removes the pool's oldest ones that are too many. Returns its path.
    ///
    /// # Errors
    /// When it cannot be written. What cannot be removed stays.
    pub fn put(&self, report: &Report) -> io::Result<PathBuf> {
        let text = serde_json::to_vec_pretty(report).map_err(io::Error::other)?;
        let mut time = report.time;
        let (file, unfinished, path) = loop {
            if let Some(free) = self.create(report, time)? {
                break free;
            }
            time += SignedDuration::from_millis(1);
        };
        let written = write(file, &text).and_then(|()| fs::rename(&unfinished, &path));
        if written.is_err() {
            // As it was.
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        if let Err(error) = self.tidy(&report.pool) {
            let folder = self.path.display();
            tracing::warn!("old crash reports cannot be removed from {folder}: {error}");
        }
        Ok(path)
    }

    /// The file of a report that is being written, and its name then and afterwards; `None` when there is one of that time.
    fn create(
        &self,
        report: &Report,
        time: Timestamp,
    ) -> io::Result<Option<(File, PathBuf, PathBuf)>> {
        let time = time.strftime("%Y%m%dT%H%M%S%.3fZ");
        let name = format!("{}-{time}-{}{SUFFIX}", report.pool, report.worker.pid);
        let path = self.path.join(&name);
        let unfinished = self.path.join(format!("{name}{UNFINISHED}"));
        let file = match os::create_private_file(&unfinished) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            file => file?,
        };
        // Nobody else can take the name from here on.
        if path.try_exists()? {
            fs::remove_file(&unfinished)?;
            return Ok(None);
        }
        Ok(Some((file, unfinished, path)))
    }

    fn tidy(&self, pool: &str) -> io::Result<()> {
        let mut reports = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            // One that has just been removed by somebody else needs no more.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if let Some(whole) = name.strip_suffix(UNFINISHED) {
                let age = metadata
                    .modified()
                    .map(|at| SystemTime::now().duration_since(at));
                if time_of(whole, pool).is_some() && matches!(age, Ok(Ok(age)) if age > ABANDONED) {
                    let _ = fs::remove_file(entry.path());
                }
            } else if let Some(time) = time_of(&name, pool) {
                reports.push((time.to_owned(), entry.path(), metadata.len()));
            }
        }
        reports.sort_unstable();
        let lengths: Vec<u64> = reports.iter().rev().map(|(.., length)| *length).collect();
        let kept = kept(&lengths, self.keep, self.size);
        let surplus = reports.len() - kept;
        for (_, path, _) in reports.iter().take(surplus) {
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

fn write(mut file: File, text: &[u8]) -> io::Result<()> {
    file.write_all(text)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// How many of the newest reports stay, of so many bytes each, the newest first: one always does.
fn kept(lengths: &[u64], keep: usize, size: u64) -> usize {
    let mut sum: u64 = 0;
    let fitting = lengths.iter().take(keep).take_while(|length| {
        sum = sum.saturating_add(**length);
        sum <= size
    });
    fitting.count().max(1).min(lengths.len())
}

/// The time in the name of a report, if it is one of this pool.
fn time_of<'a>(name: &'a str, pool: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(pool)?.strip_prefix('-')?;
    let (time, pid) = rest.strip_suffix(SUFFIX)?.split_once('-')?;
    let is_time = time.len() == "20260101T000000.000Z".len()
        && time.ends_with('Z')
        && time.as_bytes().get(8) == Some(&b'T');
    let is_pid = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    (is_time && is_pid).then_some(time)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_newest_stay_as_far_as_they_fit() {
        for (lengths, keep, size, expected) in [
            (&[][..], 3, 100, 0),
            (&[10, 10], 3, 100, 2),
            (&[10, 10, 10, 10], 3, 100, 3),
            (&[40, 40, 40], 3, 100, 2),
            (&[400, 40], 3, 100, 1),
            (&[u64::MAX, u64::MAX], 3, 100, 1),
        ] {
            assert_eq!(kept(lengths, keep, size), expected, "{lengths:?}");
        }
    }

    #[test]
    fn a_report_belongs_to_one_pool() {
        let name = "a-b-20260102T030405.678Z-4711.json";
        assert_eq!(time_of(name, "a-b"), Some("20260102T030405.678Z"));
        for pool in ["a", "a-", "b", "a-b-2", ""] {
            assert_eq!(time_of(name, pool), None, "{pool}");
        }
        for other in [
            "a.json",
            "a-notes-1.json",
            "a-20260102T030405.678Z-x.json",
            "a-20260102T030405.678Z-1.txt",
        ] {
            assert_eq!(time_of(other, "a"), None, "{other}");
        }
    }

    #[test]
    fn the_oldest_go_and_foreign_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/crash");
        let reports = Folder::open(path.clone(), 2, 1 << 20).unwrap();
        fs::write(path.join("note.txt"), "mine").unwrap();
        fs::write(
            path.join("p-x-20200101T000000.000Z-1.json"),
            "another pool's",
        )
        .unwrap();
        let mut written = Vec::new();
        for millisecond in 0..4 {
            let report = Report::sample("p", millisecond);
            written.push(reports.put(&report).unwrap());
        }
        let there: Vec<bool> = written.iter().map(|path| path.exists()).collect();
        assert_eq!(there, [false, false, true, true]);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 4);
        let text = fs::read_to_string(&written[3]).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["pool"], "p");
        assert_eq!(value["time"], "1970-01-01T00:00:00.003Z");
    }

    #[test]
    fn reports_of_the_same_moment_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let reports = Folder::open(folder.path().to_owned(), 9, 1 << 20).unwrap();
        let paths = [(); 3].map(|()| reports.put(&Report::sample("p", 7)).unwrap());
        for (path, time) in paths.iter().zip(["007", "008", "009"]) {
            let name = format!("p-19700101T000000.{time}Z-0.json");
            assert_eq!(*path, folder.path().join(name));
            assert!(path.exists());
        }
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crash");
        let reports = Folder::open(path.clone(), 2, 1 << 20).unwrap();
        let file = reports.put(&Report::sample("p", 0)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&file)), (0o700, 0o600));
    }
}
