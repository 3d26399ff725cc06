//! A worker without a gateway behind nginx, with the same file.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use system_tests::{Reply, extension, get, sample};
use tempfile::TempDir;

use super::server::{Front, Kind, before_worker};
use crate::worker::Worker;

/// A worker, and nginx before it.
fn behind_nginx(folder: TempDir, extension: &Path) -> (Worker, Front) {
    before_worker(
        Kind::Nginx,
        Rc::new(folder),
        extension,
        Path::new("/srv/www"),
    )
}

fn post(front: &Front, target: &str, body: &[u8]) -> Reply {
    let mut client = front.connect();
    client.request("POST", target, &["Connection: close"], body);
    client.reply("POST")
}

#[test]
fn it_tells_who_asks_for_what() {
    let (worker, front) = behind_nginx(TempDir::new().unwrap(), &sample("dumpvars"));
    for (target, name, info, translated) in [
        (
            "/x/dumpvars.so/ex%20tra",
            "/x/dumpvars.so",
            "/ex tra",
            "/srv/www/ex tra",
        ),
        ("/x/dumpvars.so", "/x/dumpvars.so", "", "/srv/www"),
        ("/d/a.abc", "/d/a.abc", "/d/a.abc", "/srv/www/d/a.abc"),
    ] {
        let reply = get(front.address(), &format!("{target}?format=text"));
        let text = reply.text();
        let found: HashMap<_, _> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect();
        for (variable, expected) in [
            ("SCRIPT_NAME", name),
            ("PATH_INFO", info),
            ("PATH_TRANSLATED", translated),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("SERVER_PORT", &front.address().port().to_string()),
            ("QUERY_STRING", "format=text"),
        ] {
            assert_eq!(
                found.get(variable),
                Some(&expected),
                "{variable} of {target}"
            );
        }
    }
    front.stop();
    worker.stop();
}

#[test]
fn bodies_go_both_ways() {
    let (worker, front) = behind_nginx(TempDir::new().unwrap(), &sample("echo"));
    let sent = vec![b'x'; 100_000];
    let reply = post(&front, "/echo.so", &sent);
    assert!(
        reply.complete && reply.body == sent,
        "{} bytes",
        reply.body.len()
    );
    front.stop();
    worker.stop();
}

#[test]
fn it_takes_uploads_and_shows_cuts() {
    let folder = TempDir::new().unwrap();
    let witness = extension("witness", &[], folder.path());
    let (mut worker, front) = behind_nginx(folder, &witness);
    let reply = post(&front, "/witness.so?upload", &vec![b'x'; 20 << 20]);
    assert!(reply.complete && reply.text() == "witnessed", "{reply:?}");
    worker.log.wait_for(&["witness: body complete"]);
    let reply = get(front.address(), "/witness.so?late");
    assert!(!reply.complete, "{} bytes", reply.body.len());
    // Nobody starts another one: that is what the gateway is for.
    assert!(!worker.child.wait_end().success());
    front.stop();
}
