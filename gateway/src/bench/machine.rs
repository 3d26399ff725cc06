//! Where the benchmark runs: processors, kernel, versions of the peers. And who uses which processor.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::os;
use crate::wine::Wine;

/// Facts about the machine.
#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Name of the processor.
    pub processor: String,
    /// Processors that may be used.
    pub processors: usize,
    /// Memory, KiB.
    pub memory_kib: u64,
    /// Name and release of the kernel.
    pub kernel: String,
    /// Name of the distribution.
    pub system: String,
    /// Load average of the last minute when it began, and when it ended: what else ran.
    pub load: [f64; 2],
    /// What the peers say about their versions.
    pub versions: Vec<String>,
}

/// Debian's packages of what cannot be asked.
const PACKAGES: [&str; 4] = ["fcgiwrap", "libfcgi-dev", "libc6", "musl"];

/// How to ask a peer for its version.
const PEERS: [(&str, &str); 3] = [("nginx", "-v"), ("lighttpd", "-v"), ("apache2", "-v")];

impl Machine {
    /// Looks at this machine.
    pub fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let name = rustix::system::uname();
        let kernel = [name.sysname(), name.release(), name.machine()];
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name", ':'),
            processors: os::processors().len(),
            memory_kib: field(&read("/proc/meminfo"), "MemTotal", ':')
                .trim_end_matches("kB")
                .trim()
                .parse()
                .unwrap_or(0),
            kernel: kernel.map(|part| part.to_string_lossy()).join(" "),
            system: field(&read("/etc/os-release"), "PRETTY_NAME", '=').replace('"', ""),
            load: [load_average(); 2],
            versions: versions(),
        }
    }

    /// Notes what else ran until the end.
    pub fn look_again(&mut self) {
        self.load[1] = load_average();
    }
}

fn field(text: &str, name: &str, separator: char) -> String {
    let pairs = text.lines().filter_map(|line| line.split_once(separator));
    let found = pairs.into_iter().find(|(key, _)| key.trim() == name);
    found.map_or_else(
        || "unknown".to_owned(),
        |(_, value)| value.trim().to_owned(),
    )
}

fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or(0.0)
}

fn versions() -> Vec<String> {
    let peers = PEERS.iter().filter_map(|(name, option)| {
        let program = super::models::installed(name).ok()?;
        first_line(&program, option)
    });
    let wine = Wine::find(None).ok();
    let packages = PACKAGES.iter().filter_map(|name| package(name));
    peers
        .chain(packages)
        .chain(wine.and_then(|wine| first_line(&wine.loader, "--version")))
        .collect()
}

/// Name and version of an installed package.
fn package(name: &str) -> Option<String> {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${Package} ${Version}", name]);
    let output = query.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    (output.status.success() && !text.is_empty()).then(|| text.into_owned())
}

/// The first line that a program prints, on either output.
fn first_line(program: &Path, option: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(option)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .find(|line| !line.trim().is_empty())
        .map(str::to_owned)
}

/// Who uses which processors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// Those of the servers.
    pub servers: Vec<usize>,
    /// Those of the load generator; the same where there are too few to divide.
    pub generator: Vec<usize>,
}

/// Fewest processors that are divided: with less, a server that is used to two would have one.
const DIVIDED: usize = 4;

impl Division {
    /// Of these processors a quarter is the load generator's.
    pub fn of(processors: Vec<usize>) -> Self {
        if processors.len() < DIVIDED {
            return Self {
                servers: processors.clone(),
                generator: processors,
            };
        }
        let (servers, generator) = processors.split_at(processors.len() * 3 / 4);
        Self {
            servers: servers.to_vec(),
            generator: generator.to_vec(),
        }
    }

    /// Whether the load generator has processors of its own.
    pub fn is_divided(&self) -> bool {
        self.servers != self.generator
    }

    /// Threads of the load generator: two processors that it shares with the servers are one for it.
    pub fn generator_threads(&self) -> usize {
        match self.is_divided() {
            true => self.generator.len(),
            false => self.generator.len().div_ceil(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_processors_are_shared_and_many_divided() {
        let two = Division::of(vec![0, 1]);
        assert!(!two.is_divided());
        assert_eq!(two.generator_threads(), 1);
        let eight = Division::of((0..8).collect());
        assert_eq!(eight.servers, [0, 1, 2, 3, 4, 5]);
        assert_eq!(eight.generator, [6, 7]);
        assert_eq!((eight.is_divided(), eight.generator_threads()), (true, 2));
    }

    #[test]
    fn this_machine_has_a_kernel_and_processors() {
        let machine = Machine::look();
        assert!(machine.kernel.starts_with("Linux "));
        assert!(machine.processors > 0 && machine.memory_kib > 0);
    }

    #[test]
    fn fields_are_found_by_name() {
        assert_eq!(
            field("a : 1\nmodel name\t: X 5\n", "model name", ':'),
            "X 5"
        );
        assert_eq!(field("", "x", '='), "unknown");
    }
}
