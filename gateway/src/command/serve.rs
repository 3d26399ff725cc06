//! `serve`: runs a configuration.

use crate::config::Config;

/// Serves until a signal stops it.
///
/// # Errors
/// When it cannot start.
pub fn run(config: Config) -> anyhow::Result<()> {
    tracing::debug!(?config, "configuration");
    Ok(())
}
