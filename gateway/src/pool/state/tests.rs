#![allow(clippy::unwrap_used, clippy::expect_used)]

mod histories;
mod simulation;
mod sticky;

use super::*;
use crate::config::RapidFail;

pub const POLICY: Policy = Policy {
    processes: 2,
    min_spare: 2,
    max_spare: 2,
    idle_timeout: Duration::ZERO,
    threads: 4,
    overlap: true,
    sticky_drain: Duration::ZERO,
    max_age: Duration::ZERO,
    startup_timeout: Duration::from_secs(90),
    shutdown_timeout: Duration::from_secs(10),
    rapid_fail: RapidFail {
        failures: 0,
        interval: Duration::from_secs(300),
        delay: Duration::from_secs(1),
        max_delay: Duration::from_secs(300),
    },
};

fn pool(processes: usize) -> (State, Instant) {
    started(Policy {
        processes,
        ..POLICY
    })
}

/// A pool that has had its first event, and the time of it.
fn started(policy: Policy) -> (State, Instant) {
    (State::new(policy), Instant::now())
}

pub fn failure(reason: &str) -> Failure {
    Failure {
        kind: FailureKind::NotStarted,
        reason: reason.into(),
    }
}

fn ready(state: &State) -> Vec<WorkerId> {
    state.ready().collect()
}

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const A: WorkerId = WorkerId(0);
const B: WorkerId = WorkerId(1);
const C: WorkerId = WorkerId(2);
const D: WorkerId = WorkerId(3);

#[test]
fn starts_the_workers_and_replaces_one_that_dies_at_once() {
    let (mut state, now) = pool(2);
    assert_eq!(
        state.step(now, Event::Tick),
        [Action::Spawn(A), Action::Spawn(B)]
    );
    assert_eq!(state.step(now, Event::Started(A)), []);
    assert_eq!(ready(&state), [A]);
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
                state.step(now, Event::Started(id)),
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
fn a_pool_that_the_operator_stops_finishes_and_refuses_until_it_goes_on() {
    let (mut state, now) = pool(2);
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    assert_eq!(
        state.step(now, Event::Pause),
        [
            Action::Retire(A, Reason::Operator),
            Action::Kill(B, Cause::Stopping)
        ]
    );
    assert_eq!(state.failure().unwrap().kind, FailureKind::Paused);
    assert_eq!(state.step(now, Event::Idle(A)), [Action::Close(A)]);
    assert_eq!(state.step(now, Event::Exited(B, failure("killed"))), []);
    assert_eq!(state.step(now, Event::Exited(A, failure("exited"))), []);
    assert_eq!(state.step(now, Event::Load(7)), []);
    assert_eq!(
        state.step(now, Event::Resume),
        [Action::Spawn(C), Action::Spawn(WorkerId(3))]
    );
    assert_eq!(state.failure(), None);
}

#[test]
fn a_pool_that_is_off_starts_at_once_when_the_operator_says_so() {
    let (mut state, now) = pool(1);
    state.step(now, Event::Tick);
    assert_eq!(state.step(now, Event::Exited(A, failure("died"))), []);
    assert_eq!(state.step(now, Event::Resume), [Action::Spawn(B)]);
}

#[test]
fn a_worker_that_does_not_start_in_time_is_killed_and_counts_as_failed() {
    let (mut state, now) = pool(1);
    state.step(now, Event::Tick);
    let due = state.next_tick().unwrap();
    assert_eq!(due, now + POLICY.startup_timeout);
    assert_eq!(
        state.step(due, Event::Tick),
        [Action::Kill(A, Cause::LateStart)]
    );
    assert!(state.failure().unwrap().reason.contains("90s"));
    assert_eq!(state.step(due, Event::Started(A)), []);
    assert_eq!(state.ready().count(), 0);
}

#[test]
fn a_condemned_worker_is_replaced_at_once_and_killed_when_idle_or_late() {
    let (mut state, now) = pool(1);
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    assert_eq!(
        state.step(now, Event::Condemned(A)),
        [Action::Retire(A, Reason::RequestTimeout), Action::Spawn(B)]
    );
    state.step(now, Event::Started(B));
    assert_eq!(
        state.step(now, Event::Idle(A)),
        [Action::Kill(A, Cause::Stuck)]
    );
    state.step(now, Event::Exited(A, failure("killed")));

    state.step(now, Event::Condemned(B));
    state.step(now, Event::Started(C));
    let due = state.next_tick().unwrap();
    assert_eq!(due, now + POLICY.shutdown_timeout);
    assert_eq!(
        state.step(due, Event::Tick),
        [Action::Kill(B, Cause::Stuck)]
    );
}

#[test]
fn a_worker_is_replaced_when_another_one_is_ready() {
    let (mut state, now) = pool(2);
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    state.step(now, Event::Started(B));
    let reason = Reason::Unhealthy("tired".into());
    let event = Event::Unhealthy {
        worker: A,
        reason: "tired".into(),
    };
    assert_eq!(state.step(now, event.clone()), [Action::Spawn(C)]);
    assert_eq!(state.step(now, event), [], "once");
    assert_eq!(ready(&state), [A, B]);
    assert_eq!(
        state.step(now, Event::Started(C)),
        [Action::Retire(A, reason)]
    );
    assert_eq!(ready(&state), [B, C]);
    assert_eq!(state.step(now, Event::Idle(A)), [Action::Close(A)]);
    assert_eq!(state.step(now, Event::Exited(A, failure("ended"))), []);
}

#[test]
fn a_new_file_replaces_one_worker_after_the_other() {
    let (mut state, now) = pool(2);
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    state.step(now, Event::Started(B));
    let changed = Event::RecycleAll(Reason::FileChanged);
    assert_eq!(state.step(now, changed), [Action::Spawn(C)]);
    assert_eq!(
        state.step(now, Event::Started(C)),
        [Action::Retire(A, Reason::FileChanged), Action::Spawn(D)]
    );
    assert_eq!(
        state.step(now, Event::Started(D)),
        [Action::Retire(B, Reason::FileChanged)]
    );
}

#[test]
fn a_new_file_that_does_not_start_never_replaces_the_running_one() {
    let (mut state, now) = pool(1);
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    state.step(now, Event::RecycleAll(Reason::FileChanged));
    assert_eq!(
        state.step(now, Event::StartFailed(B, failure("no such symbol"))),
        [Action::Kill(B, Cause::NotLoaded), Action::KeepOld]
    );
    state.step(now, Event::Exited(B, failure("ended")));
    assert_eq!(ready(&state), [A]);
    assert_eq!(state.step(now + HOUR, Event::Tick), [], "not tried again");
    // Until it changes again.
    let changed = Event::RecycleAll(Reason::FileChanged);
    assert_eq!(state.step(now + HOUR, changed), [Action::Spawn(C)]);
    assert_eq!(
        state.step(now + HOUR, Event::Started(C)),
        [Action::Retire(A, Reason::FileChanged)]
    );
}

#[test]
fn a_worker_that_grows_old_goes_on_while_no_other_one_starts() {
    let (mut state, now) = started(Policy {
        processes: 1,
        max_age: HOUR,
        ..POLICY
    });
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    let due = state.next_tick().unwrap();
    assert_eq!(due, now + HOUR);
    assert_eq!(state.step(due, Event::Tick), [Action::Spawn(B)]);
    state.step(due, Event::StartFailed(B, failure("out of memory")));
    state.step(due, Event::Exited(B, failure("ended")));
    assert_eq!(ready(&state), [A]);
    let retry = state.next_tick().unwrap();
    assert_eq!(retry, due + Duration::from_millis(100));
    assert_eq!(state.step(retry, Event::Tick), [Action::Spawn(C)]);
    assert_eq!(
        state.step(retry, Event::Started(C)),
        [Action::Retire(A, Reason::Age)]
    );
}

#[test]
fn workers_that_are_old_when_they_start_do_not_stand_in_the_way() {
    let (mut state, now) = pool(1);
    state.step(now, Event::Tick);
    let changed = Event::RecycleAll(Reason::FileChanged);
    assert_eq!(state.step(now, changed.clone()), [Action::Spawn(B)]);
    assert_eq!(state.step(now, changed), [], "there is no room for a third");
    assert_eq!(state.step(now, Event::Started(A)), []);
    assert_eq!(
        state.step(now, Event::Started(B)),
        [Action::Retire(A, Reason::FileChanged)]
    );
    assert_eq!(state.step(now, Event::Idle(A)), [Action::Close(A)]);
    assert_eq!(
        state.step(now, Event::Exited(A, failure("ended"))),
        [Action::Spawn(C)]
    );
}

#[test]
fn without_overlap_the_old_worker_ends_first() {
    let (mut state, now) = started(Policy {
        processes: 1,
        overlap: false,
        ..POLICY
    });
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    assert_eq!(
        state.step(now, Event::RecycleAll(Reason::Schedule)),
        [Action::Retire(A, Reason::Schedule)]
    );
    assert_eq!(state.step(now, Event::Idle(A)), [Action::Close(A)]);
    assert_eq!(
        state.step(now, Event::Exited(A, failure("ended"))),
        [Action::Spawn(B)]
    );
}

#[test]
fn on_demand_the_first_request_starts_a_worker_and_idleness_ends_it() {
    let (mut state, now) = started(Policy {
        min_spare: 0,
        max_spare: 0,
        idle_timeout: HOUR,
        ..POLICY
    });
    assert_eq!(state.step(now, Event::Tick), []);
    assert_eq!(state.step(now, Event::Load(1)), [Action::Spawn(A)]);
    state.step(now, Event::Started(A));
    assert_eq!(state.step(now, Event::Load(5)), [Action::Spawn(B)]);
    state.step(now, Event::Started(B));
    assert_eq!(state.step(now, Event::Load(100)), [], "no more than may be");
    state.step(now, Event::Load(3));
    assert_eq!(state.next_tick(), Some(now + HOUR));
    state.step(now + SECOND, Event::Load(5));
    assert_eq!(state.next_tick(), None, "it was needed again");
    state.step(now + SECOND, Event::Load(0));
    assert_eq!(
        state.step(now + SECOND + HOUR, Event::Tick),
        [
            Action::Retire(B, Reason::Idle),
            Action::Retire(A, Reason::Idle)
        ]
    );
}

#[test]
fn on_demand_each_request_is_a_reason_to_try_again() {
    let (mut state, now) = started(Policy {
        min_spare: 0,
        max_spare: 0,
        ..POLICY
    });
    assert_eq!(state.step(now, Event::Load(1)), [Action::Spawn(A)]);
    state.step(now, Event::StartFailed(A, failure("no such symbol")));
    state.step(now, Event::Exited(A, failure("ended")));
    assert_eq!(state.failure(), Some(&failure("no such symbol")));
    state.step(now, Event::Load(0));
    assert_eq!((state.failure(), state.next_tick()), (None, None));
    assert_eq!(state.step(now + SECOND, Event::Load(1)), [Action::Spawn(B)]);
}

#[test]
fn the_spare_workers_follow_the_load() {
    let (mut state, now) = started(Policy {
        processes: 5,
        min_spare: 1,
        max_spare: 2,
        idle_timeout: SECOND,
        ..POLICY
    });
    assert_eq!(state.step(now, Event::Tick), [Action::Spawn(A)]);
    state.step(now, Event::Started(A));
    assert_eq!(
        state.step(now, Event::Load(9)),
        [B, C, D].map(Action::Spawn)
    );
    for id in [B, C, D] {
        state.step(now, Event::Started(id));
    }
    state.step(now, Event::Load(1));
    assert_eq!(
        state.step(now + SECOND, Event::Load(1)),
        [Action::Retire(D, Reason::Idle)]
    );
    assert_eq!(ready(&state), [A, B, C]);
}

#[test]
fn workers_that_die_again_and_again_turn_the_pool_off() {
    let (mut state, mut now) = started(Policy {
        processes: 1,
        rapid_fail: RapidFail {
            failures: 2,
            ..POLICY.rapid_fail
        },
        ..POLICY
    });
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    assert_eq!(
        state.step(now, Event::Broken(A, Cause::NoPong)),
        [Action::Kill(A, Cause::NoPong), Action::Spawn(B)]
    );
    assert_eq!(state.step(now, Event::Exited(A, failure("killed"))), []);
    state.step(now, Event::Started(B));
    assert_eq!(
        state.step(now, Event::Exited(B, failure("crashed"))),
        [Action::Hold(SECOND)]
    );
    assert_eq!(
        state.failure().unwrap().kind,
        FailureKind::Off(now + SECOND)
    );
    now += SECOND;
    assert_eq!(state.next_tick(), Some(now));
    assert_eq!(state.step(now, Event::Tick), [Action::Spawn(C)]);
    state.step(now, Event::Started(C));
    assert_eq!(state.failure(), None);
    assert_eq!(
        state.step(now, Event::Exited(C, failure("crashed"))),
        [Action::Hold(2 * SECOND)]
    );
    // A new file is tried at once.
    assert_eq!(
        state.step(now, Event::RecycleAll(Reason::FileChanged)),
        [Action::Spawn(D)]
    );
}

/// A pool that one failure turns off, with its only worker.
fn fragile() -> (State, Instant) {
    let (mut state, now) = started(Policy {
        processes: 1,
        rapid_fail: RapidFail {
            failures: 1,
            ..POLICY.rapid_fail
        },
        ..POLICY
    });
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    (state, now)
}

#[test]
fn a_worker_that_is_felled_is_replaced_and_no_failure() {
    let (mut state, now) = fragile();
    assert_eq!(state.step(now, Event::Felled(A)), [Action::Spawn(B)]);
    assert_eq!(state.failure(), None);
}

#[test]
fn too_much_memory_is_no_failure() {
    let (mut state, now) = fragile();
    let cause = Cause::Memory(1 << 30);
    assert_eq!(
        state.step(now, Event::Broken(A, cause)),
        [Action::Kill(A, cause), Action::Spawn(B)]
    );
    assert_eq!(state.step(now, Event::Broken(A, cause)), []);
}

#[test]
fn stop_takes_no_longer_than_it_may() {
    let (mut state, now) = pool(1);
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    let limit = Duration::from_secs(3);
    state.step(now, Event::Stop(limit));
    assert_eq!(state.next_tick(), Some(now + limit));
}

#[test]
fn stop_drains_closes_and_in_the_end_kills() {
    let (mut state, now) = pool(2);
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    assert_eq!(
        state.step(now, Event::Stop(HOUR)),
        [
            Action::Retire(A, Reason::Stopping),
            Action::Kill(B, Cause::Stopping)
        ]
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
