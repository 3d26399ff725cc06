//! The requests whose session is open, by ConnID, and the number of those that are inside the extension.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use isapi_abi::types::HCONN;

use super::Entry;
use crate::bell::Bell;
use crate::life::Action;

/// The one table of the process: callbacks get nothing but a ConnID.
pub(super) static TABLE: Table = Table {
    slots: Mutex::new(Slots {
        slots: Vec::new(),
        free: Vec::new(),
        inside: 0,
    }),
    empty: Bell::new(),
};

pub(super) struct Table {
    slots: Mutex<Slots>,
    /// Nobody is left.
    empty: Bell,
}

struct Slots {
    slots: Vec<Slot>,
    free: Vec<u16>,
    /// Requests whose ECB the extension may still touch.
    inside: usize,
}

struct Slot {
    /// Grows with each use, so that an old ConnID does not find a new request.
    generation: u16,
    entry: Option<Arc<Entry>>,
}

impl Table {
    /// Enters a request, which nobody else knows yet, and gives it its ConnID: 15 bits of generation, 16 of index, and a one that no address of a
    /// control block ends with.
    ///
    /// Requests that run or are pending are far fewer than 65,536. One beyond that gets NULL, which finds nothing: its
    /// callbacks fail with 87.
    pub(super) fn insert(&self, mut entry: Arc<Entry>) -> Arc<Entry> {
        let mut table = self.lock();
        table.inside += 1;
        let index = match table.free.pop() {
            Some(index) => index,
            None => {
                let Ok(index) = u16::try_from(table.slots.len()) else {
                    return entry;
                };
                table.slots.push(Slot {
                    generation: 0,
                    entry: None,
                });
                index
            }
        };
        let slot = &mut table.slots[usize::from(index)];
        slot.generation = slot.generation % 0x7fff + 1;
        if let Some(entry) = Arc::get_mut(&mut entry) {
            entry.set_id(usize::from(slot.generation) << 17 | usize::from(index) << 1 | 1);
        }
        slot.entry = Some(Arc::clone(&entry));
        entry
    }

    /// The request with this ConnID. Some extensions pass the address of the control block instead.
    pub(super) fn get(&self, id: HCONN) -> Option<Arc<Entry>> {
        let mut table = self.lock();
        let entry = if id.addr() & 1 == 1 {
            table.slot(id.addr()).and_then(|slot| slot.entry.as_ref())
        } else {
            let mut entries = table.slots.iter().filter_map(|slot| slot.entry.as_ref());
            entries.find(|entry| entry.block.ecb().addr() == id.addr())
        };
        entry.cloned()
    }

    /// A request does not use its callbacks any more, or has left the extension, or both. Callbacks that are running keep
    /// it alive until they return.
    pub(super) fn leave(&self, id: usize, action: Action) {
        let mut table = self.lock();
        if action.release {
            table.inside -= 1;
            if table.inside == 0 {
                self.empty.ring();
            }
        }
        let slot = table.slot(id).filter(|_| action.close);
        let entry = slot.and_then(|slot| slot.entry.take());
        if entry.is_some() {
            table.free.push(index(id));
        }
        drop(table);
        drop(entry);
    }

    /// Waits until no request is inside the extension. Returns whether that came true in time.
    pub(super) fn wait_until_empty(&self, deadline: Instant) -> bool {
        let mut table = self.lock();
        while table.inside > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            table = self.empty.wait_timeout(table, left).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn slot(&mut self, id: usize) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(usize::from(index(id)))?;
        (usize::from(slot.generation) == id >> 17).then_some(slot)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "16 bits above the lowest one are the index"
)]
fn index(id: usize) -> u16 {
    (id >> 1) as u16
}
