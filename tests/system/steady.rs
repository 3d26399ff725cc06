//! The fixture `steady` in a pool of its own, and a load on it.

use std::path::Path;

use system_tests::{Gateway, Load, Machine, extension, wait_until};
use tempfile::TempDir;

/// Keys for pools whose workers may die as often as they like, with threads for many requests.
pub const DURABLE: &str = "rapid_fail.failures = 0\nthreads = 16\n";

/// A gateway that serves the fixture at every path, with these keys for its pool.
pub fn native(keys: &str) -> Gateway {
    compiled(&[], keys)
}

/// The same with these lines in `[server]`.
pub fn listening(server: &str, keys: &str) -> Gateway {
    let folder = TempDir::new().unwrap();
    let file = extension("steady", &[], folder.path());
    serve(server, &file, keys, folder)
}

/// The same with options for the compiler.
pub fn compiled(options: &[&str], keys: &str) -> Gateway {
    let folder = TempDir::new().unwrap();
    let file = extension("steady", options, folder.path());
    serve("", &file, keys, folder)
}

/// The same with the fixture as a DLL.
pub fn dll(machine: Machine, keys: &str) -> Gateway {
    let folder = TempDir::new().unwrap();
    let file = machine.extension("steady", folder.path());
    serve("wine_prefix = \"{wine}\"\n", &file, keys, folder)
}

fn serve(server: &str, file: &Path, keys: &str, folder: TempDir) -> Gateway {
    let text = format!(
        "[server]\n{server}[[site]]\n[[site.handler]]\npath = \"*\"\npool = \"steady\"\n[pool.steady]\nextension = {file:?}\n{keys}"
    );
    Gateway::with_config_in(folder, &text)
}

/// Of so many requests and more every hundredth brings its worker down: 502. All others are answered.
pub fn one_percent_crash(gateway: &Gateway, clients: usize, requests: usize) {
    let load = Load::start(gateway.address(), clients, |number| match number % 100 {
        50 => "/?crash".into(),
        number if number % 10 == 0 => "/?sleep=20".into(),
        _ => "/".into(),
    });
    wait_until("enough requests", || load.sent() >= requests);
    let outcome = load.stop();
    outcome.only(&["200 version 1", "502"]);
    // Requests 50, 150 and so on.
    let crashes = (outcome.total() + 49) / 100;
    assert_eq!(outcome.count("502"), crashes, "{outcome:?}");
}
