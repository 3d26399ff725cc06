//! Memory below 4 GiB in a 64-bit process: some extensions push the address of their control block through a DWORD.

use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use windows_sys::Win32::System::Memory::{MEM_COMMIT, MEM_RESERVE, PAGE_READWRITE, VirtualAlloc};

/// Size and alignment of a place, bytes.
const PLACE: usize = 256;
/// Memory is asked for in portions of this size, bytes: what Windows hands out at least.
const PORTION: usize = 64 * 1024;
/// Where portions are looked for.
const LOWEST: usize = 16 * 1024 * 1024;
const HIGHEST: usize = 2 * 1024 * 1024 * 1024;
const STEP: usize = 1024 * 1024;

/// Addresses of places that nobody uses. Places are never given back to the system: there are as many as requests were
/// ever inside the extension at a time.
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// A value in low memory, as long as the system has some; otherwise wherever there is room.
pub struct Low<T>(NonNull<T>);

// SAFETY: it owns its value alone, as `Box` does.
unsafe impl<T: Send> Send for Low<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Low<T> {}

impl<T> Low<T> {
    /// Moves a value there.
    pub fn new(value: T) -> Self {
        const { assert!(size_of::<T>() <= PLACE && align_of::<T>() <= PLACE) };
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let place = free.pop().unwrap_or_else(|| {
            let portion = portion();
            free.extend(
                (PLACE..PORTION)
                    .step_by(PLACE)
                    .map(|offset| portion + offset),
            );
            portion
        });
        drop(free);
        let place = ptr::with_exposed_provenance_mut::<T>(place);
        // SAFETY: the place is ours alone, large enough and aligned.
        unsafe { place.write(value) };
        // SAFETY: no memory of the system is at address zero.
        Self(unsafe { NonNull::new_unchecked(place) })
    }
}

impl<T> Deref for Low<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: written in `new`, ours alone.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for Low<T> {
    fn drop(&mut self) {
        // SAFETY: written in `new`, dropped only here.
        unsafe { self.0.drop_in_place() };
        FREE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.0.as_ptr().expose_provenance());
    }
}

/// Fresh memory of [`PORTION`] bytes.
fn portion() -> usize {
    let found = (LOWEST..HIGHEST)
        .step_by(STEP)
        .chain([0])
        .map(|wanted| {
            // SAFETY: asks for fresh memory; the address is a wish, zero leaves it to the system.
            unsafe {
                VirtualAlloc(
                    ptr::without_provenance(wanted),
                    PORTION,
                    MEM_COMMIT | MEM_RESERVE,
                    PAGE_READWRITE,
                )
            }
        })
        .find(|address| !address.is_null());
    match found {
        Some(address) => address.expose_provenance(),
        None => {
            std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u8; PORTION]>());
        }
    }
}
