//! Random histories of a pool: whatever happens, in whatever order, some things hold, and what is broken heals.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// The world around the state machine: the processes that exist because of its actions.
#[derive(Default)]
struct World {
    workers: BTreeMap<WorkerId, Stage>,
    /// How long the pool was off, one after the other.
    holds: Vec<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Serving,
    /// Draining or closing.
    Leaving,
    Killed,
}

impl World {
    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Spawn(id) => {
                    assert_eq!(self.workers.insert(id, Stage::Starting), None);
                }
                Action::Linger(id, _) => self.pass(id, &[Stage::Serving], Stage::Serving),
                Action::Retire(id, _) => self.pass(id, &[Stage::Serving], Stage::Leaving),
                Action::Close(id) => self.pass(id, &[Stage::Leaving], Stage::Leaving),
                Action::Kill(id, _) => {
                    let alive = [Stage::Starting, Stage::Serving, Stage::Leaving];
                    self.pass(id, &alive, Stage::Killed);
                }
                Action::Hold(delay) => self.holds.push(delay),
                Action::KeepOld => assert!(self.count(Stage::Serving) > 0),
            }
        }
    }

    fn pass(&mut self, id: WorkerId, from: &[Stage], to: Stage) {
        let stage = self.workers.get_mut(&id).unwrap();
        assert!(from.contains(stage), "{id:?} is {stage:?}");
        *stage = to;
    }

    fn count(&self, stage: Stage) -> usize {
        self.all(stage).len()
    }

    fn all(&self, stage: Stage) -> Vec<WorkerId> {
        let all = self.workers.iter().filter(|(_, other)| **other == stage);
        all.map(|(id, _)| *id).collect()
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    let scale = (1_usize..5, 0_usize..5, 0_usize..3);
    let times = (prop::bool::ANY, 0_u64..3, 0_u64..3, 0_usize..4);
    (scale, times).prop_map(
        |((processes, min_spare, more), (overlap, idle, age, failures))| Policy {
            processes: if overlap { processes } else { 1 },
            min_spare,
            max_spare: min_spare + more,
            idle_timeout: Duration::from_secs(idle * 10),
            overlap,
            max_age: Duration::from_secs(age * 60),
            rapid_fail: RapidFail {
                failures,
                ..POLICY.rapid_fail
            },
            ..POLICY
        },
    )
}

proptest! {
    #[test]
    fn any_history_keeps_the_limits_and_heals(
        policy in policy(),
        history in prop::collection::vec((0_u8..12, any::<prop::sample::Index>(), 0_u64..40), 0..200),
    ) {
        let (mut state, mut now) = started(policy);
        let mut world = World::default();
        world.act(state.step(now, Event::Tick));
        for (kind, which, number) in history {
            let all: Vec<WorkerId> = world.workers.keys().copied().collect();
            let id = if all.is_empty() { WorkerId(u64::MAX) } else { *which.get(&all) };
            let event = match kind {
                0 => { now += Duration::from_secs(number); Event::Tick }
                1 | 2 => Event::Started(id),
                3 => Event::StartFailed(id, failure("failed")),
                4 => Event::Exited(id, failure("died")),
                5 => Event::Condemned(id),
                6 => Event::Idle(id),
                7 => Event::Recycle(id, Reason::Requests),
                8 => Event::RecycleAll(if number < 20 { Reason::FileChanged } else { Reason::Schedule }),
                9 => Event::Broken(id, if number < 20 { Cause::NoPong } else { Cause::Memory(1) }),
                10 => Event::Unhealthy { worker: id, reason: String::new() },
                _ => Event::Load(usize::try_from(number).unwrap()),
            };
            match &event {
                Event::Started(id) if world.workers.get(id) == Some(&Stage::Starting) => {
                    world.workers.insert(*id, Stage::Serving);
                }
                Event::Exited(id, _) => drop(world.workers.remove(id)),
                _ => {}
            }
            world.act(state.step(now, event));
            let most = if policy.overlap { 2 * policy.processes } else { 1 };
            prop_assert!(world.workers.len() <= most);
            prop_assert_eq!(ready(&state), world.all(Stage::Serving));
        }
        heal(&mut state, &mut world, &mut now, policy)?;
        end(&mut state, &mut world, now)?;
    }

    #[test]
    fn the_time_off_grows_until_it_is_quiet(failures in 1_usize..4, gaps in prop::collection::vec(0_u64..120, 1..60)) {
        let (mut state, mut now) = started(Policy {
            processes: 1,
            rapid_fail: RapidFail { failures, ..POLICY.rapid_fail },
            ..POLICY
        });
        let mut world = World::default();
        world.act(state.step(now, Event::Tick));
        for gap in gaps {
            now += Duration::from_secs(gap);
            world.act(state.step(now, Event::Tick));
            for id in world.all(Stage::Starting) {
                world.workers.insert(id, Stage::Serving);
                world.act(state.step(now, Event::Started(id)));
            }
            for id in world.all(Stage::Serving) {
                world.workers.remove(&id);
                world.act(state.step(now, Event::Exited(id, failure("died"))));
            }
        }
        // No gap is as long as the interval of the policy.
        prop_assert!(world.holds.is_sorted(), "{:?}", world.holds);
        prop_assert!(world.holds.iter().all(|hold| *hold <= POLICY.rapid_fail.max_delay));
    }
}

/// When starts succeed, idle workers say so and killed processes exit, as many are ready as the load wants.
fn heal(
    state: &mut State,
    world: &mut World,
    now: &mut Instant,
    policy: Policy,
) -> Result<(), TestCaseError> {
    world.act(state.step(*now, Event::Load(0)));
    for round in 0..200 {
        if round % 10 == 0 {
            *now = state.next_tick().unwrap_or(*now).max(*now);
            world.act(state.step(*now, Event::Tick));
        }
        for id in world.all(Stage::Starting) {
            world.workers.insert(id, Stage::Serving);
            world.act(state.step(*now, Event::Started(id)));
        }
        for id in world.all(Stage::Leaving) {
            world.act(state.step(*now, Event::Idle(id)));
        }
        for id in [world.all(Stage::Leaving), world.all(Stage::Killed)].concat() {
            world.workers.remove(&id);
            world.act(state.step(*now, Event::Exited(id, failure("ended"))));
        }
    }
    let ready = world.count(Stage::Serving);
    prop_assert!(
        ready >= policy.min_spare.min(policy.processes),
        "{world:?}",
        world = world.workers
    );
    prop_assert!(ready <= policy.processes);
    prop_assert_eq!(state.failure(), None);
    Ok(())
}

/// Stop ends every worker by the deadline, even when none of them obeys.
fn end(state: &mut State, world: &mut World, now: Instant) -> Result<(), TestCaseError> {
    world.act(state.step(now, Event::Stop(HOUR)));
    world.act(state.step(now + POLICY.shutdown_timeout, Event::Tick));
    let all: Vec<WorkerId> = world.workers.keys().copied().collect();
    prop_assert_eq!(&world.all(Stage::Killed), &all);
    for id in all {
        state.step(now, Event::Exited(id, failure("killed")));
    }
    prop_assert!(state.is_finished());
    prop_assert_eq!(state.next_tick(), None);
    Ok(())
}
