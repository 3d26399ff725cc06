//! The clock of the last calls: read for each callback, so it has to be cheap. How long its ticks are is found
//! out only when somebody asks, from the time since the start.

use std::sync::OnceLock;
use std::time::Instant;

static START: OnceLock<(u64, Instant)> = OnceLock::new();

/// Starts the clock.
pub(super) fn start() {
    let started = Instant::now();
    START.get_or_init(|| (counter(started), started));
}

/// The ticks so far.
pub(super) fn now() -> u64 {
    match START.get() {
        Some((_, started)) => counter(*started),
        None => 0,
    }
}

/// So many ticks in microseconds; 0 where the clock was never started. May be asked by the handler of a fault.
pub(super) fn micros(ticks: u64) -> u64 {
    let Some((first, started)) = START.get() else {
        return 0;
    };
    let elapsed = started.elapsed().as_micros();
    let all = u128::from(counter(*started).wrapping_sub(*first)).max(1);
    u64::try_from(u128::from(ticks) * elapsed / all).unwrap_or(u64::MAX)
}

/// The processor's own counter, a third of the price of the system's clock.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn counter(_: Instant) -> u64 {
    #[cfg(target_arch = "x86")]
    use std::arch::x86::_rdtsc;
    #[cfg(target_arch = "x86_64")]
    use std::arch::x86_64::_rdtsc;
    // SAFETY: every processor that Rust's standard library runs on has the instruction.
    unsafe { _rdtsc() }
}

/// Nanoseconds.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn counter(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn tells_how_long_something_took() {
        start();
        let (begin, clock) = (now(), Instant::now());
        while clock.elapsed() < Duration::from_millis(20) {}
        let (ticks, most) = (now() - begin, clock.elapsed());
        let told = micros(ticks);
        // Both clocks were read a little apart, and the length of a tick is as exact as the time since the start.
        assert!(told >= 18_000, "{told}");
        assert!(u128::from(told) <= most.as_micros() * 11 / 10, "{told}");
    }
}
