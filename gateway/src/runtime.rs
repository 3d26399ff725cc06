//! The runtime threads: one current-thread runtime each, so that a request stays on one core (measured to be
//! a fifth faster than a work-stealing runtime). Each stays on a processor of its own, as do the threads of workers that
//! read what it sends: to wake a thread on the same processor costs a third of what it costs on another.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::{alarms, os};

thread_local! {
    static INDEX: Cell<Option<usize>> = const { Cell::new(None) };
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Handles of the running runtime threads. Clones share the threads; they end when [`Runtimes::stop`] is called.
#[derive(Clone)]
pub struct Runtimes {
    handles: Arc<[Handle]>,
    processors: Arc<[usize]>,
    stop: watch::Sender<bool>,
}

impl Runtimes {
    /// Starts `count` threads, at least one. If they are to be bound and the calling thread may use as many processors,
    /// several, each has one of them.
    ///
    /// # Errors
    /// When a runtime or thread cannot be created.
    pub fn start(count: usize, bind: bool) -> std::io::Result<Self> {
        keep_freed_memory();
        alarms::keep()?;
        let all: Arc<[usize]> = os::processors().into();
        let is_bound = bind && count > 1 && all.len() == count;
        let place = |index: usize| {
            let all = Arc::clone(&all);
            is_bound.then(|| Place {
                own: all[index],
                all,
            })
        };
        let (stop, stopped) = watch::channel(false);
        let handles = (0..count.max(1))
            .map(|index| spawn_thread(index, place(index), stopped.clone()))
            .collect::<std::io::Result<Arc<[Handle]>>>()?;
        Ok(Self {
            handles,
            processors: if is_bound { all } else { [].into() },
            stop,
        })
    }

    /// One handle for each thread.
    pub fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// The processor of each thread; none if they are not bound.
    pub fn processors(&self) -> &[usize] {
        &self.processors
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

/// Has glibc keep free memory: twice as much in each of its arenas as the largest block that was freed. At first it gives all
/// but 128 KiB back to the system, and the buffers of each long body would be new pages.
fn keep_freed_memory() {
    const FREED: usize = 2 * 1024 * 1024;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(FREED)));
}

/// Does something that starts a process: what is started takes over where the thread may run that starts it.
pub fn anywhere<T>(start: impl FnOnce() -> T) -> T {
    PLACE.with_borrow(|place| {
        // A system that lets no thread be bound has lost nothing but speed, here as in what follows.
        if let Some(place) = place {
            let _ = os::bind(&place.all);
        }
        let started = start();
        if let Some(place) = place {
            let _ = os::bind(&[place.own]);
        }
        started
    })
}

/// Where a thread runs.
#[derive(Clone)]
struct Place {
    own: usize,
    /// The processors that the gateway may use.
    all: Arc<[usize]>,
}

/// Starts a thread, in its place if it has one; threads that it starts for work that blocks run anywhere.
fn spawn_thread(
    index: usize,
    place: Option<Place>,
    mut stopped: watch::Receiver<bool>,
) -> std::io::Result<Handle> {
    let mut builder = Builder::new_current_thread();
    builder.enable_io();
    if let Some(Place { all, .. }) = place.clone() {
        builder.on_thread_start(move || drop(os::bind(&all)));
    }
    let runtime = builder.build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name(format!("runtime-{index}"))
        .spawn(move || {
            INDEX.set(Some(index));
            PLACE.set(place);
            anywhere(|| ());
            // The sender lives in every clone of `Runtimes`: an error means that all of them are gone.
            let _ = runtime.block_on(stopped.wait_for(|stop| *stop));
        })?;
    Ok(handle)
}
