//! The calls that led to an exception.

use std::arch::asm;

use windows_sys::Win32::System::Diagnostics::Debug::CONTEXT;

/// The highest address of the calling thread's stack, from its block (`NT_TIB.StackBase`).
fn stack_end() -> usize {
    let end: usize;
    // SAFETY: every thread has its block there.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov {}, gs:[0x08]", out(reg) end, options(nostack, readonly));
        #[cfg(target_arch = "x86")]
        asm!("mov {}, fs:[0x04]", out(reg) end, options(nostack, readonly));
    }
    end
}

/// The word of the stack at this address; `None` when it is not between `start`, which is on the stack, and its end.
fn word(start: usize, address: usize) -> Option<usize> {
    let is_inside = address >= start && address.checked_add(size_of::<usize>())? <= stack_end();
    // SAFETY: from a stack pointer up to its end a stack is readable.
    is_inside
        .then(|| unsafe { std::ptr::with_exposed_provenance::<usize>(address).read_unaligned() })
}

/// Goes through the calls of this thread, from the context on, with the unwind tables that every function of this machine
/// has. The system has just used them to look for who handles the exception, so nobody holds a lock that it needs. `each`
/// gets the address of an instruction or the one that a call returns to, and says whether to go on.
#[cfg(target_arch = "x86_64")]
pub(super) fn walk(context: &CONTEXT, each: &mut dyn FnMut(usize) -> bool) {
    use windows_sys::Win32::System::Diagnostics::Debug::{
        RtlLookupFunctionEntry, RtlVirtualUnwind, UNW_FLAG_NHANDLER,
    };
    let mut context = *context;
    while let (Ok(address), Ok(stack)) =
        (usize::try_from(context.Rip), usize::try_from(context.Rsp))
        && each(address)
        && let Some(top) = word(stack, stack)
    {
        let mut base = 0;
        // SAFETY: asks about an address only.
        let function =
            unsafe { RtlLookupFunctionEntry(context.Rip, &raw mut base, std::ptr::null_mut()) };
        if function.is_null() {
            // A function without a frame, or none at all: the address to return to is on the stack's top.
            context.Rip = top as u64;
            context.Rsp += size_of::<usize>() as u64;
        } else {
            let (mut data, mut frame) = (std::ptr::null_mut(), 0);
            // SAFETY: the entry is that of the instruction, and the stack pointer is on the stack.
            unsafe {
                RtlVirtualUnwind(
                    UNW_FLAG_NHANDLER,
                    base,
                    context.Rip,
                    function,
                    &raw mut context,
                    &raw mut data,
                    &raw mut frame,
                    std::ptr::null_mut(),
                )
            };
        }
        if context.Rip == 0 || context.Rsp <= stack as u64 {
            return;
        }
    }
}

/// Goes through the calls of this thread, from the context on, by the chain of frame pointers; it ends, or leaves out some,
/// where code was compiled without them.
#[cfg(target_arch = "x86")]
pub(super) fn walk(context: &CONTEXT, each: &mut dyn FnMut(usize) -> bool) {
    let (stack, mut frame) = (context.Esp as usize, context.Ebp as usize);
    if !each(context.Eip as usize) {
        return;
    }
    while let Some(next) = word(stack, frame)
        && let Some(caller) = word(stack, frame + size_of::<usize>())
        && caller != 0
        && each(caller)
        && next > frame
    {
        frame = next;
    }
}
