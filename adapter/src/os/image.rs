//! Loaded libraries that no longer need their files: those may then be overwritten in place while they run.
//!
//! A system that loads a library maps its file. Whoever truncates or overwrites that file changes or takes away pages
//! of the running process, private copies of them included (`truncate(2)` zaps those too). So each mapping is replaced
//! by one of the same bytes in memory that nobody else knows. Its name stays visible in `/proc/self/maps`.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::MemfdFlags;
use rustix::mm::{MapFlags, ProtFlags};

/// Files that were mapped at some time.
pub struct Images(BTreeSet<Vec<u8>>);

/// A line of `/proc/self/maps` (proc(5)) with a file.
#[derive(Debug, PartialEq, Eq)]
struct Mapping<'a> {
    start: usize,
    end: usize,
    protection: ProtFlags,
    file: &'a [u8],
}

impl Images {
    /// Those that are mapped now.
    pub fn mapped() -> Self {
        let maps = std::fs::read("/proc/self/maps").unwrap_or_default();
        Self(
            mappings(&maps)
                .map(|mapping| mapping.file.to_vec())
                .collect(),
        )
    }

    /// Makes the images in this folder private that have been mapped since.
    ///
    /// # Safety
    /// No other thread writes to their data meanwhile.
    ///
    /// # Errors
    /// When the system refuses memory of this kind. What has been done until then stays, and does no harm.
    pub unsafe fn make_private(&self, folder: &Path) -> io::Result<()> {
        let maps = std::fs::read("/proc/self/maps")?;
        let folder = folder.as_os_str().as_bytes();
        for mapping in mappings(&maps) {
            let is_beside = mapping
                .file
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with(b"/"));
            if is_beside && !self.0.contains(mapping.file) {
                // SAFETY: the library is never unloaded, and by the caller's promise nobody writes to it.
                unsafe { mapping.replace()? };
            }
        }
        Ok(())
    }
}

impl Mapping<'_> {
    /// Replaces the mapping by one of the same bytes, at once as far as other threads can see.
    ///
    /// # Safety
    /// It is mapped as it says, and nobody writes to it meanwhile.
    unsafe fn replace(&self) -> io::Result<()> {
        if !self.protection.contains(ProtFlags::READ) {
            return Ok(());
        }
        let length = self.end - self.start;
        // SAFETY: readable memory, by the caller's promise. A file that is shorter than its mapping has been truncated
        // by now; then the fault ends this process, as it would in the extension.
        let bytes = unsafe {
            let start = std::ptr::with_exposed_provenance::<u8>(self.start);
            std::slice::from_raw_parts(start, length)
        };
        let memory = memory(self.name())?;
        // Only the system reads them: there may be memory in between that a sanitizer keeps from everybody else.
        let mut left = bytes;
        while !left.is_empty() {
            match rustix::io::retry_on_intr(|| rustix::io::write(&memory, left))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => left = &left[count..],
            }
        }
        // SAFETY: the place of the mapping itself, which becomes one of the same bytes.
        unsafe {
            rustix::mm::mmap(
                std::ptr::with_exposed_provenance_mut(self.start),
                length,
                self.protection,
                MapFlags::PRIVATE | MapFlags::FIXED,
                &memory,
                0,
            )?;
        }
        Ok(())
    }

    fn name(&self) -> &[u8] {
        /// What the system takes as the name of such memory, bytes.
        const LONGEST: usize = 249;
        let slash = self.file.iter().rposition(|byte| *byte == b'/');
        let name = &self.file[slash.map_or(0, |at| at + 1)..];
        &name[..name.len().min(LONGEST)]
    }
}

/// Memory that may be executed; kernels before 6.3 do not know that one has to say so.
fn memory(name: &[u8]) -> rustix::io::Result<std::os::fd::OwnedFd> {
    rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::EXEC)
        .or_else(|_| rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC))
}

/// The private mappings of files.
fn mappings(maps: &[u8]) -> impl Iterator<Item = Mapping<'_>> {
    maps.split(|byte| *byte == b'\n').filter_map(mapping)
}

/// `START-END PERMISSIONS OFFSET DEVICE INODE PATH`.
fn mapping(line: &[u8]) -> Option<Mapping<'_>> {
    let slash = line.iter().position(|byte| *byte == b'/')?;
    let (fields, file) = line.split_at(slash);
    let mut fields = std::str::from_utf8(fields).ok()?.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (start, end) = (number(start)?, number(end)?);
    let &[read, write, execute, b'p'] = fields.next()?.as_bytes() else {
        return None;
    };
    let flag = |byte: u8, flag: ProtFlags| match byte {
        b'-' => ProtFlags::empty(),
        _ => flag,
    };
    (start < end).then_some(Mapping {
        start,
        end,
        protection: flag(read, ProtFlags::READ)
            | flag(write, ProtFlags::WRITE)
            | flag(execute, ProtFlags::EXEC),
        file,
    })
}

fn number(digits: &str) -> Option<usize> {
    usize::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs::File;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_a_line() {
        let line = b"35b1b000-35b20000 r-xp 00001000 08:02 135870      /srv/my ext.so";
        let expected = Mapping {
            start: 0x35b1_b000,
            end: 0x35b2_0000,
            protection: ProtFlags::READ | ProtFlags::EXEC,
            file: b"/srv/my ext.so",
        };
        assert_eq!(mapping(line), Some(expected));
        for other in [
            &b"00e03000-00e24000 rw-p 00000000 00:00 0           [heap]"[..],
            b"7f0000000000-7f0000001000 rw-s 00000000 00:01 1    /dev/zero (deleted)",
            b"",
        ] {
            assert_eq!(mapping(other), None);
        }
    }

    #[test]
    fn a_private_image_outlives_its_file() {
        let folder = std::env::temp_dir().join(format!("image-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("a file");
        std::fs::write(&path, vec![7; 3 * 4096]).unwrap();
        let before = Images::mapped();
        let file = File::open(&path).unwrap();
        // SAFETY: a fresh mapping, which stays until the test ends.
        let bytes = unsafe {
            let map = rustix::mm::mmap(
                std::ptr::null_mut(),
                3 * 4096,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
                &file,
                0,
            );
            std::slice::from_raw_parts_mut(map.unwrap().cast::<u8>(), 3 * 4096)
        };
        bytes[4096] = 8;
        // SAFETY: nobody else knows the mapping.
        unsafe { before.make_private(&folder).unwrap() };
        std::fs::write(&path, "x").unwrap();
        assert_eq!((bytes[0], bytes[4096], bytes[3 * 4096 - 1]), (7, 8, 7));
        bytes[0] = 9;
        assert_eq!(bytes[0], 9);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    proptest! {
        #[test]
        fn any_line_does_no_harm(line in prop::collection::vec(any::<u8>(), 0..200)) {
            mapping(&line);
        }
    }
}
