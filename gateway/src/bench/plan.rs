//! What is measured, and in which order. Pure.

use std::time::Duration;

use super::load::Load;
use super::result::Shape;
use super::study;

/// The connections at which loads are compared, where they are among those asked for.
const WIDTH: usize = 32;

/// What part of a model's own highest rate an open loop may ask for. Near it, latency only tells how long it was asked.
const UTILISATION: f64 = 0.8;

/// How much of a model is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every load that is repeated.
    Whole,
    /// The studies, too.
    Studied,
    /// The load that is looked at in detail, where models are compared.
    Variant,
}

/// What the benchmark does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The loads; the first that is repeated is looked at in detail.
    pub loads: Vec<Load>,
    /// Connections of the closed loops.
    pub connections: Vec<usize>,
    /// Requests a second of the open loops.
    pub rates: Vec<u32>,
    /// How long each measurement counts.
    pub duration: Duration,
    /// How long it runs before.
    pub warm_up: Duration,
    /// How often everything is measured.
    pub rounds: usize,
    /// How often what targets compare is measured again after that, by itself: what is compared then is seconds apart.
    pub close_rounds: usize,
}

impl Plan {
    /// The connections at which loads are compared: 32, or the nearest below it, or the fewest.
    pub fn width(&self) -> usize {
        let below = self.connections.iter().filter(|it| **it <= WIDTH).max();
        let width = below.or_else(|| self.connections.iter().min());
        width.copied().unwrap_or(WIDTH)
    }

    /// The load that is looked at in detail: the first that is repeated.
    pub fn main(&self) -> Option<Load> {
        self.loads.iter().copied().find(|it| it.study().is_none())
    }

    /// Whether a round is one of the last, in which only what targets compare is measured.
    pub fn is_close(&self, round: usize) -> bool {
        round >= self.rounds
    }

    /// What is measured of a model before its open loops.
    pub fn cells(&self, extent: Extent) -> Vec<(Load, Shape)> {
        let main = self.main();
        let closed = |load: &Load| {
            let widths = match extent {
                Extent::Variant => vec![self.width()],
                _ if Some(*load) == main => self.connections.clone(),
                _ => vec![self.width()],
            };
            let load = *load;
            widths.into_iter().map(move |width| {
                let connections = width.min(load.most_connections());
                (load, Shape::Closed { connections })
            })
        };
        let repeated = |load: &&Load| match extent {
            Extent::Variant => Some(**load) == main,
            _ => load.study().is_none(),
        };
        let studied = |load: &Load| {
            let shape = load.study().filter(|_| extent == Extent::Studied)?;
            Some((*load, shape))
        };
        let mut cells: Vec<(Load, Shape)> = Vec::new();
        let all = self.loads.iter().filter(repeated).flat_map(closed);
        for cell in all.chain(self.loads.iter().filter_map(studied)) {
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        cells
    }

    /// The open loops for a model that can do `highest` requests of the main load a second.
    pub fn open(&self, extent: Extent, highest: f64) -> Vec<(Load, Shape)> {
        let within = |rate: &&u32| f64::from(**rate) <= highest * UTILISATION;
        let Some(load) = self.main().filter(|_| extent != Extent::Variant) else {
            return Vec::new();
        };
        let connections = self.width().min(load.most_connections());
        let shape = |rate: &u32| Shape::Open {
            rate: *rate,
            connections,
        };
        let rates = self.rates.iter().filter(within);
        rates.map(|rate| (load, shape(rate))).collect()
    }

    /// Measurements of such a model in one round, at most.
    pub fn most_cells(&self, extent: Extent) -> usize {
        let open = match extent {
            Extent::Variant => 0,
            Extent::Whole | Extent::Studied => self.rates.len(),
        };
        self.cells(extent).len() + open
    }

    /// How long such models take at most, without starting servers. `close` is what is measured in each of the close rounds.
    pub fn longest(&self, models: &[Extent], close: &[(Load, Shape)]) -> Duration {
        let times = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let one = |(load, _): &(Load, Shape)| match load.study() {
            Some(shape) => study::longest(shape),
            None => self.duration + self.warm_up,
        };
        let whole = |extent: &Extent| {
            let cells = self.cells(*extent);
            let open = times(self.most_cells(*extent) - cells.len());
            (self.duration + self.warm_up).saturating_mul(open)
                + cells.iter().map(one).sum::<Duration>()
        };
        let round: Duration = models.iter().map(whole).sum();
        let close: Duration = close.iter().map(one).sum();
        round.saturating_mul(times(self.rounds)) + close.saturating_mul(times(self.close_rounds))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn plan(connections: &[usize]) -> Plan {
        Plan {
            loads: vec![Load::Hello, Load::Slow, Load::Card, Load::Stream64m],
            connections: connections.to_vec(),
            rates: vec![500, 8000],
            duration: Duration::from_secs(1),
            warm_up: Duration::from_millis(500),
            rounds: 3,
            close_rounds: 2,
        }
    }

    fn closed(connections: usize) -> Shape {
        Shape::Closed { connections }
    }

    #[test]
    fn the_first_load_is_looked_at_in_detail() {
        let plan = plan(&[1, 32, 128]);
        let expected = [
            (Load::Hello, closed(1)),
            (Load::Hello, closed(32)),
            (Load::Hello, closed(128)),
            (Load::Card, closed(32)),
            (Load::Stream64m, closed(4)),
        ];
        assert_eq!(plan.cells(Extent::Whole), expected);
        assert_eq!(plan.most_cells(Extent::Whole), 7);
        let close = [(Load::Hello, closed(32)); 3];
        let longest = |close| plan.longest(&[Extent::Whole; 2], close).as_secs();
        assert_eq!((longest(&[]), longest(&close)), (63, 72));
    }

    #[test]
    fn studies_are_made_of_few_models_and_variants_are_compared_only() {
        let plan = plan(&[1, 32]);
        let studied = plan.cells(Extent::Studied);
        let (last, before) = studied.split_last().unwrap();
        assert_eq!(before, plan.cells(Extent::Whole));
        assert_eq!(*last, (Load::Slow, Load::Slow.study().unwrap()));
        assert_eq!(plan.cells(Extent::Variant), [(Load::Hello, closed(32))]);
        assert_eq!(plan.most_cells(Extent::Variant), 1);
    }

    #[test]
    fn a_model_is_only_asked_for_rates_that_it_can_do() {
        let open = |rate| {
            (
                Load::Hello,
                Shape::Open {
                    rate,
                    connections: 8,
                },
            )
        };
        let plan = plan(&[8]);
        assert_eq!(plan.open(Extent::Whole, 600.0), []);
        assert_eq!(plan.open(Extent::Whole, 700.0), [open(500)]);
        assert_eq!(
            plan.open(Extent::Studied, 10_000.0),
            [open(500), open(8000)]
        );
    }

    #[test]
    fn the_width_is_near_32() {
        for (connections, width) in [(&[1, 8, 32, 128][..], 32), (&[8, 64], 8), (&[64, 256], 64)] {
            assert_eq!(plan(connections).width(), width);
        }
    }
}
