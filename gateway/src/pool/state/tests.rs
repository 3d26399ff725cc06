#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    processes: 2,
    startup_timeout: Duration::from_secs(90),
    shutdown_timeout: Duration::from_secs(10),
};

fn pool(processes: usize) -> (State, Instant) {
    (
        State::new(Limits {
            processes,
            ..LIMITS
        }),
        Instant::now(),
    )
}

fn failure(reason: &str) -> Failure {
    Failure {
        missing: false,
        reason: reason.into(),
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const A: WorkerId = WorkerId(0);
const B: WorkerId = WorkerId(1);
const C: WorkerId = WorkerId(2);

#[test]
fn starts_the_workers_and_replaces_one_that_dies_at_once() {
    let (mut state, now) = pool(2);
    assert_eq!(
        state.step(now, Event::Tick),
        [Action::Spawn(A), Action::Spawn(B)]
    );
    assert_eq!(state.step(now, Event::Greeted(A)), []);
    assert_eq!(state.ready().collect::<Vec<_>>(), [A]);
    assert_eq!(
        state.step(now, Event::Exited(A, failure("died"))),
        [Action::Spawn(C)]
    );
    assert_eq!(state.failure(), None);
}

#[test]
fn failed_starts_back_off_and_the_first_success_ends_it() {
    let (mut state, mut now) = pool(2);
    state.step(now, Event::Tick);
    assert_eq!(
        state.step(now, Event::StartFailed(A, failure("no such symbol"))),
        [Action::Kill(A, Cause::NotLoaded)]
    );
    assert_eq!(state.step(now, Event::Exited(B, failure("died"))), []);
    assert_eq!(state.failure().unwrap().reason, "died");
    let mut delays = Vec::new();
    for attempt in 2.. {
        let due = state.next_tick().unwrap();
        delays.push((due - now).as_millis());
        now = due;
        let id = WorkerId(attempt);
        assert_eq!(state.step(now, Event::Tick), [Action::Spawn(id)]);
        if attempt == 12 {
            assert_eq!(
                state.step(now, Event::Greeted(id)),
                [Action::Spawn(WorkerId(13))]
            );
            break;
        }
        assert_eq!(state.step(now, Event::Exited(id, failure("again"))), []);
    }
    assert_eq!(
        delays,
        [
            100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000
        ]
    );
    assert_eq!(state.failure(), None);
}

#[test]
fn a_worker_that_does_not_greet_in_time_is_killed_and_counts_as_failed() {
    let (mut state, now) = pool(1);
    state.step(now, Event::Tick);
    let due = state.next_tick().unwrap();
    assert_eq!(due, now + LIMITS.startup_timeout);
    assert_eq!(
        state.step(due, Event::Tick),
        [Action::Kill(A, Cause::LateStart)]
    );
    assert!(state.failure().unwrap().reason.contains("90s"));
    assert_eq!(state.step(due, Event::Greeted(A)), []);
    assert_eq!(state.ready().count(), 0);
}

#[test]
fn a_condemned_worker_is_replaced_at_once_and_killed_when_idle_or_late() {
    let (mut state, now) = pool(1);
    state.step(now, Event::Tick);
    state.step(now, Event::Greeted(A));
    assert_eq!(
        state.step(now, Event::Condemned(A)),
        [Action::Retire(A), Action::Spawn(B)]
    );
    state.step(now, Event::Greeted(B));
    assert_eq!(
        state.step(now, Event::Idle(A)),
        [Action::Kill(A, Cause::Stuck)]
    );

    state.step(now, Event::Condemned(B));
    state.step(now, Event::Greeted(C));
    let due = state.next_tick().unwrap();
    assert_eq!(due, now + LIMITS.shutdown_timeout);
    assert_eq!(
        state.step(due, Event::Tick),
        [Action::Kill(B, Cause::Stuck)]
    );
}

#[test]
fn stop_takes_no_longer_than_it_may() {
    let (mut state, now) = pool(1);
    state.step(now, Event::Tick);
    state.step(now, Event::Greeted(A));
    let limit = Duration::from_secs(3);
    state.step(now, Event::Stop(limit));
    assert_eq!(state.next_tick(), Some(now + limit));
}

#[test]
fn stop_drains_closes_and_in_the_end_kills() {
    let (mut state, now) = pool(2);
    state.step(now, Event::Tick);
    state.step(now, Event::Greeted(A));
    assert_eq!(
        state.step(now, Event::Stop(HOUR)),
        [Action::Retire(A), Action::Kill(B, Cause::Stopping)]
    );
    assert_eq!(state.step(now, Event::Idle(A)), [Action::Close(A)]);
    assert_eq!(state.step(now, Event::Exited(B, failure("killed"))), []);
    assert!(!state.is_finished());
    let due = state.next_tick().unwrap();
    assert_eq!(
        state.step(due, Event::Tick),
        [Action::Kill(A, Cause::LateStop)]
    );
    assert_eq!(state.step(due, Event::Exited(A, failure("killed"))), []);
    assert!(state.is_finished());
    assert_eq!(state.next_tick(), None);
}

/// The world around the state machine: the processes that exist because of its actions.
#[derive(Default)]
struct World {
    greeting: Vec<WorkerId>,
    serving: Vec<WorkerId>,
    /// Draining, closing or killed.
    leaving: Vec<WorkerId>,
    killed: Vec<WorkerId>,
}

impl World {
    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Spawn(id) => self.greeting.push(id),
                Action::Retire(id) => {
                    assert!(self.serving.contains(&id));
                    self.leave(id);
                }
                Action::Close(id) => assert!(self.leaving.contains(&id)),
                Action::Kill(id, _) => {
                    self.leave(id);
                    self.killed.push(id);
                }
            }
        }
    }

    fn leave(&mut self, id: WorkerId) {
        let before = self.greeting.len() + self.serving.len();
        self.greeting.retain(|other| *other != id);
        self.serving.retain(|other| *other != id);
        if self.greeting.len() + self.serving.len() < before {
            self.leaving.push(id);
        }
    }

    fn forget(&mut self, id: WorkerId) {
        for list in [
            &mut self.greeting,
            &mut self.serving,
            &mut self.leaving,
            &mut self.killed,
        ] {
            list.retain(|other| *other != id);
        }
    }

    fn all(&self) -> Vec<WorkerId> {
        [&self.greeting[..], &self.serving, &self.leaving].concat()
    }
}

proptest! {
    #[test]
    fn any_history_keeps_the_limit_and_heals(
        processes in 1_usize..5,
        history in proptest::collection::vec((0_u8..7, any::<prop::sample::Index>(), 0_u64..40), 0..200),
    ) {
        let (mut state, mut now) = pool(processes);
        let mut world = World::default();
        world.act(state.step(now, Event::Tick));
        for (kind, which, seconds) in history {
            let all = world.all();
            let id = if all.is_empty() { WorkerId(u64::MAX) } else { *which.get(&all) };
            let event = match kind {
                0 => { now += Duration::from_secs(seconds); Event::Tick }
                1 => Event::Greeted(id),
                2 => Event::StartFailed(id, failure("failed")),
                3 => Event::Exited(id, failure("died")),
                4 => Event::Condemned(id),
                5 => Event::Idle(id),
                _ => Event::Tick,
            };
            if kind == 1 && world.greeting.contains(&id) {
                world.greeting.retain(|other| *other != id);
                world.serving.push(id);
            }
            if kind == 3 {
                world.forget(id);
            }
            world.act(state.step(now, event));
            prop_assert!(world.greeting.len() + world.serving.len() <= processes);
            prop_assert_eq!(state.ready().collect::<Vec<_>>(), sorted(&world.serving));
        }
        heal(&mut state, &mut world, &mut now, processes)?;
        end(&mut state, &mut world, now)?;
    }
}

/// When starts succeed and killed processes exit, all workers become ready.
fn heal(
    state: &mut State,
    world: &mut World,
    now: &mut Instant,
    processes: usize,
) -> Result<(), TestCaseError> {
    for _ in 0..20 {
        for id in std::mem::take(&mut world.greeting) {
            world.serving.push(id);
            world.act(state.step(*now, Event::Greeted(id)));
        }
        for id in world.killed.clone() {
            world.forget(id);
            world.act(state.step(*now, Event::Exited(id, failure("killed"))));
        }
        if let Some(due) = state.next_tick() {
            *now = due.max(*now);
            world.act(state.step(*now, Event::Tick));
        }
    }
    prop_assert_eq!(state.ready().count(), processes);
    prop_assert_eq!(state.failure(), None);
    prop_assert_eq!(state.next_tick(), None);
    Ok(())
}

/// Stop ends every worker by the deadline, even when none of them obeys.
fn end(state: &mut State, world: &mut World, now: Instant) -> Result<(), TestCaseError> {
    world.act(state.step(now, Event::Stop(HOUR)));
    world.act(state.step(now + LIMITS.shutdown_timeout, Event::Tick));
    prop_assert_eq!(sorted(&world.killed), sorted(&world.all()));
    for id in world.all() {
        world.forget(id);
        world.act(state.step(now, Event::Exited(id, failure("killed"))));
    }
    prop_assert!(state.is_finished());
    Ok(())
}

fn sorted(ids: &[WorkerId]) -> Vec<WorkerId> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}
