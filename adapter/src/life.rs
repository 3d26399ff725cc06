//! The life cycle of one request as a pure state machine (ISAPI.md §1.4, §2.1, §4.3).
//!
//! Four things keep the ECB alive: the call of `HttpExtensionProc` that is still running, the session that the extension
//! has not ended yet, an asynchronous operation whose completion function has not been called yet, and completion
//! functions that are running. The answer is finished when the session ends; the ECB is free when all are over.

use isapi_abi::status::{HSE_STATUS_PENDING, HSE_STATUS_SUCCESS};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `HttpExtensionProc` is called.
    Called,
    /// The request is answered without the extension, which never sees it.
    Refused,
    /// `HttpExtensionProc` returned this value.
    Returned(u32),
    /// The extension called `HSE_REQ_DONE_WITH_SESSION` with this status.
    Done(u32),
    /// The extension started an asynchronous operation; [`Life::may_start`] allowed it.
    Started,
    /// The operation is over and its completion function is about to be called.
    Completing,
    /// A completion function returned.
    Completed,
}

/// What the worker has to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Action {
    /// The extension may not use the request's callbacks any more.
    pub close: bool,
    /// Finish the answer with this status.
    pub finish: Option<u32>,
    /// Free the ECB: nothing of the extension may use it any more.
    pub release: bool,
}

impl Action {
    /// Only the callbacks are over.
    pub const CLOSE: Self = Self {
        close: true,
        finish: None,
        release: false,
    };
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Life {
    call: Call,
    phase: Phase,
    /// An operation was started and its completion function has not been called yet.
    operation: bool,
    /// Completion functions that are running: the next operation may be over before the function of the one before has
    /// returned.
    callbacks: u32,
}

/// The one call of `HttpExtensionProc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Call {
    #[default]
    Waiting,
    Running,
    Over,
}

/// The session, from the extension's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Open,
    /// `HttpExtensionProc` returned a final status in spite of an operation: the session stays open until that is over.
    Returned(u32),
    /// DONE came in spite of an operation: nothing new may begin, the answer is finished when that is over.
    Done(u32),
    /// The answer is finished.
    Ended,
    /// The ECB is free.
    Released,
}

impl Life {
    /// Whether the extension may still use the request's callbacks.
    pub fn is_open(self) -> bool {
        self.call != Call::Waiting && matches!(self.phase, Phase::Open | Phase::Returned(_))
    }

    /// Whether an operation may start: only one may be outstanding (ISAPI.md §4.3).
    pub fn may_start(self) -> bool {
        self.is_open() && !self.operation
    }

    /// Whether an operation is outstanding.
    pub fn has_operation(self) -> bool {
        self.operation
    }

    /// Whether `HttpExtensionProc` has returned while the session goes on.
    pub fn is_pending(self) -> bool {
        self.call == Call::Over && self.is_open()
    }

    /// Whether the session has ended: nobody takes any more of the body, even if `HttpExtensionProc` still runs.
    pub fn has_ended(self) -> bool {
        !matches!(self.phase, Phase::Open | Phase::Returned(_))
    }

    /// Moves on. Events that make no sense in a state (a second DONE, a DONE after the return) change nothing: ISAPI.md
    /// §2.1 demands that they never free twice.
    pub fn on(&mut self, event: Event) -> Action {
        let was_open = self.is_open();
        match event {
            Event::Called if self.call == Call::Waiting => self.call = Call::Running,
            Event::Refused if self.call == Call::Waiting => {
                (self.call, self.phase) = (Call::Over, Phase::Released);
            }
            Event::Returned(status) if self.call == Call::Running => {
                self.call = Call::Over;
                if self.phase == Phase::Open && status != HSE_STATUS_PENDING {
                    self.phase = Phase::Returned(defined(status));
                }
            }
            Event::Done(status) if self.is_open() => self.phase = Phase::Done(defined(status)),
            Event::Started if self.may_start() => self.operation = true,
            Event::Completing if self.operation => {
                self.operation = false;
                self.callbacks += 1;
            }
            Event::Completed => self.callbacks = self.callbacks.saturating_sub(1),
            _ => {}
        }
        let idle = !self.operation && self.callbacks == 0;
        let finish = match self.phase {
            Phase::Returned(status) | Phase::Done(status) if idle => Some(status),
            // From inside a completion function DONE takes effect at once.
            Phase::Done(status) if was_open && !self.operation => Some(status),
            _ => None,
        };
        if finish.is_some() {
            self.phase = Phase::Ended;
        }
        let release = self.phase == Phase::Ended && self.call == Call::Over && idle;
        if release {
            self.phase = Phase::Released;
        }
        Action {
            close: was_open && !self.is_open(),
            finish,
            release,
        }
    }
}

/// Return value 0 is not defined; IIS takes it for success (ISAPI.md §1.4).
fn defined(status: u32) -> u32 {
    if status == 0 {
        HSE_STATUS_SUCCESS
    } else {
        status
    }
}

#[cfg(test)]
mod explored;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Called),
            Just(Event::Refused),
            (0u32..6).prop_map(Event::Returned),
            (0u32..6).prop_map(Event::Done),
            Just(Event::Started),
            Just(Event::Completing),
            Just(Event::Completed),
        ]
    }

    #[test]
    fn returning_success_finishes_and_releases() {
        let mut life = called();
        assert_eq!(life.on(Event::Returned(0)), end(1));
    }

    #[test]
    fn done_before_the_return_finishes_once_and_releases_at_the_return() {
        let mut life = called();
        assert_eq!(life.on(Event::Done(2)), finish(2));
        assert_eq!(life.on(Event::Done(2)), Action::default());
        assert_eq!(life.on(Event::Returned(3)), RELEASE);
    }

    #[test]
    fn pending_waits_for_done() {
        let mut life = called();
        assert_eq!(life.on(Event::Returned(3)), Action::default());
        assert!(life.is_open());
        assert_eq!(life.on(Event::Done(1)), end(1));
    }

    #[test]
    fn done_in_a_completion_function_finishes_at_once_and_releases_at_its_return() {
        let mut life = called();
        life.on(Event::Started);
        life.on(Event::Returned(3));
        assert!(!life.may_start());
        life.on(Event::Completing);
        assert!(life.may_start());
        assert_eq!(life.on(Event::Done(1)), finish(1));
        assert_eq!(life.on(Event::Completed), RELEASE);
    }

    #[test]
    fn done_with_an_operation_outstanding_waits_for_its_completion() {
        let mut life = called();
        life.on(Event::Started);
        life.on(Event::Returned(3));
        let closed = Action {
            close: true,
            ..Action::default()
        };
        assert_eq!(life.on(Event::Done(2)), closed);
        assert!(!life.is_open() && life.has_ended());
        assert_eq!(life.on(Event::Completing), Action::default());
        assert_eq!(
            life.on(Event::Completed),
            Action {
                close: false,
                ..end(2)
            }
        );
    }

    #[test]
    fn returning_success_with_an_operation_outstanding_waits_for_its_completion() {
        let mut life = called();
        life.on(Event::Started);
        assert_eq!(life.on(Event::Returned(1)), Action::default());
        assert!(life.is_open());
        life.on(Event::Completing);
        life.on(Event::Started);
        assert_eq!(life.on(Event::Completed), Action::default());
        life.on(Event::Completing);
        assert_eq!(life.on(Event::Completed), end(1));
    }

    #[test]
    fn an_operation_may_be_over_before_the_function_of_the_one_before_has_returned() {
        let mut life = called();
        life.on(Event::Started);
        life.on(Event::Completing);
        life.on(Event::Started);
        life.on(Event::Completing);
        life.on(Event::Returned(3));
        assert_eq!(life.on(Event::Done(1)), finish(1));
        assert_eq!(life.on(Event::Completed), Action::default());
        assert_eq!(life.on(Event::Completed), RELEASE);
    }

    fn called() -> Life {
        let mut life = Life::default();
        life.on(Event::Called);
        life
    }

    const RELEASE: Action = Action {
        close: false,
        finish: None,
        release: true,
    };

    fn finish(status: u32) -> Action {
        Action {
            release: false,
            ..end(status)
        }
    }

    fn end(status: u32) -> Action {
        Action {
            close: true,
            finish: Some(status),
            release: true,
        }
    }

    proptest! {
        /// Whatever the extension does, an answer is finished at most once and an ECB is freed at most once, never
        /// before the answer was finished, and never while a call, an operation or a completion function is left.
        #[test]
        fn finishes_and_releases_at_most_once(events in proptest::collection::vec(event(), 0..40)) {
            let (mut life, mut closed, mut finished, mut released) = (Life::default(), 0, 0, 0);
            let (mut running, mut operations, mut callbacks) = (false, 0, 0);
            for event in events {
                match event {
                    Event::Called => running |= life == Life::default(),
                    Event::Returned(_) => running = false,
                    Event::Started => operations += u32::from(life.may_start()),
                    // The worker reports nothing that did not happen.
                    Event::Completing if operations == 0 => continue,
                    Event::Completing => {
                        operations -= 1;
                        callbacks += 1;
                    }
                    Event::Completed if callbacks == 0 => continue,
                    Event::Completed => callbacks -= 1,
                    Event::Done(_) | Event::Refused => {}
                }
                let action = life.on(event);
                finished += u32::from(action.finish.is_some());
                released += u32::from(action.release);
                closed += u32::from(action.close);
                prop_assert!(closed <= 1 && finished <= closed && released <= finished);
                prop_assert!(operations <= 1);
                prop_assert!(!action.release || !running && operations == 0 && callbacks == 0);
            }
        }

        /// When everything has ended in whatever order, the answer is finished and the ECB free.
        #[test]
        fn ends_when_everything_has_ended(
            operation in any::<bool>(), status in 0u32..6, done in any::<bool>(), order in any::<[u8; 3]>()
        ) {
            let mut life = called();
            if operation {
                life.on(Event::Started);
            }
            let mut ends = vec![(order[0], vec![Event::Returned(status)])];
            if operation {
                ends.push((order[1], vec![Event::Completing, Event::Completed]));
            }
            if done || status == HSE_STATUS_PENDING {
                ends.push((order[2], vec![Event::Done(1)]));
            }
            ends.sort_by_key(|(when, _)| *when);
            let actions: Vec<_> = ends.into_iter().flat_map(|(_, events)| events).map(|event| life.on(event)).collect();
            prop_assert_eq!(actions.iter().filter(|action| action.close).count(), 1);
            prop_assert_eq!(actions.iter().filter(|action| action.finish.is_some()).count(), 1);
            prop_assert_eq!(actions.iter().filter(|action| action.release).count(), 1);
        }
    }
}
