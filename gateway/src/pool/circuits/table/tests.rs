#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const POLICY: Policy = Policy {
    failures: 3,
    interval: Duration::from_secs(60),
    delay: SECOND,
    max_delay: Duration::from_secs(8),
};
const KEY: Key = Key(1);
const OTHER: Key = Key(2);

fn failed(table: &mut Table, key: Key, now: Instant) -> Option<u64> {
    let opened = table.failed(key, now, || format!("GET /{}", key.0));
    opened.map(|opened| opened.delay.as_secs())
}

fn trial(table: &mut Table, now: Instant) -> u64 {
    match table.admit(KEY, now) {
        Admission::Trial(number) => number,
        other => panic!("{other:?}"),
    }
}

fn left(table: &mut Table, now: Instant) -> Option<Duration> {
    table.refusal(KEY, now).map(|refusal| refusal.left)
}

/// A table whose circuit is open, and until when it is.
fn opened() -> (Table, Instant) {
    let (mut table, now) = (Table::new(POLICY), Instant::now());
    let opened = [(); 3].map(|()| failed(&mut table, KEY, now));
    assert_eq!(opened, [None, None, Some(1)]);
    (table, now + SECOND)
}

#[test]
fn too_many_failures_in_the_interval_open_it() {
    let (mut table, mut now) = (Table::new(POLICY), Instant::now());
    assert_eq!(failed(&mut table, KEY, now), None);
    now += 59 * SECOND;
    assert_eq!(failed(&mut table, KEY, now), None);
    now += SECOND;
    assert_eq!(failed(&mut table, KEY, now), None, "the first is forgotten");
    assert_eq!(table.admit(KEY, now), Admission::Free);
    assert_eq!(
        table.failed(KEY, now, || unreachable!()),
        Some(Opened {
            pattern: "GET /1".into(),
            failures: 4,
            delay: SECOND
        })
    );
    assert_eq!(left(&mut table, now), Some(SECOND));
    assert_eq!(table.admit(OTHER, now), Admission::Free);
    assert_eq!(table.get(KEY).unwrap().refused, 1);
}

#[test]
fn each_trial_that_fails_opens_it_for_longer() {
    let (mut table, mut now) = opened();
    let mut times = Vec::new();
    for _ in 0..5 {
        trial(&mut table, now);
        times.push(failed(&mut table, KEY, now).unwrap());
        assert_eq!(failed(&mut table, KEY, now), None, "they were there before");
        now += left(&mut table, now).unwrap();
    }
    assert_eq!(times, [2, 4, 8, 8, 8]);
}

#[test]
fn a_trial_that_ends_well_closes_it() {
    let (mut table, now) = opened();
    assert_eq!(left(&mut table, now), None);
    let number = trial(&mut table, now);
    assert_eq!(left(&mut table, now), Some(SECOND), "there is one already");
    assert_eq!(table.passed(KEY, number + 1), None);
    assert_eq!(table.passed(OTHER, number), None);
    assert_eq!(table.passed(KEY, number), Some("GET /1".into()));
    assert_eq!(table.passed(KEY, number), None);
    assert_eq!(table.admit(KEY, now), Admission::Free);
    // From the beginning.
    let again = [(); 3].map(|()| failed(&mut table, KEY, now));
    assert_eq!(again, [None, None, Some(1)]);
}

#[test]
fn a_trial_without_a_verdict_is_followed_by_another() {
    let (mut table, now) = opened();
    let first = trial(&mut table, now);
    table.released(KEY, first, now);
    let second = trial(&mut table, now);
    table.released(KEY, first, now);
    assert!(left(&mut table, now).is_some());
    let late = now + POLICY.max_delay;
    trial(&mut table, late);
    assert_eq!(table.passed(KEY, second), None);
}

#[test]
fn a_pattern_weighs_once_in_an_interval() {
    let (mut table, now) = (Table::new(POLICY), Instant::now());
    assert!(
        table.weighs(KEY, now) && table.weighs(KEY, now),
        "nothing is known of it"
    );
    failed(&mut table, KEY, now);
    let late = now + POLICY.interval;
    let weights = [now, late - SECOND, late, late].map(|at| table.weighs(KEY, at));
    assert_eq!(weights, [true, false, true, false]);
    failed(&mut table, OTHER, now);
    assert!(table.weighs(OTHER, now));
}

#[test]
fn zero_failures_open_nothing() {
    let mut table = Table::new(Policy {
        failures: 0,
        ..POLICY
    });
    let now = Instant::now();
    for _ in 0..100 {
        assert_eq!(failed(&mut table, KEY, now), None);
        assert!(table.weighs(KEY, now));
    }
    assert_eq!(table.admit(KEY, now), Admission::Free);
}

#[test]
fn what_was_of_no_use_for_longest_is_forgotten() {
    let (mut table, _) = opened();
    let now = Instant::now();
    for number in 0..2 * MOST as u64 {
        failed(&mut table, Key(1000 + number), now);
        // Requests that are refused keep it in mind.
        assert!(left(&mut table, now).is_some());
    }
    assert_eq!(table.circuits.len(), MOST);
    assert!(table.get(Key(1000)).is_none());
    table.forgive();
    assert_eq!(table.admit(KEY, now), Admission::Free);
}

#[test]
fn what_nobody_asks_for_any_more_is_forgotten() {
    let (mut table, until) = opened();
    let over = until + POLICY.interval;
    failed(&mut table, OTHER, until);
    table.forget(over - SECOND);
    assert_eq!(table.engaged().count(), 1);
    // As if a trial had gone on for ever.
    let number = trial(&mut table, until);
    table.forget(over);
    assert_eq!(table.engaged().count(), 1);
    table.forget(over + POLICY.max_delay);
    assert_eq!(table.engaged().count(), 0);
    assert_eq!(table.passed(KEY, number), None);
    assert_eq!(table.admit(KEY, over), Admission::Free);
    assert!(table.get(OTHER).is_some(), "it is closed");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Forget,
    Pass(Duration),
    Ask(Key),
    Fail(Key),
    /// The trial with this index among those that run.
    Succeed(usize),
    Release(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || prop_oneof![9 => 0_u64..4, 1 => 0_u64..1000].prop_map(Key);
    prop_oneof![
        (0_u64..20_000).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
        Just(Step::Forget),
        key().prop_map(Step::Ask),
        key().prop_map(Step::Fail),
        any::<usize>().prop_map(Step::Succeed),
        any::<usize>().prop_map(Step::Release),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_rules_are_kept(steps in prop::collection::vec(step(), 0..400)) {
        let mut table = Table::new(POLICY);
        let mut now = Instant::now();
        let mut trials: Vec<(Key, u64)> = Vec::new();
        let mut current: HashMap<Key, u64> = HashMap::new();
        let mut delays: HashMap<Key, Duration> = HashMap::new();
        let mut open_until: HashMap<Key, Instant> = HashMap::new();
        for step in steps {
            match step {
                Step::Pass(time) => now += time,
                Step::Forget => {
                    table.forget(now);
                    open_until.retain(|_, until| now < *until + POLICY.interval);
                    current.retain(|key, _| open_until.contains_key(key));
                    delays.retain(|key, _| open_until.contains_key(key));
                }
                Step::Ask(key) => match table.admit(key, now) {
                    Admission::Trial(number) => {
                        prop_assert!(open_until.get(&key).is_some_and(|until| *until <= now));
                        // Until it ends there is no other one.
                        open_until.insert(key, now + POLICY.max_delay);
                        trials.push((key, number));
                        current.insert(key, number);
                    }
                    Admission::Free => prop_assert!(!open_until.contains_key(&key)),
                    Admission::Refused(Refusal { left, .. }) => {
                        let until = open_until[&key];
                        prop_assert!(now < until && !left.is_zero() && now + left <= until);
                    }
                },
                Step::Fail(key) => {
                    if let Some(Opened { delay, .. }) = table.failed(key, now, String::new) {
                        let last = delays.insert(key, delay).unwrap_or_default();
                        prop_assert!(delay >= POLICY.delay.max(last) && delay <= POLICY.max_delay);
                        open_until.insert(key, now + delay);
                        current.remove(&key);
                    } else {
                        let is_open = open_until.get(&key).is_some_and(|until| now < *until);
                        let recent = table.get(key).unwrap().recent.len();
                        prop_assert!(is_open || recent < POLICY.failures);
                    }
                }
                Step::Succeed(index) if !trials.is_empty() => {
                    let (key, number) = trials.remove(index % trials.len());
                    let is_current = current.get(&key) == Some(&number);
                    prop_assert_eq!(table.passed(key, number).is_some(), is_current);
                    if is_current {
                        current.remove(&key);
                        open_until.remove(&key);
                        delays.remove(&key);
                    }
                }
                Step::Release(index) if !trials.is_empty() => {
                    let (key, number) = trials.remove(index % trials.len());
                    table.released(key, number, now);
                    if current.get(&key) == Some(&number) {
                        current.remove(&key);
                        open_until.insert(key, now);
                    }
                }
                Step::Succeed(_) | Step::Release(_) => {}
            }
            prop_assert!(table.circuits.len() <= MOST);
            prop_assert!(table.engaged().count() <= open_until.len());
        }
    }
}
