//! A line of text in fixed memory.

use std::fmt;

/// Bytes of a line at most, with its end.
const LIMIT: usize = 640;

/// Text that is cut off where the memory ends.
pub(super) struct Line {
    bytes: [u8; LIMIT],
    length: usize,
}

impl Line {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; LIMIT],
            length: 0,
        }
    }

    /// The text and its line end.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.bytes[self.length] = b'\n';
        &self.bytes[..=self.length]
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LIMIT - 1 - self.length;
        let kept = text.len().min(room);
        self.bytes[self.length..][..kept].copy_from_slice(&text.as_bytes()[..kept]);
        self.length += kept;
        if kept == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fmt::Write as _;

    #[test]
    fn ends_where_the_memory_does() {
        let mut line = Line::new();
        assert!(line.write_str("abc").is_ok());
        assert!(line.write_str(&"x".repeat(2 * LIMIT)).is_err());
        let text = line.finish();
        assert_eq!(text.len(), LIMIT);
        assert!(text.starts_with(b"abcx") && text.ends_with(b"x\n"));
    }
}
