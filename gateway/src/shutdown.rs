//! Stopping in order: what connections are told, and the signals that start it.

use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::alarms::timeout;
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

/// All connections, in groups that can be told to end each by itself.
#[derive(Default)]
pub struct Connections {
    groups: Mutex<Vec<Arc<Shutdown>>>,
}

impl Connections {
    /// A new group, for the connections of one listener.
    pub fn group(&self) -> Arc<Shutdown> {
        let group = Arc::new(Shutdown::new());
        let mut groups = self.groups();
        // Those of listeners that are closed, when their last connection has ended.
        groups.retain(|group| Arc::strong_count(group) > 1 || group.connections() > 0);
        groups.push(Arc::clone(&group));
        group
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.groups().iter().map(|group| group.connections()).sum()
    }

    /// As [`Shutdown::drain`], all at the same time.
    pub async fn drain(&self, patience: std::time::Duration) {
        let mut draining = JoinSet::new();
        for group in self.groups().iter() {
            let group = Arc::clone(group);
            draining.spawn(async move { group.drain(patience).await });
        }
        draining.join_all().await;
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Arc<Shutdown>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The order to stop, for the connections of a group. They hold receivers; that none is left means that all have ended.
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
        if timeout(patience, self.stage.closed()).await.is_err() {
            let count = self.connections();
            tracing::warn!("{count} connections are not done after {patience:?} and are dropped");
            self.stage.send_replace(Stage::Cut);
            self.stage.closed().await;
        }
    }
}
