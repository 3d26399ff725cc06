//! `recycle`, `stop`, `start`, `trace`, `reload`: orders to a gateway that runs.

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::remote::Which;
use crate::admin::client::Answer;

/// How long the gateway may take to go over to another configuration: new pools start within their `startup_timeout`.
const RELOAD_TIME: Duration = Duration::from_secs(3600);

/// A pool of a gateway that runs
#[derive(Args)]
pub struct Pool {
    /// Name of the pool
    pool: String,
    #[command(flatten)]
    which: Which,
}

/// A pool of a gateway that runs, and a level
#[derive(Args)]
pub struct Trace {
    #[command(flatten)]
    pool: Pool,
    /// `off`, `failed`, `calls`, `data`, or `default` for that of the configuration
    #[arg(long)]
    level: String,
}

impl Pool {
    /// Gives the order of this name.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn order(self, order: &str) -> anyhow::Result<()> {
        let pool = utf8_percent_encode(&self.pool, NON_ALPHANUMERIC);
        let path = format!("/pools/{pool}/{order}");
        show(&self.which.remote()?.ask(Method::POST, &path)?)
    }
}

/// Has the gateway read its configuration again; tells what has changed.
///
/// # Errors
/// Why nothing has.
pub fn reload(which: Which) -> anyhow::Result<()> {
    let remote = which.remote()?;
    show(&remote.ask_within(RELOAD_TIME, Method::POST, "/reload")?)
}

fn show(answer: &Answer) -> anyhow::Result<()> {
    let text = answer.text.trim_end();
    match answer.status {
        StatusCode::OK => {
            println!("{text}");
            Ok(())
        }
        _ => Err(anyhow!("{text}")),
    }
}

impl Trace {
    /// Gives the order.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn run(self) -> anyhow::Result<()> {
        let level = utf8_percent_encode(&self.level, NON_ALPHANUMERIC).to_string();
        self.pool.order(&format!("trace?level={level}"))
    }
}
