//! The command line.

mod check;
mod log;
mod serve;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Parser, Subcommand};

use crate::config::Config;

/// Run IIS ISAPI extensions and CGI programs outside IIS, each in a process of its own.
#[derive(Parser)]
#[command(name = "isapi-gateway", version, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(Serve),
    Check(Check),
}

/// Serve one extension, or everything that a configuration file names
#[derive(Args)]
#[command(after_help = "Examples:
  isapi-gateway serve ./hello.so
  isapi-gateway serve ./hello.so --http 0.0.0.0:80
  isapi-gateway serve --config gateway.toml --log json

Prints `listening on http://ADDRESS` when it is ready. SIGTERM and SIGINT let running requests finish, then stop it.")]
struct Serve {
    /// ISAPI extension to serve for every URL: `/NAME.ext/extra` and `/extra` both give it the path info `/extra`
    #[arg(required_unless_present = "config", conflicts_with = "config")]
    extension: Option<PathBuf>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on, instead of those of the configuration; port 0 picks a free port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Form of the log on standard error
    #[arg(long, value_enum, default_value_t = log::Form::Human)]
    log: log::Form,
    /// What to log, such as `debug` or `warn,isapi_gateway=debug` [default: $RUST_LOG, else info]
    #[arg(long, value_name = "FILTER")]
    log_level: Option<String>,
}

/// Check a configuration file without loading or starting anything
#[derive(Args)]
#[command(after_help = "Example:
  isapi-gateway check --config gateway.toml

Exits with 0 when the configuration can be served, with 1 after telling every error with its place and remedy.")]
struct Check {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the command that the command line names.
pub fn run() -> ExitCode {
    let done = match CommandLine::parse().command {
        Command::Serve(arguments) => arguments.run(),
        Command::Check(arguments) => return check::run(&arguments.config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("isapi-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Serve {
    fn run(self) -> anyhow::Result<()> {
        log::start(self.log, self.log_level.as_deref())?;
        let config = self.configuration()?;
        let start = match self.extension {
            Some(_) => serve::Start::WhenLoaded,
            None => serve::Start::AtOnce,
        };
        serve::run(config, start)
    }

    fn configuration(&self) -> anyhow::Result<Config> {
        let default_http = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        match (&self.extension, &self.config) {
            (_, Some(file)) => self.from_file(file),
            (Some(extension), None) => {
                let http = self.http.unwrap_or(default_http);
                Ok(Config::for_extension(extension, http)?)
            }
            (None, None) => unreachable!("clap requires one of the two"),
        }
    }

    fn from_file(&self, file: &Path) -> anyhow::Result<Config> {
        let refused = |errors| anyhow!("the configuration is not valid\n{errors}");
        let (mut config, warnings) = Config::load(file).map_err(refused)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        if let Some(http) = self.http {
            config.server.http = vec![http];
        }
        Ok(config)
    }
}
