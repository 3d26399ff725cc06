//! Starts programs that are the children of this process's parent.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::iter::once;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::ptr::null;

use fastcgi_protocol::Ordered;
use rustix::process::chdir;

/// Units of the stack on which a child prepares to become its program.
const STACK_UNITS: usize = 64 * 1024 / size_of::<u128>();

/// Starts programs, one after the other.
pub struct Starter {
    stack: Vec<u128>,
    /// The input of programs without one.
    nothing: File,
}

/// What the child needs, and what it leaves when it cannot become its program.
struct Child {
    streams: [RawFd; 3],
    arguments: *const *const c_char,
    environment: *const *const c_char,
    error: c_int,
}

impl Starter {
    /// Makes this process ready to start programs. Nothing else may be done in it, and it has one thread.
    ///
    /// # Errors
    /// When there is no `/dev/null`.
    pub fn new() -> io::Result<Self> {
        // SAFETY: sets no handler. Programs would inherit that Rust has the signal ignored.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        Ok(Self {
            stack: vec![0; STACK_UNITS],
            nothing: File::open("/dev/null")?,
        })
    }

    /// Starts a program, as leader of a process group. Returns its process, for the parent of this process to reap, and
    /// the error for which that did not become the program, or zero.
    ///
    /// # Errors
    /// When there is no process.
    pub fn start(
        &mut self,
        order: &Ordered<'_>,
        input: Option<&OwnedFd>,
        output: &OwnedFd,
        error: &OwnedFd,
    ) -> io::Result<(c_int, c_int)> {
        chdir(order.folder)?;
        let input = input.map_or(self.nothing.as_raw_fd(), |input| input.as_raw_fd());
        let arguments = pointers(&order.arguments);
        let environment = pointers(&order.environment);
        let mut child = Child {
            streams: [input, output.as_raw_fd(), error.as_raw_fd()],
            arguments: arguments.as_ptr(),
            environment: environment.as_ptr(),
            error: 0,
        };
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT | libc::SIGCHLD;
        let end = self.stack.as_mut_ptr_range().end;
        // SAFETY: this thread, the only one, waits until the child runs its program or has ended. Until then the child has a
        // stack to itself, aligned as every stack must be, and everything that `child` points at lives longer.
        let pid =
            unsafe { libc::clone(become_program, end.cast(), flags, (&raw mut child).cast()) };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            pid => Ok((pid, child.error)),
        }
    }
}

/// As `execve` takes them, with a null at the end.
fn pointers(texts: &[&CStr]) -> Vec<*const c_char> {
    let pointers = texts.iter().map(|text| text.as_ptr());
    pointers.chain(once(null())).collect()
}

/// What the child does, in the memory of its parent: nothing that allocates, locks or panics.
extern "C" fn become_program(child: *mut c_void) -> c_int {
    let child = child.cast::<Child>();
    // SAFETY: `start` has handed over a `Child` that lives until this has ended and that nobody else uses meanwhile. The
    // numbers are those of open descriptors; the pointers end with a null, and the first argument is there.
    unsafe {
        libc::setpgid(0, 0);
        for (stream, number) in (*child).streams.into_iter().zip(0..) {
            if libc::dup2(stream, number) == -1 {
                (*child).error = *libc::__errno_location();
                return 127;
            }
        }
        libc::execve(
            *(*child).arguments,
            (*child).arguments,
            (*child).environment,
        );
        (*child).error = *libc::__errno_location();
    }
    127
}
