//! What is measured, and in which order. Pure.

use std::time::Duration;

use super::load::Load;
use super::result::Shape;

/// The connections at which loads are compared, where they are among those asked for.
const WIDTH: usize = 32;

/// What part of a model's own highest rate an open loop may ask for. Near it, latency only tells how long it was asked.
const UTILISATION: f64 = 0.8;

/// What the benchmark does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The loads; the first is looked at in detail.
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
}

impl Plan {
    /// The connections at which loads are compared: 32, or the nearest below it, or the fewest.
    pub fn width(&self) -> usize {
        let below = self.connections.iter().filter(|it| **it <= WIDTH).max();
        let width = below.or_else(|| self.connections.iter().min());
        width.copied().unwrap_or(WIDTH)
    }

    /// The closed loops: the first load at every number of connections, the others at one.
    pub fn closed(&self) -> Vec<(Load, Shape)> {
        let mut cells = Vec::new();
        for (index, load) in self.loads.iter().enumerate() {
            let one = [self.width()];
            let widths = if index == 0 {
                &self.connections[..]
            } else {
                &one
            };
            for width in widths {
                let connections = (*width).min(load.most_connections());
                let cell = (*load, Shape::Closed { connections });
                if !cells.contains(&cell) {
                    cells.push(cell);
                }
            }
        }
        cells
    }

    /// The open loops for a model that can do `highest` requests of the first load a second.
    pub fn open(&self, highest: f64) -> Vec<(Load, Shape)> {
        let within = |rate: &&u32| f64::from(**rate) <= highest * UTILISATION;
        let Some(load) = self.loads.first() else {
            return Vec::new();
        };
        let connections = self.width().min(load.most_connections());
        let shape = |rate: &u32| Shape::Open {
            rate: *rate,
            connections,
        };
        let rates = self.rates.iter().filter(within);
        rates.map(|rate| (*load, shape(rate))).collect()
    }

    /// Measurements of one model in one round, at most.
    pub fn most_cells(&self) -> usize {
        self.closed().len() + self.rates.len()
    }

    /// How long so many models take at most, without starting servers.
    pub fn longest(&self, models: usize) -> Duration {
        let times = u32::try_from(models * self.rounds * self.most_cells()).unwrap_or(u32::MAX);
        (self.duration + self.warm_up).saturating_mul(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(connections: &[usize]) -> Plan {
        Plan {
            loads: vec![Load::Hello, Load::Card, Load::Stream64m],
            connections: connections.to_vec(),
            rates: vec![500, 8000],
            duration: Duration::from_secs(1),
            warm_up: Duration::from_millis(500),
            rounds: 3,
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
        assert_eq!(plan.closed(), expected);
        assert_eq!(plan.most_cells(), 7);
        assert_eq!(plan.longest(2), Duration::from_secs(63));
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
        assert_eq!(plan.open(600.0), []);
        assert_eq!(plan.open(700.0), [open(500)]);
        assert_eq!(plan.open(10_000.0), [open(500), open(8000)]);
    }

    #[test]
    fn the_width_is_near_32() {
        for (connections, width) in [(&[1, 8, 32, 128][..], 32), (&[8, 64], 8), (&[64, 256], 64)] {
            assert_eq!(plan(connections).width(), width);
        }
    }
}
