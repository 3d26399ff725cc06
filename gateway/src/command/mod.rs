//! The command line.

/// Runs the command that the command line names.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
