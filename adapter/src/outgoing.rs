//! The sending side of a connection. Whoever has something to send appends it; one of them writes, for all, everything
//! that has gathered by then: under load many answers leave in one system call.

use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastcgi_protocol::{HEADER_LEN, RecordType, encode};

use crate::bell::Bell;
use crate::link::Gone;
use crate::os::Transport;

/// Bytes on their way out. Their number is bounded by the credit of the requests, or by [`Wait::Written`].
pub struct Outgoing {
    transport: Arc<dyn Transport>,
    state: Mutex<State>,
    written: Bell,
}

/// Whether a sender waits until its bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// No: credit bounds what gathers.
    No,
    /// No, and the bytes may wait, too, for as long as [`Outgoing::hold`] lasts.
    Held,
    /// Yes: there is no credit on this connection.
    Written,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    /// An empty buffer to swap with, so that none is allocated for each write.
    spare: Vec<u8>,
    /// Somebody is writing.
    writing: bool,
    /// Somebody will see to what may wait.
    holding: bool,
    /// Bytes appended and written since the start.
    appended: u64,
    done: u64,
    broken: bool,
}

impl State {
    fn fill(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        let before = self.pending.len();
        fill(&mut self.pending);
        self.appended += (self.pending.len() - before) as u64;
    }
}

impl Outgoing {
    /// Sends over `transport`.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            state: Mutex::default(),
            written: Bell::default(),
        }
    }

    /// Appends what `fill` writes, and sees to it that it is written.
    ///
    /// # Errors
    /// When the other end does not read any more.
    pub fn send(&self, wait: Wait, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), Gone> {
        let mut state = self.lock();
        state.fill(fill);
        let mine = state.appended;
        if state.writing {
            while wait == Wait::Written && state.done < mine && !state.broken {
                state = self.written.wait(state);
            }
        } else if wait != Wait::Held || !state.holding || state.pending.len() >= HELD {
            state = self.write_pending(state);
        }
        if state.broken { Err(Gone) } else { Ok(()) }
    }

    /// Appends what `fill` writes, for the next [`Self::send`] of the caller, who must not wait before.
    ///
    /// # Errors
    /// When the other end does not read any more.
    pub fn append(&self, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), Gone> {
        let mut state = self.lock();
        state.fill(fill);
        if state.broken { Err(Gone) } else { Ok(()) }
    }

    /// Sends bytes of a stream as records. Many of them are written from where they are, if nobody is writing.
    ///
    /// # Errors
    /// When the other end does not read any more.
    pub fn send_stream(
        &self,
        wait: Wait,
        kind: RecordType,
        id: u16,
        bytes: &[u8],
    ) -> Result<(), Gone> {
        if bytes.len() >= DIRECT {
            let state = self.lock();
            if !state.writing {
                let parts: Vec<_> = encode::stream_parts(kind, id, bytes).collect();
                let state = self.write(state, &parts);
                return if state.broken { Err(Gone) } else { Ok(()) };
            }
        }
        self.send(wait, |out| encode::stream(out, kind, id, bytes))
    }

    /// Until [`Self::release`], what may wait waits for what else there is to be sent.
    pub fn hold(&self) {
        self.lock().holding = true;
    }

    /// Sends what has waited.
    pub fn release(&self) {
        let mut state = self.lock();
        state.holding = false;
        if !state.writing && !state.pending.is_empty() {
            drop(self.write_pending(state));
        }
    }

    /// Whether a few kilobytes would be written at once.
    pub fn is_ready(&self) -> bool {
        !self.lock().writing && self.transport.is_writable()
    }

    /// Says to the other end that nothing more comes.
    pub fn close(&self) {
        self.transport.finish();
    }

    fn write_pending<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.write(state, &[])
    }

    /// Writes what is pending, then these records, then what has gathered meanwhile.
    fn write<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        mut records: &[Parts<'_>],
    ) -> MutexGuard<'a, State> {
        state.writing = true;
        while (!state.pending.is_empty() || !records.is_empty()) && !state.broken {
            let spare = std::mem::take(&mut state.spare);
            let mut batch = std::mem::replace(&mut state.pending, spare);
            drop(state);
            let result = match std::mem::take(&mut records) {
                [] => self.transport.write_all(&batch),
                records => self.transport.write_slices(&mut slices(&batch, records)),
            };
            state = self.lock();
            state.done += batch.len() as u64;
            state.broken |= result.is_err();
            batch.clear();
            batch.shrink_to(BATCH_KEPT);
            state.spare = batch;
            self.written.ring();
        }
        if state.broken {
            state.pending = Vec::new();
            state.done = state.appended;
        }
        state.writing = false;
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The header, the content and the padding of a record.
type Parts<'a> = ([u8; HEADER_LEN], &'a [u8], &'static [u8]);

/// Records that follow a batch, to be written together.
fn slices<'a>(batch: &'a [u8], records: &'a [Parts<'a>]) -> Vec<IoSlice<'a>> {
    let parts = |(header, content, padding): &'a Parts<'a>| [&header[..], content, padding];
    let records = records.iter().flat_map(parts);
    std::iter::once(batch)
        .chain(records)
        .map(IoSlice::new)
        .collect()
}

/// Bytes of a stream that are not worth a copy.
const DIRECT: usize = 8 * 1024;

/// Bytes that wait at most.
const HELD: usize = 32 * 1024;

/// Capacity that a buffer keeps between writes, bytes.
const BATCH_KEPT: usize = 256 * 1024;

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::{ErrorKind, Read as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (Outgoing, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (Outgoing::new(Arc::new(ours)), theirs)
    }

    fn send(outgoing: &Outgoing, wait: Wait, bytes: &[u8]) {
        outgoing
            .send(wait, |out| out.extend_from_slice(bytes))
            .unwrap();
    }

    fn received(stream: &mut UnixStream) -> Vec<u8> {
        let mut bytes = vec![0; 64 * 1024];
        match stream.read(&mut bytes) {
            Ok(count) => bytes.truncate(count),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                bytes.clear();
            }
        }
        bytes
    }

    #[test]
    fn only_what_may_wait_waits_and_keeps_its_place() {
        let (outgoing, mut stream) = pair();
        send(&outgoing, Wait::Held, b"1");
        assert_eq!(received(&mut stream), b"1");
        outgoing.hold();
        send(&outgoing, Wait::Held, b"2");
        assert_eq!(received(&mut stream), b"");
        send(&outgoing, Wait::No, b"3");
        assert_eq!(received(&mut stream), b"23");
        send(&outgoing, Wait::Held, b"4");
        outgoing.release();
        assert_eq!(received(&mut stream), b"4");
        send(&outgoing, Wait::Held, b"5");
        assert_eq!(received(&mut stream), b"5");
    }

    #[test]
    fn many_bytes_keep_their_place_and_come_whole() {
        let (outgoing, mut stream) = pair();
        stream.set_nonblocking(false).unwrap();
        let bytes: Vec<u8> = (0..=255).cycle().take(300_001).collect();
        let mut expected = b"12345678".to_vec();
        encode::stream(&mut expected, RecordType::Stdout, 7, &bytes);
        let reader = std::thread::spawn(move || {
            let mut received = Vec::new();
            stream.read_to_end(&mut received).unwrap();
            received
        });
        outgoing.hold();
        send(&outgoing, Wait::Held, b"12345678");
        outgoing
            .send_stream(Wait::No, RecordType::Stdout, 7, &bytes)
            .unwrap();
        outgoing.close();
        assert!(reader.join().unwrap() == expected);
    }

    #[test]
    fn what_is_appended_leaves_with_the_next_bytes() {
        let (outgoing, mut stream) = pair();
        outgoing.append(|out| out.extend_from_slice(b"1")).unwrap();
        assert_eq!(received(&mut stream), b"");
        send(&outgoing, Wait::Written, b"2");
        assert_eq!(received(&mut stream), b"12");
    }

    #[test]
    fn no_more_waits_than_a_few_answers() {
        let (outgoing, mut stream) = pair();
        outgoing.hold();
        send(&outgoing, Wait::Held, &[0; HELD - 1]);
        assert_eq!(received(&mut stream), b"");
        send(&outgoing, Wait::Held, &[0]);
        assert_eq!(received(&mut stream).len(), HELD);
    }
}
