//! Figures and names in words.

use crate::bench::load::Load;
use crate::bench::models::Kind;
use crate::bench::result::{Metric, Shape};
use crate::bench::targets::{Bound, Outcome};

/// How many rounds there are, and how many of what targets compare.
pub fn rounds(whole: usize, close: usize) -> String {
    match close {
        0 => format!("{whole} rounds"),
        _ => format!("{whole} rounds, and {close} of what targets compare"),
    }
}

/// A figure with three digits that count, and its unit.
pub fn figure(metric: Metric, value: f64) -> String {
    match metric {
        Metric::RequestsPerSecond => number(value),
        Metric::BytesPerSecond => format!("{} MB/s", number(value / 1e6)),
        Metric::GeneratorBusy => format!("{:.0} %", value * 100.0),
        Metric::MemoryKib => format!("{} MiB", number(value / 1024.0)),
        Metric::GrowthKib | Metric::DiskKib | Metric::StalledKib => {
            format!("{} KiB", number(value))
        }
        Metric::Switches | Metric::Forks => number(value),
        Metric::CpuUs
        | Metric::GeneratorCpuUs
        | Metric::P50Us
        | Metric::P90Us
        | Metric::P99Us
        | Metric::P999Us
        | Metric::LongestUs
        | Metric::LatenessUs
        | Metric::AloneP99Us => duration(value),
    }
}

/// What a figure is, for the head of a column.
pub fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::RequestsPerSecond => "requests/s",
        Metric::BytesPerSecond => "throughput",
        Metric::CpuUs => "CPU/request",
        Metric::GeneratorCpuUs => "generator's CPU/request",
        Metric::GeneratorBusy => "generator busy",
        Metric::P50Us => "p50",
        Metric::P90Us => "p90",
        Metric::P99Us => "p99",
        Metric::P999Us => "p99.9",
        Metric::LongestUs => "longest",
        Metric::LatenessUs => "generator late (p99)",
        Metric::MemoryKib => "memory",
        Metric::Switches => "switches/request",
        Metric::Forks => "forks/request",
        Metric::GrowthKib => "growth of memory",
        Metric::DiskKib => "written to files",
        Metric::StalledKib => "memory/stalled client",
        Metric::AloneP99Us => "p99 alone",
    }
}

/// A ratio: `1.59`, `24.3`.
pub fn ratio(value: f64) -> String {
    format!("{}×", number(value))
}

/// How requests follow each other.
pub fn shape(shape: Shape) -> String {
    match shape {
        Shape::Closed { connections: 1 } => "1 connection".to_owned(),
        Shape::Closed { connections } => format!("{connections} connections"),
        Shape::Open { rate, .. } => format!("{}/s", number(f64::from(rate))),
        Shape::Once => "once".to_owned(),
        Shape::Stalled { clients } => format!("{clients} clients"),
        Shape::Beside { rate, .. } => format!("{}/s", number(f64::from(rate))),
    }
}

/// The metrics that a table shows of results of this shape.
pub fn columns(shape: Shape) -> &'static [Metric] {
    match shape {
        Shape::Closed { .. } | Shape::Open { .. } => &[
            Metric::RequestsPerSecond,
            Metric::CpuUs,
            Metric::P50Us,
            Metric::P99Us,
            Metric::MemoryKib,
            Metric::Forks,
            Metric::GeneratorBusy,
        ],
        Shape::Once => &[
            Metric::BytesPerSecond,
            Metric::CpuUs,
            Metric::MemoryKib,
            Metric::GrowthKib,
            Metric::DiskKib,
        ],
        Shape::Stalled { .. } => &[Metric::StalledKib, Metric::MemoryKib, Metric::DiskKib],
        Shape::Beside { .. } => &[Metric::P50Us, Metric::P99Us, Metric::AloneP99Us],
    }
}

/// What a study shows, and why.
pub fn study(load: Load) -> &'static str {
    match load {
        Load::Stream1g => {
            "One client reads 1 GiB. Memory of the servers counts from the first 64 MiB on: what passes through is held \
             by no one, since each hop only takes as much as the next has room for."
        }
        Load::Stalled => {
            "Clients ask for 64 MiB and read nothing. What each holds is what was on its way when it stopped; an answer \
             that a server takes in whole, in memory or in a file, would show here."
        }
        Load::Slow => {
            "A thousand requests a second, in turns alone and while another request sleeps in the extension for a \
             second. The sleeper has a thread of its own, so nobody else should notice it."
        }
        _ => "",
    }
}

/// What a target demands, in words: `≥ 1.40`.
pub fn bound(outcome: &Outcome) -> String {
    let sign = match outcome.must {
        Bound::AtMost(_) => '≤',
        Bound::AtLeast(_) => '≥',
    };
    format!("{sign} {}", outcome_figure(outcome, outcome.must.value()))
}

/// A figure of a target: a ratio or what is measured itself.
pub fn outcome_figure(outcome: &Outcome, value: f64) -> String {
    match outcome.is_ratio {
        true => ratio(value),
        false => figure(outcome.metric, value),
    }
}

/// Whether a target was kept: `None`: nothing was measured.
pub fn verdict(outcome: &Outcome) -> Option<&'static str> {
    let measured = outcome.measured?.median;
    let is_better = outcome.stretch.is_some_and(|stretch| match outcome.must {
        Bound::AtMost(_) => measured <= stretch,
        Bound::AtLeast(_) => measured >= stretch,
    });
    Some(match (outcome.holds?, is_better) {
        (true, true) => "better",
        (true, false) => "holds",
        (false, _) => "MISSED",
    })
}

/// What explains a model's cost.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Process => "a process for every request",
        Kind::Isolated => "threads in a process of its own",
        Kind::InProcess => "inside the server's process",
        Kind::Front => "no handler",
    }
}

/// A number at an axis: whole ones without decimals.
pub fn axis(value: f64) -> String {
    match value.fract() == 0.0 {
        true => divided(&format!("{value:.0}")),
        false => number(value),
    }
}

/// Three digits that count, thousands divided.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size < 0.0005 {
        return "0".to_owned();
    }
    if size >= 999.5 {
        let digits = format!("{:.0}", round(value, size));
        return divided(&digits);
    }
    let decimals = if size >= 99.95 {
        0
    } else if size >= 9.995 {
        1
    } else if size >= 0.9995 {
        2
    } else {
        3
    };
    format!("{value:.decimals$}")
}

/// Four digits that count, of a large number.
fn round(value: f64, size: f64) -> f64 {
    let unit = 10_f64.powf((size.log10().floor() - 3.0).max(0.0));
    (value / unit).round() * unit
}

fn divided(digits: &str) -> String {
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && out != "-" {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn duration(us: f64) -> String {
    match us {
        us if us < 999.5 => format!("{} µs", number(us)),
        us if us < 999_500.0 => format!("{} ms", number(us / 1e3)),
        us => format!("{} s", number(us / 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (0.0612, "0.061"),
            (1.589, "1.59"),
            (24.96, "25.0"),
            (999.4, "999"),
            (71_234.0, "71,230"),
            (118_345.6, "118,300"),
            (1_234_567.0, "1,235,000"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!(figure(Metric::P99Us, 9.87), "9.87 µs");
        assert_eq!(figure(Metric::P99Us, 12_340.0), "12.3 ms");
        assert_eq!(figure(Metric::P99Us, 1_500_000.0), "1.50 s");
        assert_eq!(figure(Metric::BytesPerSecond, 1.67e9), "1,670 MB/s");
    }
}
