//! How the worker processes of an extension's pool are started, watched and replaced; names and defaults are IIS's
//! where it has them (ISAPI.md §7.4).

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::civil::Time;
use toml::de::DeValue;

use super::diagnostic::{Findings, Wrong};
use super::parse::{FROM_A_MOMENT, FROM_ZERO};
use super::section::Section;
use super::{Circuit, Sticky, circuit, sticky, value};

/// Keys of `[pool.NAME]` that are read here.
pub const KEYS: [&str; 17] = [
    "start",
    "min_spare",
    "max_spare",
    "idle_timeout",
    "overlap",
    "warmup",
    "shadow_copy",
    "ping_interval",
    "ping_timeout",
    "memory_limit",
    "request_grace",
    "slow_request",
    "retry_body",
    "recycle",
    "rapid_fail",
    "circuit",
    "sticky_drain",
];

/// The number of processes is at most 64, that of spare ones cannot be more.
const MOST_SPARE: usize = 64;

/// How worker processes are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Workers {
    /// How many of a pool's `processes` run. Default: all of them, always.
    pub start: Start,
    /// How long workers that the load does not need stay; zero: for ever. Default 20 min (IIS idleTimeout).
    pub idle_timeout: Duration,
    /// Whether a worker may start while the one that it replaces finishes. Default true (IIS's opposite:
    /// disallowOverlappingRotation).
    pub overlap: bool,
    /// URL path that a new worker answers before it gets requests.
    pub warmup: Option<String>,
    /// Whether the extension's file may be overwritten while workers use it. Default true.
    pub shadow_copy: bool,
    /// How often workers are asked whether they live; zero: never. Default 30 s (IIS pingInterval).
    pub ping_interval: Duration,
    /// How long they may take to answer. Default 90 s (IIS pingResponseTime).
    pub ping_timeout: Duration,
    /// Private memory of a worker, bytes, above which it is killed; 0: no limit.
    pub memory_limit: u64,
    /// How long a request that has run for `request_timeout` may take to notice before its worker is given up. Default
    /// 5 s.
    pub request_grace: Duration,
    /// How long a request may run before it is logged as slow; zero: any time. Default 0.
    pub slow_request: Duration,
    /// Bytes of a request's body that are kept until its answer begins, so that it can run again when its worker dies.
    /// Default 65,536.
    pub retry_body: u64,
    /// What binds a client to a worker.
    pub sticky: Option<Sticky>,
    /// How long a worker that is replaced goes on for the clients that are bound to it. Default 20 min, as long as
    /// sessions of most extensions last; zero without `sticky` and without `overlap`.
    pub sticky_drain: Duration,
    /// When workers are replaced although they work.
    pub recycle: Recycle,
    /// When workers that fail are not replaced at once any more.
    pub rapid_fail: RapidFail,
    /// When the requests that bring workers down are kept from them.
    pub circuit: Circuit,
}

/// `start`: how many workers run (php-fpm's `pm`; IIS startMode).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// All, always.
    Always,
    /// As many as the load needs and some more.
    Dynamic {
        /// So many more at least …
        min_spare: usize,
        /// … and at most.
        max_spare: usize,
    },
    /// None without requests.
    OnDemand,
}

/// `[pool.NAME.recycle]` (IIS recycling.periodicRestart).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recycle {
    /// After so many requests, give or take a tenth; 0: never. Default 0 (IIS requests).
    pub requests: u64,
    /// After this time; zero: never. Default 29 h (IIS time).
    pub age: Duration,
    /// At these local times of day (IIS schedule).
    pub schedule: Vec<Time>,
    /// With more private memory than this, bytes; 0: never. Default 0 (IIS privateMemory).
    pub memory: u64,
    /// When the extension's file has changed. Default true.
    pub file_changed: bool,
}

/// `[pool.NAME.rapid_fail]` (IIS failure.rapidFailProtection).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RapidFail {
    /// So many failures … Default 5 (rapidFailProtectionMaxCrashes); 0: never.
    pub failures: usize,
    /// … within this time turn the pool off. Default 5 min (rapidFailProtectionInterval).
    pub interval: Duration,
    /// For so long the first time. Default 1 s. It doubles with each further failure …
    pub delay: Duration,
    /// … up to this, until no worker has failed for an interval. Default 5 min.
    pub max_delay: Duration,
}

impl Start {
    /// Whether a worker runs before there are requests.
    pub fn is_eager(self) -> bool {
        match self {
            Start::Always => true,
            Start::Dynamic { min_spare, .. } => min_spare > 0,
            Start::OnDemand => false,
        }
    }
}

impl Default for Workers {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let rapid_fail = RapidFail {
            failures: 5,
            interval: minutes(5),
            delay: Duration::from_secs(1),
            max_delay: minutes(5),
        };
        Self {
            start: Start::Always,
            idle_timeout: minutes(20),
            overlap: true,
            warmup: None,
            shadow_copy: true,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(90),
            memory_limit: 0,
            request_grace: Duration::from_secs(5),
            slow_request: Duration::ZERO,
            retry_body: 64 * 1024,
            sticky: None,
            sticky_drain: Duration::ZERO,
            recycle: Recycle {
                requests: 0,
                age: minutes(29 * 60),
                schedule: Vec::new(),
                memory: 0,
                file_changed: true,
            },
            circuit: Circuit::beside(&rapid_fail),
            rapid_fail,
        }
    }
}

/// Reads the keys of a pool that are about its workers.
pub fn read(section: &mut Section, processes: usize, findings: &mut Findings) -> Workers {
    let default = Workers::default();
    let overlap = overlap(section, processes, findings);
    let (sticky, sticky_drain) = affinity(section, overlap, findings);
    let rapid_fail = rapid_fail(section, default.rapid_fail, findings);
    Workers {
        sticky,
        sticky_drain,
        start: start(section, processes, findings),
        idle_timeout: span(
            section,
            findings,
            "idle_timeout",
            &FROM_ZERO,
            default.idle_timeout,
        ),
        overlap,
        warmup: section.get(findings, "warmup", url_path),
        shadow_copy: section
            .get(findings, "shadow_copy", value::boolean)
            .unwrap_or(default.shadow_copy),
        ping_interval: span(
            section,
            findings,
            "ping_interval",
            &FROM_ZERO,
            default.ping_interval,
        ),
        ping_timeout: span(
            section,
            findings,
            "ping_timeout",
            &FROM_A_MOMENT,
            default.ping_timeout,
        ),
        memory_limit: section
            .get(findings, "memory_limit", value::bytes)
            .unwrap_or(default.memory_limit),
        request_grace: span(
            section,
            findings,
            "request_grace",
            &FROM_ZERO,
            default.request_grace,
        ),
        slow_request: span(
            section,
            findings,
            "slow_request",
            &FROM_ZERO,
            default.slow_request,
        ),
        retry_body: section
            .get(findings, "retry_body", value::bytes)
            .unwrap_or(default.retry_body),
        recycle: recycle(section, default.recycle, findings),
        circuit: circuit::read(section, &rapid_fail, findings),
        rapid_fail,
    }
}

fn affinity(
    section: &mut Section,
    overlap: bool,
    findings: &mut Findings,
) -> (Option<Sticky>, Duration) {
    let drain = section.get(findings, "sticky_drain", |value| {
        value::duration(value, &FROM_ZERO)
    });
    // FastCGI applications have keys of the same names, which are read with theirs.
    if !section.has("extension") {
        return (None, Duration::ZERO);
    }
    let sticky = sticky::read(section, findings);
    let why_not = match sticky {
        None => Some("without `sticky` or `sticky_header`"),
        Some(_) if !overlap => {
            Some("with `overlap = false`, where the old worker ends before the new one starts")
        }
        Some(_) => None,
    };
    if let Some(why) = why_not {
        refuse(section, findings, "sticky_drain", why);
        return (sticky, Duration::ZERO);
    }
    (sticky, drain.unwrap_or(Duration::from_secs(20 * 60)))
}

fn start(section: &mut Section, processes: usize, findings: &mut Findings) -> Start {
    let start = section.get(findings, "start", |value| {
        match value::string(value)?.as_str() {
            "always" => Ok(Start::Always),
            "dynamic" => Ok(Start::Dynamic {
                min_spare: 1,
                max_spare: 3,
            }),
            "on_demand" => Ok(Start::OnDemand),
            other => Err(Wrong::with_remedy(
                format!("\"{other}\" is no way to start workers"),
                r#"write "always", "dynamic" or "on_demand""#,
            )),
        }
    });
    let start = start.unwrap_or(Start::Always);
    if start == Start::Always {
        refuse(
            section,
            findings,
            "idle_timeout",
            r#"with `start = "always"`, where no worker ends for being idle"#,
        );
    }
    let spare = |value: &DeValue| value::integer(value, &(0..=MOST_SPARE));
    let least = section.get(findings, "min_spare", spare);
    let most = section.get(findings, "max_spare", spare);
    let Start::Dynamic {
        min_spare,
        max_spare,
    } = start
    else {
        for key in ["min_spare", "max_spare"] {
            refuse(section, findings, key, r#"without `start = "dynamic"`"#);
        }
        return start;
    };
    let min_spare = least.unwrap_or(min_spare);
    let max_spare = most.unwrap_or(max_spare.max(min_spare));
    if max_spare < min_spare || min_spare > processes {
        let wrong = Wrong::with_remedy(
            format!("{min_spare} to {max_spare} spare workers of {processes} cannot be"),
            "write `min_spare` not larger than `max_spare` and `processes`",
        );
        let place = section
            .key_place("min_spare")
            .or(section.key_place("max_spare"));
        findings.error_at(place, wrong);
    }
    Start::Dynamic {
        min_spare,
        max_spare,
    }
}

fn refuse(section: &Section, findings: &mut Findings, key: &str, when: &str) {
    if section.has(key) {
        let wrong = Wrong::with_remedy(format!("`{key}` has no meaning {when}"), "remove it");
        findings.error_at(section.key_place(key), wrong);
    }
}

fn overlap(section: &mut Section, processes: usize, findings: &mut Findings) -> bool {
    let overlap = section.get(findings, "overlap", value::boolean);
    if overlap == Some(false) && processes > 1 {
        let wrong = Wrong::with_remedy(
            format!("an extension that cannot run twice cannot run in {processes} processes"),
            "remove `overlap = false`, or set `processes = 1`",
        );
        findings.error_at(section.key_place("overlap"), wrong);
    }
    overlap.unwrap_or(true)
}

fn recycle(section: &mut Section, default: Recycle, findings: &mut Findings) -> Recycle {
    let Some(mut section) = section.section(findings, "recycle") else {
        return default;
    };
    let recycle = Recycle {
        requests: section
            .get(findings, "requests", |value| {
                value::integer(value, &(0..=1_000_000_000))
            })
            .map_or(default.requests, |number| number as u64),
        age: span(&mut section, findings, "age", &FROM_ZERO, default.age),
        schedule: section
            .list(findings, "schedule", value::time_of_day)
            .unwrap_or(default.schedule),
        memory: section
            .get(findings, "memory", value::bytes)
            .unwrap_or(default.memory),
        file_changed: section
            .get(findings, "file_changed", value::boolean)
            .unwrap_or(default.file_changed),
    };
    section.finish(findings);
    recycle
}

fn rapid_fail(section: &mut Section, default: RapidFail, findings: &mut Findings) -> RapidFail {
    let Some(mut section) = section.section(findings, "rapid_fail") else {
        return default;
    };
    let interval = span(
        &mut section,
        findings,
        "interval",
        &FROM_A_MOMENT,
        default.interval,
    );
    let default = (default.failures, default.delay, default.max_delay);
    let (failures, delay, max_delay) = growing(&mut section, findings, default);
    section.finish(findings);
    RapidFail {
        failures,
        interval,
        delay,
        max_delay,
    }
}

/// `failures` that are too many, and the `delay` that they bring, which grows up to `max_delay`; or the defaults.
pub fn growing(
    section: &mut Section,
    findings: &mut Findings,
    (failures, delay, max_delay): (usize, Duration, Duration),
) -> (usize, Duration, Duration) {
    let given = section.get(findings, "failures", |value| {
        value::integer(value, &(0..=1000))
    });
    let mut time = |key, default| span(section, findings, key, &FROM_A_MOMENT, default);
    let (delay, max_delay) = (time("delay", delay), time("max_delay", max_delay));
    if max_delay < delay {
        let wrong = Wrong::new("`max_delay` is shorter than `delay`");
        let place = section.key_place("max_delay");
        findings.error_at(place.or(section.key_place("delay")), wrong);
    }
    (given.unwrap_or(failures), delay, max_delay)
}

/// A time in this range, or the default.
pub fn span(
    section: &mut Section,
    findings: &mut Findings,
    key: &'static str,
    range: &RangeInclusive<Duration>,
    default: Duration,
) -> Duration {
    section
        .get(findings, key, |value| value::duration(value, range))
        .unwrap_or(default)
}

/// A URL path with or without a query, as a client would send it.
fn url_path(value: &DeValue) -> Result<String, Wrong> {
    let text = value::string(value)?;
    let is_path = text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok();
    if is_path {
        return Ok(text);
    }
    Err(Wrong::with_remedy(
        format!("\"{text}\" is not the path of a URL"),
        r#"write it as a client would send it: "/path?query""#,
    ))
}
