//! What it costs to ask another process, and nothing else: `cargo bench -p isapi-gateway --bench hop`. A front sends sixteen
//! requests of 32 bytes a turn to processes chosen at random, which send them back as they are; all of them are on one processor,
//! as a runtime thread and the workers' threads that read from it. The first column says how many processes there are. What the
//! last ones take more than the first is what no gateway can save that has a process for each pool.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use processors::{bind, processors, run_in_batches};

#[allow(dead_code, reason = "what else it offers")]
#[path = "../src/os/unix/processors.rs"]
mod processors;

const REQUEST: usize = 32;
const AT_A_TIME: usize = 16;
const TIME: Duration = Duration::from_secs(1);

fn main() {
    if std::env::args().nth(1).as_deref() == Some("echo") {
        return echo();
    }
    bind(&processors()[..1]).unwrap();
    println!("processes     hops/s   processor time of a hop");
    for count in [1, 4, 16, 100] {
        let mut others: Vec<_> = (0..count).map(|_| Other::start()).collect();
        // As the gateway's threads run, and after the others have started, which do not.
        run_in_batches(true).unwrap();
        ask(&mut others, TIME / 4);
        let (before, start) = (used(&others), Instant::now());
        let hops = ask(&mut others, TIME);
        let (used, time) = (used(&others) - before, start.elapsed());
        run_in_batches(false).unwrap();
        let rate = f64::from(hops) / time.as_secs_f64();
        println!(
            "{count:>9} {rate:>10.0} {:>10.2} µs",
            used.as_secs_f64() * 1e6 / f64::from(hops)
        );
    }
}

/// A process that sends back what comes.
struct Other {
    child: Child,
    stream: UnixStream,
}

impl Other {
    fn start() -> Self {
        let (stream, theirs) = UnixStream::pair().unwrap();
        let program = std::env::current_exe().unwrap();
        let child = Command::new(program)
            .arg("echo")
            .stdin(OwnedFd::from(theirs))
            .spawn()
            .unwrap();
        Self { child, stream }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        let _ = self.child.wait();
    }
}

fn echo() {
    use std::os::fd::AsFd as _;
    let mut stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut bytes = [0; REQUEST * AT_A_TIME];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        stream.write_all(&bytes[..count]).unwrap();
    }
}

/// Asks for that long; returns how many answers have come.
fn ask(others: &mut [Other], time: Duration) -> u32 {
    let (bytes, mut answer) = ([0; REQUEST * AT_A_TIME], [0; REQUEST * AT_A_TIME]);
    // A linear congruential generator: the same turns every time.
    let mut seed = 20_u64;
    let mut random = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap()
    };
    let (start, mut hops) = (Instant::now(), 0);
    while start.elapsed() < time {
        let mut turn = BTreeMap::new();
        for _ in 0..AT_A_TIME {
            *turn.entry(random() % others.len()).or_default() += REQUEST;
        }
        for (other, length) in &turn {
            others[*other].stream.write_all(&bytes[..*length]).unwrap();
        }
        for (other, length) in &turn {
            others[*other]
                .stream
                .read_exact(&mut answer[..*length])
                .unwrap();
        }
        hops += u32::try_from(AT_A_TIME).unwrap();
    }
    hops
}

/// The processor time of all of them so far.
fn used(others: &[Other]) -> Duration {
    let pids = others.iter().map(|other| other.child.id());
    let used = |pid: u32| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    Duration::from_nanos(pids.chain([std::process::id()]).map(used).sum())
}
