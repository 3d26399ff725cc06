//! Many connections of web servers, which one thread of the pool reads at a time, and runs what they bring: to have a
//! thread wait at each costs a switch of threads for each request, and so does handing the request over.
//!
//! Whoever reads here must never wait for one of them. A connection whose body is not taken, or that wants an answer of
//! the protocol itself, gets a thread of its own until that is over.

use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::Builder;
use std::time::{Duration, Instant};

use fastcgi_protocol::RecordBuffer;

use super::{Connection, ConnectionError};
use crate::body;
use crate::log;
use crate::os::{CLOSE_GRACE, Poll, Transport};
use crate::session::Session;
use crate::threads::{Source, Threads};

/// What one request may have of a body that waits for its extension: with all that one read brings it still fits.
const ROOM: usize = body::ROOM as usize - RecordBuffer::SIZE;

/// Connections that are read together.
pub struct Hub {
    threads: Arc<Threads>,
    max_connections: usize,
    poll: Poll,
    members: Mutex<Members>,
    /// Whoever reads has it.
    reading: Mutex<Reading>,
    this: Weak<Hub>,
}

#[derive(Default)]
struct Members {
    /// How many there have been: each has a number of its own.
    count: u64,
    members: HashMap<u64, Member>,
}

/// A connection.
#[derive(Clone)]
struct Member {
    connection: Arc<Connection>,
    /// Its place among those that there may be.
    _place: Arc<dyn Any + Send + Sync>,
}

struct Reading {
    ready: Vec<u64>,
    /// When closed connections were looked for.
    looked: Instant,
}

impl Hub {
    /// Has the threads read a hub, for a process that has so many connections at most.
    ///
    /// # Errors
    /// When the system is short of descriptors or threads.
    pub fn start(threads: &Arc<Threads>, max_connections: usize) -> io::Result<Arc<Self>> {
        let poll = Poll::new()?;
        let hub = Arc::new_cyclic(|this| Self {
            threads: Arc::clone(threads),
            max_connections,
            poll,
            members: Mutex::default(),
            reading: Mutex::new(Reading {
                ready: Vec::new(),
                looked: Instant::now(),
            }),
            this: this.clone(),
        });
        threads.attend_to(Arc::clone(&hub) as _, None)?;
        Ok(hub)
    }

    /// Has a new connection read. `place` is dropped at its end.
    pub fn serve(&self, transport: Arc<dyn Transport>, place: Arc<dyn Any + Send + Sync>) {
        let connection = Connection::of_web_server(transport, &self.threads, self.max_connections);
        self.enter(Member {
            connection,
            _place: place,
        });
    }

    fn enter(&self, member: Member) {
        let mut members = self.members();
        members.count += 1;
        let number = members.count;
        let added = self.poll.add(&*member.connection.transport, number);
        match added {
            Ok(()) => drop(members.members.insert(number, member)),
            Err(error) => {
                drop(members);
                member.connection.over(Err(error.into()));
            }
        }
    }

    fn leave(&self, number: u64) -> Option<Member> {
        let member = self.members().members.remove(&number)?;
        self.poll.remove(&*member.connection.transport);
        Some(member)
    }

    fn read_one(&self, number: u64, ready: &mut Vec<Arc<Session>>) {
        let connection = match self.members().members.get(&number) {
            Some(member) => Arc::clone(&member.connection),
            None => return,
        };
        match connection.receive(ready) {
            Ok(true) if connection.may_block() => self.read_apart(number),
            Ok(true) => {}
            end => {
                self.leave(number);
                connection.over(end.map(|_| ()));
            }
        }
    }

    /// Gives a connection a thread of its own.
    fn read_apart(&self, number: u64) {
        let (Some(member), Some(hub)) = (self.leave(number), self.this.upgrade()) else {
            return;
        };
        let apart = member.clone();
        let thread = Builder::new().name("connection".into());
        if let Err(error) = thread.spawn(move || {
            if apart.connection.read_body() {
                hub.enter(apart);
            }
        }) {
            member.connection.over(Err(error.into()));
        }
    }

    /// A client that does not close its end does not hold a place for ever.
    fn drop_closed(&self) {
        let mut members = self.members();
        let closed = members.members.iter();
        let closed = closed.filter(|(_, member)| member.connection.is_closed_since(CLOSE_GRACE));
        let closed: Vec<_> = closed.map(|(number, _)| *number).collect();
        let closed: Vec<_> = closed
            .iter()
            .filter_map(|number| members.members.remove(number))
            .collect();
        drop(members);
        for member in closed {
            self.poll.remove(&*member.connection.transport);
            member.connection.over(Ok(()));
        }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Hub {
    fn read(&self, ready: &mut Vec<Arc<Session>>) -> bool {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = &mut *reading;
        if let Err(error) = self.poll.wait(CLOSE_GRACE, &mut reading.ready) {
            log::line(format_args!("cannot wait for connections: {error}"));
            // As long as the others take to end, perhaps.
            std::thread::sleep(Duration::from_millis(100));
        }
        for number in reading.ready.drain(..) {
            self.read_one(number, ready);
        }
        if reading.looked.elapsed() > CLOSE_GRACE {
            self.drop_closed();
            reading.looked = Instant::now();
        }
        true
    }

    /// Each answer goes to a client of its own, at once.
    fn hold(&self) {}

    fn release(&self) {}
}

impl Connection {
    /// Whether who reads on, or answers what was read, might have to wait for the other end or for an extension.
    fn may_block(&self) -> bool {
        let sessions = &self.lock().sessions;
        let is_full = sessions
            .values()
            .any(|session| session.holds_more_than(ROOM));
        is_full || !self.incoming().replies.is_empty()
    }

    /// Whether it was closed from here so long ago.
    fn is_closed_since(&self, time: Duration) -> bool {
        self.closed
            .get()
            .is_some_and(|closed| closed.elapsed() > time)
    }

    /// Reads until no body comes any more. Returns whether the connection is still there.
    fn read_body(&self) -> bool {
        let mut ready = Vec::new();
        loop {
            self.reply();
            if !self.lock().application.awaits_stdin() {
                return true;
            }
            match self.receive(&mut ready) {
                Ok(true) => self.threads.submit(&mut ready),
                end => {
                    self.over(end.map(|_| ()));
                    self.threads.submit(&mut ready);
                    return false;
                }
            }
        }
    }

    /// What still runs has lost its client. Why the connection has ended is told.
    fn over(&self, end: Result<(), ConnectionError>) {
        self.lost();
        // A client that breaks off or breaks the protocol ends its own connection, nothing else.
        if let Err(error) = end {
            log::line(error);
        }
    }
}
