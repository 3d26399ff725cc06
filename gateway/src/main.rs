//! `isapi-gateway`: see [`isapi_gateway`].
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    isapi_gateway::run()
}
