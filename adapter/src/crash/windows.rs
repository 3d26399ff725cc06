//! Exceptions that nobody handles, and threads that vanish.

mod stack;

use std::ffi::c_void;
use std::os::windows::io::AsRawHandle as _;
use std::sync::atomic::{
    AtomicPtr, AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::thread::JoinHandle;

use windows_sys::Win32::Foundation::{
    EXCEPTION_ACCESS_VIOLATION, EXCEPTION_ARRAY_BOUNDS_EXCEEDED, EXCEPTION_BREAKPOINT,
    EXCEPTION_DATATYPE_MISALIGNMENT, EXCEPTION_FLT_DIVIDE_BY_ZERO, EXCEPTION_FLT_INVALID_OPERATION,
    EXCEPTION_FLT_OVERFLOW, EXCEPTION_ILLEGAL_INSTRUCTION, EXCEPTION_IN_PAGE_ERROR,
    EXCEPTION_INT_DIVIDE_BY_ZERO, EXCEPTION_INT_OVERFLOW, EXCEPTION_NONCONTINUABLE_EXCEPTION,
    EXCEPTION_PRIV_INSTRUCTION, EXCEPTION_STACK_OVERFLOW, NTSTATUS, STATUS_HEAP_CORRUPTION,
    STATUS_STACK_BUFFER_OVERRUN, STATUS_THREAD_IS_TERMINATING, WAIT_OBJECT_0,
};
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, EXCEPTION_CONTINUE_SEARCH, EXCEPTION_POINTERS,
    SetUnhandledExceptionFilter,
};
use windows_sys::Win32::System::Memory::{MEMORY_BASIC_INFORMATION, VirtualQuery};
use windows_sys::Win32::System::ProcessStatus::K32GetMappedFileNameW;
use windows_sys::Win32::System::Threading::{
    CreateEventW, GetCurrentProcess, GetCurrentThread, GetCurrentThreadId, GetThreadId, INFINITE,
    SetEvent, SetThreadStackGuarantee, TerminateProcess, WaitForSingleObject,
};

use super::{Access, Frames, Place, Report};

/// Longer module names are cut off, UTF-16 units of their whole path.
const PATH: usize = 512;
/// Stack that is kept for the handler of an overflow, bytes. Wine 8 keeps less than a page, whatever it is told.
const GUARANTEE: u32 = 32 * 1024;

/// Standard error as it was at the start: an extension may replace or close it.
static STDERR: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
/// The thread whose exception is being reported; 0: none.
static REPORTING: AtomicU32 = AtomicU32::new(0);

/// The thread whose stack has overflown, 0: none, and its exception. Another thread reports it, since a report takes
/// more stack than is left there.
static OVERFLOWN: AtomicU32 = AtomicU32::new(0);
static OVERFLOW: AtomicPtr<EXCEPTION_POINTERS> = AtomicPtr::new(std::ptr::null_mut());
/// The event that the reporting thread waits for; NULL: there is no such thread.
static HAS_OVERFLOWN: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

/// Sees to reports from now on. Exceptions that an extension handles itself are none of our business.
pub(super) fn install() {
    STDERR.store(std::io::stderr().as_raw_handle(), Relaxed);
    prepare_thread();
    // SAFETY: both functions have the types that are asked for and stay. Without them there is no report, which is all
    // that can be done about an error.
    unsafe {
        AddVectoredExceptionHandler(1, Some(first));
        SetUnhandledExceptionFilter(Some(last));
    }
    // SAFETY: an event without a name. Without it each thread reports for itself, as far as its stack allows.
    let event = unsafe { CreateEventW(std::ptr::null(), 0, 0, std::ptr::null()) };
    if !event.is_null() {
        HAS_OVERFLOWN.store(event, Relaxed);
        // It starts before there is an extension, whose DllMain it would have to get past later.
        let reporter = std::thread::Builder::new().name("crash".into());
        if reporter.spawn(report_overflow).is_err() {
            HAS_OVERFLOWN.store(std::ptr::null_mut(), Relaxed);
        }
    }
}

/// The reporting thread.
fn report_overflow() {
    // SAFETY: the event stays. Whoever sets it waits, so that its exception stays, too.
    unsafe {
        WaitForSingleObject(HAS_OVERFLOWN.load(Relaxed), INFINITE);
        report_and_end(OVERFLOW.load(Acquire), OVERFLOWN.load(Relaxed));
    }
}

pub(super) fn prepare_thread() {
    let mut bytes = GUARANTEE;
    // SAFETY: a valid number. Without it an overflow may go unreported.
    unsafe { SetThreadStackGuarantee(&raw mut bytes) };
}

/// A thread that an extension ended, or that a fault took silently, is a crash: its request never ends.
pub fn check_thread(_: usize, handle: &JoinHandle<()>) {
    let handle = handle.as_raw_handle();
    // SAFETY: the handle is open as long as its owner, whom we have borrowed.
    let (ended, thread) = unsafe {
        (
            WaitForSingleObject(handle, 0) == WAIT_OBJECT_0,
            GetThreadId(handle),
        )
    };
    if ended {
        Report {
            what: format_args!("the thread has ended inside the extension"),
            access: None,
            place: None,
            thread,
        }
        .send();
        end(STATUS_THREAD_IS_TERMINATING);
    }
}

pub(super) fn thread_id() -> u32 {
    // SAFETY: always allowed.
    unsafe { GetCurrentThreadId() }
}

pub(super) fn write_to_stderr(line: &[u8]) {
    let length = u32::try_from(line.len()).unwrap_or(0);
    let mut written = 0;
    // SAFETY: the caller's bytes. There is nobody to tell that standard error is closed.
    unsafe {
        WriteFile(
            STDERR.load(Relaxed),
            line.as_ptr(),
            length,
            &raw mut written,
            std::ptr::null_mut(),
        )
    };
}

/// Sees every exception before anybody handles it. After an overflow of the stack nobody else gets to it.
unsafe extern "system" fn first(exception: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: valid during the call.
    let code = unsafe { (*(*exception).ExceptionRecord).ExceptionCode };
    if code == EXCEPTION_STACK_OVERFLOW {
        // SAFETY: as above.
        unsafe { overflown(exception) };
    }
    EXCEPTION_CONTINUE_SEARCH
}

/// Has the overflow of this thread's stack reported, which ends the process.
///
/// # Safety
/// The exception is valid.
unsafe fn overflown(exception: *mut EXCEPTION_POINTERS) {
    let thread = thread_id();
    let event = HAS_OVERFLOWN.load(Relaxed);
    if event.is_null() {
        // SAFETY: by this function's contract.
        unsafe { report_and_end(exception, thread) };
    }
    // Of two at the same time one is reported.
    if OVERFLOWN
        .compare_exchange(0, thread, Relaxed, Relaxed)
        .is_ok()
    {
        OVERFLOW.store(exception, Release);
        // SAFETY: the event stays.
        unsafe { SetEvent(event) };
    }
    // SAFETY: a thread may wait for its own end, here for that of the process.
    unsafe { WaitForSingleObject(GetCurrentThread(), INFINITE) };
}

/// Sees exceptions that nobody has handled.
unsafe extern "system" fn last(exception: *const EXCEPTION_POINTERS) -> i32 {
    // SAFETY: valid during the call.
    unsafe { report_and_end(exception, thread_id()) };
    EXCEPTION_CONTINUE_SEARCH
}

/// Not a part of its callers: they have to do with the little stack that an overflow leaves.
///
/// # Safety
/// The exception is valid, and the thread is where it happened.
#[inline(never)]
unsafe fn report_and_end(exception: *const EXCEPTION_POINTERS, thread: u32) {
    // SAFETY: valid by this function's contract.
    let (record, context) =
        unsafe { (&*(*exception).ExceptionRecord, &*(*exception).ContextRecord) };
    // The report itself may meet what the extension has left of the stack.
    if REPORTING.swap(thread_id(), Relaxed) == thread_id() {
        end(record.ExceptionCode);
    }
    let address = record.ExceptionAddress as usize;
    let mut path = [0; PATH];
    let mut name = [0; PATH];
    let told = matches!(
        record.ExceptionCode,
        EXCEPTION_ACCESS_VIOLATION | EXCEPTION_IN_PAGE_ERROR
    ) && record.NumberParameters >= 2;
    let access = match record.ExceptionInformation[0] {
        1 => Access::Writing,
        8 => Access::Executing,
        _ => Access::Reading,
    };
    Report {
        what: format_args!(
            "{} ({:#010X})",
            describe(record.ExceptionCode),
            record.ExceptionCode.cast_unsigned()
        ),
        access: told.then_some((access, record.ExceptionInformation[1])),
        place: Some(Place {
            address,
            module: module(address, &mut path, &mut name),
        }),
        thread,
    }
    .send();
    let mut frames = Frames::new();
    stack::walk(context, &mut |address| {
        frames.tell(Place {
            address,
            module: module(address, &mut path, &mut name),
        })
    });
    end(record.ExceptionCode);
}

fn end(code: NTSTATUS) {
    // SAFETY: ends this process, without asking anybody.
    unsafe { TerminateProcess(GetCurrentProcess(), code.cast_unsigned()) };
}

/// File name of the module that an address belongs to, and its offset there. Does not ask the loader, whose lock
/// another thread may hold.
fn module<'a>(
    address: usize,
    path: &mut [u16; PATH],
    name: &'a mut [u8; PATH],
) -> Option<(&'a [u8], usize)> {
    // SAFETY: the structure and the buffer are valid and as long as we say; the address is only asked about.
    let (base, length) = unsafe {
        let mut memory: MEMORY_BASIC_INFORMATION = std::mem::zeroed();
        let pointer = std::ptr::without_provenance(address);
        if VirtualQuery(pointer, &raw mut memory, size_of_val(&memory)) == 0 {
            return None;
        }
        let length = u32::try_from(PATH).unwrap_or(0);
        (
            memory.AllocationBase as usize,
            K32GetMappedFileNameW(GetCurrentProcess(), pointer, path.as_mut_ptr(), length),
        )
    };
    let path = path.get(..usize::try_from(length).unwrap_or(0))?;
    let file = path.rsplit(|unit| *unit == u16::from(b'\\')).next()?;
    if file.is_empty() {
        return None;
    }
    for (byte, unit) in name.iter_mut().zip(file) {
        *byte = u8::try_from(*unit).unwrap_or(b'?');
    }
    Some((name.get(..file.len())?, address.checked_sub(base)?))
}

fn describe(code: NTSTATUS) -> &'static str {
    // What compilers raise for C++ exceptions.
    const CPP_MICROSOFT: u32 = 0xE06D_7363;
    const CPP_GCC: u32 = 0x2047_4343;
    const DELPHI: u32 = 0x0EED_FADE;
    match code {
        EXCEPTION_ACCESS_VIOLATION => "EXCEPTION_ACCESS_VIOLATION",
        EXCEPTION_ARRAY_BOUNDS_EXCEEDED => "EXCEPTION_ARRAY_BOUNDS_EXCEEDED",
        EXCEPTION_BREAKPOINT => "EXCEPTION_BREAKPOINT",
        EXCEPTION_DATATYPE_MISALIGNMENT => "EXCEPTION_DATATYPE_MISALIGNMENT",
        EXCEPTION_FLT_DIVIDE_BY_ZERO => "EXCEPTION_FLT_DIVIDE_BY_ZERO",
        EXCEPTION_FLT_INVALID_OPERATION => "EXCEPTION_FLT_INVALID_OPERATION",
        EXCEPTION_FLT_OVERFLOW => "EXCEPTION_FLT_OVERFLOW",
        EXCEPTION_ILLEGAL_INSTRUCTION => "EXCEPTION_ILLEGAL_INSTRUCTION",
        EXCEPTION_INT_DIVIDE_BY_ZERO => "EXCEPTION_INT_DIVIDE_BY_ZERO",
        EXCEPTION_INT_OVERFLOW => "EXCEPTION_INT_OVERFLOW",
        EXCEPTION_IN_PAGE_ERROR => "EXCEPTION_IN_PAGE_ERROR",
        EXCEPTION_NONCONTINUABLE_EXCEPTION => "EXCEPTION_NONCONTINUABLE_EXCEPTION",
        EXCEPTION_PRIV_INSTRUCTION => "EXCEPTION_PRIV_INSTRUCTION",
        EXCEPTION_STACK_OVERFLOW => "EXCEPTION_STACK_OVERFLOW",
        STATUS_HEAP_CORRUPTION => "STATUS_HEAP_CORRUPTION",
        STATUS_STACK_BUFFER_OVERRUN => "STATUS_STACK_BUFFER_OVERRUN",
        _ => match code.cast_unsigned() {
            CPP_MICROSOFT | CPP_GCC => "unhandled C++ exception",
            DELPHI => "unhandled Delphi exception",
            _ => "exception",
        },
    }
}
