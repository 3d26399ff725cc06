//! The bounded buffer between a connection's bytes and its records.

use crate::{HEADER_LEN, MAX_CONTENT, ProtocolError, Record, parse};

/// The longest record there can be: header, content, padding.
const MAX_RECORD: usize = HEADER_LEN + MAX_CONTENT + 255;

/// What one read should be able to take: as much as a Linux pipe holds.
const READ_SIZE: usize = 64 * 1024;

/// The receive buffer of one connection: large reads in, whole records out, without copying a record.
///
/// Use: read into [`space`](Self::space), tell the number of bytes with [`advance`](Self::advance), then take records
/// with [`next`](Self::next) until it returns `None`. Its size is fixed: 64 KiB and one maximal record.
#[derive(Debug)]
pub struct RecordBuffer {
    buffer: Box<[u8]>,
    /// Where the bytes not yet taken begin.
    start: usize,
    /// Where they end and new bytes go.
    end: usize,
}

impl RecordBuffer {
    /// The bytes that it holds at most.
    pub const SIZE: usize = MAX_RECORD + READ_SIZE;

    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buffer: vec![0; Self::SIZE].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    /// Room for bytes to be received: at least 64 KiB if [`next`](Self::next) returned `None` since the last
    /// [`advance`](Self::advance). Empty only when whole records fill the buffer and nobody takes them.
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.start > 0 && self.buffer.len() - self.end < READ_SIZE {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buffer[self.end..]
    }

    /// The first `n` bytes of [`space`](Self::space) have been filled.
    ///
    /// # Panics
    ///
    /// When `n` is more than the space that there was.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        assert!(
            n <= self.buffer.len() - self.end,
            "more bytes received than there was space for"
        );
        self.end += n;
    }

    /// The next whole record, or `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// As [`parse`]; the connection cannot be used further.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator cannot lend its item from the buffer"
    )]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, ProtocolError> {
        let Some((record, used)) = parse(&self.buffer[self.start..self.end])? else {
            return Ok(None);
        };
        self.start += used;
        Ok(Some(record))
    }

    /// True when no byte is left: the peer's end of file here is a clean one, not in the middle of a record.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

impl Default for RecordBuffer {
    fn default() -> Self {
        Self::new()
    }
}
