//! `status`: what a gateway that runs is doing.

use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use http::{Method, StatusCode};

use super::remote::Which;
use crate::admin::client::Remote;
use crate::observe::page::{mean, size, span};
use crate::observe::status::{PoolStatus, Status, TrafficStatus};

/// How often `--watch` asks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Moves to the upper left corner of a terminal and clears what is behind.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Show what a gateway that runs is doing
#[derive(Args)]
#[command(after_help = "Examples:
  isapi-gateway status
  isapi-gateway status --config gateway.toml --watch
  isapi-gateway status --admin 127.0.0.1:9100 --json

The gateway's configuration must have an [admin].")]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Show it again every second
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks the gateway and prints what it says.
///
/// # Errors
/// When it does not answer.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let remote = arguments.which.remote()?;
    loop {
        let json = ask(&remote)?;
        let text = match arguments.json {
            true => json,
            false => show(&serde_json::from_str(&json)?),
        };
        let mut out = io::stdout().lock();
        if arguments.watch {
            write!(out, "{CLEAR}")?;
        }
        write!(out, "{text}")?;
        out.flush()?;
        if !arguments.watch {
            return Ok(());
        }
        drop(out);
        std::thread::sleep(INTERVAL);
    }
}

fn ask(remote: &Remote) -> anyhow::Result<String> {
    let answer = remote.ask(Method::GET, "/status.json")?;
    match answer.status {
        StatusCode::OK => Ok(answer.text),
        status => Err(anyhow!(
            "the gateway answered with {status}: {}",
            answer.text
        )),
    }
}

/// The status for a terminal.
fn show(status: &Status) -> String {
    let stopping = if status.stopping { ", stopping" } else { "" };
    let mut text = format!(
        "isapi-gateway {}, process {}, up {}{stopping}\n{} connections, {}\n",
        status.version,
        status.pid,
        span(status.uptime_seconds),
        status.connections,
        traffic(&status.traffic),
    );
    if status.access_log_lost > 0 {
        text += &format!("{} lines of the access log lost\n", status.access_log_lost);
    }
    for pool in &status.pools {
        show_pool(pool, &mut text);
    }
    text
}

fn show_pool(pool: &PoolStatus, text: &mut String) {
    let state = pool.state.name();
    *text += &format!("\n{}  {state}  {}\n", pool.name, pool.program);
    if let Some(reason) = &pool.reason {
        *text += &format!("  {reason}\n");
    }
    *text += &format!("  {}, {} queued\n", traffic(&pool.traffic), pool.queued);
    if !pool.exits.is_empty() {
        let exits = pool.exits.iter();
        let exits: Vec<String> = exits.map(|(why, count)| format!("{count} {why}")).collect();
        *text += &format!("  workers gone: {}\n", exits.join(", "));
    }
    if let Some(trace) = &pool.trace {
        *text += &format!("  traced: {trace}\n");
    }
    for circuit in &pool.circuits {
        let state = match &*circuit.state {
            "half_open" => "one is being tried".to_owned(),
            state => format!("circuit {state} for {}", span(circuit.seconds)),
        };
        *text += &format!(
            "  kept out: {}, {state}, {} failed, {} refused\n",
            circuit.request, circuit.failures, circuit.refused,
        );
    }
    if pool.workers.is_empty() {
        return;
    }
    let head = [
        "worker",
        "state",
        "generation",
        "up",
        "busy",
        "served",
        "memory",
        "cpu",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    for worker in &pool.workers {
        rows.push([
            worker.pid.to_string(),
            worker.state.clone(),
            worker.generation.to_string(),
            span(worker.uptime_seconds),
            worker.busy.to_string(),
            worker.served.to_string(),
            size(worker.memory_bytes),
            format!("{:.1} s", worker.cpu_seconds),
        ]);
    }
    *text += &table(&rows);
    for worker in &pool.workers {
        for request in &worker.requests {
            let call = request.last_call.as_ref();
            let call = call.map_or_else(String::new, |call| format!(", last call {call}"));
            *text += &format!(
                "  {} for {}: {}, {} sent{call}\n",
                worker.pid,
                span(request.seconds),
                request.request,
                size(request.sent_bytes),
            );
        }
    }
}

fn traffic(traffic: &TrafficStatus) -> String {
    let all: u64 = traffic.answered.values().sum();
    let errors = traffic.answered.get("5xx").copied().unwrap_or(0);
    format!(
        "{} active, {all} answered ({errors} with 5xx), {} on average, {} sent",
        traffic.active,
        mean(traffic.seconds, all),
        size(traffic.sent_bytes),
    )
}

/// Rows with columns of equal width.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            line += &format!(" {cell:>width$} ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::CircuitStatus;

    #[test]
    fn what_is_kept_out_is_told_with_how_long_or_that_one_is_tried() {
        let circuits = [("GET /a", "open"), ("GET /b", "half_open")];
        let circuits = circuits.map(|(request, state)| CircuitStatus {
            request: request.into(),
            state: state.into(),
            failures: 3,
            refused: 2,
            seconds: 300.0,
        });
        let pool = PoolStatus {
            circuits: circuits.into(),
            ..PoolStatus::new("shop", "extension")
        };
        let mut text = String::new();
        show_pool(&pool, &mut text);
        let told: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("kept out"))
            .collect();
        assert_eq!(
            told,
            [
                "  kept out: GET /a, circuit open for 5 min 0 s, 3 failed, 2 refused",
                "  kept out: GET /b, one is being tried, 3 failed, 2 refused",
            ]
        );
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["a", "long"], ["wide", "b"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "     a  long\n  wide     b\n");
    }
}
