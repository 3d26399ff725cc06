//! Signals of faults: reported, and then left to do what they would have done. SIGQUIT: the request that hangs is reported.

mod stack;

use std::ffi::{c_int, c_void};
use std::thread::JoinHandle;

use rustix::fs::{Mode, OFlags};
use rustix::mm::{MapFlags, ProtFlags};

use super::maps::Finder;
use super::{Access, Frames, Place, Report};

const SIGNALS: [(c_int, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGABRT, "SIGABRT"),
];

/// An extension that calls `exit` takes the others' requests with it: whose fault it is must be told.
extern "C" fn on_exit() {
    let thread = thread_id();
    if let Some((_, 1..)) = super::busy_with(thread) {
        Report {
            what: format_args!("the extension has called exit"),
            access: None,
            place: None,
            thread,
        }
        .send();
        tell_stack(None, || None);
    }
}

/// Stack of the handlers of one thread, bytes. Its own stack may be what has run out.
const STACK: usize = 64 * 1024;

/// Sees to reports from now on. An extension may put handlers of its own in our place.
pub(super) fn install() {
    prepare_thread();
    // SAFETY: the function may be called at any time. Without it there is no report.
    unsafe { libc::atexit(on_exit) };
    for (signal, _) in SIGNALS {
        handle(signal, on_fault);
    }
    handle(libc::SIGQUIT, on_quit);
}

type Handler = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

fn handle(signal: c_int, handler: Handler) {
    // SAFETY: the handlers are for SA_SIGINFO and do only what a signal handler may. Without them there is no report,
    // which is all that can be done about an error.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

/// Gives the calling thread, which lives as long as the process, a stack for its handlers. Without one there is no report
/// when its own has run out.
pub(super) fn prepare_thread() {
    // SAFETY: fresh memory, which is the thread's alone and never given back.
    let memory = unsafe {
        rustix::mm::mmap_anonymous(
            std::ptr::null_mut(),
            STACK,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::STACK,
        )
    };
    let Ok(memory) = memory else {
        return;
    };
    let stack = libc::stack_t {
        ss_sp: memory,
        ss_flags: 0,
        ss_size: STACK,
    };
    // SAFETY: as above.
    unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
}

/// A thread of a native extension cannot vanish: ending itself, it would unwind through our frames, which aborts.
pub fn check_thread(_: usize, _: &JoinHandle<()>) {}

pub(super) fn thread_id() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .cast_unsigned()
}

pub(super) fn write_to_stderr(line: &[u8]) {
    // SAFETY: the caller's bytes. There is nobody to tell that standard error is closed.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

/// Reports and dies of the same signal. Only async-signal-safe calls, nothing that allocates.
unsafe extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let name = SIGNALS
        .iter()
        .find_map(|(number, name)| (*number == signal).then_some(*name))
        .unwrap_or("signal");
    // SAFETY: the kernel hands both structures to handlers with SA_SIGINFO.
    let (code, fault, context) = unsafe {
        (
            (*info).si_code,
            (*info).si_addr() as usize,
            &*context.cast::<libc::ucontext_t>(),
        )
    };
    let (address, access) = (instruction(context), access(context));
    // The address is that of an access only if the processor told it, not if the signal was sent.
    let told = matches!(signal, libc::SIGSEGV | libc::SIGBUS) && code > 0 && code != SI_KERNEL;
    let finder = find(address);
    Report {
        what: format_args!("{name} ({signal})"),
        access: told.then_some((access, fault)),
        place: Some(Place {
            address,
            module: finder.found(),
        }),
        thread: thread_id(),
    }
    .send();
    tell_calls(context);
    // SAFETY: a plain call. The signal waits until this handler has returned.
    unsafe { libc::raise(signal) };
}

/// The process is about to be killed because a request in it hangs. Wherever this arrives, the thread of the request that
/// has run for longest reports, and the process dies. Only async-signal-safe calls, nothing that allocates.
unsafe extern "C" fn on_quit(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    let thread = thread_id();
    match super::longest_busy(&super::NOTES) {
        Some(busy) if busy == thread => {
            // SAFETY: the kernel hands the structure to handlers with SA_SIGINFO.
            let context = unsafe { &*context.cast::<libc::ucontext_t>() };
            let address = instruction(context);
            let finder = find(address);
            Report {
                what: format_args!("the request hangs"),
                access: None,
                place: Some(Place {
                    address,
                    module: finder.found(),
                }),
                thread,
            }
            .send();
            tell_calls(context);
        }
        Some(busy) if pass_on(busy) => return,
        _ => {}
    }
    // SAFETY: a plain call.
    unsafe { libc::raise(libc::SIGKILL) };
}

/// Has SIGQUIT handled by another thread of this process; false if it has gone.
fn pass_on(thread: u32) -> bool {
    // SAFETY: plain calls.
    let done = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGQUIT) };
    done == 0
}

/// Tells the calls that led to where this thread was interrupted, for [`WALK_TIME`] at most.
fn tell_calls(context: &libc::ucontext_t) {
    // SAFETY: plain calls. From here on another fault ends the process, and so does a walk that never ends.
    unsafe {
        for (signal, _) in SIGNALS {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut alarm = std::mem::zeroed();
        libc::sigemptyset(&raw mut alarm);
        libc::sigaddset(&raw mut alarm, libc::SIGALRM);
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const alarm, std::ptr::null_mut());
        libc::alarm(WALK_TIME);
    }
    tell_stack(Some(instruction(context)), || return_address(context));
    // SAFETY: a plain call.
    unsafe { libc::alarm(0) };
}

/// How long the calls may be looked for, seconds. Far more than it takes: where it is over, the process dies of SIGALRM
/// instead of what it crashed of, and a busy machine may not run a thread for seconds.
const WALK_TIME: u32 = 10;

/// Tells the calls of this thread, those of a handler left out if the instruction of the fault is given. Where it is no
/// code, so that nothing is known of its function, `caller` tells one more.
fn tell_stack(start: Option<usize>, caller: impl FnOnce() -> Option<usize>) {
    let mut frames = Frames::new();
    let mut tell = |address| {
        let finder = find(address);
        frames.tell(Place {
            address,
            module: finder.found(),
        })
    };
    let mut count = 0;
    stack::walk(start, &mut |address| {
        count += 1;
        // Where the thread began there is nothing to return to.
        (address != 0 || count == 1) && tell(address)
    });
    if count == 1
        && let Some(address) = caller()
    {
        tell(address);
    }
}

/// Sent by the kernel without an address, as for an address that cannot exist.
const SI_KERNEL: c_int = 0x80;

fn find(address: usize) -> Finder {
    let mut finder = Finder::new(address);
    read_maps(&mut finder);
    finder
}

fn read_maps(finder: &mut Finder) {
    let Ok(maps) = rustix::fs::open(
        c"/proc/self/maps",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    ) else {
        return;
    };
    let mut piece = [0; 512];
    while let Ok(count @ 1..) = rustix::io::read(&maps, &mut piece) {
        finder.push(&piece[..count]);
    }
}

#[cfg(target_arch = "x86_64")]
fn instruction(context: &libc::ucontext_t) -> usize {
    usize::try_from(context.uc_mcontext.gregs[libc::REG_RIP as usize].cast_unsigned()).unwrap_or(0)
}

/// From the processor's error code of a page fault.
#[cfg(target_arch = "x86_64")]
fn access(context: &libc::ucontext_t) -> Access {
    let error = context.uc_mcontext.gregs[libc::REG_ERR as usize];
    if error & 0x10 != 0 {
        Access::Executing
    } else if error & 0x2 != 0 {
        Access::Writing
    } else {
        Access::Reading
    }
}

/// Where a function that has just been called returns to.
#[cfg(target_arch = "x86_64")]
fn return_address(context: &libc::ucontext_t) -> Option<usize> {
    let top = usize::try_from(context.uc_mcontext.gregs[libc::REG_RSP as usize]).ok()?;
    let pointer = std::ptr::with_exposed_provenance::<usize>(top);
    // SAFETY: the stack of the thread that was interrupted. Should it be none, the process, which has told everything
    // else, dies of this fault instead of the one before.
    Some(unsafe { pointer.read_unaligned() })
}

#[cfg(target_arch = "aarch64")]
fn return_address(context: &libc::ucontext_t) -> Option<usize> {
    usize::try_from(context.uc_mcontext.regs[30]).ok()
}

#[cfg(target_arch = "aarch64")]
fn instruction(context: &libc::ucontext_t) -> usize {
    usize::try_from(context.uc_mcontext.pc).unwrap_or(0)
}

/// The context does not tell without a walk through its records.
#[cfg(target_arch = "aarch64")]
fn access(_: &libc::ucontext_t) -> Access {
    Access::Reading
}
