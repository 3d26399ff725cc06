//! What workers and programs say on standard error, line by line in the log.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longer lines are broken here, bytes.
const LINE_LIMIT: usize = 4096;

/// What somebody says, on its way to the log.
pub struct Log<S> {
    /// `None` after its end.
    stream: Option<S>,
    buffer: Vec<u8>,
    lines: Lines,
    pool: String,
    pid: u32,
}

impl<S: AsyncRead + Unpin> Log<S> {
    /// A log of this process.
    pub fn new(stream: S, pool: String, pid: u32) -> Self {
        Self {
            stream: Some(stream),
            buffer: Vec::new(),
            lines: Lines::default(),
            pool,
            pid,
        }
    }

    /// Logs everything that comes, until its end. May be dropped, and called again: nothing gets lost.
    pub async fn go_on(&mut self) {
        let (pool, pid) = (&self.pool, self.pid);
        let each = |line: &str| tracing::warn!(pool, pid, "{line}");
        while let Some(stream) = &mut self.stream {
            self.buffer.clear();
            self.buffer.reserve(LINE_LIMIT);
            match stream.read_buf(&mut self.buffer).await {
                Ok(1..) => self.lines.push(&self.buffer, each),
                _ => self.stream = None,
            }
        }
        self.lines.flush(each);
    }
}

/// Gives `each` every line that is not blank, until the end.
pub async fn read(mut stderr: impl AsyncRead + Unpin, mut each: impl FnMut(&str)) {
    let mut lines = Lines::default();
    let mut buffer = [0; LINE_LIMIT];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        lines.push(&buffer[..count], &mut each);
    }
    lines.flush(each);
}

/// Cuts text into lines; holds the beginning of one.
#[derive(Default)]
pub struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Gives `each` the lines that are whole with these bytes, or too long.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for part in piece.chunks(LINE_LIMIT) {
                if self.partial.len() + part.len() > LINE_LIMIT {
                    self.flush(&mut each);
                }
                self.partial.extend_from_slice(part);
            }
            if piece.ends_with(b"\n") {
                self.flush(&mut each);
            }
        }
    }

    /// Gives `each` what is left, if it is not blank.
    pub fn flush(&mut self, mut each: impl FnMut(&str)) {
        let line = self.partial.trim_ascii_end();
        if !line.is_empty() {
            each(&String::from_utf8_lossy(line));
        }
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::*;

    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let seen = RefCell::new(Vec::new());
        let each = |line: &str| seen.borrow_mut().push(line.to_owned());
        let mut lines = Lines::default();
        for piece in pieces {
            lines.push(piece, each);
        }
        lines.flush(each);
        seen.into_inner()
    }

    #[test]
    fn lines_are_whole_not_blank_and_bounded() {
        assert_eq!(
            lines([&b"one\r\n\ntw"[..], b"o\nthree"]),
            ["one", "two", "three"]
        );
        let long = vec![b'a'; LINE_LIMIT + 10];
        let lengths: Vec<usize> = lines([&long[..]]).iter().map(String::len).collect();
        assert_eq!(lengths, [LINE_LIMIT, 10]);
    }

    proptest! {
        #[test]
        fn the_way_of_arrival_does_not_matter(text in "[a-z\\n]{0,200}", size in 1_usize..50) {
            let expected: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(lines(text.as_bytes().chunks(size)), expected);
        }
    }
}
