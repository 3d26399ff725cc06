//! Stopping in order: what connections are told, and the signals that start it.

use std::process;

use tokio::sync::watch;

use crate::os;

/// Exit status after a second stop signal, as a shell gives it for a program that SIGINT ended.
const IMPATIENT: i32 = 130;

/// How far the stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Serving.
    Running,
    /// Connections finish the request they are at and close.
    Draining,
    /// Connections are dropped as they are.
    Cut,
}

/// Waits for a stop signal and ends the process at once. Processes of pools notice it by their connection or output.
pub async fn end_at_next(mut signals: os::StopSignals) {
    let name = signals.next().await;
    tracing::warn!("{name} again: ending at once");
    process::exit(IMPATIENT);
}

/// The order to stop, for every connection. Connections hold receivers; that none is left means that all have ended.
pub struct Shutdown {
    stage: watch::Sender<Stage>,
}

impl Shutdown {
    /// Everything is running.
    pub fn new() -> Self {
        Self {
            stage: watch::Sender::new(Stage::Running),
        }
    }

    /// For one connection, to be held as long as it lives.
    pub fn subscribe(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.stage.receiver_count()
    }

    /// Lets connections end by themselves for `patience`, then drops them. Ends when there is none any more.
    pub async fn drain(&self, patience: std::time::Duration) {
        self.stage.send_replace(Stage::Draining);
        if tokio::time::timeout(patience, self.stage.closed())
            .await
            .is_err()
        {
            let count = self.connections();
            tracing::warn!("{count} connections are not done after {patience:?} and are dropped");
            self.stage.send_replace(Stage::Cut);
            self.stage.closed().await;
        }
    }
}
