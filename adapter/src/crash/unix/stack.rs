//! The calls that led to a crash, by the unwind tables of the libraries: compilers write them on Linux for C, too.
//!
//! The unwinder is libgcc's, which the standard library brings along. It allocates nothing, and takes no lock where glibc
//! knows the libraries without one (2.35 and later). What it makes of a stack that has been overwritten may fault; by then
//! everything else has been told.

use std::ffi::{c_int, c_void};

/// Goes through the calls of this thread, the innermost first; from the instruction `start` on, if that is given. `each`
/// gets the address of an instruction or the one that a call returns to, and says whether to go on.
pub(super) fn walk(start: Option<usize>, each: &mut dyn FnMut(usize) -> bool) {
    let mut walk = Walk { start, each };
    // SAFETY: `frame` fits the pointer that goes along with it, which is valid during the call.
    unsafe { _Unwind_Backtrace(frame, (&raw mut walk).cast()) };
}

struct Walk<'a> {
    /// Nothing is told before this instruction: those are the frames of a handler.
    start: Option<usize>,
    each: &'a mut dyn FnMut(usize) -> bool,
}

const NO_REASON: c_int = 0;
const END_OF_STACK: c_int = 5;

extern "C" fn frame(context: *mut c_void, walk: *mut c_void) -> c_int {
    // SAFETY: the context is the unwinder's, the pointer is ours from `walk`.
    let (address, walk) = unsafe { (_Unwind_GetIP(context), &mut *walk.cast::<Walk>()) };
    if walk.start == Some(address) {
        walk.start = None;
    }
    if walk.start.is_none() && !(walk.each)(address) {
        return END_OF_STACK;
    }
    NO_REASON
}

unsafe extern "C" {
    fn _Unwind_Backtrace(
        each: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_are_found_and_no_more_than_wanted() {
        let mut found = Vec::new();
        walk(None, &mut |address| {
            found.push(address);
            found.len() < 4
        });
        assert_eq!(found.len(), 4);
        let mut others = 0;
        walk(Some(1), &mut |_| {
            others += 1;
            true
        });
        assert_eq!(others, 0, "there is no such instruction");
    }
}
