//! The tables in the terminal.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle};

use super::words;
use crate::bench::result::{Cell, Metric, Report, Shape};
use crate::bench::targets::Outcome;

/// Metrics whose ratio to the baseline is shown.
const COMPARED: [Metric; 3] = [
    Metric::RequestsPerSecond,
    Metric::BytesPerSecond,
    Metric::CpuUs,
];

/// The whole result as text.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    let mut shapes: Vec<(&str, Shape)> = Vec::new();
    for cell in &report.cells {
        let shape = (cell.load.as_str(), cell.shape);
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes.sort_by_key(|(_, shape)| match shape {
        Shape::Closed { .. } => 0,
        Shape::Open { .. } => 1,
        Shape::Once | Shape::Stalled { .. } | Shape::Beside { .. } => 2,
    });
    for (load, shape) in shapes {
        out += &format!(
            "\n{load}, {}\n{}\n",
            words::shape(shape),
            section(report, load, shape)
        );
    }
    if report.targets.iter().any(|it| it.measured.is_some()) {
        out += &format!("\ntargets\n{}\n", targets(&report.targets));
    }
    for model in &report.models {
        if let Some(reason) = &model.absent {
            out += &format!("{}: not measured: {reason}\n", model.id);
            continue;
        }
        for (load, reason) in &model.without {
            out += &format!("{} with {load}: not measured: {reason}\n", model.id);
        }
    }
    if let Some(place) = &report.cut {
        out += &format!("the time limit ended the run {place}\n");
    }
    out += &format!(
        "medians of {} (lowest to highest); ratios (×) to {}, of neighbours in the same round\n",
        words::rounds(report.method.rounds, report.method.close_rounds),
        report.baseline
    );
    out
}

fn table(head: Vec<String>) -> Table {
    aligned(UTF8_BORDERS_ONLY, head)
}

/// An empty table: the first column to the left, figures to the right.
pub(super) fn aligned(style: TableStyle, head: Vec<String>) -> Table {
    let mut table = Table::new();
    let columns = head.len();
    table
        .load_style(style)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head);
    for index in 1..columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn section(report: &Report, load: &str, shape: Shape) -> Table {
    let metrics = words::columns(shape);
    let columns = metrics
        .iter()
        .map(|metric| words::metric(*metric).to_owned());
    let mut table = table(std::iter::once("model".to_owned()).chain(columns).collect());
    for model in &report.models {
        let Some(cell) = report.cell(&model.id, load, shape) else {
            continue;
        };
        let figures = metrics.iter().map(|metric| match &cell.refused {
            Some(_) => "refused".to_owned(),
            None => shown(cell, *metric),
        });
        table.add_row(std::iter::once(model.id.clone()).chain(figures));
    }
    table
}

/// The median, the range of the rate, the ratio to the baseline.
fn shown(cell: &Cell, metric: Metric) -> String {
    let Some(spread) = cell.summary.get(&metric) else {
        return String::new();
    };
    let mut text = words::figure(metric, spread.median);
    if metric == Metric::RequestsPerSecond && cell.rounds.len() > 1 {
        let [low, high] = [spread.min, spread.max].map(|it| words::figure(metric, it));
        text += &format!(" ({low}–{high})");
    }
    let ratio = cell
        .ratios
        .get(&metric)
        .filter(|_| COMPARED.contains(&metric));
    match ratio {
        Some(ratio) => format!("{text} {:>6}", words::ratio(ratio.median)),
        None => text,
    }
}

fn targets(outcomes: &[Outcome]) -> Table {
    let head = ["target", "figure", "measured", "must be", "better", ""];
    let mut table = table(head.map(str::to_owned).to_vec());
    for outcome in outcomes {
        let figure = |value| words::outcome_figure(outcome, value);
        let measured = outcome.measured.map(|it| figure(it.median));
        table.add_row([
            outcome.what.clone(),
            words::metric(outcome.metric).to_owned(),
            measured.unwrap_or_default(),
            words::bound(outcome),
            outcome.stretch.map(figure).unwrap_or_default(),
            words::verdict(outcome).unwrap_or("not measured").to_owned(),
        ]);
    }
    table
}
