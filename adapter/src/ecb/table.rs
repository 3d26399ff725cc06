//! The requests that are inside the extension, by ConnID.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use isapi_abi::types::HCONN;

use super::{Entry, INVALID};
use crate::session::Win32;

/// The one table of the process: callbacks get nothing but a ConnID.
pub(super) static TABLE: Table = Table {
    slots: Mutex::new(Slots {
        slots: Vec::new(),
        free: Vec::new(),
    }),
};

pub(super) struct Table {
    slots: Mutex<Slots>,
}

struct Slots {
    slots: Vec<Slot>,
    free: Vec<u16>,
}

struct Slot {
    /// Grows with each use, so that an old ConnID does not find a new request.
    generation: u16,
    entry: Option<Arc<Entry>>,
}

impl Table {
    /// Enters a request and makes its ConnID: generation and index, 16 bits each, never NULL.
    ///
    /// Requests that run or are pending are far fewer than 65,536. One beyond that gets NULL, which finds nothing: its
    /// callbacks fail with 87.
    pub(super) fn insert(&self, entry: &Arc<Entry>) -> HCONN {
        let mut table = self.lock();
        let index = match table.free.pop() {
            Some(index) => index,
            None => {
                let Ok(index) = u16::try_from(table.slots.len()) else {
                    return std::ptr::null_mut();
                };
                table.slots.push(Slot {
                    generation: 0,
                    entry: None,
                });
                index
            }
        };
        let slot = &mut table.slots[usize::from(index)];
        slot.generation = slot.generation.checked_add(1).unwrap_or(1);
        slot.entry = Some(Arc::clone(entry));
        std::ptr::without_provenance_mut(usize::from(slot.generation) << 16 | usize::from(index))
    }

    /// The request with this ConnID.
    pub(super) fn get(&self, id: HCONN) -> Result<Arc<Entry>, Win32> {
        let mut table = self.lock();
        let slot = table.slot(id).ok_or(INVALID)?;
        slot.entry.clone().ok_or(INVALID)
    }

    /// Forgets a request. Callbacks that are running keep it alive until they return.
    pub(super) fn remove(&self, id: HCONN) {
        let mut table = self.lock();
        if let Some(entry) = table.slot(id).and_then(|slot| slot.entry.take()) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the low 16 bits are the index"
            )]
            table.free.push(id.addr() as u16);
            drop(table);
            drop(entry);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn slot(&mut self, id: HCONN) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.addr() & 0xffff)?;
        (usize::from(slot.generation) == id.addr() >> 16).then_some(slot)
    }
}
