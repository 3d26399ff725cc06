#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use http::{Method, StatusCode};
use tempfile::TempDir;

use super::client::Remote;
use super::*;
use crate::backend::Backend;
use crate::backend::cgi::Cgi;
use crate::config::{Pool, PoolKind, Secret};
use crate::observe::Ledger;
use crate::observe::status::Status;
use crate::shutdown::Connections;

const TOKEN: &str = "0123456789abcdef";

fn overview() -> Arc<Overview> {
    let overview = Arc::new(Overview::new(Arc::new(Connections::default())));
    let program = Path::new("/bin/true");
    let pool = Pool::new("re port".into(), PoolKind::Cgi(program.into()));
    let backend = Arc::new(Backend::Cgi(Box::new(Cgi::new(&pool, program, None))));
    let ledger = Ledger::new(None, ["re port"].into_iter(), &Ledger::default());
    overview.set(Arc::new(ledger), vec![backend]);
    overview
}

fn on_socket(folder: &TempDir, token: Option<&Secret>) -> config::Admin {
    config::Admin {
        listen: Address::Unix(folder.path().join("admin.sock")),
        mode: 0o600,
        token: token.cloned(),
    }
}

/// Nobody takes orders to reload.
fn nobody() -> Reloads {
    tokio::sync::mpsc::channel(1).0
}

/// An admin listener on a socket, and how to reach it.
fn listening(folder: &TempDir, overview: Arc<Overview>, token: Option<&str>) -> (Admin, Remote) {
    let token = token.map(|token| Secret::new(token).unwrap());
    let config = on_socket(folder, token.as_ref());
    let admin = Admin::start(&config, overview, nobody()).unwrap();
    let address = config.listen;
    (admin, Remote { address, token })
}

fn ask(remote: &Remote, method: Method, path: &str) -> (StatusCode, String) {
    let answer = remote.ask(method, path).unwrap();
    (answer.status, answer.text)
}

#[test]
fn everything_has_its_url() {
    let folder = TempDir::new().unwrap();
    let overview = overview();
    let (admin, remote) = listening(&folder, overview.clone(), None);
    assert!(admin.address().starts_with("unix:/"));
    let get = |path| ask(&remote, Method::GET, path);
    assert_eq!(get("/livez"), (StatusCode::OK, "alive\n".into()));
    assert_eq!(get("/readyz").0, StatusCode::SERVICE_UNAVAILABLE);
    overview.serve();
    assert_eq!(get("/readyz").0, StatusCode::OK);
    let status: Status = serde_json::from_str(&get("/status.json").1).unwrap();
    assert_eq!(status.pools[0].name, "re port");
    assert!(
        get("/metrics")
            .1
            .contains("isapi_pool_queue_length{pool=\"re port\"} 0")
    );
    assert_eq!(get("/nothing").0, StatusCode::NOT_FOUND);
    assert_eq!(get("/pools/x/recycle").0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(get("/reload").0, StatusCode::METHOD_NOT_ALLOWED);
    let (status, text) = ask(&remote, Method::POST, "/reload");
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
    overview.stop();
    assert_eq!(get("/readyz").0, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn orders_that_cannot_be_are_refused() {
    let folder = TempDir::new().unwrap();
    let (_admin, remote) = listening(&folder, overview(), None);
    let post = |path| ask(&remote, Method::POST, path);
    let (status, text) = post("/pools/x/recycle");
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains("the pools are: re port"), "{text}");
    assert_eq!(post("/pools/re%20port/recycle").0, StatusCode::CONFLICT);
    assert_eq!(post("/pools/re%20port/destroy").0, StatusCode::NOT_FOUND);
    assert_eq!(
        post("/pools/re%20port/trace?level=all").0,
        StatusCode::BAD_REQUEST
    );
}

#[test]
fn nothing_but_life_is_told_without_the_token() {
    let folder = TempDir::new().unwrap();
    let (_admin, with) = listening(&folder, overview(), Some(TOKEN));
    let wrong = Some(Secret::new("0123456789abcdeX").unwrap());
    for token in [None, wrong] {
        let without = Remote {
            token,
            ..with.clone()
        };
        assert_eq!(ask(&without, Method::GET, "/livez").0, StatusCode::OK);
        for path in ["/status", "/status.json", "/metrics", "/"] {
            let error = without.ask(Method::GET, path).err().unwrap();
            assert!(error.to_string().contains("token"), "{error}");
        }
        assert!(without.ask(Method::POST, "/pools/re%20port/stop").is_err());
    }
    assert_eq!(ask(&with, Method::GET, "/status").0, StatusCode::OK);
}

#[test]
fn a_socket_goes_with_its_listener_and_a_stale_one_is_no_harm() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let (admin, remote) = listening(&folder, overview(), None);
    assert_eq!(ask(&remote, Method::GET, "/livez").0, StatusCode::OK);
    drop(admin);
    assert!(!socket.exists());
    let error = format!("{:#}", remote.ask(Method::GET, "/livez").err().unwrap());
    assert!(error.starts_with("no gateway answers on unix:/"), "{error}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let folder = TempDir::new().unwrap();
    let (_admin, _) = listening(&folder, overview(), None);
    let second = Admin::start(&on_socket(&folder, None), overview(), nobody());
    let error = format!("{:#}", second.err().unwrap());
    assert!(error.starts_with("cannot listen on unix:/"), "{error}");
    assert!(error.contains("correct `listen` in [admin]"), "{error}");
}

#[test]
fn many_idle_connections_do_not_keep_it_from_ending() {
    let folder = TempDir::new().unwrap();
    let (admin, _) = listening(&folder, overview(), None);
    let socket = folder.path().join("admin.sock");
    let idle: Vec<_> = (0..CONNECTIONS + 3)
        .map(|_| std::os::unix::net::UnixStream::connect(&socket).unwrap())
        .collect();
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        drop(admin);
        done.send(())
    });
    ended.recv_timeout(Duration::from_secs(60)).unwrap();
    drop(idle);
}
