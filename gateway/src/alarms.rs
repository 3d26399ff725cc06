//! Alarms. Those of the runtime threads are kept by one thread for all of them: a runtime that keeps alarms reads the clock before and
//! after each wait for events and looks through what it keeps, which was a thirtieth of what a request costs that comes alone.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt;
use tokio::runtime::{Builder, Handle};
use tokio::time::{Sleep, Timeout};

use crate::runtime;

/// The runtime that keeps the alarms of the runtime threads. It runs as long as the process.
static KEEPER: OnceLock<Handle> = OnceLock::new();

/// Starts the thread that keeps alarms, if there is none.
///
/// # Errors
/// When the runtime or the thread cannot be created.
pub fn keep() -> io::Result<()> {
    if KEEPER.get().is_some() {
        return Ok(());
    }
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("alarms".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    // Of two that are started at the same time one keeps nothing.
    let _ = KEEPER.set(handle);
    Ok(())
}

/// As [`tokio::time::sleep`].
pub fn sleep(time: Duration) -> Sleep {
    kept(|| tokio::time::sleep(time))
}

/// As [`tokio::time::sleep_until`].
pub fn sleep_until(at: tokio::time::Instant) -> Sleep {
    kept(|| tokio::time::sleep_until(at))
}

/// As [`tokio::time::timeout`].
pub fn timeout<F: Future>(limit: Duration, future: F) -> Timeout<F> {
    kept(|| tokio::time::timeout(limit, future))
}

/// Makes an alarm. Outside the runtime threads the runtime keeps it that runs there.
fn kept<T>(make: impl FnOnce() -> T) -> T {
    let keeper = runtime::current_index().and_then(|_| KEEPER.get());
    let _context = keeper.map(Handle::enter);
    make()
}

/// The alarms of hyper's connections.
#[derive(Clone, Copy)]
pub struct Timer;

impl rt::Timer for Timer {
    fn sleep(&self, time: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Alarm(Box::pin(sleep(time))))
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Alarm(Box::pin(sleep_until(at.into()))))
    }
}

struct Alarm(Pin<Box<Sleep>>);

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl rt::Sleep for Alarm {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::runtime::Runtimes;

    #[tokio::test]
    async fn they_ring_on_runtime_threads_and_elsewhere() {
        const SOON: Duration = Duration::from_millis(1);
        let ring = async || {
            sleep(SOON).await;
            sleep_until(tokio::time::Instant::now() + SOON).await;
            rt::Timer::sleep(&Timer, SOON).await;
            timeout(SOON, std::future::pending::<()>()).await.is_err()
        };
        assert!(ring().await);
        let runtimes = Runtimes::start(1, false, false).unwrap();
        let rung = runtimes.handles()[0].spawn(async move { ring().await });
        assert!(rung.await.unwrap());
        runtimes.stop();
    }
}
