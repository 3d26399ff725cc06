//! Memory of the extension that the reader of a connection uses in place of a thread that waits in a callback: what comes
//! of a body goes straight to where ReadClient wants it, and what WriteClient sends is sent as credit comes. Neither wakes
//! that thread piece by piece.

use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that are lent at once, at most.
const MOST: usize = 1024 * 1024;

/// The smallest page of memory.
const PAGE: usize = 4096;

/// Where the buffer of a thread that waits for the body is lent.
#[derive(Debug, Default)]
pub struct Room(Place);

/// Where the bytes of a thread that waits to send them are lent.
#[derive(Debug, Default)]
pub struct Output(Place);

#[derive(Debug, Default)]
struct Place(Mutex<Option<Memory>>);

#[derive(Debug)]
struct Memory {
    start: NonNull<u8>,
    length: usize,
    done: usize,
}

// SAFETY: the bytes are used only by who has the lock, and are there as long as they are lent.
unsafe impl Send for Memory {}

impl Place {
    /// Lends memory while `wait` runs, unless some is lent already. Returns how many bytes of it are done then.
    fn lend<T>(&self, memory: Memory, wait: impl FnOnce() -> T) -> (T, usize) {
        /// Ends it, however that time ends.
        struct Loan<'a>(&'a Place);
        impl Drop for Loan<'_> {
            fn drop(&mut self) {
                *self.0.lock() = None;
            }
        }
        let mut place = self.lock();
        if place.is_some() {
            drop(place);
            return (wait(), 0);
        }
        *place = Some(memory);
        drop(place);
        let loan = Loan(self);
        let result = wait();
        let done = self.lock().as_ref().map_or(0, |memory| memory.done);
        drop(loan);
        (result, done)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// How many of these bytes are to be lent at once. If they are no memory, that brings down who has passed them here,
    /// and not who would use them.
    pub fn try_out(buffer: &mut [u8]) -> usize {
        let length = buffer.len().min(MOST);
        for at in one_of_each_page(length) {
            let byte: *mut u8 = &raw mut buffer[at];
            // SAFETY: a byte of the buffer, which keeps its value.
            unsafe { byte.write_volatile(byte.read_volatile()) };
        }
        length
    }

    /// Lends a buffer while `wait` runs, unless another one is lent. Returns how many bytes have been put there.
    pub fn lend<T>(&self, buffer: &mut [u8], wait: impl FnOnce() -> T) -> (T, usize) {
        let length = buffer.len();
        let memory = Memory {
            start: NonNull::from(buffer).cast(),
            length,
            done: 0,
        };
        self.0.lend(memory, wait)
    }

    /// Puts there as many bytes as there is room for. `None`: nothing is lent.
    pub fn put(&self, bytes: &[u8]) -> Option<Put> {
        let mut place = self.0.lock();
        let memory = place.as_mut()?;
        let count = bytes.len().min(memory.length - memory.done);
        // SAFETY: `lend` has the buffer to itself until it has taken it back, for which it needs the lock.
        let free = unsafe {
            std::slice::from_raw_parts_mut(memory.start.as_ptr().add(memory.done), count)
        };
        free.copy_from_slice(&bytes[..count]);
        memory.done += count;
        Some(Put {
            count,
            is_full: memory.done == memory.length,
        })
    }
}

/// Places in so many bytes, at least one on each page that they are on.
fn one_of_each_page(length: usize) -> impl Iterator<Item = usize> {
    (0..length).step_by(PAGE).chain(length.checked_sub(1))
}

/// What has been put into a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// So many bytes.
    pub count: usize,
    /// There is no more room.
    pub is_full: bool,
}

impl Output {
    /// As [`Room::try_out`].
    pub fn try_out(bytes: &[u8]) -> usize {
        let length = bytes.len().min(MOST);
        for at in one_of_each_page(length) {
            std::hint::black_box(bytes[at]);
        }
        length
    }

    /// Lends bytes while `wait` runs, unless others are lent. Returns how many have been taken.
    pub fn lend<T>(&self, bytes: &[u8], wait: impl FnOnce() -> T) -> (T, usize) {
        let memory = Memory {
            start: NonNull::from(bytes).cast(),
            length: bytes.len(),
            done: 0,
        };
        self.0.lend(memory, wait)
    }

    /// What is lent. It stays lent at least as long as this is held.
    pub fn held(&self) -> Option<Held<'_>> {
        let place = self.0.lock();
        place.is_some().then_some(Held(place))
    }
}

/// Lent bytes.
pub struct Held<'a>(MutexGuard<'a, Option<Memory>>);

impl Held<'_> {
    /// Those that have not been taken.
    pub fn rest(&self) -> &[u8] {
        let Some(memory) = &*self.0 else {
            return &[];
        };
        let count = memory.length - memory.done;
        // SAFETY: `lend` borrows the bytes until it has taken them back, for which it needs the lock that we have.
        unsafe { std::slice::from_raw_parts(memory.start.as_ptr().add(memory.done), count) }
    }

    /// Takes so many of them, at most.
    pub fn take(&mut self, count: usize) {
        if let Some(memory) = &mut *self.0 {
            memory.done = memory.length.min(memory.done + count);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn what_is_put_there_is_in_the_buffer() {
        let (room, mut buffer) = (Room::default(), [0; 5]);
        let put = |bytes: &[u8]| room.put(bytes).map(|put| (put.count, put.is_full));
        let (result, count) = room.lend(&mut buffer, || {
            assert_eq!(put(b"abc"), Some((3, false)));
            assert_eq!(room.lend(&mut [0; 9], || put(b"def")), (Some((2, true)), 0));
            assert_eq!(put(b"f"), Some((0, true)));
            7
        });
        assert_eq!((result, count, &buffer), (7, 5, b"abcde"));
        assert_eq!(put(b"f"), None);
    }

    #[test]
    fn what_is_taken_is_told() {
        let output = Output::default();
        let (rest, count) = output.lend(b"abcde", || {
            let mut held = output.held().unwrap();
            assert_eq!(held.rest(), b"abcde");
            held.take(3);
            held.rest().to_vec()
        });
        assert_eq!((&rest[..], count), (&b"de"[..], 3));
        assert!(output.held().is_none());
    }

    #[test]
    fn a_panic_ends_the_loan() {
        let (room, output) = (Room::default(), Output::default());
        let fill = || room.lend(&mut [0; 5], || panic!("on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(fill)).is_err());
        assert_eq!(room.put(b"a"), None);
        let send = || output.lend(b"abc", || panic!("on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(send)).is_err());
        assert!(output.held().is_none());
    }

    #[test]
    fn trying_out_changes_nothing() {
        let mut buffer: Vec<u8> = (0..=250).cycle().take(MOST + 1).collect();
        let before = buffer.clone();
        assert_eq!(
            (Room::try_out(&mut buffer), Output::try_out(&buffer)),
            (MOST, MOST)
        );
        assert_eq!(
            (Room::try_out(&mut buffer[..7]), Output::try_out(&[])),
            (7, 0)
        );
        assert!(buffer == before);
    }

    #[test]
    fn each_page_is_tried_out() {
        for (start, length) in [(0, 1), (4000, 200), (4095, 4098), (1, 8192), (0, 8192)] {
            let of = |at: usize| (start + at) / PAGE;
            let mut pages: Vec<usize> = one_of_each_page(length).map(of).collect();
            pages.dedup();
            assert!(
                pages.into_iter().eq(of(0)..=of(length - 1)),
                "{start} {length}"
            );
        }
    }
}
