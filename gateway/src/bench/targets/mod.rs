//! The project's own targets. Most are ratios within one run, so that they mean the same on every machine.

mod table;

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

/// Whether a target compares this with another figure, or two of its own.
pub fn is_compared(model: &str, load: Load, shape: Shape) -> bool {
    let is = |spot: &Spot| spot.model == model && spot.load == load && spot.shape == shape;
    table::all().iter().any(|target| match &target.measure {
        Measure::Ratio(spot, base) => is(spot) || is(base),
        Measure::Itself(_) | Measure::Kept(_) => false,
    })
}

/// Holds a run against the targets.
pub fn outcomes(report: &Report) -> Vec<Outcome> {
    table::all()
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
                // A run that did not go so far cannot tell.
                sizes
                    .last_key_value()
                    .filter(|(size, _)| **size >= growing.end())?;
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
    /// How far it shall grow.
    fn end(self) -> usize {
        match self {
            Self::Connections => 256,
            Self::Threads => 64,
            Self::Pools => 100,
        }
    }

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
            close_rounds: 0,
        };
        let check = |spot: &Spot| {
            let model = models.iter().find(|it| it.id() == spot.model).unwrap();
            let cells = plan.cells(model.extent());
            assert!(cells.contains(&(spot.load, spot.shape)), "{}", spot.model);
        };
        for target in table::all() {
            match &target.measure {
                Measure::Ratio(spot, base) => [spot, base].into_iter().for_each(check),
                Measure::Itself(spot) => check(spot),
                Measure::Kept(_) => {}
            }
        }
    }
}
