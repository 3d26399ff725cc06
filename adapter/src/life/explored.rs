//! The life cycle explored to its end: every state that any sequence of events leads to, and every event in each.

use std::collections::VecDeque;

use super::*;

/// Completion functions that run at a time, at most: another one more makes no new kind of state.
const MOST_CALLBACKS: u32 = 3;

/// A life and what has happened in it, told without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct World {
    life: Life,
    called: bool,
    running: bool,
    refused: bool,
    operation: bool,
    callbacks: u32,
    /// What the answer ends with: the first DONE, or the return, unless it was PENDING.
    done: Option<u32>,
    returned: Option<u32>,
    closed: bool,
    finished: Option<u32>,
    released: bool,
}

impl World {
    /// What can happen now. An extension may say DONE whenever it likes, the worker calls and completes what there is.
    fn possible(self) -> Vec<Event> {
        let mut events: Vec<_> = [1, 2, 4, 0].map(Event::Done).into();
        if !self.called && !self.refused {
            events.extend([Event::Called, Event::Refused]);
        }
        if self.running {
            events.extend([1, 3, 4, 0].map(Event::Returned));
        }
        if self.life.may_start() {
            events.push(Event::Started);
        }
        if self.operation && self.callbacks < MOST_CALLBACKS {
            events.push(Event::Completing);
        }
        if self.callbacks > 0 {
            events.push(Event::Completed);
        }
        events
    }

    /// Moves on and checks everything that is promised.
    fn on(mut self, event: Event) -> Self {
        let before = self;
        let action = self.life.on(event);
        match event {
            Event::Called => (self.called, self.running) = (true, true),
            Event::Refused => self.refused = true,
            Event::Returned(status) => {
                self.running = false;
                self.returned = Some(status).filter(|status| *status != HSE_STATUS_PENDING);
            }
            Event::Done(status) if before.life.is_open() => self.done = Some(status),
            Event::Done(_) => assert_eq!((self.life, action), (before.life, Action::default())),
            Event::Started => self.operation = true,
            Event::Completing => (self.operation, self.callbacks) = (false, self.callbacks + 1),
            Event::Completed => self.callbacks -= 1,
        }
        self.closed |= action.close;
        self.released |= action.release;
        assert!(!(before.closed && action.close), "closed once");
        assert!(!(before.released && action.release), "released once");
        if let Some(status) = action.finish {
            assert!(
                before.finished.is_none() && self.closed,
                "finished once, and closed before"
            );
            let said = self.done.or(self.returned);
            assert_eq!(
                Some(status),
                said.map(defined),
                "what was said first counts"
            );
            assert!(!self.operation, "no operation of a finished answer is left");
            self.finished = Some(status);
        }
        let idle = !self.running && !self.operation && self.callbacks == 0;
        if action.release {
            assert!(
                self.finished.is_some() && idle,
                "nobody uses what is released"
            );
        }
        self.agrees();
        self
    }

    /// What the life tells agrees with what has happened.
    fn agrees(self) {
        assert_eq!(self.life.is_open(), self.called && !self.closed);
        assert_eq!(self.life.has_operation(), self.operation);
        assert_eq!(
            self.life.may_start(),
            self.life.is_open() && !self.operation
        );
        assert_eq!(self.life.is_pending(), self.life.is_open() && !self.running);
        // Nothing is left undone.
        let idle = self.called && !self.running && !self.operation && self.callbacks == 0;
        let over = idle && (self.done.is_some() || self.returned.is_some());
        assert_eq!(self.released, over);
    }
}

#[test]
fn every_sequence_of_events_keeps_what_is_promised() {
    let mut seen = vec![World::default()];
    let mut next = VecDeque::from(seen.clone());
    let mut steps = 0;
    while let Some(world) = next.pop_front() {
        for event in world.possible() {
            let world = world.on(event);
            steps += 1;
            if !seen.contains(&world) {
                seen.push(world);
                next.push_back(world);
            }
        }
    }
    assert!(
        seen.len() > 100 && steps > 1000,
        "{} states, {steps} steps",
        seen.len()
    );
    // From each of them the request comes to its end as soon as everything that runs ends.
    for mut world in seen.into_iter().filter(|world| world.called) {
        let callbacks = [Event::Completed; MOST_CALLBACKS as usize];
        let ends = [Event::Returned(1), Event::Done(1)];
        let ends = callbacks
            .into_iter()
            .chain([Event::Completing, Event::Completed])
            .chain(ends);
        for event in ends {
            if world.possible().contains(&event) {
                world = world.on(event);
            }
        }
        assert!(world.finished.is_some() && world.released, "{world:?}");
    }
}
