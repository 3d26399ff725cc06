//! The request body inside the worker: what has arrived and the extension has not taken yet (ISAPI.md §2.2, §2.3).

use std::collections::VecDeque;
use std::io::Read as _;

/// Bytes of the body that the extension gets in `lpbData` before it is called: IIS's UploadReadAheadSize.
pub const READ_AHEAD: usize = 49_152;
/// Bytes of a body that may wait for the extension: more than the read-ahead, and enough to keep a pipe busy.
pub const ROOM: u32 = 256 * 1024;

/// A body on its way to the extension. Its size is bounded by whoever pushes: the credit granted to the gateway, or the
/// reader that waits while it [`Body::is_full`].
#[derive(Debug, Default)]
pub struct Body {
    bytes: VecDeque<u8>,
    declared: Option<u64>,
    received: u64,
    ended: bool,
    /// It ended before it was whole.
    short: bool,
}

/// What a read finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// This many bytes were copied; zero only for an empty buffer.
    Bytes(usize),
    /// Nothing is there yet.
    Wait,
    /// The body is over, whole.
    End,
    /// The body ended before it was whole (ISAPI.md §3.3: FALSE + 10054).
    Short,
}

impl Body {
    /// A body with its `CONTENT_LENGTH`, if there is one. A declared length of zero has ended already.
    pub fn new(declared: Option<u64>) -> Self {
        Self {
            declared,
            ended: declared == Some(0),
            ..Self::default()
        }
    }

    /// Takes bytes from the front. Those beyond the declared length are dropped (FastCGI 1.0 §6.2). If none wait, `give`
    /// may give the extension the first ones at once, and says how many. Returns how many wait from now on.
    pub fn push(&mut self, bytes: &[u8], give: impl FnOnce(&[u8]) -> usize) -> usize {
        if self.ended {
            return 0;
        }
        let room = self
            .declared
            .map_or(u64::MAX, |total| total - self.received);
        let kept = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        self.received += kept as u64;
        self.ended = Some(self.received) == self.declared;
        let given = if self.bytes.is_empty() {
            give(&bytes[..kept])
        } else {
            0
        };
        self.bytes.extend(&bytes[given..kept]);
        kept - given
    }

    /// The front says that no more comes.
    pub fn end(&mut self) {
        self.short |= self.declared.is_some_and(|total| self.received < total);
        self.ended = true;
    }

    /// Nothing more can come. Without a declared length nobody knows whether it would have.
    pub fn cut(&mut self) {
        self.short |= !self.ended;
        self.ended = true;
    }

    /// Whether so much of it waits for the extension that a reader without flow control takes no more.
    pub fn is_full(&self) -> bool {
        self.holds_more_than(ROOM as usize)
    }

    /// Whether more than so many bytes of it wait for the extension.
    pub fn holds_more_than(&self, limit: usize) -> bool {
        self.bytes.len() > limit
    }

    /// Whether all has come that will.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether any of it has come.
    pub fn has_begun(&self) -> bool {
        self.received > 0
    }

    /// Whether a read would find something: bytes or the end.
    pub fn has_news(&self) -> bool {
        self.ended || !self.bytes.is_empty()
    }

    /// Whether the extension can be called: the read-ahead is full, or everything has come.
    pub fn is_ready(&self) -> bool {
        self.ended || self.bytes.len() >= READ_AHEAD
    }

    /// The bytes for `lpbData`.
    pub fn take_read_ahead(&mut self) -> Vec<u8> {
        if self.bytes.len() <= READ_AHEAD {
            return Vec::from(std::mem::take(&mut self.bytes));
        }
        let mut first = Vec::with_capacity(READ_AHEAD);
        let (front, back) = self.bytes.as_slices();
        for half in [front, back] {
            first.extend_from_slice(&half[..half.len().min(READ_AHEAD - first.len())]);
        }
        self.bytes.drain(..READ_AHEAD);
        first
    }

    /// `cbTotalBytes` for a body whose first `available` bytes are in `lpbData` (the table of ISAPI.md §2.3).
    pub fn total_bytes(&self, available: usize) -> u32 {
        let known = self.declared.or_else(|| {
            (self.ended && !self.short && self.bytes.is_empty()).then_some(available as u64)
        });
        known
            .and_then(|total| u32::try_from(total).ok())
            .unwrap_or(u32::MAX)
    }

    /// Bytes that have not been taken, those that have not come yet included; `None` when nobody knows.
    pub fn remaining(&self) -> Option<u64> {
        let waiting = self.bytes.len() as u64;
        match self.declared {
            _ if self.ended => Some(waiting),
            Some(total) => Some(total - self.received + waiting),
            None => None,
        }
    }

    /// Copies what is there into `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> Read {
        if buffer.is_empty() {
            return Read::Bytes(0);
        }
        let mut copied = 0;
        // A ring buffer has two halves: the second read gets the second one.
        while copied < buffer.len() {
            match self.bytes.read(&mut buffer[copied..]) {
                Ok(0) | Err(_) => break,
                Ok(count) => copied += count,
            }
        }
        match copied {
            0 if !self.ended => Read::Wait,
            0 if self.short => Read::Short,
            0 => Read::End,
            count => Read::Bytes(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_body_is_ready_at_once() {
        let body = Body::new(Some(0));
        assert!(body.is_ready());
        assert_eq!(body.total_bytes(0), 0);
    }

    #[test]
    fn read_ahead_is_awaited_for_known_lengths() {
        for length in [1, READ_AHEAD - 1, READ_AHEAD, READ_AHEAD + 1] {
            let mut body = Body::new(Some(length as u64));
            body.push(&vec![b'x'; length - 1], |_| 0);
            assert_eq!(body.is_ready(), length > READ_AHEAD);
            body.push(b"y", |_| 0);
            assert!(body.is_ready());
            let available = body.take_read_ahead();
            assert_eq!(available.len(), length.min(READ_AHEAD));
            assert_eq!(body.total_bytes(available.len()) as usize, length);
        }
    }

    #[test]
    fn unknown_length_is_known_when_it_fits_the_read_ahead() {
        let mut body = Body::new(None);
        body.push(b"abc", |_| 0);
        assert!(!body.is_ready());
        body.end();
        assert!(body.is_ready());
        assert_eq!(body.take_read_ahead(), b"abc");
        assert_eq!(body.total_bytes(3), 3);
        let mut long = Body::new(None);
        long.push(&[0; READ_AHEAD + 5], |_| 0);
        assert_eq!(long.take_read_ahead().len(), READ_AHEAD);
        assert_eq!(long.total_bytes(READ_AHEAD), u32::MAX);
    }

    #[test]
    fn four_gigabytes_are_unknown_to_a_dword() {
        assert_eq!(
            Body::new(Some(u64::from(u32::MAX))).total_bytes(0),
            u32::MAX
        );
        assert_eq!(Body::new(Some(1 << 32)).total_bytes(0), u32::MAX);
    }

    #[test]
    fn excess_is_dropped_and_a_short_body_is_told() {
        let mut body = Body::new(Some(3));
        assert_eq!(body.push(b"abcdef", |_| 0), 3);
        let mut buffer = [0; 8];
        assert_eq!(body.read(&mut buffer), Read::Bytes(3));
        assert_eq!(body.read(&mut buffer), Read::End);
        let mut short = Body::new(Some(3));
        short.push(b"a", |_| 0);
        assert_eq!(short.read(&mut buffer), Read::Bytes(1));
        assert_eq!(short.read(&mut buffer), Read::Wait);
        short.end();
        assert_eq!(short.read(&mut buffer), Read::Short);
        assert_eq!(short.read(&mut []), Read::Bytes(0));
    }

    #[test]
    fn a_body_of_unknown_length_that_is_cut_is_short() {
        let mut body = Body::new(None);
        body.push(b"abc", |_| 0);
        body.cut();
        assert_eq!(body.take_read_ahead(), b"abc");
        assert_eq!(body.total_bytes(3), u32::MAX);
        assert_eq!(body.read(&mut [0; 8]), Read::Short);
        let mut whole = Body::new(None);
        whole.end();
        whole.cut();
        assert_eq!(whole.read(&mut [0; 8]), Read::End);
    }
}
