//! `check`: tells whether a configuration can be served.

use std::path::Path;
use std::process::ExitCode;

use crate::config::Config;

/// Reads and checks the file; errors and warnings go to standard error, one line about a valid file to standard
/// output.
pub fn run(file: &Path) -> ExitCode {
    match Config::load(file) {
        Ok((config, warnings)) => {
            for warning in warnings {
                eprintln!("warning: {warning}");
            }
            println!(
                "{}: configuration is valid: {}",
                file.display(),
                summary(&config)
            );
            ExitCode::SUCCESS
        }
        Err(errors) => {
            for error in &errors.0 {
                eprintln!("{error}");
            }
            let errors = counted(errors.0.len(), "error");
            eprintln!("isapi-gateway: {}: {errors}", file.display());
            ExitCode::FAILURE
        }
    }
}

fn summary(config: &Config) -> String {
    let handlers = config.sites.iter().map(|site| site.handlers.len()).sum();
    [
        counted(config.sites.len(), "site"),
        counted(handlers, "handler"),
        counted(config.pools.len(), "pool"),
    ]
    .join(", ")
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
