//! `bench`: measures the same handler under each model.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::bench::load::{LOADS, Load};
use crate::bench::{self, Plan, Settings};

/// Connections at most.
const MOST_CONNECTIONS: i64 = 512;

/// Measure CGI, FastCGI and ISAPI side by side, with the same handler
#[derive(Args)]
#[command(after_help = "Examples:
  isapi-gateway bench
  isapi-gateway bench --models cgi,isapi,nginx-libfcgi --load hello,echo-64k --json result.json --html result.html
  isapi-gateway bench --extension legacy.dll --path /legacy.dll?x=1
  isapi-gateway bench --compare monday.json tuesday.json

Loads: hello, variables, echo-1k, echo-64k, echo-1m, stream-64m, card. The first one is measured at all numbers of
connections and at all rates, the others at 32 connections, or the number nearest below it. Studies of a few models:
stream-1g (growth of memory), stalled (clients that do not read), slow (fast requests beside a slow one).

Exits with 1 when a result had to be refused because requests failed, or the time limit ended the run.")]
pub struct Bench {
    /// Your own extension instead of the samples' handler
    #[arg(long, value_name = "FILE", conflicts_with = "loads")]
    extension: Option<PathBuf>,
    /// The URL that your extension is asked for
    #[arg(long, value_name = "URL", default_value = "/", requires = "extension", value_parser = url)]
    path: String,
    /// Models to measure [default: all that can run here; see --list]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    models: Vec<String>,
    /// Loads to measure [default: all]
    #[arg(long = "load", value_name = "NAMES", value_delimiter = ',')]
    loads: Vec<Load>,
    /// Connections at the same time, 1 to 512
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        default_value = "1,8,32,128"
    )]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=MOST_CONNECTIONS))]
    connections: Vec<u16>,
    /// Fixed rates at which latency is measured, requests a second, 1 to 1000000; a model takes part where it can do more
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        default_value = "500,2000,8000,32000"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rates: Vec<u32>,
    /// How long each measurement counts, 50 ms to 10 min
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    duration: Duration,
    /// How often everything is measured, 1 to 99
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,
    /// How often what the project's targets compare is measured again after that, by itself, up to 99: it is seconds apart then
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=99))]
    close_rounds: u8,
    /// When no further measurement begins, 1 s to 24 h
    #[arg(long, value_name = "TIME", default_value = "15min", value_parser = limit)]
    limit: Duration,
    /// The model that ratios refer to [default: nginx-libfcgi, or the first that can run]
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// Write the result as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the result as a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Folder of the samples [default: `samples` beside the folder of this program]
    #[arg(long, value_name = "FOLDER")]
    samples: Option<PathBuf>,
    /// Wine's prefix for the extensions for Windows [default: as for `serve`]
    #[arg(long, value_name = "FOLDER")]
    wine_prefix: Option<PathBuf>,
    /// Show which models there are, and which can run here
    #[arg(long)]
    list: bool,
    /// Measure nothing: show the results of other runs, as JSON, side by side in Markdown
    #[arg(long, value_name = "FILE", num_args = 1.., exclusive = true)]
    compare: Vec<PathBuf>,
}

impl Bench {
    /// Runs it.
    ///
    /// # Errors
    /// When nothing can be measured.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if !self.compare.is_empty() {
            return bench::compare(&self.compare);
        }
        let list = self.list;
        let settings = self.settings();
        match list {
            true => bench::list(&settings),
            false => bench::run(&settings),
        }
    }

    fn settings(self) -> Settings {
        let loads = match (&self.extension, self.loads.is_empty()) {
            (Some(_), _) => vec![Load::Own],
            (None, true) => LOADS.to_vec(),
            (None, false) => self.loads,
        };
        let connections = self.connections.into_iter().map(usize::from);
        Settings {
            plan: Plan {
                loads,
                connections: connections.collect(),
                rates: self.rates,
                duration: self.duration,
                warm_up: self.duration / 4,
                rounds: usize::from(self.rounds),
                close_rounds: usize::from(self.close_rounds),
            },
            models: self.models,
            limit: self.limit,
            baseline: self.baseline,
            own: self.extension.map(|file| (file, self.path)),
            samples: self.samples,
            wine_prefix: self.wine_prefix,
            json: self.json,
            html: self.html,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let allowed = Duration::from_millis(50)..=Duration::from_secs(600);
    time(text, &allowed).ok_or_else(|| "expected a time from 50ms to 10min".to_owned())
}

fn limit(text: &str) -> Result<Duration, String> {
    let allowed = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    time(text, &allowed).ok_or_else(|| "expected a time from 1s to 24h".to_owned())
}

fn time(text: &str, allowed: &RangeInclusive<Duration>) -> Option<Duration> {
    let time = humantime::parse_duration(text).ok()?;
    allowed.contains(&time).then_some(time)
}

fn url(text: &str) -> Result<String, String> {
    let is_url = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    match is_url {
        true => Ok(text.to_owned()),
        false => Err("expected a path such as /shop/cart.dll?id=1".to_owned()),
    }
}
