//! The project's own targets. Most are ratios within one run, so that they mean the same on every machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::load::Load;
use super::models::Scale;
use super::result::{Cell, Metric, Report, Shape};
use super::statistics::Spread;

/// What a target says about a figure.
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

    /// The bound itself.
    pub fn value(self) -> f64 {
        match self {
            Self::AtMost(bound) | Self::AtLeast(bound) => bound,
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
    /// Whether it is a ratio of two such figures, not one itself.
    pub is_ratio: bool,
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
    measure: Measure,
    must: Bound,
    stretch: Option<f64>,
}

enum Measure {
    /// A figure, divided by another of the same round.
    Ratio(Spot, Spot),
    /// A figure itself.
    Itself(Spot),
    /// How much of the highest rate is left, at worst, when what grows has grown beyond it.
    Kept(Growing),
}

/// Where a figure is.
struct Spot {
    model: &'static str,
    load: Load,
    shape: Shape,
    metric: Metric,
}

/// What grows under the ISAPI worker while it says hello.
#[derive(Clone, Copy)]
enum Growing {
    Connections,
    Threads,
    Pools,
}

/// The reference of most of them.
pub const REFERENCE: &str = "nginx-libfcgi";

/// Every target, in the order of the report.
fn targets() -> Vec<Target> {
    use Bound::{AtLeast, AtMost};
    use Metric::{
        AloneP99Us, BytesPerSecond, CpuUs, DiskKib, GrowthKib, MemoryKib, P50Us, P99Us,
        RequestsPerSecond, StalledKib,
    };
    let direct = "gateway → ISAPI worker against nginx → libfcgi";
    let inside = "gateway → ISAPI worker against the same in-process";
    let behind = "nginx → gateway → ISAPI worker against nginx → libfcgi";
    let alone = "nginx → ISAPI worker against nginx → libfcgi";
    let once = |model, metric| study(model, Load::Stream1g, metric);
    let down = |model| Measure::Ratio(once(model, BytesPerSecond), once(REFERENCE, BytesPerSecond));
    let echo = |model| {
        let spot = |model| closed(model, Load::Echo1m, 8, BytesPerSecond);
        Measure::Ratio(spot(model), spot(REFERENCE))
    };
    let slow = |metric| study("isapi", Load::Slow, metric);
    let first = |model| closed(model, Load::Hello, 1, P50Us);
    vec![
        target(direct, hello("isapi", REFERENCE, CpuUs), AtMost(0.6)).better(0.5),
        target(
            direct,
            hello("isapi", REFERENCE, RequestsPerSecond),
            AtLeast(1.4),
        )
        .better(1.6),
        target(
            "gateway → ISAPI worker against nginx → libfcgi, one connection",
            Measure::Ratio(first("isapi"), first(REFERENCE)),
            AtMost(1.0),
        )
        .better(0.7),
        target(direct, hello("isapi", REFERENCE, P99Us), AtMost(1.0)).better(0.7),
        target(
            inside,
            hello("isapi", "in-process", RequestsPerSecond),
            AtLeast(0.9),
        ),
        target(inside, hello("isapi", "in-process", CpuUs), AtMost(1.5)).better(1.3),
        target(behind, hello("nginx-isapi", REFERENCE, CpuUs), AtMost(1.0)).better(0.86),
        target(
            behind,
            hello("nginx-isapi", REFERENCE, RequestsPerSecond),
            AtLeast(1.0),
        )
        .better(1.1),
        target(alone, hello("nginx-worker", REFERENCE, CpuUs), AtMost(1.0)),
        target(
            alone,
            hello("nginx-worker", REFERENCE, RequestsPerSecond),
            AtLeast(1.0),
        ),
        target(
            "gateway → ISAPI worker against nginx → fcgiwrap → CGI program, static",
            hello("isapi", "nginx-fcgiwrap-static", RequestsPerSecond),
            AtLeast(20.0),
        )
        .better(25.0),
        target(
            "gateway → CGI program against nginx → fcgiwrap → the same, static",
            hello("cgi-static", "nginx-fcgiwrap-static", RequestsPerSecond),
            AtLeast(2.4),
        )
        .better(3.4),
        target(
            "gateway → CGI program against nginx → fcgiwrap → the same, dynamic",
            hello("cgi", "nginx-fcgiwrap", RequestsPerSecond),
            AtLeast(1.25),
        )
        .better(1.45),
        target(
            "ISAPI worker under Wine, x86-64, against the native one",
            hello("isapi-wine64", "isapi", RequestsPerSecond),
            AtLeast(0.6),
        )
        .better(0.8),
        target(
            "gateway → ISAPI worker against nginx → libfcgi, 1 GiB down",
            down("isapi"),
            AtLeast(1.6),
        )
        .better(2.4),
        target(
            "gateway → ISAPI worker against nginx → libfcgi, echo of 1 MiB",
            echo("isapi"),
            AtLeast(1.5),
        )
        .better(1.9),
        target(
            "nginx → gateway → ISAPI worker against nginx → libfcgi, 1 GiB down",
            down("nginx-isapi"),
            AtLeast(0.95),
        ),
        target(
            "nginx → gateway → ISAPI worker against nginx → libfcgi, echo of 1 MiB",
            echo("nginx-isapi"),
            AtLeast(0.95),
        ),
        target(
            "gateway and ISAPI worker, 32 connections",
            Measure::Itself(closed("isapi", Load::Hello, 32, MemoryKib)),
            AtMost(16.0 * 1024.0),
        )
        .better(10.0 * 1024.0),
        target(
            "gateway and ISAPI worker, 256 connections",
            Measure::Itself(closed("isapi", Load::Hello, 256, MemoryKib)),
            AtMost(24.0 * 1024.0),
        )
        .better(20.0 * 1024.0),
        target(
            "gateway and ISAPI worker, each client that does not read",
            Measure::Itself(study("isapi", Load::Stalled, StalledKib)),
            AtMost(300.0),
        ),
        target(
            "gateway and ISAPI worker, 1 GiB down",
            Measure::Itself(once("isapi", GrowthKib)),
            AtMost(1024.0),
        ),
        target(
            "gateway and ISAPI worker, 1 GiB down",
            Measure::Itself(once("isapi", DiskKib)),
            AtMost(0.0),
        ),
        target(
            "what is left of the peak, to 256 connections",
            Measure::Kept(Growing::Connections),
            AtLeast(0.85),
        ),
        target(
            "what is left of the peak, to 64 threads of the worker",
            Measure::Kept(Growing::Threads),
            AtLeast(0.85),
        ),
        target(
            "what is left of the peak, to 100 pools",
            Measure::Kept(Growing::Pools),
            AtLeast(0.85),
        ),
        target(
            "hello beside a request that takes a second, against alone",
            Measure::Ratio(slow(P99Us), slow(AloneP99Us)),
            AtMost(1.1),
        ),
    ]
}

fn target(what: &'static str, measure: Measure, must: Bound) -> Target {
    Target {
        what,
        measure,
        must,
        stretch: None,
    }
}

fn closed(model: &'static str, load: Load, connections: usize, metric: Metric) -> Spot {
    Spot {
        model,
        load,
        shape: Shape::Closed { connections },
        metric,
    }
}

/// A figure of a study.
fn study(model: &'static str, load: Load, metric: Metric) -> Spot {
    Spot {
        model,
        load,
        shape: load.study().unwrap_or(Shape::Once),
        metric,
    }
}

/// Both say hello to 32 connections.
fn hello(model: &'static str, base: &'static str, metric: Metric) -> Measure {
    let spot = |model| closed(model, Load::Hello, 32, metric);
    Measure::Ratio(spot(model), spot(base))
}

/// Holds a run against the targets.
pub fn outcomes(report: &Report) -> Vec<Outcome> {
    targets()
        .iter()
        .map(|target| target.outcome(report))
        .collect()
}

impl Target {
    fn better(self, stretch: f64) -> Self {
        Self {
            stretch: Some(stretch),
            ..self
        }
    }

    fn outcome(&self, report: &Report) -> Outcome {
        let measured = self.measure.of(report);
        Outcome {
            what: self.what.to_owned(),
            metric: match &self.measure {
                Measure::Ratio(spot, _) | Measure::Itself(spot) => spot.metric,
                Measure::Kept(_) => Metric::RequestsPerSecond,
            },
            is_ratio: !matches!(self.measure, Measure::Itself(_)),
            must: self.must,
            stretch: self.stretch,
            measured,
            holds: measured.map(|spread| self.must.holds(spread.median)),
        }
    }
}

impl Measure {
    fn of(&self, report: &Report) -> Option<Spread> {
        match self {
            Self::Ratio(spot, base) => {
                let (figures, base) = (spot.figures(report)?, base.figures(report)?);
                let pair = |(round, figure): (usize, f64)| Some((figure, *base.get(&round)?));
                Spread::of_ratios(figures.into_iter().filter_map(pair))
            }
            Self::Itself(spot) => Spread::of(spot.figures(report)?.into_values()),
            Self::Kept(growing) => {
                let sizes = growing.sizes(report);
                let rounds = 0..report.method.rounds;
                Spread::of(rounds.filter_map(|round| kept(&rates(&sizes, round))))
            }
        }
    }
}

impl Spot {
    /// The figure of each round, unless the result was refused.
    fn figures(&self, report: &Report) -> Option<BTreeMap<usize, f64>> {
        let cell = report.cell(self.model, self.load.id(), self.shape)?;
        if cell.refused.is_some() {
            return None;
        }
        let figure = |(round, figures): (&usize, &BTreeMap<Metric, f64>)| {
            Some((*round, *figures.get(&self.metric)?))
        };
        Some(cell.rounds.iter().filter_map(figure).collect())
    }
}

impl Growing {
    /// What was measured at each size.
    fn sizes(self, report: &Report) -> BTreeMap<usize, &Cell> {
        let said = report
            .cells
            .iter()
            .filter(|cell| cell.load == Load::Hello.id() && cell.refused.is_none());
        let sized = |cell: &Cell| match cell.shape {
            Shape::Closed { connections } => self.size(report, &cell.model, connections),
            _ => None,
        };
        said.filter_map(|cell| Some((sized(cell)?, cell))).collect()
    }

    fn size(self, report: &Report, model: &str, connections: usize) -> Option<usize> {
        let facts = report.models.iter().find(|facts| facts.id == model)?;
        match (self, facts.scale) {
            (Self::Connections, None) if model == "isapi" => Some(connections),
            (Self::Threads, Some(Scale::Threads(count)))
            | (Self::Pools, Some(Scale::Pools(count))) => Some(usize::from(count)),
            _ => None,
        }
    }
}

/// The rates of a round, from the smallest size to the largest.
fn rates(sizes: &BTreeMap<usize, &Cell>, round: usize) -> Vec<f64> {
    let rate = |cell: &&Cell| {
        let figures = cell.rounds.get(&round)?;
        figures.get(&Metric::RequestsPerSecond).copied()
    };
    sizes.values().filter_map(rate).collect()
}

/// What is left of the peak before it, where least is left; of one rate nothing can be said.
fn kept(rates: &[f64]) -> Option<f64> {
    let mut peak = 0.0_f64;
    let left = rates.iter().map(|rate| {
        peak = peak.max(*rate);
        rate / peak
    });
    let least = left.fold(1.0, f64::min);
    (rates.len() > 1).then_some(least)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_at_their_edge() {
        assert!(Bound::AtMost(1.0).holds(1.0) && !Bound::AtMost(1.0).holds(1.01));
        assert!(Bound::AtLeast(1.0).holds(1.0) && !Bound::AtLeast(1.0).holds(0.99));
    }

    #[test]
    fn what_is_kept_counts_from_the_peak_before() {
        assert_eq!(kept(&[10.0, 40.0, 30.0, 36.0]), Some(0.75));
        assert_eq!(kept(&[10.0, 20.0, 30.0]), Some(1.0));
        assert_eq!(kept(&[10.0]), None);
    }

    #[test]
    fn targets_name_models_that_exist_and_are_measured_so() {
        let models = crate::bench::models::all();
        let plan = crate::bench::Plan {
            loads: crate::bench::load::LOADS.to_vec(),
            connections: vec![1, 32, 256],
            rates: Vec::new(),
            duration: std::time::Duration::ZERO,
            warm_up: std::time::Duration::ZERO,
            rounds: 1,
        };
        let check = |spot: &Spot| {
            let model = models.iter().find(|it| it.id() == spot.model).unwrap();
            let cells = plan.cells(model.extent());
            assert!(cells.contains(&(spot.load, spot.shape)), "{}", spot.model);
        };
        for target in targets() {
            match &target.measure {
                Measure::Ratio(spot, base) => [spot, base].into_iter().for_each(check),
                Measure::Itself(spot) => check(spot),
                Measure::Kept(_) => {}
            }
        }
    }
}
