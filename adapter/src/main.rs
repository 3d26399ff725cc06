//! `isapi-worker`: one ISAPI extension in a process of its own.
#![forbid(unsafe_code)]
#![deny(clippy::print_stderr)]

use std::process::ExitCode;

use isapi_adapter::{log, options, run};

fn main() -> ExitCode {
    let parsed = options::parse(
        std::env::args_os().skip(1),
        std::env::var_os("ISAPI_EXTENSION"),
        run::is_cgi(),
    );
    let options = match parsed {
        Ok(options::Command::Run(options)) => options,
        #[cfg(target_os = "linux")]
        Ok(options::Command::StartPrograms) => {
            return run::start_programs().map_or_else(failed, |()| ExitCode::SUCCESS);
        }
        Ok(options::Command::Help) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(options::Command::Version) => {
            println!("isapi-worker {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            log::line(error);
            return ExitCode::from(2);
        }
    };
    run::run(&options).unwrap_or_else(failed)
}

fn failed(error: run::RunError) -> ExitCode {
    log::line(error);
    ExitCode::FAILURE
}
