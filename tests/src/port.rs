//! Ports for programs that cannot pick one and tell.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Below those that the system gives to whoever binds to port 0, as other tests do all the time.
const PORTS: std::ops::Range<usize> = 10_000..32_000;

/// A port of the loopback address that nobody has at this moment, and that no other call in this process returns soon.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    // Test programs that run beside each other begin at different places.
    let first = std::process::id() as usize;
    let next = || NEXT.fetch_add(1, Ordering::Relaxed);
    PORTS
        .map(|_| PORTS.start + (first + next()) % PORTS.len())
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
