//! The project's own targets: ratios within one run, so that they mean the same on every machine.

use serde::{Deserialize, Serialize};

use super::result::{Metric, Report, Shape};
use super::statistics::Spread;

/// What a target says about a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
}

impl Bound {
    /// Whether the figure keeps it.
    pub fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtMost(bound) => figure <= bound,
            Self::AtLeast(bound) => figure >= bound,
        }
    }
}

/// A target and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What it is about.
    pub what: String,
    /// The figure.
    pub metric: Metric,
    /// The model.
    pub model: String,
    /// The model that it is divided by; `None`: the figure itself.
    pub against: Option<String>,
    /// The load.
    pub load: String,
    /// Connections.
    pub connections: usize,
    /// What must hold.
    pub must: Bound,
    /// What would be better.
    pub stretch: Option<f64>,
    /// What was measured; `None`: nothing in this run.
    pub measured: Option<Spread>,
    /// Whether the median keeps the bound.
    pub holds: Option<bool>,
}

struct Target {
    what: &'static str,
    metric: Metric,
    model: &'static str,
    against: Option<&'static str>,
    load: &'static str,
    connections: usize,
    must: Bound,
    stretch: Option<f64>,
}

/// The reference of most of them.
pub const REFERENCE: &str = "nginx-libfcgi";

/// A target about `hello` at 32 connections.
const fn hello(what: &'static str, metric: Metric, model: &'static str, must: Bound) -> Target {
    Target {
        what,
        metric,
        model,
        against: Some(REFERENCE),
        load: "hello",
        connections: 32,
        must,
        stretch: None,
    }
}

/// Those that one run can tell about.
fn targets() -> Vec<Target> {
    use Bound::{AtLeast, AtMost};
    use Metric::{BytesPerSecond, CpuUs, MemoryKib, P50Us, P99Us, RequestsPerSecond};
    let stretch = |target: Target, stretch| Target {
        stretch: Some(stretch),
        ..target
    };
    let against = |target: Target, against| Target { against, ..target };
    let isapi = "gateway → ISAPI worker against nginx → libfcgi";
    let inside = "gateway → ISAPI worker against the same in-process";
    let behind = "nginx → gateway → ISAPI worker against nginx → libfcgi";
    let bulk = |what, model, load, connections, bound| Target {
        load,
        connections,
        ..hello(what, BytesPerSecond, model, AtLeast(bound))
    };
    let one = Target {
        connections: 1,
        ..hello(isapi, P50Us, "isapi", AtMost(1.0))
    };
    vec![
        stretch(hello(isapi, CpuUs, "isapi", AtMost(0.6)), 0.5),
        stretch(hello(isapi, RequestsPerSecond, "isapi", AtLeast(1.4)), 1.6),
        stretch(one, 0.7),
        stretch(hello(isapi, P99Us, "isapi", AtMost(1.0)), 0.7),
        against(
            hello(inside, RequestsPerSecond, "isapi", AtLeast(0.9)),
            Some("in-process"),
        ),
        against(
            stretch(hello(inside, CpuUs, "isapi", AtMost(1.5)), 1.3),
            Some("in-process"),
        ),
        stretch(hello(behind, CpuUs, "nginx-isapi", AtMost(1.0)), 0.86),
        stretch(
            hello(behind, RequestsPerSecond, "nginx-isapi", AtLeast(1.0)),
            1.1,
        ),
        hello(
            "nginx → ISAPI worker against nginx → libfcgi",
            RequestsPerSecond,
            "nginx-worker",
            AtLeast(1.0),
        ),
        against(
            stretch(
                hello(
                    "gateway → ISAPI worker against nginx → fcgiwrap → CGI program",
                    RequestsPerSecond,
                    "isapi",
                    AtLeast(20.0),
                ),
                25.0,
            ),
            Some("nginx-fcgiwrap"),
        ),
        against(
            stretch(
                hello(
                    "gateway → CGI program against nginx → fcgiwrap → the same, linked dynamically",
                    RequestsPerSecond,
                    "cgi",
                    AtLeast(1.25),
                ),
                1.45,
            ),
            Some("nginx-fcgiwrap"),
        ),
        against(
            stretch(
                hello(
                    "ISAPI worker under Wine against the native one",
                    RequestsPerSecond,
                    "isapi-wine64",
                    AtLeast(0.6),
                ),
                0.8,
            ),
            Some("isapi"),
        ),
        stretch(bulk("64 MiB down", "isapi", "stream-64m", 4, 1.6), 2.4),
        stretch(bulk("echo of 1 MiB", "isapi", "echo-1m", 8, 1.5), 1.9),
        bulk(
            "64 MiB down through nginx",
            "nginx-isapi",
            "stream-64m",
            4,
            0.95,
        ),
        bulk(
            "echo of 1 MiB through nginx",
            "nginx-isapi",
            "echo-1m",
            8,
            0.95,
        ),
        against(
            stretch(
                hello(
                    "memory of gateway and ISAPI worker, KiB",
                    MemoryKib,
                    "isapi",
                    AtMost(16.0 * 1024.0),
                ),
                10.0 * 1024.0,
            ),
            None,
        ),
    ]
}

/// Holds a run against the targets.
pub fn outcomes(report: &Report) -> Vec<Outcome> {
    targets()
        .iter()
        .map(|target| target.outcome(report))
        .collect()
}

impl Target {
    fn outcome(&self, report: &Report) -> Outcome {
        let measured = self.measured(report);
        Outcome {
            what: self.what.to_owned(),
            metric: self.metric,
            model: self.model.to_owned(),
            against: self.against.map(str::to_owned),
            load: self.load.to_owned(),
            connections: self.connections,
            must: self.must,
            stretch: self.stretch,
            measured,
            holds: measured.map(|spread| self.must.holds(spread.median)),
        }
    }

    fn measured(&self, report: &Report) -> Option<Spread> {
        let shape = Shape::Closed {
            connections: self.connections,
        };
        let found = |model: &str| {
            let cell = report.cell(model, self.load, shape);
            cell.filter(|cell| cell.refused.is_none())
        };
        let cell = found(self.model)?;
        let Some(against) = self.against else {
            return cell.summary.get(&self.metric).copied();
        };
        let base = found(against)?;
        Spread::of_ratios(cell.rounds.iter().filter_map(|(round, figures)| {
            Some((
                *figures.get(&self.metric)?,
                *base.rounds.get(round)?.get(&self.metric)?,
            ))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_at_their_edge() {
        assert!(Bound::AtMost(1.0).holds(1.0) && !Bound::AtMost(1.0).holds(1.01));
        assert!(Bound::AtLeast(1.0).holds(1.0) && !Bound::AtLeast(1.0).holds(0.99));
    }

    #[test]
    fn targets_name_models_and_loads_that_exist() {
        let ids: Vec<String> = crate::bench::models::all()
            .iter()
            .map(|it| it.id())
            .collect();
        for target in targets() {
            assert!(ids.contains(&target.model.to_owned()), "{}", target.model);
            assert!(target.against.is_none_or(|id| ids.contains(&id.to_owned())));
            assert!(target.load.parse::<crate::bench::load::Load>().is_ok());
        }
    }
}
