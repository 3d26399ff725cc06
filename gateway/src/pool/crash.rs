//! What a worker says on standard error, and what of it is the report of its crash.

/// Begins the line in which a dying worker says why.
const MARK: &str = "isapi-worker: crash: ";

/// Logs a worker's lines and keeps the report of its crash.
pub struct CrashReport {
    pool: String,
    pid: u32,
    crash: Option<String>,
}

impl CrashReport {
    /// For a worker of this pool.
    pub fn new(pool: String, pid: u32) -> Self {
        Self {
            pool,
            pid,
            crash: None,
        }
    }

    /// Takes a line.
    pub fn take(&mut self, line: &str) {
        let (pool, pid) = (&self.pool, self.pid);
        match line.strip_prefix(MARK) {
            Some(crash) => {
                tracing::error!(pool, pid, "{line}");
                // The first one: what follows may be its consequence.
                self.crash.get_or_insert_with(|| crash.to_owned());
            }
            None => tracing::warn!(pool, pid, "{line}"),
        }
    }

    /// What the worker said of its crash.
    pub fn into_crash(self) -> Option<String> {
        self.crash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_counts() {
        let report = |lines: &[&str]| {
            let mut report = CrashReport::new("pool".into(), 1);
            lines.iter().for_each(|line| report.take(line));
            report.into_crash()
        };
        assert_eq!(report(&["isapi-worker: a word", "crash: x"]), None);
        assert_eq!(
            report(&["x", "isapi-worker: crash: A at b", "isapi-worker: crash: C"]),
            Some("A at b".into())
        );
    }
}
