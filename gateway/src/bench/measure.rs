//! Carries the plan out: rounds in which every model has its turn, so that the machine's drift meets all of them alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::generator::{self, Expected, Job, Pace, Tally};
use super::load::Load;
use super::machine::Division;
use super::models::{Model, Place, Running, reap_orphans};
use super::plan::Plan;
use super::progress::Progress;
use super::result::{Cell, Figures, Metric, Shape};
use super::targets;
use super::usage::{Group, Reading};

/// Time between two looks at the memory of the servers.
const LOOK: Duration = Duration::from_millis(200);

/// A measurement that saw no answer is repeated with twice the time, as long as that was not longer than this.
const LONGEST: Duration = Duration::from_secs(8);

/// How long the first answer may take: a worker may have to be started.
pub const FIRST: Duration = Duration::from_secs(60);

/// Everything that is needed to measure.
pub struct Bench<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Where the models find what they run.
    pub place: &'a Place,
    /// Who uses which processors.
    pub division: &'a Division,
    /// The control group of all servers, if there is one.
    pub group: Option<&'a Group>,
    /// The URL of the user's own extension.
    pub own: &'a str,
    /// When no further measurement begins.
    pub deadline: Instant,
    /// Becomes true when the user wants it to end.
    pub stop: &'a AtomicBool,
}

/// How a model's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Done,
    /// The time is over.
    Cut,
}

impl Bench<'_> {
    /// Measures these models. Returns what was found, and where the time limit ended it, if it did.
    ///
    /// # Errors
    /// When the user stops it, or the system refuses something. What goes wrong with a model is in its cells.
    pub fn run(
        &self,
        models: &[&dyn Model],
        progress: &Progress,
    ) -> anyhow::Result<(Vec<Cell>, Option<String>)> {
        let mut cells = Vec::new();
        let rounds = self.plan.rounds + self.plan.close_rounds;
        for round in 0..rounds {
            for model in models {
                let todo = cells_of(self.plan, *model, round);
                if todo.is_empty() {
                    continue;
                }
                progress.model(round, &model.id());
                let begun = progress.done();
                let most = match self.plan.is_close(round) {
                    true => todo.len(),
                    false => self.plan.most_cells(model.extent()),
                };
                let turn = self.turn(*model, round, todo, &mut cells, progress)?;
                reap_orphans();
                if turn == Turn::Cut {
                    let (round, id) = (round + 1, model.id());
                    return Ok((
                        cells,
                        Some(format!("in round {round} of {rounds}, at {id}")),
                    ));
                }
                progress.skip_to(begun + most);
            }
        }
        Ok((cells, None))
    }

    /// One model's turn in a round.
    fn turn(
        &self,
        model: &dyn Model,
        round: usize,
        mut todo: Vec<(Load, Shape)>,
        cells: &mut Vec<Cell>,
        progress: &Progress,
    ) -> anyhow::Result<Turn> {
        let id = model.id();
        todo.retain(|(load, _)| model.refusal(*load).is_none());
        if Instant::now() >= self.deadline {
            return Ok(Turn::Cut);
        }
        let running = match model.start(self.place) {
            Ok(running) => running,
            Err(error) => {
                for (load, shape) in todo {
                    let reason = format!("does not start: {error:#}");
                    enter(cells, &id, load, shape, round, Err(reason));
                }
                return Ok(Turn::Done);
            }
        };
        let work = |todo: Vec<(Load, Shape)>, cells: &mut Vec<Cell>| {
            for (load, shape) in todo {
                if Instant::now() >= self.deadline {
                    return Ok(Turn::Cut);
                }
                let found = match load.study() {
                    None => self.cell(model, &running, load, shape)?,
                    Some(_) => self.study(&running, load, shape)?,
                };
                enter(cells, &id, load, shape, round, found);
                progress.advance();
            }
            anyhow::Ok(Turn::Done)
        };
        if work(todo, cells)? == Turn::Cut {
            return Ok(Turn::Cut);
        }
        if self.plan.is_close(round) {
            return Ok(Turn::Done);
        }
        let highest = self.highest(cells, &id, round);
        work(self.plan.open(model.extent(), highest), cells)
    }

    /// The most requests of the main load a second that this model has done in this round, at the width at most.
    fn highest(&self, cells: &[Cell], model: &str, round: usize) -> f64 {
        let (load, width) = (self.plan.main().map(Load::id), self.plan.width());
        let fits = |cell: &&Cell| {
            let is_closed =
                matches!(cell.shape, Shape::Closed { connections } if connections <= width);
            cell.model == model && Some(cell.load.as_str()) == load && is_closed
        };
        let rate = |cell: &Cell| {
            cell.rounds
                .get(&round)?
                .get(&Metric::RequestsPerSecond)
                .copied()
        };
        cells
            .iter()
            .filter(fits)
            .filter_map(rate)
            .fold(0.0, f64::max)
    }

    /// One measurement. The inner error refuses the result.
    fn cell(
        &self,
        model: &dyn Model,
        running: &Running,
        load: Load,
        shape: Shape,
    ) -> anyhow::Result<Result<Figures, String>> {
        self.go_on()?;
        let requests = running.requests(load, self.own);
        let expected = match expected(running, load, &requests) {
            Ok(expected) => expected,
            Err(error) => return Ok(Err(format!("{error:#}"))),
        };
        let mut duration = self.plan.duration;
        loop {
            let begin = Instant::now() + self.plan.warm_up;
            let job = Job {
                address: running.address,
                requests: Arc::clone(&requests),
                expected,
                connections: shape.connections(),
                pace: match shape {
                    Shape::Open { rate, .. } => Pace::Open(f64::from(rate)),
                    _ => Pace::Closed,
                },
                begin,
                end: begin + duration,
            };
            let (tally, usage) = self.load(&job)?;
            let answered = answered(&tally, load, expected);
            if tally.errors > 0 || (answered == 0.0 && duration > LONGEST) {
                return Ok(Err(refusal(&tally, running)));
            }
            if answered > 0.0 {
                let threads = self.division.generator_threads();
                let mut figures = figures(&tally, &usage, answered, &job, threads);
                if self.group.is_none() && model.loses_children() {
                    figures.remove(&Metric::CpuUs);
                }
                return Ok(Ok(figures));
            }
            // One answer takes longer than the time that counts: there shall be more of it.
            duration *= 2;
        }
    }

    /// Fails when the user wants it to end.
    pub(super) fn go_on(&self) -> anyhow::Result<()> {
        match self.stop.load(Ordering::Relaxed) {
            true => bail!("stopped"),
            false => Ok(()),
        }
    }

    /// Lets the load generator work and watches what that costs.
    pub(super) fn load(&self, job: &Job) -> anyhow::Result<(Tally, Usage)> {
        let (tally, usage) = std::thread::scope(|scope| {
            let load = scope.spawn(|| generator::run(job, self.division));
            let usage = Usage::watch(job.begin, job.end, self.group);
            (load.join(), usage)
        });
        match tally {
            Ok(tally) => Ok((
                tally.context("cannot start the load generator")?,
                usage.context("cannot read /proc")?,
            )),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// What is measured of a model in a round, before its open loops.
pub fn cells_of(plan: &Plan, model: &dyn Model, round: usize) -> Vec<(Load, Shape)> {
    let mut cells = plan.cells(model.extent());
    if plan.is_close(round) {
        cells.retain(|(load, shape)| targets::is_compared(&model.id(), *load, *shape));
    }
    cells
}

fn enter(
    cells: &mut Vec<Cell>,
    model: &str,
    load: Load,
    shape: Shape,
    round: usize,
    found: Result<Figures, String>,
) {
    let index = cells
        .iter()
        .position(|cell| cell.is(model, load.id(), shape))
        .unwrap_or_else(|| {
            cells.push(Cell::new(model, load.id(), shape));
            cells.len() - 1
        });
    cells[index].enter(round, found);
}

/// Gets one answer to each request and checks it byte for byte; the load generator only looks at status and length.
pub(super) fn expected(
    running: &Running,
    load: Load,
    requests: &[Vec<u8>],
) -> anyhow::Result<Expected> {
    let (mut status, mut length) = (0, 0);
    for request in requests {
        let (found, body) = generator::probe(running.address, request, FIRST)
            .with_context(|| format!("no answer; the servers say: {}", running.said()))?;
        if let Err(wrong) = load.check(found, &body) {
            let said = running.said();
            bail!("the wrong answer: {wrong}; the servers say: {said}");
        }
        (status, length) = (found, body.len() as u64);
    }
    // The client's port among the variables has four or five digits; of a foreign answer nothing is known.
    let varies = matches!(load, Load::Variables | Load::Own);
    Ok(Expected {
        status,
        length: (!varies).then_some(length),
    })
}

pub(super) fn refusal(tally: &Tally, running: &Running) -> String {
    let said = running.said();
    match &tally.first_error {
        None => format!("no request was answered in time. {said}"),
        Some(first) => format!("{} errors, the first: {first}. {said}", tally.errors),
    }
}

/// What was used between two moments.
pub(super) struct Usage {
    before: Reading,
    after: Reading,
    /// The most that was seen.
    memory: u64,
}

impl Usage {
    /// Waits for the first moment, watches until the second.
    fn watch(begin: Instant, end: Instant, group: Option<&Group>) -> std::io::Result<Self> {
        std::thread::sleep(begin.saturating_duration_since(Instant::now()));
        let before = Reading::take(group)?;
        let mut memory = before.memory;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(LOOK));
            let after = Reading::take(group)?;
            memory = memory.max(after.memory);
            if Instant::now() >= end {
                return Ok(Self {
                    before,
                    after,
                    memory,
                });
            }
        }
    }
}

/// How many requests the work was worth.
fn answered(tally: &Tally, load: Load, expected: Expected) -> f64 {
    match expected.length {
        // A part of a large answer is a part of a request.
        Some(length) if load.is_bulk() => tally.bytes as f64 / length as f64,
        _ => tally.completed as f64,
    }
}

fn figures(tally: &Tally, usage: &Usage, requests: f64, job: &Job, threads: usize) -> Figures {
    let seconds = (job.end - job.begin).as_secs_f64();
    let Usage { before, after, .. } = usage;
    let generator = after
        .generator
        .saturating_sub(before.generator)
        .as_secs_f64();
    let servers = after.servers.saturating_sub(before.servers).as_secs_f64();
    let switches = after.switches.saturating_sub(before.switches) as f64;
    let forks = after.forks.saturating_sub(before.forks) as f64;
    let mut figures = Figures::from([
        (Metric::RequestsPerSecond, requests / seconds),
        (Metric::BytesPerSecond, tally.bytes as f64 / seconds),
        (Metric::CpuUs, servers * 1e6 / requests),
        (Metric::GeneratorCpuUs, generator * 1e6 / requests),
        (Metric::GeneratorBusy, generator / seconds / threads as f64),
        (Metric::MemoryKib, usage.memory as f64),
        (Metric::Switches, switches / requests),
        (Metric::Forks, forks / requests),
    ]);
    // A short measurement of large answers may see none of them whole.
    if !tally.latency.is_empty() {
        figures.extend([
            (Metric::P50Us, tally.latency_us(0.5)),
            (Metric::P90Us, tally.latency_us(0.9)),
            (Metric::P99Us, tally.latency_us(0.99)),
            (Metric::P999Us, tally.latency_us(0.999)),
            (Metric::LongestUs, tally.latency_us(1.0)),
        ]);
    }
    if !tally.lateness.is_empty() {
        let lateness = tally.lateness.value_at_quantile(0.99) as f64 / 1000.0;
        figures.insert(Metric::LatenessUs, lateness);
    }
    figures
}
