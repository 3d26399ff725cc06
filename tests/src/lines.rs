//! What a program prints, line by line, while it runs.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use crate::PATIENCE;

/// Lines that are collected as they come.
#[derive(Clone)]
pub struct Lines {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    /// Collects the lines of a stream, to its end.
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let writer = Arc::clone(&shared);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                writer.state.lock().unwrap().lines.push(line);
                writer.changed.notify_all();
            }
            writer.state.lock().unwrap().ended = true;
            writer.changed.notify_all();
        });
        Self { shared }
    }

    /// The lines so far.
    pub fn so_far(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().lines.clone()
    }

    /// All lines, once the stream has ended.
    pub fn to_end(&self) -> Vec<String> {
        let state = self.shared.state.lock().unwrap();
        let (state, timeout) = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !state.ended)
            .unwrap();
        let lines = state.lines.clone();
        drop(state);
        assert!(!timeout.timed_out(), "the output does not end");
        lines
    }

    /// How many lines so far have these words.
    pub fn count(&self, words: &str) -> usize {
        let state = self.shared.state.lock().unwrap();
        let lines = state.lines.iter();
        lines.filter(|line| line.contains(words)).count()
    }

    /// Waits for a line that has all of these words in it, and returns it.
    pub fn wait_for(&self, words: &[&str]) -> String {
        self.find(words)
            .unwrap_or_else(|| panic!("no line with {words:?} in:\n{}", self.so_far().join("\n")))
    }

    /// The same; `None` when the stream has ended without such a line.
    pub fn find(&self, words: &[&str]) -> Option<String> {
        let fits = |line: &&String| words.iter().all(|word| line.contains(word));
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        loop {
            if let Some(line) = state.lines.iter().find(fits) {
                return Some(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}
