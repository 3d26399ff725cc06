//! Finds the library that an address belongs to in `/proc/self/maps`, piece by piece and in fixed memory: a signal
//! handler cannot ask the dynamic linker, whose lock another thread may hold. Pure.

/// Longer lines are not understood.
const LINE: usize = 512;
/// Longer file names are cut off.
const NAME: usize = 80;

/// Reads the map until it comes to the address.
pub(super) struct Finder {
    address: usize,
    line: [u8; LINE],
    length: usize,
    /// File of the last line that had one, and where it begins in memory.
    name: [u8; NAME],
    name_length: usize,
    base: usize,
    found: bool,
}

impl Finder {
    /// Looks for this address.
    pub(super) const fn new(address: usize) -> Self {
        Self {
            address,
            line: [0; LINE],
            length: 0,
            name: [0; NAME],
            name_length: 0,
            base: 0,
            found: false,
        }
    }

    /// Takes the next piece of the map.
    pub(super) fn push(&mut self, piece: &[u8]) {
        for byte in piece {
            if *byte != b'\n' {
                if let Some(place) = self.line.get_mut(self.length) {
                    *place = *byte;
                    self.length += 1;
                }
                continue;
            }
            self.end_line();
            self.length = 0;
        }
    }

    /// File name of the library and the address's offset in it.
    pub(super) fn found(&self) -> Option<(&[u8], usize)> {
        self.found
            .then(|| (&self.name[..self.name_length], self.address - self.base))
    }

    /// `START-END PERMISSIONS OFFSET DEVICE INODE PATH`. A library's lines stand together, the first is its beginning.
    fn end_line(&mut self) {
        if self.found || self.length == LINE {
            return;
        }
        let line = &self.line[..self.length];
        let Some(slash) = line.iter().position(|byte| *byte == b'/') else {
            return;
        };
        let Some((start, end)) = range(line) else {
            return;
        };
        let path = &line[slash..];
        let name_start = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0) + 1;
        let name = of_memory(&path[name_start..]);
        let name = &name[..name.len().min(NAME)];
        if self.name[..self.name_length] != *name {
            self.name[..name.len()].copy_from_slice(name);
            self.name_length = name.len();
            self.base = start;
        }
        self.found = (start..end).contains(&self.address);
    }
}

/// The name without what the system adds where `os::image` has replaced a file's mapping: `memfd:x.so (deleted)`.
fn of_memory(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"memfd:")
        .and_then(|name| name.strip_suffix(b" (deleted)"))
        .unwrap_or(name)
}

fn range(line: &[u8]) -> Option<(usize, usize)> {
    let text = line.split(|byte| *byte == b' ').next()?;
    let (start, end) = std::str::from_utf8(text).ok()?.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let (start, end) = (number(start)?, number(end)?);
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAP: &[u8] = b"\
00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/isapi-worker
00e03000-00e24000 rw-p 00000000 00:00 0           [heap]
35b1a000-35b1b000 r--p 00000000 08:02 135870      /srv/my ext.so
35b1b000-35b20000 r-xp 00001000 08:02 135870      /srv/my ext.so
35b20000-35b21000 rw-p 00000000 00:00 0
";

    fn find(map: &[u8], piece: usize, address: usize) -> Option<(Vec<u8>, usize)> {
        let mut finder = Finder::new(address);
        map.chunks(piece).for_each(|piece| finder.push(piece));
        finder.found().map(|(name, offset)| (name.to_vec(), offset))
    }

    #[test]
    fn tells_library_and_offset() {
        for piece in [1, 7, 1000] {
            assert_eq!(
                find(MAP, piece, 0x35b1_b123),
                Some((b"my ext.so".to_vec(), 0x1123))
            );
            assert_eq!(
                find(MAP, piece, 0x0040_0000),
                Some((b"isapi-worker".to_vec(), 0))
            );
            for nowhere in [0, 0x00e0_3000, 0x35b2_0000, usize::MAX] {
                assert_eq!(find(MAP, piece, nowhere), None);
            }
        }
    }

    #[test]
    fn finds_code_of_this_process() {
        let map = std::fs::read("/proc/self/maps").unwrap_or_default();
        let own = std::env::current_exe().unwrap_or_default();
        let name = own.file_name().unwrap_or_default().as_encoded_bytes();
        let found = find(&map, 100, finds_code_of_this_process as *const () as usize);
        assert_eq!(
            found.map(|(found, _)| found),
            Some(name[..name.len().min(NAME)].to_vec())
        );
    }

    #[test]
    fn names_what_no_longer_needs_its_file() {
        let map = b"1000-2000 r--p 0 00:01 9 /memfd:x.so (deleted)\n2000-3000 r-xp 0 00:01 10 /memfd:x.so (deleted)\n";
        assert_eq!(find(map, 9, 0x2010), Some((b"x.so".to_vec(), 0x1010)));
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(map in proptest::collection::vec(any::<u8>(), 0..2000), address: usize) {
            find(&map, 64, address);
        }

        #[test]
        fn long_lines_do_no_harm(path in "[/a]{400,700}", address in 0x1000usize..0x3000) {
            let map = format!("1000-2000 r-xp 0 0:0 0 /{path}\n1000-3000 r-xp 0 0:0 0 /b\n");
            prop_assert!(find(map.as_bytes(), 64, address).is_some());
        }
    }
}
