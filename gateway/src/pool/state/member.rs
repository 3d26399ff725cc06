//! One worker, and how it takes leave.

use std::time::Instant;

use super::phase::Phase;
use super::{Action, Policy, Reason, WorkerId};

/// One worker.
#[derive(Debug)]
pub struct Member {
    /// What it does.
    pub phase: Phase,
    /// The version of the extension's file.
    pub generation: u64,
    /// Why another one shall take its place.
    pub replace: Option<Reason>,
}

impl Member {
    /// It takes no more requests: but for the clients that are bound to it, if they are to be spared.
    pub fn leave(
        &mut self,
        id: WorkerId,
        now: Instant,
        policy: &Policy,
        actions: &mut Vec<Action>,
    ) {
        let reason = self.replace.clone().unwrap_or(Reason::Stopping);
        if policy.sticky_drain.is_zero() || !reason.spares_sessions() {
            self.drain(id, now + policy.shutdown_timeout, actions);
        } else {
            let until = now + policy.sticky_drain;
            self.phase = Phase::Lingering { until };
            actions.push(Action::Linger(id, reason));
        }
    }

    /// It finishes its requests.
    pub fn drain(&mut self, id: WorkerId, deadline: Instant, actions: &mut Vec<Action>) {
        let reason = self.replace.clone().unwrap_or(Reason::Stopping);
        self.phase = Phase::draining(deadline);
        actions.push(Action::Retire(id, reason));
    }
}
