//! Pools with real processes: shell scripts in place of the worker.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

struct Launched {
    folder: TempDir,
    runtimes: Runtimes,
    pool: Arc<Pool>,
}

impl Launched {
    /// A pool of `extension`, which need not be one, whose worker is this script.
    fn start(script: &str, extension: Option<&Path>, config: &config::Pool) -> Self {
        Self::start_after(Predecessors::default(), script, extension, config)
    }

    fn start_after(
        before: Predecessors,
        script: &str,
        extension: Option<&Path>,
        config: &config::Pool,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let worker = folder.path().join("worker");
        std::fs::write(&worker, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&worker, PermissionsExt::from_mode(0o755)).unwrap();
        let runtimes = Runtimes::start(2, false, false).unwrap();
        let extension = extension.unwrap_or(&worker);
        let pool = Pool::start(
            config,
            extension,
            Launcher::Native(worker.clone()),
            None,
            None,
            before,
            &runtimes,
        );
        Self {
            folder,
            runtimes,
            pool,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        self.runtimes.stop();
    }
}

async fn call(pool: &Arc<Pool>) -> Error {
    let isapi = Isapi::new(pool.clone());
    let request = request(Method::GET, "/", body::empty());
    let dispatch = Arc::clone(&sample::Site::new(&[]).dispatch);
    let origin = Origin::new(request.head, dispatch);
    error(isapi.call(&origin, request.body, &target(pool)).await)
}

/// Whether a process exists and is not waiting to be reaped.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_worker_that_exits_is_described_to_requests_and_to_serve() {
    let launched = Launched::start("exit 3", None, &config());
    let reason = launched.pool.ready().await.unwrap_err();
    assert!(reason.contains("exited with status 3"), "{reason}");
    let told = call(&launched.pool).await;
    assert!(matches!(told, Error::CannotStart(reason) if reason.contains("status 3")));
    launched.pool.stop(LONG).await;
}

#[tokio::test]
async fn a_pool_that_is_stopped_before_its_turn_starts_nothing() {
    let mut before = Predecessors::default();
    let running = before.add();
    let launched = Launched::start_after(before, "exit 3", None, &config());
    launched.pool.recycle();
    let mut stop = Box::pin(launched.pool.stop(LONG));
    let early = tokio::time::timeout(Duration::from_millis(1), &mut stop).await;
    assert!(early.is_err());
    drop(running);
    stop.await;
    assert_eq!(launched.pool.status().exits, BTreeMap::new());
}

#[tokio::test]
async fn a_worker_that_crashes_while_loading_names_the_signal() {
    let launched = Launched::start("kill -SEGV $$", None, &config());
    let reason = launched.pool.ready().await.unwrap_err();
    assert!(
        reason.contains("was killed by signal 11 (SIGSEGV)"),
        "{reason}"
    );
    launched.pool.stop(LONG).await;
}

#[tokio::test]
async fn a_missing_extension_is_not_found() {
    let missing = Path::new("/nowhere/missing.so");
    let launched = Launched::start("exit 3", Some(missing), &config());
    let reason = launched.pool.ready().await.unwrap_err();
    assert_eq!(reason, "the extension /nowhere/missing.so does not exist");
    assert!(matches!(call(&launched.pool).await, Error::FileMissing(_)));
    launched.pool.stop(LONG).await;
}

#[tokio::test]
async fn a_missing_worker_binary_is_named() {
    let runtimes = Runtimes::start(1, false, false).unwrap();
    let extension = std::env::current_exe().unwrap();
    let pool = Pool::start(
        &config(),
        &extension,
        Launcher::Native("/nowhere/isapi-worker".into()),
        None,
        None,
        Predecessors::default(),
        &runtimes,
    );
    let reason = pool.ready().await.unwrap_err();
    assert!(reason.contains("/nowhere/isapi-worker"), "{reason}");
    pool.stop(LONG).await;
    runtimes.stop();
}

#[tokio::test]
async fn the_worker_gets_its_arguments_and_a_clean_environment() {
    let config = config::Pool {
        environment: BTreeMap::from([("GIVEN".into(), "yes".into())]),
        ..config()
    };
    // It greets nobody, and leaves the file only when it is whole.
    let script =
        "(pwd; echo \"$@\"; env) > \"${0%/*}/new\"; mv \"${0%/*}/new\" \"${0%/*}/seen\"; exit 0";
    let launched = Launched::start(script, None, &config);
    launched.pool.ready().await.unwrap_err();
    let seen = std::fs::read_to_string(launched.file("seen")).unwrap();
    let mut lines = seen.lines();
    let folder = launched.folder.path().canonicalize().unwrap();
    assert_eq!(lines.next().map(Path::new), Some(folder.as_path()));
    let expected = format!(
        "--threads 2 --fd 3 --buffers 4 {}",
        launched.file("worker").display()
    );
    assert_eq!(lines.next(), Some(expected.as_str()));
    let names: Vec<&str> = lines.filter_map(|line| line.split('=').next()).collect();
    assert!(names.contains(&"APP_POOL_ID") && names.contains(&"GIVEN"));
    assert!(
        !names.iter().any(|name| name.starts_with("CARGO")),
        "{names:?}"
    );
    launched.pool.stop(LONG).await;
}

#[tokio::test]
async fn nothing_of_a_worker_stays_behind() {
    // A worker that never greets, and its child.
    let script =
        "sleep 1000 & echo $! > \"${0%/*}/new\"; mv \"${0%/*}/new\" \"${0%/*}/child\"; wait";
    let launched = Launched::start(script, None, &config());
    let child = loop {
        if let Ok(child) = std::fs::read_to_string(launched.file("child")) {
            break child;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(is_alive(&child));
    launched.pool.stop(LONG).await;
    while is_alive(&child) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(call(&launched.pool).await, Error::Stopping));
}

#[tokio::test]
async fn a_worker_that_never_greets_is_given_up() {
    let config = config::Pool {
        startup_timeout: Duration::from_millis(100),
        ..config()
    };
    let launched = Launched::start("exec sleep 1000", None, &config);
    let reason = launched.pool.ready().await.unwrap_err();
    assert!(reason.contains("after 100ms"), "{reason}");
    launched.pool.stop(LONG).await;
}
