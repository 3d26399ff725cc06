//! The life cycle of one request as a pure state machine (ISAPI.md §1.4, §2.1).
//!
//! Two things keep the ECB alive: the call of `HttpExtensionProc` that is still running, and the session that the
//! extension has not ended yet. The answer is finished when the session ends; the ECB is free when both are over.

use isapi_abi::status::{HSE_STATUS_PENDING, HSE_STATUS_SUCCESS};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `HttpExtensionProc` is called.
    Called,
    /// `HttpExtensionProc` returned this value.
    Returned(u32),
    /// The extension called `HSE_REQ_DONE_WITH_SESSION` with this status.
    Done(u32),
}

/// What the worker has to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Action {
    /// Finish the answer with this status.
    pub finish: Option<u32>,
    /// Free the ECB: nothing of the extension may use it any more.
    pub release: bool,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Life {
    /// Not handed to the extension yet.
    #[default]
    Waiting,
    /// Inside `HttpExtensionProc`, session open.
    Running,
    /// `HttpExtensionProc` returned `HSE_STATUS_PENDING`; the extension ends the session later.
    Pending,
    /// The session was ended while `HttpExtensionProc` still runs.
    Ending,
    /// Both are over.
    Over,
}

impl Life {
    /// Whether the extension may still use the request's callbacks.
    pub fn is_open(self) -> bool {
        matches!(self, Life::Running | Life::Pending)
    }

    /// Whether the session has ended: nobody takes any more of the body, even if `HttpExtensionProc` still runs.
    pub fn has_ended(self) -> bool {
        matches!(self, Life::Ending | Life::Over)
    }

    /// Moves on. Events that make no sense in a state (a second DONE, a DONE after the return) change nothing: ISAPI.md
    /// §2.1 demands that they never free twice.
    pub fn on(&mut self, event: Event) -> Action {
        let (next, action) = match (*self, event) {
            (Life::Waiting, Event::Called) => (Life::Running, Action::default()),
            (Life::Running, Event::Returned(HSE_STATUS_PENDING)) => {
                (Life::Pending, Action::default())
            }
            (Life::Running, Event::Returned(status)) => (
                Life::Over,
                Action {
                    finish: Some(defined(status)),
                    release: true,
                },
            ),
            (Life::Running, Event::Done(status)) => (
                Life::Ending,
                Action {
                    finish: Some(defined(status)),
                    release: false,
                },
            ),
            (Life::Pending, Event::Done(status)) => (
                Life::Over,
                Action {
                    finish: Some(defined(status)),
                    release: true,
                },
            ),
            (Life::Ending, Event::Returned(_)) => (
                Life::Over,
                Action {
                    finish: None,
                    release: true,
                },
            ),
            (state, _) => (state, Action::default()),
        };
        *self = next;
        action
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Called),
            (0u32..6).prop_map(Event::Returned),
            (0u32..6).prop_map(Event::Done),
        ]
    }

    #[test]
    fn returning_success_finishes_and_releases() {
        let mut life = Life::Waiting;
        life.on(Event::Called);
        assert_eq!(
            life.on(Event::Returned(0)),
            Action {
                finish: Some(1),
                release: true
            }
        );
    }

    #[test]
    fn done_before_the_return_finishes_once_and_releases_at_the_return() {
        let mut life = Life::Waiting;
        life.on(Event::Called);
        assert_eq!(
            life.on(Event::Done(2)),
            Action {
                finish: Some(2),
                release: false
            }
        );
        assert_eq!(life.on(Event::Done(2)), Action::default());
        assert_eq!(
            life.on(Event::Returned(3)),
            Action {
                finish: None,
                release: true
            }
        );
    }

    #[test]
    fn pending_waits_for_done() {
        let mut life = Life::Waiting;
        life.on(Event::Called);
        assert_eq!(life.on(Event::Returned(3)), Action::default());
        assert!(life.is_open());
        assert_eq!(
            life.on(Event::Done(1)),
            Action {
                finish: Some(1),
                release: true
            }
        );
    }

    proptest! {
        /// Whatever the extension does, an answer is finished at most once and an ECB is freed at most once, never
        /// before the answer was finished.
        #[test]
        fn finishes_and_releases_at_most_once(events in proptest::collection::vec(event(), 0..20)) {
            let (mut life, mut finished, mut released) = (Life::Waiting, 0, 0);
            for event in events {
                let action = life.on(event);
                finished += u32::from(action.finish.is_some());
                released += u32::from(action.release);
                prop_assert!(finished <= 1 && released <= 1 && released <= finished);
                prop_assert_eq!(released == 1, life == Life::Over);
            }
        }
    }
}
