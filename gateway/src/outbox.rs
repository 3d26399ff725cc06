//! Records that wait to be written to a worker or a web server. Long pieces of bodies are written from where they are.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use fastcgi_protocol::{RecordType, encode};

/// Bytes from which on a piece of a body stays where it has been read. With fewer, many small pieces could hold many buffers.
pub const SHARED: usize = 16 * 1024;

/// Buffers for one write, at most.
const SLICES: usize = 32;

/// Capacity that is kept when everything has been written.
const KEPT: usize = 64 * 1024;

/// Records on their way out.
#[derive(Default)]
pub struct Outbox {
    /// Those before a long piece, and the piece itself; and so on.
    front: VecDeque<Bytes>,
    /// How many bytes these are.
    ahead: usize,
    /// The records behind them.
    records: Vec<u8>,
    /// How many of the bytes of `records` have been written.
    written: usize,
}

impl Outbox {
    /// Where records are appended.
    pub fn records(&mut self) -> &mut Vec<u8> {
        &mut self.records
    }

    /// Appends bytes of a stream.
    pub fn stream(&mut self, kind: RecordType, id: u16, bytes: &Bytes) {
        if bytes.len() < SHARED {
            return encode::stream(&mut self.records, kind, id, bytes);
        }
        for (header, content, padding) in encode::stream_parts(kind, id, bytes) {
            self.records.extend_from_slice(&header);
            let mut records = Bytes::from(std::mem::take(&mut self.records));
            records.advance(std::mem::take(&mut self.written));
            self.push(records);
            self.push(bytes.slice_ref(content));
            self.records.extend_from_slice(padding);
        }
    }

    /// Bytes that have not been written.
    pub fn len(&self) -> usize {
        self.ahead + self.records.len() - self.written
    }

    /// Whether everything has been written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Throws away what has not been written.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Has written what the connection takes at once. There is something to be written.
    ///
    /// # Errors
    /// Those of `write`, and that it takes nothing any more.
    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(&mut Context<'_>, &[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let records = IoSlice::new(&self.records[self.written..]);
        let written = if self.front.is_empty() {
            write(context, &[records])
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let front = self.front.iter().map(|bytes| IoSlice::new(bytes));
            let mut count = 0;
            for (slice, bytes) in slices.iter_mut().zip(front.chain([records])) {
                *slice = bytes;
                count += 1;
            }
            write(context, &slices[..count])
        };
        match ready!(written)? {
            0 => Poll::Ready(Err(ErrorKind::WriteZero.into())),
            written => {
                self.advance(written);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn push(&mut self, bytes: Bytes) {
        self.ahead += bytes.len();
        self.front.push_back(bytes);
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.front.front_mut() {
            let now = count.min(first.len());
            first.advance(now);
            self.ahead -= now;
            count -= now;
            if !first.is_empty() {
                return;
            }
            self.front.pop_front();
        }
        self.written += count;
        if self.written == self.records.len() {
            self.records.clear();
            self.records.shrink_to(KEPT);
            self.written = 0;
        } else if self.written >= KEPT.max(self.records.len() / 2) {
            // A worker that never catches up makes nothing grow; fewer bytes are moved than have been written.
            self.records.drain(..self.written);
            self.written = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everything_is_written_in_order(
            pieces in prop::collection::vec(0_usize..100_000, 1..10),
            takes in prop::collection::vec(0_usize..100_000, 1..20),
        ) {
            let (mut outbox, mut expected, mut written) = (Outbox::default(), Vec::new(), Vec::new());
            let (mut takes, mut context) = (takes.iter().cycle(), Context::from_waker(Waker::noop()));
            let mut write = |outbox: &mut Outbox, last: bool| {
                let mut take = |_: &mut Context<'_>, slices: &[IoSlice<'_>]| {
                    let room = takes.next().copied().unwrap_or(0);
                    if room == 0 && !last {
                        return Poll::Pending;
                    }
                    let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
                    let before = written.len();
                    written.extend(bytes.take(room.max(1)));
                    Poll::Ready(Ok(written.len() - before))
                };
                while !outbox.is_empty() && outbox.poll_write(&mut context, &mut take).is_ready() {}
            };
            for (number, length) in pieces.into_iter().enumerate() {
                let id = u16::try_from(number).unwrap_or(0);
                let bytes: Bytes = (0..=250).cycle().skip(number).take(length).collect();
                encode::stream(&mut expected, RecordType::Stdin, id, &bytes);
                encode::credit(&mut expected, id, 1);
                outbox.stream(RecordType::Stdin, id, &bytes);
                encode::credit(outbox.records(), id, 1);
                write(&mut outbox, false);
            }
            write(&mut outbox, true);
            prop_assert!(outbox.is_empty());
            prop_assert!(written == expected);
        }
    }

    #[test]
    fn nothing_grows_for_who_never_catches_up() {
        let (mut outbox, piece) = (Outbox::default(), Bytes::from(vec![0; 8 * 1024]));
        let mut context = Context::from_waker(Waker::noop());
        encode::credit(outbox.records(), 1, 1);
        let left = outbox.len();
        for _ in 0..10_000 {
            outbox.stream(RecordType::Stdin, 1, &piece);
            let room = outbox.len() - left;
            let written = outbox.poll_write(&mut context, |_, _| Poll::Ready(Ok(room)));
            assert!(written.is_ready());
            assert_eq!(outbox.len(), left);
        }
        let capacity = outbox.records.capacity();
        assert!(capacity <= 4 * KEPT, "{capacity}");
    }

    #[test]
    fn who_takes_nothing_any_more_fails() {
        let mut outbox = Outbox::default();
        outbox.stream(RecordType::Stdin, 1, &Bytes::from(vec![0; 2 * SHARED]));
        let context = &mut Context::from_waker(Waker::noop());
        let written = outbox.poll_write(context, |_, _| Poll::Ready(Ok(0)));
        assert!(matches!(written, Poll::Ready(Err(_))));
    }
}
