//! The last calls of a request, in fixed memory: noted with a few stores, always, and read by the handler of a fault.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::ticks;
use crate::call::{Call, Named};

/// Calls that are kept.
const KEPT: usize = 8;
/// No size.
const NO_SIZE: u32 = u32::MAX;

/// The last calls of one request, by number. Any thread may note calls: what two threads do at the very same time may be
/// told mixed up, but harms nothing.
pub struct Calls {
    /// Calls so far.
    count: AtomicU32,
    slots: [Slot; KEPT],
    /// When the request began.
    began: u64,
}

struct Slot {
    /// Counted from 1; 0 if there is none yet.
    number: AtomicU32,
    call: [AtomicU32; 2],
    size: AtomicU32,
    /// Last error, 0 for success.
    error: AtomicU32,
    /// When it ended, since the request began; 0 while it runs.
    ended: AtomicU64,
}

/// A call that has not returned.
#[must_use = "a call that is not ended is told as unfinished"]
pub struct Running<'a> {
    slot: &'a Slot,
    number: u32,
    /// Of the request.
    began: u64,
}

impl Calls {
    /// None yet, for a request that begins.
    pub fn new() -> Self {
        Self {
            count: AtomicU32::new(0),
            slots: [const { Slot::new() }; KEPT],
            began: ticks::now(),
        }
    }

    /// A call begins.
    pub fn begin(&self, call: Call) -> Running<'_> {
        let number = self.count.fetch_add(1, Relaxed).wrapping_add(1);
        let slot = self.slot(number);
        let (kind, detail) = call.to_numbers();
        slot.call[0].store(kind, Relaxed);
        slot.call[1].store(detail, Relaxed);
        slot.size.store(NO_SIZE, Relaxed);
        slot.ended.store(0, Relaxed);
        slot.number.store(number, Relaxed);
        Running {
            slot,
            number,
            began: self.began,
        }
    }

    /// The calls that are kept, oldest first.
    pub(super) fn last(&self) -> impl Iterator<Item = Noted> + '_ {
        let count = self.count.load(Relaxed);
        let kept = u32::try_from(KEPT).unwrap_or(0).min(count);
        (count - kept..count).filter_map(|before| self.slot(before + 1).read(before + 1))
    }

    fn slot(&self, number: u32) -> &Slot {
        &self.slots[number as usize % KEPT]
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self::new()
    }
}

impl Slot {
    const fn new() -> Self {
        Self {
            number: AtomicU32::new(0),
            call: [const { AtomicU32::new(0) }; 2],
            size: AtomicU32::new(NO_SIZE),
            error: AtomicU32::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// The call with this number, if it is still here.
    fn read(&self, number: u32) -> Option<Noted> {
        let [kind, detail] = [0, 1].map(|index: usize| self.call[index].load(Relaxed));
        let size = self.size.load(Relaxed);
        let ended = self.ended.load(Relaxed);
        (self.number.load(Relaxed) == number).then_some(Noted {
            number,
            call: Call::from_numbers(kind, detail)?,
            size: (size != NO_SIZE).then_some(size),
            ended: (ended != 0).then(|| (self.error.load(Relaxed), ticks::micros(ended))),
        })
    }
}

impl Running<'_> {
    /// How many bytes the call is about.
    pub fn size(&self, bytes: u32) {
        self.slot.size.store(bytes, Relaxed);
    }

    /// The call returns, with this last error or 0 for success.
    pub fn end(self, error: u32) {
        // Eight further calls of other threads may have taken the place.
        if self.slot.number.load(Relaxed) == self.number {
            let ended = ticks::now().saturating_sub(self.began).max(1);
            self.slot.error.store(error, Relaxed);
            self.slot.ended.store(ended, Relaxed);
        }
    }
}

/// A call as it was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    number: u32,
    call: Call,
    size: Option<u32>,
    /// Last error, and when, in microseconds since the request began; `None` while it runs.
    ended: Option<(u32, u64)>,
}

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}: {}", self.number, self.call)?;
        if let Some(size) = self.size {
            write!(f, " {size} bytes")?;
        }
        if let Call::Completion(error @ 1..) = self.call {
            write!(f, " error {}", Named(error))?;
        }
        match (self.ended, self.call) {
            (None, _) => f.write_str(" unfinished"),
            (Some((_, micros)), Call::Completion(_)) => write!(f, " returned at {micros} µs"),
            (Some((0, micros)), _) => write!(f, " = TRUE at {micros} µs"),
            (Some((error, micros)), _) => {
                write!(f, " = FALSE, {}, at {micros} µs", Named(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(calls: &Calls) -> Vec<String> {
        calls.last().map(|noted| noted.to_string()).collect()
    }

    #[test]
    fn calls_are_told_in_order_with_what_came_of_them() {
        let calls = Calls::new();
        assert!(told(&calls).is_empty());
        let running = calls.begin(Call::GetServerVariable);
        running.size(256);
        running.end(122);
        calls.begin(Call::ServerSupportFunction(1008)).end(0);
        let completion = calls.begin(Call::Completion(64));
        completion.size(0);
        let inner = calls.begin(Call::WriteClient);
        inner.size(1024);
        let lines = told(&calls);
        let takes = |line: &str, begin: &str| line.starts_with(begin) && line.ends_with(" µs");
        assert!(
            takes(
                &lines[0],
                "call 1: GetServerVariable 256 bytes = FALSE, 122 ERROR_INSUFFICIENT_BUFFER, at "
            ),
            "{lines:?}"
        );
        assert!(
            takes(
                &lines[1],
                "call 2: ServerSupportFunction 1008 HSE_REQ_IS_KEEP_CONN = TRUE at "
            ),
            "{lines:?}"
        );
        assert_eq!(
            lines[2..],
            [
                "call 3: completion function 0 bytes error 64 ERROR_NETNAME_DELETED unfinished",
                "call 4: WriteClient 1024 bytes unfinished"
            ]
        );
        inner.end(0);
        completion.end(0);
        let lines = told(&calls);
        assert!(
            takes(
                &lines[2],
                "call 3: completion function 0 bytes error 64 ERROR_NETNAME_DELETED returned at "
            ),
            "{lines:?}"
        );
    }

    #[test]
    fn a_call_whose_place_is_taken_is_forgotten() {
        let calls = Calls::new();
        let slow = calls.begin(Call::ReadClient);
        let running: Vec<_> = (0..KEPT).map(|_| calls.begin(Call::WriteClient)).collect();
        slow.end(87);
        assert_eq!(calls.last().count(), KEPT);
        assert!(calls.last().all(|noted| noted.ended.is_none()));
        drop(running);
    }

    proptest! {
        #[test]
        fn the_last_eight_are_kept(count in 0_u32..50) {
            let calls = Calls::new();
            for number in 0..count {
                calls.begin(Call::ServerSupportFunction(number)).end(number);
            }
            let numbers: Vec<u32> = calls.last().map(|noted| noted.number).collect();
            let first = count.saturating_sub(8) + 1;
            prop_assert_eq!(numbers, (first..=count).collect::<Vec<_>>());
        }
    }
}
