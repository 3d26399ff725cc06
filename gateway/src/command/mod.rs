//! The command line.

#[cfg(unix)]
mod bench;
mod check;
mod inspect;
mod launchers;
mod listeners;
mod log;
mod order;
mod remote;
mod serve;
mod status;
mod watchdog;

#[cfg(unix)]
use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[cfg(unix)]
use anyhow::anyhow;
use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::config::Config;
use crate::front::fastcgi::Address;
#[cfg(unix)]
use crate::process::companion;

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
    Inspect(Inspect),
    Status(status::Arguments),
    /// Replace the workers of a pool, new ones first
    Recycle(order::Pool),
    /// Have a pool take no more requests; those in its workers finish
    Stop(order::Pool),
    /// Have a pool take requests again, also one that is off because its workers fail
    Start(order::Pool),
    /// Log the callbacks of a pool's extension from now on
    Trace(order::Trace),
    /// Read the configuration again; pools that have not changed go on, and no request is lost
    Reload(remote::Which),
    #[cfg(unix)]
    Bench(bench::Bench),
    /// `serve --config` with the extensions loaded into this very process. Only the benchmark starts it.
    #[cfg(feature = "in-process")]
    #[command(hide = true)]
    InProcess(Serve),
    #[cfg(unix)]
    #[command(name = companion::SUBCOMMAND, hide = true)]
    RunProgram(RunProgram),
}

/// Serve one extension, or everything that a configuration file names
#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).args(["extension", "config"])))]
#[command(after_help = "Examples:
  isapi-gateway serve ./hello.so
  isapi-gateway serve ./hello.so --http 0.0.0.0:80
  isapi-gateway serve ./hello.so --fastcgi unix:/run/isapi-gateway.sock
  isapi-gateway serve --config gateway.toml --log json

Prints `listening on http://ADDRESS` or `listening on fastcgi://ADDRESS` when it is ready. SIGTERM and SIGINT let running requests finish, then stop it.")]
struct Serve {
    /// ISAPI extension to serve for every URL: `/NAME.ext/extra` and `/extra` both give it the path info `/extra`
    extension: Option<PathBuf>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on for HTTP, instead of those of the configuration; port 0 picks a free port
    /// [default: 127.0.0.1:8080, or none with --fastcgi]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Address to listen on for web servers that speak FastCGI, instead of those of the configuration
    #[arg(long, value_name = "ADDR")]
    fastcgi: Option<Address>,
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

/// Show what an extension is, what it needs, and what it says of itself when it is loaded in a worker
#[derive(Args)]
#[command(after_help = "Examples:
  isapi-gateway inspect legacy.dll
  isapi-gateway inspect legacy.dll --json

Exits with 0 when the extension can be served, with 1 after telling why not.")]
struct Inspect {
    /// DLL or shared object
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Become a program that ends with the gateway. For the gateway itself
#[cfg(unix)]
#[derive(Args)]
struct RunProgram {
    /// The gateway's process
    parent: u32,
    program: PathBuf,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs the command that the command line names.
pub fn run() -> ExitCode {
    let done = match CommandLine::parse().command {
        Command::Serve(arguments) => arguments.run(),
        Command::Status(arguments) => status::run(arguments),
        Command::Recycle(pool) => pool.order("recycle"),
        Command::Stop(pool) => pool.order("stop"),
        Command::Start(pool) => pool.order("start"),
        Command::Trace(trace) => trace.run(),
        Command::Reload(which) => order::reload(which),
        #[cfg(unix)]
        Command::Bench(arguments) => match arguments.run() {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        #[cfg(feature = "in-process")]
        Command::InProcess(arguments) => arguments.run_in_process(),
        Command::Check(arguments) => return check::run(&arguments.config),
        Command::Inspect(arguments) => {
            // A prefix that has to be created takes its time: that is said, and nothing else.
            let log = log::start(log::Form::Human, Some("off,isapi_gateway::wine=info"));
            match log {
                Ok(()) => return inspect::run(&arguments.file, arguments.json),
                Err(error) => Err(error),
            }
        }
        #[cfg(unix)]
        Command::RunProgram(RunProgram {
            parent,
            program,
            arguments,
        }) => {
            let error = companion::run(parent, &program, &arguments);
            Err(anyhow!("{} cannot be started: {error}", program.display()))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // It may have run for long: nobody needs to read any more, where `eprintln!` would panic.
            let _ = writeln!(std::io::stderr(), "isapi-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Serve {
    fn run(self) -> anyhow::Result<()> {
        log::start(self.log, self.log_level.as_deref())?;
        let start = match self.extension {
            Some(_) => serve::Start::WhenLoaded,
            None => serve::Start::AtOnce,
        };
        let (config, source) = self.configuration()?;
        serve::run(config, source, start)
    }

    #[cfg(feature = "in-process")]
    fn run_in_process(self) -> anyhow::Result<()> {
        log::start(self.log, self.log_level.as_deref())?;
        let (config, _) = self.configuration()?;
        serve::run(config, None, serve::Start::InProcess)
    }

    /// What is to be served, and where it can be read again.
    fn configuration(self) -> anyhow::Result<(Config, Option<serve::Source>)> {
        let Self { http, fastcgi, .. } = self;
        match (self.extension, self.config) {
            (_, Some(file)) => {
                let source = serve::Source {
                    file,
                    http,
                    fastcgi,
                };
                Ok((source.load()?, Some(source)))
            }
            (Some(extension), None) => {
                let config = Config::for_extension(&extension, http, fastcgi)?;
                Ok((config, None))
            }
            (None, None) => unreachable!("clap requires one of the two"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<CommandLine, ErrorKind> {
        let words = std::iter::once("isapi-gateway").chain(line.split_whitespace());
        CommandLine::try_parse_from(words).map_err(|error| error.kind())
    }

    #[test]
    fn is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn serve_takes_an_extension_or_a_configuration() {
        assert!(parse("serve x.so --http 127.0.0.1:0 --log json --log-level debug").is_ok());
        assert!(parse("serve --config g.toml --http [::1]:80").is_ok());
        assert!(parse("serve x.so --fastcgi unix:/run/x.sock").is_ok());
        assert!(parse("reload").is_ok());
        assert!(parse("reload --config g.toml").is_ok());
        for (line, expected) in [
            ("serve", ErrorKind::MissingRequiredArgument),
            ("serve x.so --config g.toml", ErrorKind::ArgumentConflict),
            ("serve x.so y.so", ErrorKind::UnknownArgument),
            ("serve x.so --http localhost", ErrorKind::ValueValidation),
            ("serve x.so --fastcgi /run/x", ErrorKind::ValueValidation),
            ("serve x.so --log xml", ErrorKind::InvalidValue),
            ("check", ErrorKind::MissingRequiredArgument),
            ("recycle", ErrorKind::MissingRequiredArgument),
            ("status --watch --json", ErrorKind::ArgumentConflict),
            ("status --admin nowhere", ErrorKind::ValueValidation),
            ("trace x", ErrorKind::MissingRequiredArgument),
            ("", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ] {
            assert_eq!(parse(line).err(), Some(expected), "{line}");
        }
    }

    #[test]
    fn http_replaces_the_listeners_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        std::fs::write(
            &file,
            "[server]\nhttp = '127.0.0.1:1'\n[[site]]\nroot = '.'\n",
        )
        .unwrap();
        let line = format!("serve --config {} --http 127.0.0.1:2", file.display());
        let Ok(Command::Serve(serve)) = parse(&line).map(|line| line.command) else {
            panic!("{line}");
        };
        let (config, _) = serve.configuration().unwrap();
        assert_eq!(config.server.http, ["127.0.0.1:2".parse().unwrap()]);
    }
}
