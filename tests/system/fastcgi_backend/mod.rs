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

use system_tests::{Application, Gateway, Peer};
use tempfile::TempDir;

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
