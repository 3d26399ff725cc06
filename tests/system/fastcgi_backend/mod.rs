//! FastCGI applications behind the gateway: php-fpm, php-cgi, a libfcgi program, a worker over TCP, and applications
//! that do what they should not.

mod children;
mod faults;
mod kept;
mod members;
mod php;
mod php_site;
mod program;
mod streams;

use std::io::Read as _;
use std::time::Duration;

use system_tests::{Application, Client, Gateway, Peer};
use tempfile::TempDir;

use crate::echo::PIECE;

/// A gateway before an application that listens at `{dir}/application`, with extra lines for its pool.
fn before(extra: &str, serve: impl Fn(Peer) + Send + Sync + 'static) -> (Gateway, Application) {
    let folder = TempDir::new().unwrap();
    let application = Application::listen(&folder.path().join("application"), serve);
    let config = r#"
[[site]]
root = "{dir}"
[[site.handler]]
path = "/app/*"
pool = "app"
[pool.app]
fastcgi = "unix:application"
"#;
    let gateway = Gateway::with_config_in(folder, &[config, extra].concat());
    (gateway, application)
}

/// Gets a long answer with pauses in its first second. Returns the length of its body, bytes.
fn read_slowly(gateway: &Gateway, target: &str) -> u64 {
    let mut client = Client::connect(gateway.address());
    client.request("GET", target, &[], b"");
    let head = client.head().unwrap();
    let mut body = client.body(&head, "GET");
    let (mut total, mut pauses, mut buffer) = (0, 100, vec![0; PIECE]);
    loop {
        if pauses > 0 {
            pauses -= 1;
            std::thread::sleep(Duration::from_millis(10));
        }
        match body.read(&mut buffer).unwrap() {
            0 => return total,
            count => total += count as u64,
        }
    }
}
