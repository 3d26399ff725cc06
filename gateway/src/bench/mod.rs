//! The benchmark: one handler under each model, side by side, in one command.
//!
//! `plan` says what is measured in which order, `measure` carries it out: it starts the servers of a model (`models`), lets
//! the `generator` send a `load`, and reads from /proc what that cost (`usage`). What comes out is a [`result::Report`],
//! from which `report` makes a table and a page.

mod anonymous;
mod generator;
mod http;
pub mod load;
mod machine;
mod measure;
mod models;
mod plan;
mod progress;
mod report;
mod result;
mod statistics;
mod study;
mod targets;
mod usage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use rustix::process::set_child_subreaper;

use crate::os::{self, StopSignals};
use anonymous::Folders;
use load::Load;
use machine::{Division, Machine};
use measure::Bench;
use models::{Model, Place};
use plan::Extent;
pub use plan::Plan;
use progress::Progress;
use result::{Method, ModelFacts, Report};
use usage::Group;

/// Version of the JSON's form.
const FORMAT: u32 = 1;

/// Exit status after a second stop signal.
const IMPATIENT: i32 = 130;

/// What the command line asks for.
#[derive(Debug)]
pub struct Settings {
    /// What to measure.
    pub plan: Plan,
    /// Names of models; empty: all.
    pub models: Vec<String>,
    /// When no further measurement begins.
    pub limit: Duration,
    /// The model that ratios refer to; `None`: nginx with libfcgi, or the first that can run.
    pub baseline: Option<String>,
    /// The user's own extension and its URL.
    pub own: Option<(PathBuf, String)>,
    /// The folder of the samples; `None`: beside that of the program.
    pub samples: Option<PathBuf>,
    /// Wine's prefix; `None`: the gateway's default.
    pub wine_prefix: Option<PathBuf>,
    /// Where to write the result.
    pub json: Option<PathBuf>,
    /// Where to write the page.
    pub html: Option<PathBuf>,
}

impl Settings {
    /// The files and folders that the command line names.
    fn files(&self) -> impl Iterator<Item = &Path> {
        let own = self.own.iter().map(|(file, _)| file);
        let others = [&self.samples, &self.wine_prefix, &self.json, &self.html];
        let all = own.chain(others.into_iter().flatten());
        all.map(PathBuf::as_path)
    }
}

/// Runs the benchmark. It fails when a result had to be refused.
///
/// # Errors
/// When nothing can be measured, or it was stopped.
pub fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let place = place(settings)?;
    let all = models::all();
    let chosen = chosen(&all, &settings.models)?;
    let facts = |model: &&dyn Model| facts(*model, &place, &settings.plan.loads);
    let facts: Vec<ModelFacts> = chosen.iter().map(facts).collect();
    let ready: Vec<&dyn Model> = chosen
        .iter()
        .zip(&facts)
        .filter(|(_, facts)| facts.absent.is_none())
        .map(|(model, _)| *model)
        .collect();
    let Some(first) = ready.first() else {
        let reasons = facts
            .iter()
            .filter_map(|it| Some(format!("{}: {}", it.id, it.absent.as_ref()?)));
        bail!(
            "no model can run here:\n  {}",
            reasons.collect::<Vec<_>>().join("\n  ")
        );
    };
    let baseline = baseline(settings.baseline.as_deref(), &ready, first.id())?;

    let division = Division::of(os::processors());
    if division.is_divided() {
        // Servers inherit it.
        os::bind(&division.servers).context("cannot bind to processors")?;
    }
    // Whatever a server leaves behind becomes our child: its cost is counted, its end is seen to unless it is a daemon.
    set_child_subreaper(Some(rustix::process::getpid())).context("cannot adopt processes")?;
    let group = Group::join();
    let stop = stop_on_signals()?;
    let mut machine = Machine::look();
    let (begun, started) = (Instant::now(), SystemTime::now());
    let plan = &settings.plan;
    let extents: Vec<Extent> = ready.iter().map(|model| model.extent()).collect();
    let close = |model: &&dyn Model| measure::cells_of(plan, *model, plan.rounds);
    let close: Vec<_> = ready.iter().flat_map(close).collect();
    eprintln!(
        "{} models, {}: at most {:.0} s and the time that servers take to start; after {} none begins any more",
        ready.len(),
        report::words::rounds(plan.rounds, plan.close_rounds),
        plan.longest(&extents, &close).as_secs_f64(),
        humantime::format_duration(settings.limit)
    );
    let steps: usize = extents.iter().map(|it| plan.most_cells(*it)).sum();
    let progress = Progress::new(
        plan.rounds * steps + plan.close_rounds * close.len(),
        plan.rounds + plan.close_rounds,
    );
    let own = settings.own.as_ref().map_or("", |(_, url)| url.as_str());
    let bench = Bench {
        plan,
        place: &place,
        division: &division,
        group: group.as_ref().ok(),
        own,
        deadline: begun + settings.limit,
        stop: &stop,
    };
    let found = bench.run(&ready, &progress);
    progress.finish();
    let (mut cells, cut) = found?;
    result::summarise(&mut cells, &baseline);
    machine.look_again();
    let generator_processors = match division.is_divided() {
        true => division.generator.clone(),
        false => Vec::new(),
    };
    let mut report = Report {
        format: FORMAT,
        program: concat!("isapi-gateway ", env!("CARGO_PKG_VERSION")).to_owned(),
        commit: option_env!("ISAPI_GATEWAY_COMMIT").map(str::to_owned),
        command: std::env::args().collect::<Vec<_>>().join(" "),
        started: humantime::format_rfc3339_seconds(started).to_string(),
        seconds: begun.elapsed().as_secs_f64().round(),
        cut,
        machine,
        method: Method {
            rounds: plan.rounds,
            close_rounds: plan.close_rounds,
            duration: plan.duration.as_secs_f64(),
            accounting: match &group {
                Ok(_) => "control group".to_owned(),
                Err(reason) => format!("/proc ({reason})"),
            },
            warm_up: plan.warm_up.as_secs_f64(),
            generator_threads: division.generator_threads(),
            generator_processors,
            connections: plan.width(),
            load: plan.main().map_or("", Load::id).to_owned(),
        },
        baseline,
        models: facts,
        cells,
        targets: Vec::new(),
    };
    report.targets = targets::outcomes(&report);
    let folders = Folders::of(settings.files().chain([place.gateway.as_path()]));
    report
        .texts()
        .for_each(|text| *text = folders.leave_out(text));
    publish(&report, settings)
}

/// Prints which models there are, and which can run here.
///
/// # Errors
/// When the program's own place cannot be found.
pub fn list(settings: &Settings) -> anyhow::Result<ExitCode> {
    let place = place(settings)?;
    for model in models::all() {
        let absent = model
            .absence(&place)
            .map(|reason| format!("  (not here: {reason})"));
        println!(
            "{:18} {}{}",
            model.id(),
            model.title(),
            absent.unwrap_or_default()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the results of several runs side by side.
///
/// # Errors
/// When a file is not such a result.
pub fn compare(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let read = |file: &PathBuf| {
        let named = || format!("{} is no result of this version's bench", file.display());
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let run: Report = serde_json::from_str(&text).with_context(named)?;
        match run.format {
            FORMAT => Ok(run),
            format => Err(anyhow!("its format is {format}, not {FORMAT}")).with_context(named),
        }
    };
    let runs = files.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    print!("{}", report::compare::render(&runs));
    Ok(ExitCode::SUCCESS)
}

fn publish(report: &Report, settings: &Settings) -> anyhow::Result<ExitCode> {
    let json = serde_json::to_string(report)?;
    let write = |file: &PathBuf, text: &str| {
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    if let Some(file) = &settings.json {
        write(file, &format!("{json}\n"))?;
    }
    if let Some(file) = &settings.html {
        write(file, &report::html::render(report, &json))?;
    }
    print!("{}", report::table::render(report));
    if report.is_whole() {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(place) = &report.cut {
        eprintln!("isapi-gateway: the time limit ended it {place}; raise --limit, or measure less");
    }
    for cell in &report.cells {
        if let Some(reason) = &cell.refused {
            eprintln!(
                "isapi-gateway: {} with {}: refused: {reason}",
                cell.model, cell.load
            );
        }
    }
    Ok(ExitCode::FAILURE)
}

fn place(settings: &Settings) -> anyhow::Result<Place> {
    let gateway = std::env::current_exe().context("cannot tell where this program is")?;
    let beside = gateway
        .ancestors()
        .nth(2)
        .map(|folder| folder.join("samples"));
    let absolute = |path: &PathBuf| std::path::absolute(path);
    let own = settings.own.as_ref().map(|(file, _)| file);
    Ok(Place {
        samples: match &settings.samples {
            Some(folder) => absolute(folder)?,
            None => beside.unwrap_or_default(),
        },
        extension: own.map(absolute).transpose()?,
        wine_prefix: settings.wine_prefix.as_ref().map(absolute).transpose()?,
        connections: settings.plan.connections.iter().copied().max().unwrap_or(1),
        processors: os::processors().len(),
        gateway,
    })
}

fn chosen<'a>(all: &'a [Box<dyn Model>], names: &[String]) -> anyhow::Result<Vec<&'a dyn Model>> {
    for name in names {
        if !all.iter().any(|model| model.id() == *name) {
            bail!("there is no model {name:?}; `isapi-gateway bench --list` shows them");
        }
    }
    let is_wanted = |model: &&dyn Model| names.is_empty() || names.contains(&model.id());
    Ok(all.iter().map(AsRef::as_ref).filter(is_wanted).collect())
}

fn facts(model: &dyn Model, place: &Place, loads: &[Load]) -> ModelFacts {
    let without = |load: &Load| {
        let reason = model.refusal(*load)?;
        Some((load.id().to_owned(), reason.to_owned()))
    };
    ModelFacts {
        id: model.id(),
        title: model.title(),
        kind: model.kind(),
        scale: model.scale(),
        absent: model.absence(place),
        without: loads.iter().filter_map(without).collect(),
    }
}

fn baseline(wanted: Option<&str>, ready: &[&dyn Model], first: String) -> anyhow::Result<String> {
    let is_ready = |id: &str| ready.iter().any(|model| model.id() == id);
    match wanted {
        Some(id) if is_ready(id) => Ok(id.to_owned()),
        Some(id) => Err(anyhow!(
            "the baseline {id:?} is not among the models that run"
        )),
        None if is_ready(targets::REFERENCE) => Ok(targets::REFERENCE.to_owned()),
        None => Ok(first),
    }
}

/// Becomes true at SIGTERM or SIGINT; a second one ends the process at once.
fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = runtime.block_on(async { StopSignals::catch() })?;
    let flag = Arc::clone(&stop);
    let wait = move || {
        runtime.block_on(async {
            signals.next().await;
            flag.store(true, Ordering::Relaxed);
            signals.next().await;
        });
        models::kill_all();
        std::process::exit(IMPATIENT);
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)?;
    Ok(stop)
}
