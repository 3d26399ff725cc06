//! What the page shows: each figure with its plot, two sentences that say what it shows and why, and where its numbers
//! are in the report.

use super::plot::{self, Axes, Bar, COLOURS, Line};
use super::words;
use crate::bench::models::{Kind, Scale};
use crate::bench::result::{Cell, Metric, ModelFacts, Report, Shape};

/// A plot with its words.
pub struct Figure {
    /// Its heading.
    pub title: &'static str,
    /// The picture.
    pub svg: String,
    /// What it shows, and what explains it.
    pub sentences: String,
    /// The metrics of its table.
    pub metrics: Vec<Metric>,
    /// The cells of its table, as indices.
    pub cells: Vec<usize>,
}

/// Models that lines are drawn for, the first that are there.
const DRAWN: [&str; 10] = [
    "isapi",
    "in-process",
    "nginx-libfcgi",
    "nginx-isapi",
    "cgi",
    "nginx-fcgiwrap",
    "isapi-cgi",
    "isapi-wine64",
    "nginx-worker",
    "apache-libfcgi",
];

const WHY: &str = "A CGI program pays for every request with a new process: fork, exec, dynamic linking and an exit. An \
                   ISAPI extension stays loaded, and a request is a call on a thread that is there already; isolated, it \
                   costs a way to another process and back besides, over a connection that many requests share.";

/// Every figure that the report has numbers for.
pub fn all(report: &Report) -> Vec<Figure> {
    let figures = [
        throughput(report),
        cpu(report),
        percentiles(report),
        open(report),
        memory(report),
        growth(report, Metric::RequestsPerSecond),
        growth(report, Metric::CpuUs),
        scale(report),
    ];
    figures.into_iter().flatten().collect()
}

fn throughput(report: &Report) -> Option<Figure> {
    let metric = Metric::RequestsPerSecond;
    let said = match (
        at_width(report, "isapi", metric),
        at_width(report, "cgi", metric),
    ) {
        (Some(isapi), Some(cgi)) => format!(
            "An isolated ISAPI extension answers {} requests a second, {} as many as the same handler as a CGI program.",
            words::number(isapi),
            words::ratio(isapi / cgi)
        ),
        _ => "Requests a second; the whiskers are the lowest and the highest round.".to_owned(),
    };
    bars(report, "Throughput", metric, format!("{said} {WHY}"))
}

fn cpu(report: &Report) -> Option<Figure> {
    let metric = Metric::CpuUs;
    let said = match (at_width(report, "isapi", metric), at_width(report, "in-process", metric)) {
        (Some(isapi), Some(inside)) => format!(
            "All server processes together use {} for a request to the isolated extension and {} for one inside the \
             gateway: the difference is the price of isolation.",
            words::figure(metric, isapi),
            words::figure(metric, inside)
        ),
        _ => "Processor time of all server processes for one request: the steadiest figure on a machine that server and \
              load generator share."
            .to_owned(),
    };
    let why = "Processes that end are counted too. What remains between the models with threads is system calls and \
               wake-ups, which the gateway shares between requests that are ready at the same time.";
    bars(
        report,
        "Processor time of a request",
        metric,
        format!("{said} {why}"),
    )
}

fn memory(report: &Report) -> Option<Figure> {
    let sentences = "Resident memory of all server processes at its highest while they were measured; pages of programs \
                     that processes share count in each of them, memory that they share counts once. A model with a process for every request needs as many processes as \
                     requests run at the same time, one with threads only stacks and buffers.";
    bars(report, "Memory", Metric::MemoryKib, sentences.to_owned())
}

fn percentiles(report: &Report) -> Option<Figure> {
    let columns = [
        (Metric::P50Us, 50.0),
        (Metric::P90Us, 10.0),
        (Metric::P99Us, 1.0),
        (Metric::P999Us, 0.1),
    ];
    let shape = compared(report);
    let drawn = drawn(report, |cell| cell.shape == shape);
    let line = |(model, cells): &(&ModelFacts, Vec<usize>)| {
        let cell = &report.cells[*cells.first()?];
        let point = |(metric, beyond): &(Metric, f64)| {
            // To the right the rarer.
            Some((100.0 / beyond, cell.summary.get(metric)?.median))
        };
        Some(Line {
            label: model.title.clone(),
            points: columns.iter().filter_map(point).collect(),
        })
    };
    let lines: Vec<Line> = drawn.iter().filter_map(line).collect();
    let axes = Axes {
        x: "one request in …",
        y: "takes longer than",
        name_x: words::axis,
        name_y: |us| words::figure(Metric::P50Us, us),
    };
    let sentences = "The latency that one request in two, ten, a hundred and a thousand exceeds, when every connection asks \
                     again as soon as it has its answer. A model with threads has its long latencies from waiting for a \
                     processor that others use; one with processes has them from starting.";
    Some(Figure {
        title: "Latency under full load",
        svg: plot::lines(&lines, &axes).ok()?,
        sentences: sentences.to_owned(),
        metrics: columns.map(|(metric, _)| metric).to_vec(),
        cells: drawn.into_iter().flat_map(|(_, cells)| cells).collect(),
    })
}

fn open(report: &Report) -> Option<Figure> {
    let drawn = drawn(report, |cell| matches!(cell.shape, Shape::Open { .. }));
    let rate = |cell: &Cell| match cell.shape {
        Shape::Open { rate, .. } => f64::from(rate),
        _ => 0.0,
    };
    let axes = Axes {
        x: "requests a second",
        y: "p99",
        name_x: words::axis,
        name_y: |us| words::figure(Metric::P99Us, us),
    };
    let sentences = "The latency that one request in a hundred exceeds when requests come at a fixed rate, whether or not \
                     the server keeps up; a request that has to wait is charged from the moment when it was due, so a stall \
                     is not hidden. A line ends where the model could do no more: the start of a process bounds the rate \
                     long before threads do.";
    Some(Figure {
        title: "Latency at a fixed rate",
        svg: plot::lines(&lines(report, &drawn, rate, Metric::P99Us), &axes).ok()?,
        sentences: sentences.to_owned(),
        metrics: vec![
            Metric::P50Us,
            Metric::P99Us,
            Metric::P999Us,
            Metric::LatenessUs,
        ],
        cells: drawn.into_iter().flat_map(|(_, cells)| cells).collect(),
    })
}

fn growth(report: &Report, metric: Metric) -> Option<Figure> {
    let load = &report.method.load;
    let drawn = drawn(report, |cell| {
        cell.load == *load && matches!(cell.shape, Shape::Closed { .. })
    });
    let connections = |cell: &Cell| cell.shape.connections() as f64;
    let is_rate = metric == Metric::RequestsPerSecond;
    let axes = Axes {
        x: "connections",
        y: words::metric(metric),
        name_x: words::axis,
        name_y: match is_rate {
            true => words::number,
            false => |us| words::figure(Metric::CpuUs, us),
        },
    };
    let (title, sentences) = match is_rate {
        true => (
            "Throughput as connections grow",
            "Requests a second from one connection to many. With more connections more requests are ready at the same time, \
             and what is ready together is sent, read and woken for together; a process for every request has nothing to \
             share.",
        ),
        false => (
            "Cost as connections grow",
            "Processor time of a request from one connection to many. It falls where requests share system calls and \
             wake-ups, and stays where each needs a process of its own.",
        ),
    };
    Some(Figure {
        title,
        svg: plot::lines(&lines(report, &drawn, connections, metric), &axes).ok()?,
        sentences: sentences.to_owned(),
        metrics: vec![metric],
        cells: drawn.into_iter().flat_map(|(_, cells)| cells).collect(),
    })
}

fn scale(report: &Report) -> Option<Figure> {
    let size = |facts: &ModelFacts| match facts.scale? {
        Scale::Threads(count) => Some(("threads of the worker", f64::from(count))),
        Scale::Pools(count) => Some(("pools, a worker each", f64::from(count))),
    };
    let metric = Metric::RequestsPerSecond;
    let (mut lines, mut cells): (Vec<Line>, Vec<usize>) = Default::default();
    for facts in &report.models {
        let Some((label, count)) = size(facts) else {
            continue;
        };
        let Some(index) = position(report, &facts.id, compared(report)) else {
            continue;
        };
        let Some(spread) = report.cells[index].summary.get(&metric) else {
            continue;
        };
        cells.push(index);
        let point = (count, spread.median);
        match lines.iter_mut().find(|line| line.label == label) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                label: label.to_owned(),
                points: vec![point],
            }),
        }
    }
    let axes = Axes {
        x: "how many",
        y: "requests/s",
        name_x: words::axis,
        name_y: words::number,
    };
    let sentences = "Requests a second to the isolated extension as its worker gets more threads, and as the same requests are \
                     spread over more and more pools. Threads that are not needed sleep, and a worker that has nothing to do costs \
                     memory, not time; what is lost with many pools is that fewer requests travel together.";
    Some(Figure {
        title: "Throughput as threads and pools grow",
        svg: plot::lines(&lines, &axes).ok()?,
        sentences: sentences.to_owned(),
        metrics: vec![metric, Metric::CpuUs, Metric::MemoryKib],
        cells,
    })
}

fn bars(report: &Report, title: &'static str, metric: Metric, sentences: String) -> Option<Figure> {
    let shape = compared(report);
    let cell = |model: &ModelFacts| position(report, &model.id, shape);
    let cells: Vec<(&ModelFacts, usize)> = models(report)
        .filter_map(|model| Some((model, cell(model)?)))
        .collect();
    let bar = |(model, index): &(&ModelFacts, usize)| {
        let spread = *report.cells[*index].summary.get(&metric)?;
        Some(Bar {
            label: model.title.clone(),
            spread,
            colour: match model.kind {
                Kind::Isolated => 0,
                Kind::Process => 1,
                Kind::InProcess => 2,
                Kind::Front => 3,
            },
            shown: words::figure(metric, spread.median),
        })
    };
    let bars: Vec<Bar> = cells.iter().filter_map(bar).collect();
    Some(Figure {
        title,
        svg: plot::bars(&bars).ok()?,
        sentences,
        metrics: vec![metric],
        cells: cells.into_iter().map(|(_, index)| index).collect(),
    })
}

/// Each of the models that lines are drawn for, with those of its cells that are wanted.
fn drawn(report: &Report, wanted: impl Fn(&Cell) -> bool) -> Vec<(&ModelFacts, Vec<usize>)> {
    let rank = |model: &&ModelFacts| DRAWN.iter().position(|id| *id == model.id);
    let mut models: Vec<&ModelFacts> = models(report).collect();
    models.sort_by_key(|model| rank(model).unwrap_or(DRAWN.len()));
    let cells = |model: &ModelFacts| -> Vec<usize> {
        let all = report.cells.iter().enumerate();
        let fits = |cell: &Cell| cell.model == model.id && cell.load == report.method.load;
        let usable = |cell: &Cell| cell.refused.is_none() && wanted(cell);
        all.filter(|(_, cell)| fits(cell) && usable(cell))
            .map(|(index, _)| index)
            .collect()
    };
    let found = models.into_iter().map(|model| (model, cells(model)));
    found
        .filter(|(_, cells)| !cells.is_empty())
        .take(COLOURS)
        .collect()
}

fn lines(
    report: &Report,
    drawn: &[(&ModelFacts, Vec<usize>)],
    x: impl Fn(&Cell) -> f64,
    metric: Metric,
) -> Vec<Line> {
    let line = |(model, cells): &(&ModelFacts, Vec<usize>)| {
        let cells = cells.iter().map(|index| &report.cells[*index]);
        let mut points: Vec<(f64, f64)> = cells
            .filter_map(|cell| Some((x(cell), cell.summary.get(&metric)?.median)))
            .collect();
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
        Line {
            label: model.title.clone(),
            points,
        }
    };
    drawn.iter().map(line).collect()
}

/// The models, without variants of one of them.
fn models(report: &Report) -> impl Iterator<Item = &ModelFacts> {
    report.models.iter().filter(|model| model.scale.is_none())
}

/// The closed loop at which models are compared.
fn compared(report: &Report) -> Shape {
    Shape::Closed {
        connections: report.method.connections,
    }
}

fn position(report: &Report, model: &str, shape: Shape) -> Option<usize> {
    let load = &report.method.load;
    report
        .cells
        .iter()
        .position(|cell| cell.is(model, load, shape))
}

fn at_width(report: &Report, model: &str, metric: Metric) -> Option<f64> {
    let cell = &report.cells[position(report, model, compared(report))?];
    Some(cell.summary.get(&metric)?.median)
}
