//! What no repetition of requests tells: one large answer while memory is watched, clients that do not read, and a slow
//! request among fast ones.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::generator::{Job, Pace, Tally, probe};
use super::http::{self, AnswerReader};
use super::load::{Load, SLEEP};
use super::measure::{Bench, FIRST, expected, refusal};
use super::models::Running;
use super::result::{Figures, Metric, Shape};
use super::usage::{Group, Reading};

/// How much of a large answer goes by before growth counts.
const WARM: u64 = 64 * 1024 * 1024;

/// How large it is.
const LARGE: u64 = 1024 * 1024 * 1024;

/// Bytes read at once.
const BUFFER: usize = 256 * 1024;

/// Time between two looks at the memory of the servers.
const LOOK: Duration = Duration::from_millis(10);

/// How long memory must not grow to be taken for settled.
const SETTLED: Duration = Duration::from_millis(300);

/// How long that may take.
const SETTLING: Duration = Duration::from_secs(5);

/// Time without a byte after which a connection counts as dead.
const SILENCE: Duration = FIRST;

/// Turns of requests alone and beside a slow one, of each.
const TURNS: u32 = 4;

/// How long a turn counts, as long as the slow request takes, and how long it runs before.
const TURN: Duration = Duration::from_secs(1);
const TURN_WARM_UP: Duration = Duration::from_millis(100);

/// Turns that may pass without an answer, as where the machine did not run us: they are repeated.
const MISSED: u32 = 3;

/// How long a study takes, about.
pub fn longest(shape: Shape) -> Duration {
    match shape {
        Shape::Beside { .. } => (TURN + TURN_WARM_UP) * 2 * TURNS,
        Shape::Once | Shape::Stalled { .. } | Shape::Closed { .. } | Shape::Open { .. } => {
            Duration::from_secs(2)
        }
    }
}

impl Bench<'_> {
    /// One study. The inner error refuses the result.
    ///
    /// # Errors
    /// When the user stops it, or the system refuses something.
    pub fn study(
        &self,
        running: &Running,
        load: Load,
        shape: Shape,
    ) -> anyhow::Result<Result<Figures, String>> {
        self.go_on()?;
        let requests = running.requests(load, self.own);
        match shape {
            Shape::Once => Ok(once(running.address, &requests[0], self.group)),
            Shape::Stalled { clients } => {
                // What one whole answer leaves behind is not the clients' doing.
                if let Err(error) = expected(running, load, &requests) {
                    return Ok(Err(format!("{error:#}")));
                }
                Ok(stalled(running.address, &requests[0], clients, self.group))
            }
            Shape::Beside { rate, connections } => {
                self.beside(running, load, requests, f64::from(rate), connections)
            }
            Shape::Closed { .. } | Shape::Open { .. } => Ok(Err("this is no study".to_owned())),
        }
    }

    /// Latencies at a fixed rate, in turns alone and with a slow request at their side.
    fn beside(
        &self,
        running: &Running,
        load: Load,
        requests: Arc<[Vec<u8>]>,
        rate: f64,
        connections: usize,
    ) -> anyhow::Result<Result<Figures, String>> {
        let expected = match expected(running, load, &requests) {
            Ok(expected) => expected,
            Err(error) => return Ok(Err(format!("{error:#}"))),
        };
        let [mut alone, mut beside] = [(); 2].map(|()| Tally::default());
        let (mut turn, mut missed) = (0, 0);
        while turn < 2 * TURNS {
            let begin = Instant::now() + TURN_WARM_UP;
            let job = Job {
                address: running.address,
                requests: Arc::clone(&requests),
                expected,
                connections,
                pace: Pace::Open(rate),
                begin,
                end: begin + TURN,
            };
            let is_alone = turn % 2 == 0;
            let (tally, slow) = std::thread::scope(|scope| {
                let slow = (!is_alone).then(|| scope.spawn(|| doze(running.address)));
                let tally = self.load(&job);
                (tally, slow.map(std::thread::ScopedJoinHandle::join))
            });
            let (tally, _) = tally?;
            match slow {
                None | Some(Ok(Ok(()))) => {}
                Some(Ok(Err(reason))) => return Ok(Err(format!("the slow request: {reason}"))),
                Some(Err(panic)) => std::panic::resume_unwind(panic),
            }
            if tally.errors > 0 || (tally.completed == 0 && missed == MISSED) {
                return Ok(Err(refusal(&tally, running)));
            }
            if tally.completed == 0 {
                missed += 1;
                continue;
            }
            turn += 1;
            match is_alone {
                true => alone.add(tally),
                false => beside.add(tally),
            }
        }
        Ok(Ok(Figures::from([
            (Metric::P50Us, beside.latency_us(0.5)),
            (Metric::P99Us, beside.latency_us(0.99)),
            (Metric::AloneP99Us, alone.latency_us(0.99)),
        ])))
    }
}

/// The request that takes a second.
fn doze(address: SocketAddr) -> Result<(), String> {
    let begun = Instant::now();
    match probe(address, &http::request(SLEEP, b""), FIRST) {
        Ok((200, _)) if begun.elapsed() >= TURN => Ok(()),
        Ok((status, _)) => Err(format!("status {status} after {:?}", begun.elapsed())),
        Err(error) => Err(format!("{error:#}")),
    }
}

/// One large answer: how fast it comes, and how much the memory of the servers grows meanwhile.
fn once(address: SocketAddr, request: &[u8], group: Option<&Group>) -> Result<Figures, String> {
    let (read, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let begun = Instant::now();
    let before = reading(group)?;
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let done = receive(address, request, &read);
            over.store(true, Ordering::Release);
            done.map(|()| begun.elapsed())
        });
        let (mut base, mut memory) = (None, 0);
        while !over.load(Ordering::Acquire) {
            let now = reading(group)?.memory;
            if read.load(Ordering::Relaxed) >= WARM {
                base.get_or_insert(now);
                memory = memory.max(now);
            }
            std::thread::sleep(LOOK);
        }
        let time = match client.join() {
            Ok(time) => time?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let after = reading(group)?;
        let growth = memory.saturating_sub(base.unwrap_or(memory));
        let mut figures = Figures::from([
            (Metric::BytesPerSecond, LARGE as f64 / time.as_secs_f64()),
            (Metric::MemoryKib, memory as f64),
            (Metric::GrowthKib, growth as f64),
            (Metric::DiskKib, written(&before, &after)),
        ]);
        if group.is_some() {
            let servers = after.servers.saturating_sub(before.servers);
            figures.insert(Metric::CpuUs, servers.as_secs_f64() * 1e6);
        }
        Ok(figures)
    })
}

/// Reads the large answer to its end.
fn receive(address: SocketAddr, request: &[u8], read: &AtomicU64) -> Result<(), String> {
    let mut stream = ask(address, request).map_err(|error| error.to_string())?;
    let mut reader = AnswerReader::default();
    let mut buffer = vec![0; BUFFER];
    while !reader.is_done() {
        let count = stream
            .read(&mut buffer)
            .map_err(|error| error.to_string())?;
        if count == 0 && !reader.end() {
            return Err(format!("it ended after {} bytes", reader.body_bytes()));
        }
        let pushed = reader.push(&buffer[..count]);
        pushed.map_err(|defect| defect.to_string())?;
        read.store(reader.body_bytes(), Ordering::Relaxed);
    }
    match (reader.status(), reader.body_bytes()) {
        (200, LARGE) => Ok(()),
        (status, bytes) => Err(format!("status {status}, {bytes} bytes instead of {LARGE}")),
    }
}

/// What clients cost that ask and read nothing.
fn stalled(
    address: SocketAddr,
    request: &[u8],
    clients: usize,
    group: Option<&Group>,
) -> Result<Figures, String> {
    let before = settled(group)?;
    let mut streams = Vec::new();
    for _ in 0..clients {
        let mut stream = ask(address, request).map_err(|error| error.to_string())?;
        // The answer has begun; the rest of it has to wait somewhere.
        let begun = stream.read_exact(&mut [0]);
        begun.map_err(|error| format!("no answer: {error}"))?;
        streams.push(stream);
    }
    let after = settled(group)?;
    let growth = after.memory.saturating_sub(before.memory);
    Ok(Figures::from([
        (Metric::StalledKib, growth as f64 / clients as f64),
        (Metric::MemoryKib, after.memory as f64),
        (Metric::DiskKib, written(&before, &after)),
    ]))
}

/// A reading when memory has stopped growing.
fn settled(group: Option<&Group>) -> Result<Reading, String> {
    let begun = Instant::now();
    let (mut last, mut most, mut since) = (reading(group)?, 0, Instant::now());
    while since.elapsed() < SETTLED && begun.elapsed() < SETTLING {
        if last.memory > most {
            (most, since) = (last.memory, Instant::now());
        }
        std::thread::sleep(LOOK);
        last = reading(group)?;
    }
    Ok(last)
}

fn ask(address: SocketAddr, request: &[u8]) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(request)?;
    Ok(stream)
}

fn reading(group: Option<&Group>) -> Result<Reading, String> {
    Reading::take(group).map_err(|error| format!("cannot read /proc: {error}"))
}

fn written(before: &Reading, after: &Reading) -> f64 {
    after.written.saturating_sub(before.written) as f64 / 1024.0
}
