//! What the benchmark finds, as it is written to JSON. Everything that is shown anywhere comes from here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::models::{Kind, Scale};
use super::statistics::Spread;
use super::targets::Outcome;

/// A whole run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form: 1.
    pub format: u32,
    /// Name and version of the program.
    pub program: String,
    /// The commit that it was built from, where the build knew.
    pub commit: Option<String>,
    /// The command line.
    pub command: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// How long it took, s.
    pub seconds: f64,
    /// Where the time limit ended it, if it did.
    pub cut: Option<String>,
    /// Where it ran.
    pub machine: Machine,
    /// How it was measured.
    pub method: Method,
    /// The model that ratios refer to.
    pub baseline: String,
    /// Every model that was asked for.
    pub models: Vec<ModelFacts>,
    /// What was measured.
    pub cells: Vec<Cell>,
    /// The project's own targets that this run can tell about.
    pub targets: Vec<Outcome>,
}

/// How it was measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Method {
    /// Rounds; in each, every model has its turn.
    pub rounds: usize,
    /// Further rounds of what targets compare alone.
    #[serde(default)]
    pub close_rounds: usize,
    /// Seconds that count, of each measurement.
    pub duration: f64,
    /// Seconds before them that do not.
    pub warm_up: f64,
    /// Where the processor time of the servers comes from.
    pub accounting: String,
    /// Threads of the load generator.
    pub generator_threads: usize,
    /// Processors that only the load generator uses; empty: it shares them with the servers.
    pub generator_processors: Vec<usize>,
    /// The connections at which loads are compared.
    pub connections: usize,
    /// The load that is looked at in detail.
    pub load: String,
}

/// A model and whether it could run.
#[derive(Debug, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Its name.
    pub id: String,
    /// The way of a request.
    pub title: String,
    /// What explains its cost.
    pub kind: Kind,
    /// What of it was scaled, if it is a variant of another one.
    pub scale: Option<Scale>,
    /// Why it could not run here.
    pub absent: Option<String>,
    /// Loads that it cannot take, and why.
    pub without: BTreeMap<String, String>,
}

/// One model under one load.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cell {
    /// The model.
    pub model: String,
    /// The load.
    pub load: String,
    /// How requests followed each other.
    pub shape: Shape,
    /// Why there is no result: errors are no result, however fast.
    pub refused: Option<String>,
    /// The figures of each round, by the number of the round.
    pub rounds: BTreeMap<usize, Figures>,
    /// Over the rounds; empty if refused.
    pub summary: BTreeMap<Metric, Spread>,
    /// Ratios to the baseline's figures of the same round; empty if either is refused.
    pub ratios: BTreeMap<Metric, Spread>,
}

/// What one measurement found.
pub type Figures = BTreeMap<Metric, f64>;

/// How requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Each connection sends as soon as it has the answer.
    Closed {
        /// Connections.
        connections: usize,
    },
    /// At a fixed rate.
    Open {
        /// Requests a second.
        rate: u32,
        /// Connections.
        connections: usize,
    },
    /// One request, from its first byte to its last.
    Once,
    /// Clients that send a request and do not read.
    Stalled {
        /// Clients.
        clients: usize,
    },
    /// At a fixed rate, in turns alone and with a slow request at its side.
    Beside {
        /// Requests a second.
        rate: u32,
        /// Connections, without that of the slow request.
        connections: usize,
    },
}

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Answers a second.
    RequestsPerSecond,
    /// Bytes of bodies of answers a second.
    BytesPerSecond,
    /// Processor time of all server processes for each request, µs.
    CpuUs,
    /// Processor time of the load generator for each request, µs.
    GeneratorCpuUs,
    /// How much of its threads' time the load generator was busy, 0 to 1.
    GeneratorBusy,
    /// The latency that half of the requests did not exceed, µs.
    P50Us,
    /// Of nine in ten.
    P90Us,
    /// Of 99 in a hundred.
    P99Us,
    /// Of 999 in a thousand.
    P999Us,
    /// The longest latency, µs.
    LongestUs,
    /// How late the load generator sent at most, but for one request in a hundred, µs. Open loop only.
    LatenessUs,
    /// Resident memory of all server processes at its highest, KiB; pages of files that they share count in
    /// each, shared memory once.
    MemoryKib,
    /// Context switches of the whole machine for each request.
    Switches,
    /// Processes and threads started on the whole machine for each request.
    Forks,
    /// How much the memory of the servers grew while a large answer went through, KiB.
    GrowthKib,
    /// What they wrote to files meanwhile, KiB.
    DiskKib,
    /// Memory for each client that does not read, KiB.
    StalledKib,
    /// The latency of 99 in a hundred requests while no slow request was at their side, µs.
    AloneP99Us,
}

/// Metrics that are told as ratios to the baseline.
const COMPARED: [Metric; 5] = [
    Metric::RequestsPerSecond,
    Metric::BytesPerSecond,
    Metric::CpuUs,
    Metric::P50Us,
    Metric::P99Us,
];

impl Report {
    /// The cell of a model under a load.
    pub fn cell(&self, model: &str, load: &str, shape: Shape) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.is(model, load, shape))
    }

    /// What was told by people or programs, and may name files.
    pub fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        let absent = self.models.iter_mut().filter_map(|it| it.absent.as_mut());
        let refused = self.cells.iter_mut().filter_map(|it| it.refused.as_mut());
        let own = [&mut self.command, &mut self.method.accounting];
        own.into_iter().chain(absent).chain(refused)
    }

    /// Whether everything that was to be measured gave a result.
    pub fn is_whole(&self) -> bool {
        self.cut.is_none() && self.cells.iter().all(|cell| cell.refused.is_none())
    }
}

impl Shape {
    /// Connections.
    pub fn connections(self) -> usize {
        match self {
            Self::Closed { connections }
            | Self::Open { connections, .. }
            | Self::Beside { connections, .. } => connections,
            Self::Once => 1,
            Self::Stalled { clients } => clients,
        }
    }
}

impl Cell {
    /// One that nothing is known of yet.
    pub fn new(model: &str, load: &str, shape: Shape) -> Self {
        Self {
            model: model.to_owned(),
            load: load.to_owned(),
            shape,
            refused: None,
            rounds: BTreeMap::new(),
            summary: BTreeMap::new(),
            ratios: BTreeMap::new(),
        }
    }

    /// Whether it is that of this model, load and shape.
    pub fn is(&self, model: &str, load: &str, shape: Shape) -> bool {
        self.model == model && self.load == load && self.shape == shape
    }

    /// The figures of a round. One error in any round refuses the whole cell.
    pub fn enter(&mut self, round: usize, found: Result<Figures, String>) {
        match found {
            Ok(figures) => drop(self.rounds.insert(round, figures)),
            Err(reason) => drop(self.refused.get_or_insert(reason)),
        }
    }
}

/// Makes summaries and ratios of the figures of the rounds.
pub fn summarise(cells: &mut [Cell], baseline: &str) {
    let is_base = |cell: &&Cell| cell.model == baseline && cell.refused.is_none();
    let base: Vec<_> = cells
        .iter()
        .filter(is_base)
        .map(|cell| (cell.load.clone(), cell.shape, cell.rounds.clone()))
        .collect();
    for cell in cells.iter_mut().filter(|cell| cell.refused.is_none()) {
        let metrics: Vec<Metric> = cell
            .rounds
            .values()
            .flat_map(|it| it.keys().copied())
            .collect();
        for metric in metrics {
            let figures = cell
                .rounds
                .values()
                .filter_map(|it| it.get(&metric).copied());
            cell.summary
                .extend(Spread::of(figures).map(|spread| (metric, spread)));
        }
        let same = base
            .iter()
            .find(|(load, shape, _)| *load == cell.load && *shape == cell.shape);
        let Some((_, _, base)) = same else { continue };
        for metric in COMPARED {
            let pairs = cell.rounds.iter().filter_map(|(round, figures)| {
                Some((*figures.get(&metric)?, *base.get(round)?.get(&metric)?))
            });
            cell.ratios
                .extend(Spread::of_ratios(pairs).map(|spread| (metric, spread)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape::Closed { connections: 8 };

    fn cell(model: &str, rates: &[f64]) -> Cell {
        let mut cell = Cell::new(model, "hello", SHAPE);
        for (round, rate) in rates.iter().enumerate() {
            cell.enter(
                round,
                Ok(Figures::from([(Metric::RequestsPerSecond, *rate)])),
            );
        }
        cell
    }

    #[test]
    fn summaries_and_ratios_are_made_of_rounds() {
        let mut cells = [
            cell("a", &[100.0, 50.0, 90.0]),
            cell("b", &[200.0, 100.0, 270.0]),
        ];
        summarise(&mut cells, "a");
        let rate = Metric::RequestsPerSecond;
        assert_eq!(cells[1].summary[&rate].median, 200.0);
        assert_eq!(cells[1].ratios[&rate].median, 2.0);
        assert_eq!(cells[1].ratios[&rate].max, 3.0);
        assert_eq!(cells[0].ratios[&rate].median, 1.0);
    }

    #[test]
    fn one_error_refuses_the_whole_cell() {
        let mut cells = [cell("a", &[100.0]), cell("b", &[200.0])];
        cells[1].enter(1, Err("3 errors".to_owned()));
        cells[1].enter(2, Err("4 errors".to_owned()));
        summarise(&mut cells, "a");
        assert_eq!(cells[1].refused.as_deref(), Some("3 errors"));
        assert!(cells[1].summary.is_empty() && cells[1].ratios.is_empty());
        // Nor is a refused one a base for others.
        cells[0].refused = Some("gone".to_owned());
        cells[1] = cell("b", &[200.0]);
        summarise(&mut cells, "a");
        assert!(cells[1].ratios.is_empty() && !cells[1].summary.is_empty());
    }
}
