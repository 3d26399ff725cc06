//! Runs on several days or machines, side by side. Only ratios compare.

use std::collections::BTreeMap;

use super::table::table;
use super::words;
use crate::bench::result::{Metric, Report, Shape};

/// What is compared of the models.
const METRICS: [Metric; 3] = [Metric::RequestsPerSecond, Metric::CpuUs, Metric::P99Us];

/// A row for each figure, a column for each run.
pub fn render(runs: &[Report]) -> String {
    let mut out = String::new();
    for (index, run) in runs.iter().enumerate() {
        let (machine, commit) = (&run.machine, run.commit.as_deref().unwrap_or("unknown"));
        out += &format!(
            "{}: {}, {} × {}, {}, commit {commit}, ratios to {}\n",
            index + 1,
            run.started,
            machine.processors,
            machine.processor,
            machine.kernel,
            run.baseline
        );
    }
    let numbers = (1..=runs.len()).map(|number| number.to_string());
    let head = |first: &str| -> Vec<String> {
        let names = [first.to_owned(), "figure".to_owned()];
        names.into_iter().chain(numbers.clone()).collect()
    };
    let mut models = table(head("model"));
    for ((model, metric), ratios) in ratios(runs) {
        let shown = ratios
            .iter()
            .map(|it| it.map_or_else(String::new, words::ratio));
        let names = [model.to_owned(), words::metric(metric).to_owned()];
        models.add_row(names.into_iter().chain(shown));
    }
    let mut targets = table(head("target"));
    for (what, figures) in outcomes(runs) {
        let (what, metric, _) = what;
        let names = [what.to_owned(), words::metric(metric).to_owned()];
        targets.add_row(names.into_iter().chain(figures));
    }
    out + &format!("\n{models}\n\n{targets}\n")
}

/// The ratio of each model and metric in each run, where it was measured.
fn ratios(runs: &[Report]) -> BTreeMap<(&str, Metric), Vec<Option<f64>>> {
    let mut rows = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        let shape = Shape::Closed {
            connections: run.method.connections,
        };
        let compared = |load: &str, at| load == run.method.load && at == shape;
        for cell in run.cells.iter().filter(|it| compared(&it.load, it.shape)) {
            for metric in METRICS {
                let row = rows
                    .entry((cell.model.as_str(), metric))
                    .or_insert_with(|| vec![None; runs.len()]);
                row[index] = cell.ratios.get(&metric).map(|spread| spread.median);
            }
        }
    }
    rows
}

/// What each run has measured for each target, in words.
fn outcomes(runs: &[Report]) -> BTreeMap<(&str, Metric, bool), Vec<String>> {
    let mut rows = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        for outcome in &run.targets {
            let row = rows
                .entry((outcome.what.as_str(), outcome.metric, outcome.is_ratio))
                .or_insert_with(|| vec![String::new(); runs.len()]);
            if let (Some(spread), Some(verdict)) = (outcome.measured, words::verdict(outcome)) {
                let figure = words::outcome_figure(outcome, spread.median);
                row[index] = format!("{figure} {verdict}");
            }
        }
    }
    rows
}
