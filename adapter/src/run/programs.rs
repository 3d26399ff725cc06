//! Starts CGI programs for the gateway: orders come on standard input, a socket, and answers go to standard output in the
//! same sequence: the number of the process, then the error for which it is not the program, or zero for either. Two zeros
//! come first, when it is ready.
//!
//! The gateway is the parent of these programs. It leaves their start to a process of its own because this is small, has
//! one thread and no handlers of signals: to start a program takes it half the gateway's time, during which nobody else
//! has to wait. Nor is it bound to a processor, as the gateway's threads are.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use fastcgi_protocol::Ordered;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use rustix::stdio::{stdin, stdout};

use super::{RunError, system};
use crate::os::Starter;

/// An order has to fit. The gateway starts programs with more itself, if the system can.
const LONGEST_ORDER: usize = 1024 * 1024;

/// Output, standard error and, if there is a body, input.
const MOST_STREAMS: usize = 3;

/// Starts what is ordered until the gateway closes its end.
///
/// # Errors
/// When the system does not offer what this takes.
pub fn run() -> Result<(), RunError> {
    serve().map_err(system("cannot start programs"))
}

fn serve() -> io::Result<()> {
    let mut starter = Starter::new()?;
    let mut buffer = vec![0; LONGEST_ORDER];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_STREAMS))];
    answer(0, 0);
    loop {
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let received = recvmsg(stdin(), &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC);
        let received = match received {
            Err(Errno::INTR) => continue,
            received => received?,
        };
        if received.bytes == 0 {
            return Ok(());
        }
        let streams = control.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(streams) => Some(streams).into_iter().flatten(),
            _ => None.into_iter().flatten(),
        });
        let streams: Vec<OwnedFd> = streams.collect();
        let order = buffer.get(..received.bytes).unwrap_or_default();
        let is_whole = !received.flags.contains(ReturnFlags::TRUNC);
        let started = match (Ordered::parse(order), streams.as_slice()) {
            _ if !is_whole => Err(Errno::TOOBIG.into()),
            (Some(order), [output, error, input @ ..]) => {
                starter.start(&order, input.first(), output, error)
            }
            _ => Err(Errno::INVAL.into()),
        };
        drop(streams);
        let (process, error) =
            started.unwrap_or_else(|error| (0, error.raw_os_error().unwrap_or(1)));
        answer(process, error);
    }
}

fn answer(process: i32, error: i32) {
    let answer = [process.to_ne_bytes(), error.to_ne_bytes()];
    // An error means that the gateway is gone; then the next order is the end.
    let _ = rustix::io::write(stdout(), answer.as_flattened());
}
