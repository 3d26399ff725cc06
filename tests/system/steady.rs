//! The fixture `steady` in a pool of its own, and a load on it.

use std::path::Path;
use std::time::SystemTime;

use system_tests::{Gateway, Load, Machine, extension, wait_until};
use tempfile::TempDir;

/// Keys for pools whose workers may die as often as they like, with threads for many requests, which may wait as long as
/// their clients do.
pub const DURABLE: &str = "rapid_fail.failures = 0\nthreads = 16\nqueue_timeout = \"1m\"\n";

/// What DLLs need in `[server]`.
const WINE: &str = "wine_prefix = \"{wine}\"\n";

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
    serve(WINE, &file, keys, folder)
}

/// A gateway that serves the fixture, native or as a DLL, where it is a little before the time of day at which workers
/// are replaced.
pub fn scheduled(machine: Option<Machine>) -> Gateway {
    let folder = TempDir::new().unwrap();
    let (server, file) = match machine {
        None => ("", extension("steady", &[], folder.path())),
        Some(machine) => (WINE, machine.extension("steady", folder.path())),
    };
    // The later time is for a gateway that takes too long to start.
    let keys = "threads = 8\nrecycle.schedule = ['15:00', '03:30', '03:31']\n";
    let text = text(server, &file, keys);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let wanted = 3 * 3600 + 30 * 60 - 10;
    let behind = (now.unwrap().as_secs() % 86_400 + 86_400 - wanted) % 86_400;
    let (hours, minutes, seconds) = (behind / 3600, behind / 60 % 60, behind % 60);
    let zone = format!("TEST{hours}:{minutes:02}:{seconds:02}");
    Gateway::with_environment(folder, &text, &[("TZ", &zone)])
}

fn serve(server: &str, file: &Path, keys: &str, folder: TempDir) -> Gateway {
    Gateway::with_config_in(folder, &text(server, file, keys))
}

fn text(server: &str, file: &Path, keys: &str) -> String {
    format!(
        "[server]\n{server}[[site]]\n[[site.handler]]\npath = \"*\"\npool = \"steady\"\n[pool.steady]\nextension = {file:?}\n{keys}"
    )
}

/// How many workers have started. Windows uses numbers of processes again at once, so these do not tell.
pub fn started(gateway: &Gateway) -> usize {
    gateway.log().count("worker ready")
}

/// Of so many requests and more every hundredth brings its worker down: 502. All others are answered.
pub fn one_percent_crash(gateway: &Gateway, clients: usize, requests: usize) {
    let load = Load::start(gateway.address(), clients, |number| match number % 100 {
        50 => "/?crash".into(),
        number if number % 10 == 0 => "/?sleep=20".into(),
        _ => "/".into(),
    });
    // Each crash takes its time: only what stands still fails.
    for count in (0..=requests).step_by(100) {
        wait_until("more requests", || load.sent() >= count);
    }
    let outcome = load.stop();
    outcome.only(&["200 version 1", "502"]);
    // Requests 50, 150 and so on.
    let crashes = (outcome.total() + 49) / 100;
    assert_eq!(outcome.count("502"), crashes, "{outcome:?}");
}
