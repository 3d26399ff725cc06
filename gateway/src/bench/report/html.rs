//! The page: one file without anything from elsewhere. Every figure on it is a `data` element that says at which place
//! of the JSON, which the page holds as well, its value stands.

use std::fmt::Write as _;

use super::figure::{self, Figure};
use super::words;
use crate::bench::load::{LOADS, Load};
use crate::bench::models::Kind;
use crate::bench::result::{Metric, Report, Shape};
use crate::bench::statistics::Spread;

/// Makes the page of a report; `json` is the report as it is written to a file.
pub fn render(report: &Report, json: &str) -> String {
    let mut page =
        String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    page += "<title>isapi-gateway: CGI and ISAPI side by side</title>\n";
    page += &format!(
        "<style>\n{}</style>\n</head>\n<body>\n",
        include_str!("page.css")
    );
    head(&mut page, report);
    for figure in figure::all(report) {
        section(&mut page, report, &figure);
    }
    loads(&mut page, report);
    studies(&mut page, report);
    targets(&mut page, report);
    method(&mut page, report);
    // Inside a script element only `</` could end it.
    let safe = json.replace("</", "<\\/");
    let _ = write!(
        page,
        "<script type=\"application/json\" id=\"report\">\n{safe}\n</script>\n</body>\n</html>\n"
    );
    page
}

fn head(page: &mut String, report: &Report) {
    let method = &report.method;
    let _ = write!(
        page,
        "<h1>CGI and ISAPI side by side</h1>\n<p>The same handler under each model: as a CGI program, as a FastCGI \
         application, as an ISAPI extension in a worker of its own, and inside the server. Load <b>{}</b>, {} connections, \
         medians of {}.</p>\n<p class=\"soft\">",
        escaped(&method.load),
        method.connections,
        words::rounds(method.rounds, method.close_rounds)
    );
    let kinds = [Kind::Isolated, Kind::Process, Kind::InProcess, Kind::Front];
    for (index, kind) in kinds.into_iter().enumerate() {
        let _ = write!(
            page,
            "<span class=\"kind\"><span class=\"key\" style=\"background:var(--c{index})\"></span>{}</span> ",
            words::kind(kind)
        );
    }
    page.push_str("</p>\n");
}

fn section(page: &mut String, report: &Report, figure: &Figure) {
    let _ = write!(
        page,
        "<section>\n<h2>{}</h2>\n{}<p>{}</p>\n</section>\n<details><summary>Figures</summary>",
        figure.title,
        figure.svg,
        escaped(&figure.sentences)
    );
    table(page, report, &figure.cells, &figure.metrics);
    page.push_str("</details>\n");
}

/// A table for each load that is repeated. That of the main load has what the plots show, and is folded.
fn loads(page: &mut String, report: &Report) {
    let _ = writeln!(
        page,
        "<h2>Every load</h2>\n<p>Ratios are those to {} in the same round. Loads that do more work, or move more bytes, \
         make the difference between the models smaller: what the model costs is then a smaller part of the whole.</p>",
        escaped(&report.baseline)
    );
    let repeated = LOADS.into_iter().chain([Load::Own]);
    for load in repeated.filter(|load| load.study().is_none()) {
        let cells = report.cells.iter().enumerate();
        let found = cells.filter(|(_, cell)| cell.load == load.id());
        let mut found: Vec<usize> = found.map(|(index, _)| index).collect();
        if found.is_empty() {
            continue;
        }
        found.sort_by_key(|index| match report.cells[*index].shape {
            Shape::Open { rate, .. } => (true, u64::from(rate)),
            closed => (false, closed.connections() as u64),
        });
        let open = match load.id() == report.method.load {
            true => "",
            false => " open",
        };
        let _ = write!(
            page,
            "<details{open}><summary>{}</summary>",
            capitalised(load.title())
        );
        let is_shown = |metric: &&Metric| **metric != Metric::BytesPerSecond || load.is_bulk();
        let metrics: Vec<Metric> = LOADED.iter().filter(is_shown).copied().collect();
        table(page, report, &found, &metrics);
        page.push_str("</details>\n");
    }
}

/// What is told of a load.
const LOADED: [Metric; 10] = [
    Metric::RequestsPerSecond,
    Metric::BytesPerSecond,
    Metric::CpuUs,
    Metric::P50Us,
    Metric::P99Us,
    Metric::MemoryKib,
    Metric::Switches,
    Metric::Forks,
    Metric::GeneratorCpuUs,
    Metric::GeneratorBusy,
];

/// A row for each of these cells.
fn table(page: &mut String, report: &Report, cells: &[usize], metrics: &[Metric]) {
    page.push_str("<div class=\"scroll\"><table>\n<tr><th>model<th>under");
    for metric in metrics {
        let _ = write!(page, "<th>{}", words::metric(*metric));
    }
    page.push('\n');
    for index in cells {
        row(page, report, *index, metrics);
    }
    page.push_str("</table></div>");
}

fn row(page: &mut String, report: &Report, index: usize, metrics: &[Metric]) {
    let cell = &report.cells[index];
    let _ = write!(
        page,
        "<tr><td>{}<td>{}",
        escaped(&cell.model),
        words::shape(cell.shape)
    );
    if let Some(reason) = &cell.refused {
        let _ = write!(
            page,
            "<td colspan=\"{}\" class=\"missed\" title=\"{}\">refused",
            metrics.len(),
            escaped(reason)
        );
    } else {
        for metric in metrics {
            page.push_str("<td>");
            figures(page, report, index, *metric);
        }
    }
    page.push('\n');
}

/// Median, ratio and range of one metric of a cell.
fn figures(page: &mut String, report: &Report, index: usize, metric: Metric) {
    let cell = &report.cells[index];
    let Some(spread) = cell.summary.get(&metric) else {
        return;
    };
    let name = name(metric);
    let place = format!("/cells/{index}/summary/{name}");
    page.push_str(&datum(
        &format!("{place}/median"),
        spread.median,
        &words::figure(metric, spread.median),
    ));
    if let Some(ratio) = cell.ratios.get(&metric) {
        let place = format!("/cells/{index}/ratios/{name}/median");
        let _ = write!(
            page,
            " {}",
            datum(&place, ratio.median, &words::ratio(ratio.median))
        );
    }
    if report.method.rounds > 1 {
        let Spread { min, max, .. } = *spread;
        let _ = write!(
            page,
            " <span class=\"range\">{} to {}</span>",
            datum(&format!("{place}/min"), min, &words::figure(metric, min)),
            datum(&format!("{place}/max"), max, &words::figure(metric, max))
        );
    }
}

/// What the studies have found, a table for each.
fn studies(page: &mut String, report: &Report) {
    for load in LOADS.into_iter().filter(|load| load.study().is_some()) {
        let cells = report.cells.iter().enumerate();
        let found: Vec<(usize, Shape)> = cells
            .filter(|(_, cell)| cell.load == load.id())
            .map(|(index, cell)| (index, cell.shape))
            .collect();
        let Some((_, shape)) = found.first().copied() else {
            continue;
        };
        let _ = write!(
            page,
            "<section>\n<h2>{}</h2>\n<p>{}</p>\n",
            capitalised(load.title()),
            words::study(load)
        );
        let found: Vec<usize> = found.iter().map(|(index, _)| *index).collect();
        table(page, report, &found, words::columns(shape));
        page.push_str("</section>\n");
    }
}

fn targets(page: &mut String, report: &Report) {
    if report.targets.iter().all(|it| it.measured.is_none()) {
        return;
    }
    page.push_str("<h2>Targets</h2>\n<p>What the project has set itself, and what this run measured. Most are ratios of neighbours in one run, since figures of different machines or hours do not compare.</p>\n<div class=\"scroll\"><table>\n<tr><th>target<th>figure<th>measured<th>must be<th>better<th>\n");
    for (index, outcome) in report.targets.iter().enumerate() {
        let figure = |value| words::outcome_figure(outcome, value);
        let place = format!("/targets/{index}/measured/median");
        let measured = outcome
            .measured
            .map(|spread| datum(&place, spread.median, &figure(spread.median)));
        let (class, verdict) = match (outcome.holds, words::verdict(outcome)) {
            (Some(true), Some(verdict)) => ("holds", verdict),
            (Some(false), Some(verdict)) => ("missed", verdict),
            _ => ("soft", "not measured"),
        };
        let _ = writeln!(
            page,
            "<tr><td class=\"what\">{}<td>{}<td>{}<td>{}<td>{}<td class=\"{class}\">{verdict}",
            escaped(&outcome.what),
            words::metric(outcome.metric),
            measured.unwrap_or_default(),
            words::bound(outcome),
            outcome.stretch.map(figure).unwrap_or_default()
        );
    }
    page.push_str("</table></div>\n");
}

fn method(page: &mut String, report: &Report) {
    let (machine, method) = (&report.machine, &report.method);
    let shared = match method.generator_processors.is_empty() {
        true => "it shares the processors with the servers".to_owned(),
        false => format!("on processors {:?} of its own", method.generator_processors),
    };
    let facts = [
        (
            "Program",
            format!(
                "{} {}",
                report.program,
                report.commit.as_deref().unwrap_or("")
            ),
        ),
        (
            "Begun",
            format!("{}, {:.0} s", report.started, report.seconds),
        ),
        (
            "Machine",
            format!(
                "{} × {}, {} GiB, {}, {}",
                machine.processors,
                machine.processor,
                machine.memory_kib / 1024 / 1024,
                machine.kernel,
                machine.system
            ),
        ),
        ("Peers", machine.versions.join(" · ")),
        (
            "Load average",
            format!("{} before, {} after", machine.load[0], machine.load[1]),
        ),
        (
            "Rounds",
            format!(
                "{}, every model once in each; {} s count of each measurement, after {} s that do not",
                words::rounds(method.rounds, method.close_rounds),
                method.duration,
                method.warm_up
            ),
        ),
        ("Processor time", format!("from {}", method.accounting)),
        (
            "Load generator",
            format!(
                "{} threads, {shared}; a result with an error in it is refused",
                method.generator_threads
            ),
        ),
    ];
    page.push_str("<h2>How it was measured</h2>\n<dl>\n");
    for (name, text) in facts {
        let _ = writeln!(page, "<dt>{name}<dd>{}", escaped(text.trim()));
    }
    let _ = writeln!(
        page,
        "<dt>Command<dd><code>{}</code>",
        escaped(&report.command)
    );
    for model in &report.models {
        let absent = model.absent.iter().map(|reason| ("", reason));
        let without = model.without.iter();
        let without = without.map(|(load, reason)| (load.as_str(), reason));
        for (load, reason) in absent.chain(without) {
            let (id, reason) = (escaped(&model.id), escaped(reason));
            let _ = writeln!(page, "<dt>Not measured<dd>{id} {load}: {reason}");
        }
    }
    if let Some(place) = &report.cut {
        let _ = writeln!(
            page,
            "<dt>Cut short<dd>by the time limit, {}",
            escaped(place)
        );
    }
    page.push_str("</dl>\n");
}

/// A figure and its place in the JSON.
fn datum(place: &str, value: f64, shown: &str) -> String {
    format!(
        "<data data-at=\"{place}\" value=\"{value}\">{}</data>",
        escaped(shown)
    )
}

/// The name of a metric in the JSON.
fn name(metric: Metric) -> String {
    let value = serde_json::to_value(metric).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// A name as a heading.
fn capitalised(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().map(|it| it.to_ascii_uppercase());
    escaped(&first.into_iter().chain(characters).collect::<String>())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(
            escaped("<a href=\"x\">&"),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
        assert_eq!(name(Metric::RequestsPerSecond), "requests_per_second");
    }
}
