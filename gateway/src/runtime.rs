//! The runtime threads: one current-thread runtime each, so that a request stays on one core (measured to be
//! a fifth faster than a work-stealing runtime). Each stays on a processor of its own, as do the threads of workers that
//! read what it sends: to wake a thread on the same processor costs a third of what it costs on another.
//!
//! None of them interrupts what runs on its processor, as a thread that is woken otherwise does: at the first of ten requests that
//! a web server is about to pass on, and at the first of ten answers of a worker. It takes its turn when they wait or
//! their time is over, and finds all ten.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::{alarms, os};

thread_local! {
    static INDEX: Cell<Option<usize>> = const { Cell::new(None) };
    static WAY: RefCell<Option<Way>> = const { RefCell::new(None) };
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
    /// several, each has one of them. If they are to run `in_batches`, they do where the calling thread runs as usual.
    ///
    /// # Errors
    /// When a runtime or thread cannot be created.
    pub fn start(count: usize, bind: bool, in_batches: bool) -> std::io::Result<Self> {
        keep_freed_memory();
        alarms::keep()?;
        let all: Arc<[usize]> = os::processors().into();
        let is_bound = bind && count > 1 && all.len() == count;
        let in_batches = in_batches && os::runs_as_usual();
        let way = |index: usize| Way {
            in_batches,
            place: is_bound.then(|| Place {
                own: all[index],
                all: Arc::clone(&all),
            }),
        };
        let (stop, stopped) = watch::channel(false);
        let handles = (0..count.max(1))
            .map(|index| spawn_thread(index, way(index), stopped.clone()))
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

/// Does something that starts a process: what is started takes over where and how the thread runs that starts it.
#[cfg(unix)]
pub fn as_usual<T>(start: impl FnOnce() -> T) -> T {
    WAY.with_borrow(|way| {
        if let Some(way) = way {
            way.leave();
        }
        let started = start();
        if let Some(way) = way {
            way.take();
        }
        started
    })
}

/// How a runtime thread runs, unlike all else that the gateway starts.
#[derive(Clone)]
struct Way {
    /// It interrupts nothing.
    in_batches: bool,
    /// It stays there.
    place: Option<Place>,
}

#[derive(Clone)]
struct Place {
    own: usize,
    /// The processors that the gateway may use.
    all: Arc<[usize]>,
}

impl Way {
    /// The calling thread runs so. A system that does not let it has lost nothing but speed, here as in what follows.
    fn take(&self) {
        if self.in_batches {
            let _ = os::run_in_batches(true);
        }
        if let Some(place) = &self.place {
            let _ = os::bind(&[place.own]);
        }
    }

    /// The calling thread, and what it will start, runs as usual.
    fn leave(&self) {
        if self.in_batches {
            let _ = os::run_in_batches(false);
        }
        if let Some(place) = &self.place {
            let _ = os::bind(&place.all);
        }
    }
}

/// Starts a thread that runs its way; those that it starts for work that blocks run as usual.
fn spawn_thread(
    index: usize,
    way: Way,
    mut stopped: watch::Receiver<bool>,
) -> std::io::Result<Handle> {
    let mut builder = Builder::new_current_thread();
    builder.enable_io();
    let left = way.clone();
    builder.on_thread_start(move || left.leave());
    let runtime = builder.build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name(format!("runtime-{index}"))
        .spawn(move || {
            INDEX.set(Some(index));
            way.take();
            WAY.set(Some(way));
            // The sender lives in every clone of `Runtimes`: an error means that all of them are gone.
            let _ = runtime.block_on(stopped.wait_for(|stop| *stop));
        })?;
    Ok(handle)
}
