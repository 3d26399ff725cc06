//! Runs on several days or machines, side by side, as Markdown. Only ratios compare.

use comfy_table::presets::ASCII_MARKDOWN;

use super::table::aligned;
use super::words;
use crate::bench::result::{Metric, Report, Shape};
use crate::bench::targets::{Outcome, outcomes};

/// What is compared of the models.
const METRICS: [Metric; 3] = [Metric::RequestsPerSecond, Metric::CpuUs, Metric::P99Us];

/// Which runs these are; a row for each target and for each ratio of a model, a column for each run.
pub fn render(runs: &[Report]) -> String {
    format!(
        "# Runs side by side\n\n{}\n## Targets\n\nWhat each run measured for the targets of this version.\n\n{}\n\
         ## Models\n\nRatios to the run's baseline, under its first load, at the connections at which models are \
         compared.\n\n{}",
        described(runs),
        targets(runs),
        models(runs)
    )
}

fn described(runs: &[Report]) -> String {
    let head = [
        "run",
        "begun",
        "commit",
        "machine",
        "kernel",
        "load before, after",
        "measured",
        "load",
        "baseline",
    ];
    let row = |(index, run): (usize, &Report)| {
        let (machine, method) = (&run.machine, &run.method);
        let shape = Shape::Closed {
            connections: method.connections,
        };
        let [before, after] = machine.load;
        vec![
            (index + 1).to_string(),
            run.started.clone(),
            run.commit.clone().unwrap_or_else(|| "unknown".to_owned()),
            format!("{} × {}", machine.processors, machine.processor),
            machine.kernel.clone(),
            format!("{before}, {after}"),
            match method.close_rounds {
                0 => format!("{} × {} s", method.rounds, method.duration),
                close => format!("{} + {close} × {} s", method.rounds, method.duration),
            },
            format!("{}, {}", method.load, words::shape(shape)),
            run.baseline.clone(),
        ]
    };
    let rows = runs.iter().enumerate().map(row);
    markdown(head.map(str::to_owned).to_vec(), rows)
}

/// Held against the targets of this version, which a run of another one may not have known.
fn targets(runs: &[Report]) -> String {
    let found: Vec<Vec<Outcome>> = runs.iter().map(outcomes).collect();
    let row = |(index, target): (usize, &Outcome)| {
        let names = [
            target.what.clone(),
            words::metric(target.metric).to_owned(),
            words::bound(target),
        ];
        let figures = found.iter().map(move |run| verdict(&run[index]));
        names.into_iter().chain(figures).collect()
    };
    let known = found.first().into_iter().flatten().enumerate();
    markdown(head(&["target", "figure", "must be"], runs), known.map(row))
}

fn verdict(outcome: &Outcome) -> String {
    match (outcome.measured, words::verdict(outcome)) {
        (Some(spread), Some(verdict)) => {
            format!(
                "{} {verdict}",
                words::outcome_figure(outcome, spread.median)
            )
        }
        _ => String::new(),
    }
}

/// The models of all runs, each where it was met first.
fn models(runs: &[Report]) -> String {
    let mut ids: Vec<&str> = Vec::new();
    for model in runs.iter().flat_map(|run| &run.models) {
        if !ids.contains(&model.id.as_str()) {
            ids.push(&model.id);
        }
    }
    let rows = ids
        .into_iter()
        .flat_map(|id| METRICS.map(|metric| (id, metric)));
    let row = |(id, metric): (&str, Metric)| -> Option<Vec<String>> {
        let ratios: Vec<Option<f64>> = runs.iter().map(|run| ratio(run, id, metric)).collect();
        ratios.iter().any(Option::is_some).then(|| {
            let names = [id.to_owned(), words::metric(metric).to_owned()];
            let shown = ratios
                .iter()
                .map(|it| it.map_or_else(String::new, words::ratio));
            names.into_iter().chain(shown).collect()
        })
    };
    markdown(head(&["model", "figure"], runs), rows.filter_map(row))
}

fn ratio(run: &Report, model: &str, metric: Metric) -> Option<f64> {
    let shape = Shape::Closed {
        connections: run.method.connections,
    };
    let cell = run.cell(model, &run.method.load, shape)?;
    cell.ratios.get(&metric).map(|spread| spread.median)
}

fn head(names: &[&str], runs: &[Report]) -> Vec<String> {
    let numbers = (1..=runs.len()).map(|number| number.to_string());
    let names = names.iter().map(|name| (*name).to_owned());
    names.chain(numbers).collect()
}

fn markdown(head: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = aligned(ASCII_MARKDOWN, head);
    for row in rows {
        // A bar would begin a column.
        table.add_row(row.iter().map(|text| text.replace('|', "\\|")));
    }
    format!("{table}\n")
}
