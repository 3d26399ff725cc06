//! Workers that go on for the clients that are bound to them.

use super::*;

/// A pool whose clients are bound to workers for ten seconds, with A and B ready.
fn sticky() -> (State, Instant) {
    let (mut state, now) = started(Policy {
        sticky_drain: 10 * SECOND,
        ..POLICY
    });
    state.step(now, Event::Tick);
    state.step(now, Event::Started(A));
    state.step(now, Event::Started(B));
    (state, now)
}

fn lingering(state: &State) -> Vec<WorkerId> {
    state.lingering().collect()
}

#[test]
fn a_replaced_worker_goes_on_for_its_clients() {
    let (mut state, now) = sticky();
    let reason = Reason::Requests;
    let recycle = Event::Recycle(A, reason.clone());
    assert_eq!(state.step(now, recycle), [Action::Spawn(C)]);
    assert_eq!(
        state.step(now, Event::Started(C)),
        [Action::Linger(A, reason.clone())]
    );
    assert_eq!((ready(&state), lingering(&state)), (vec![B, C], vec![A]));
    let over = now + 10 * SECOND;
    assert_eq!(state.next_tick(), Some(over));
    assert_eq!(state.step(over - SECOND, Event::Tick), []);
    assert_eq!(state.step(over, Event::Tick), [Action::Retire(A, reason)]);
    assert_eq!(lingering(&state), []);
    assert_eq!(state.step(over, Event::Idle(A)), [Action::Close(A)]);
}

#[test]
fn clients_are_not_bound_to_what_is_unwell() {
    let (mut state, now) = sticky();
    let event = Event::Unhealthy {
        worker: A,
        reason: String::new(),
    };
    state.step(now, event);
    let retire = Action::Retire(A, Reason::Unhealthy(String::new()));
    assert_eq!(state.step(now, Event::Started(C)), [retire]);
    state.step(now, Event::Recycle(B, Reason::Age));
    assert_eq!(
        state.step(now, Event::Started(D)),
        [Action::Linger(B, Reason::Age)]
    );
    assert_eq!(
        state.step(now, Event::Condemned(B)),
        [Action::Retire(B, Reason::RequestTimeout)]
    );
}

#[test]
fn what_becomes_unwell_is_spared_no_longer() {
    let (mut state, now) = sticky();
    let unwell = |worker| Event::Unhealthy {
        worker,
        reason: String::new(),
    };
    let reason = || Reason::Unhealthy(String::new());
    // While it lingers.
    state.step(now, Event::Recycle(A, Reason::Age));
    state.step(now, Event::Started(C));
    assert_eq!(lingering(&state), [A]);
    assert_eq!(state.step(now, unwell(A)), [Action::Retire(A, reason())]);
    assert_eq!(state.step(now, Event::Idle(A)), [Action::Close(A)]);
    // While another one starts that shall take its place.
    state.step(now, Event::Recycle(B, Reason::Age));
    assert_eq!(state.step(now, unwell(B)), []);
    state.step(now, Event::Recycle(B, Reason::Schedule));
    assert_eq!(
        state.step(now, Event::Started(D)),
        [Action::Retire(B, reason())]
    );
}

#[test]
fn a_worker_that_lingers_makes_room_for_one_that_is_needed() {
    let (mut state, now) = sticky();
    state.step(now, Event::RecycleAll(Reason::Schedule));
    state.step(now, Event::Started(C));
    state.step(now, Event::Started(D));
    assert_eq!((ready(&state), lingering(&state)), (vec![C, D], vec![A, B]));
    assert_eq!(
        state.step(now, Event::Exited(C, failure("died"))),
        [Action::Spawn(WorkerId(4))]
    );
    assert_eq!(
        state.step(now, Event::Exited(D, failure("died"))),
        [Action::Spawn(WorkerId(5))]
    );
    state.step(now, Event::Started(WorkerId(4)));
    state.step(now, Event::Started(WorkerId(5)));
    // Four are as many as may be. Only one of those that linger goes.
    assert_eq!(
        state.step(now, Event::RecycleAll(Reason::Schedule)),
        [Action::Retire(A, Reason::Schedule)]
    );
    assert_eq!(state.step(now, Event::Tick), []);
    assert_eq!(state.step(now, Event::Idle(A)), [Action::Close(A)]);
    assert_eq!(
        state.step(now, Event::Exited(A, failure("ended"))),
        [Action::Spawn(WorkerId(6))]
    );
    assert_eq!(lingering(&state), [B]);
}

#[test]
fn a_pool_that_stops_waits_for_no_sessions() {
    let (mut state, now) = sticky();
    state.step(now, Event::Recycle(A, Reason::Age));
    state.step(now, Event::Started(C));
    let actions = state.step(now, Event::Stop(SECOND));
    for id in [A, B, C] {
        assert!(actions.contains(&Action::Retire(id, Reason::Stopping)));
    }
}
