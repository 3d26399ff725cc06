//! `serve`: runs a configuration.

use crate::config::Config;

/// When to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// When every extension has been loaded; not at all if one cannot be.
    WhenLoaded,
    /// At once.
    AtOnce,
}

/// Serves until a signal stops it.
///
/// # Errors
/// When it cannot start.
pub fn run(config: Config, start: Start) -> anyhow::Result<()> {
    tracing::debug!(?config, ?start, "configuration");
    Ok(())
}
