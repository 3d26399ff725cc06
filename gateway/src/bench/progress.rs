//! What the terminal shows while it runs: the current model and the time left.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error; none where that is no terminal.
pub struct Progress {
    bar: ProgressBar,
    rounds: usize,
}

impl Progress {
    /// Nothing of `measurements` is done yet.
    pub fn new(measurements: usize, rounds: usize) -> Self {
        let bar = ProgressBar::new(measurements as u64);
        let form = "{msg:38} {wide_bar} {percent:>3} %, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, rounds }
    }

    /// A model's turn begins.
    pub fn model(&self, round: usize, model: &str) {
        let text = format!("round {} of {}: {model}", round + 1, self.rounds);
        self.bar.set_message(text);
    }

    /// A measurement is done.
    pub fn advance(&self) {
        self.bar.inc(1);
    }

    /// How many are done.
    pub fn done(&self) -> usize {
        usize::try_from(self.bar.position()).unwrap_or(usize::MAX)
    }

    /// So many are done, or were not necessary.
    pub fn skip_to(&self, done: usize) {
        self.bar.set_position(done as u64);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
