#![allow(clippy::unwrap_used, reason = "tests")]

use fastcgi_protocol::Params;
use proptest::prelude::*;

use super::*;
use crate::link::{Gone, Link, Stream};
use crate::response::Ending;
use crate::variables::Variables;

/// Requests that may run at a time.
const LIMIT: usize = 3;

struct Nothing;

impl Source for Nothing {
    fn read(&self, _: &mut Vec<Arc<Session>>) -> bool {
        false
    }

    fn hold(&self) {}

    fn release(&self) {}
}

impl Link for Nothing {
    fn lane(&self) -> Option<u16> {
        Some(0)
    }

    fn send(&self, _: u16, _: Stream, _: &[u8]) -> Result<(), Gone> {
        Ok(())
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn finish(&self, _: u16, _: &[u8], _: Ending, _: &[u8]) {}

    fn report(&self, _: u16, _: &str) {}

    fn grant(&self, _: u16, _: u32) {}

    fn resume(&self, _: Arc<Session>) {}
}

fn sessions(ids: std::ops::Range<u16>) -> Vec<Arc<Session>> {
    let variables = || Variables::new(Params::new());
    let session = |id| Session::new(id, Arc::new(Nothing), variables(), None, None);
    ids.map(|id| Arc::new(session(id))).collect()
}

fn id(session: &Session) -> u16 {
    session.name().unwrap().1
}

/// A state with one connection that has a reader.
fn read_by_one() -> State {
    let mut state = State::default();
    state.add_source(Arc::new(Nothing), None);
    assert_eq!(state.unread.pop_front(), Some(0));
    state
}

fn run(state: &mut State, turn: Turn) -> Vec<u16> {
    std::iter::from_fn(|| state.next_in(turn, LIMIT).map(|session| id(&session))).collect()
}

#[test]
fn a_reader_runs_what_it_has_brought_and_reads_on() {
    let mut state = read_by_one();
    let turn = state.leave(0, &mut sessions(1..4));
    assert!(!state.is_quiet());
    assert_eq!(run(&mut state, turn), [1, 2, 3]);
    assert!(state.come_back(turn));
    assert!(state.is_quiet() && state.unread.is_empty());
}

#[test]
fn who_is_held_up_loses_the_connection_and_what_waits() {
    let mut state = read_by_one();
    let turn = state.leave(0, &mut sessions(1..4));
    assert_eq!(id(&state.next_in(turn, LIMIT).unwrap()), 1);
    assert!(state.look(LIMIT).busy);
    assert!(state.unread.is_empty());
    assert!(state.look(LIMIT).busy);
    assert_eq!(state.unread, [0]);
    assert!(state.next_in(turn, LIMIT).is_none());
    assert!(!state.hand_over(turn));
    assert!(!state.come_back(turn));
    assert_eq!(id(&state.next(LIMIT).unwrap()), 2);
    assert_eq!(id(&state.next(LIMIT).unwrap()), 3);
}

#[test]
fn who_moves_on_keeps_the_connection() {
    let mut state = read_by_one();
    for first in 1..10 {
        let turn = state.leave(0, &mut sessions(first..first + 1));
        state.look(LIMIT);
        assert_eq!(run(&mut state, turn), [first]);
        assert!(state.come_back(turn));
    }
    assert!(!state.look(LIMIT).busy);
}

#[test]
fn a_connection_is_left_to_one_that_has_waited_for_it() {
    let (mut state, source) = (State::default(), Arc::new(Nothing));
    state.add_source(Arc::new(Nothing), None);
    state.add_source(Arc::clone(&source) as _, None);
    state.unread.clear();
    assert_eq!(state.inherit(&*source), None);
    state.leave_to_heir(1);
    assert_eq!(state.inherit(&Nothing), None);
    let turn = state.inherit(&*source).unwrap();
    assert_eq!(turn.station(), 1);
    assert_eq!(state.inherit(&*source), None, "it is taken");
    assert!(state.source(turn).is_some() && state.come_back(turn));
    state.leave_to_heir(1);
    state.look(LIMIT);
    state.look(LIMIT);
    assert_eq!(state.unread, [1], "nobody has come for it");
    assert_eq!(state.inherit(&*source), None);
}

#[test]
fn the_watch_is_spared_where_requests_are_rare() {
    const PATIENCE: Duration = Duration::from_micros(200);
    let mut state = read_by_one();
    let begun = Instant::now();
    let mut is_calm = |work: &mut dyn FnMut(&mut State), after: u64| {
        let turn = state.leave(0, &mut sessions(1..2));
        assert_eq!(run(&mut state, turn), [1]);
        work(&mut state);
        assert!(state.come_back(turn));
        state.is_calm(begun + Duration::from_micros(after), PATIENCE)
    };
    assert!(is_calm(&mut |_| {}, 1000));
    assert!(is_calm(&mut |_| {}, 2000));
    assert!(!is_calm(&mut |_| {}, 2100), "they follow each other");
    assert!(!is_calm(&mut |state| state.inside = 1, 3000));
    let mut wait = |state: &mut State| {
        state.inside = 0;
        state.waiting.extend(sessions(5..6));
    };
    assert!(!is_calm(&mut wait, 4000));
}

#[test]
fn what_too_many_leave_is_for_all() {
    let mut state = read_by_one();
    let turn = state.leave(0, &mut sessions(1..3));
    state.inside = LIMIT;
    assert_eq!(run(&mut state, turn), []);
    assert!(state.come_back(turn));
    assert!(state.next(LIMIT).is_none());
    state.inside -= 1;
    assert_eq!(id(&state.next(LIMIT).unwrap()), 1);
}

#[test]
fn help_grows_as_long_as_something_waits() {
    let mut state = State::default();
    state.waiting.extend(sessions(1..10));
    let help: Vec<_> = (0..4).map(|_| state.look(LIMIT).help).collect();
    assert_eq!(help, [0, 1, 2, 3]);
    while state.next(LIMIT).is_some() {}
    assert_eq!(state.look(LIMIT).help, 0);
}

/// What may happen to one of a few threads.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// It reads so many requests.
    Read(usize, u16),
    /// It goes on: runs another request, or reads, or takes other work.
    Go(usize),
    /// What it runs waits for the connection.
    Wait(usize),
    /// The watch looks.
    Look,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Thread {
    Idle,
    Reading(usize),
    /// Running a request, with its turn if it is a reader's.
    Running(Option<(usize, Turn)>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6_usize, 0..4_u16).prop_map(|(thread, count)| Step::Read(thread, count)),
        (0..6_usize).prop_map(Step::Go),
        (0..6_usize).prop_map(Step::Go),
        (0..6_usize).prop_map(Step::Wait),
        Just(Step::Look),
    ]
}

proptest! {
    #[test]
    fn every_request_runs_once_and_every_connection_has_one_reader(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut state = State::default();
        state.add_source(Arc::new(Nothing), None);
        state.add_source(Arc::new(Nothing), None);
        let mut threads = [Thread::Idle; 6];
        let (mut brought, mut begun) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Read(thread, count) => {
                    if let Thread::Reading(index) = threads[thread]
                        && count > 0
                    {
                        let turn = state.leave(index, &mut sessions(brought..brought + count));
                        brought += count;
                        threads[thread] = go_on(&mut state, index, turn, &mut begun);
                    }
                }
                Step::Go(thread) => {
                    if let Thread::Running(turn) = threads[thread] {
                        state.inside -= 1;
                        threads[thread] = match turn {
                            Some((index, turn)) => go_on(&mut state, index, turn, &mut begun),
                            None => Thread::Idle,
                        };
                    }
                    if threads[thread] == Thread::Idle {
                        threads[thread] = take(&mut state, &mut begun);
                    }
                }
                Step::Wait(thread) => {
                    if let Thread::Running(Some((index, turn))) = threads[thread]
                        && state.hand_over(turn)
                    {
                        prop_assert!(state.unread.contains(&index));
                    }
                }
                Step::Look => {
                    state.look(LIMIT);
                }
            }
            prop_assert!(state.inside <= LIMIT);
            for index in 0..2 {
                let lasting = |turn: Turn| turn.station == index && state.lasts(turn);
                let readers = threads.iter().filter(|thread| match thread {
                    Thread::Reading(other) => *other == index,
                    Thread::Running(Some((_, turn))) => lasting(*turn),
                    _ => false,
                });
                let unread = state.unread.iter().filter(|other| **other == index);
                prop_assert_eq!(readers.count() + unread.count(), 1);
            }
        }
        // In the end everything is run.
        for _ in 0..2000 {
            for thread in &mut threads {
                *thread = match *thread {
                    Thread::Running(turn) => {
                        state.inside -= 1;
                        match turn {
                            Some((index, turn)) => go_on(&mut state, index, turn, &mut begun),
                            None => Thread::Idle,
                        }
                    }
                    Thread::Idle => take(&mut state, &mut begun),
                    reading => reading,
                };
            }
        }
        begun.sort_unstable();
        prop_assert_eq!(begun, (0..brought).collect::<Vec<_>>());
        prop_assert!(state.is_quiet());
    }
}

fn go_on(state: &mut State, index: usize, turn: Turn, begun: &mut Vec<u16>) -> Thread {
    match state.next_in(turn, LIMIT) {
        Some(session) => {
            begun.push(id(&session));
            state.inside += 1;
            Thread::Running(Some((index, turn)))
        }
        None if state.come_back(turn) => Thread::Reading(index),
        None => Thread::Idle,
    }
}

fn take(state: &mut State, begun: &mut Vec<u16>) -> Thread {
    if let Some(index) = state.unread.pop_front() {
        return Thread::Reading(index);
    }
    match state.next(LIMIT) {
        Some(session) => {
            begun.push(id(&session));
            state.inside += 1;
            Thread::Running(None)
        }
        None => Thread::Idle,
    }
}
