//! A worker without a gateway behind nginx, with the same file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::rc::Rc;

use system_tests::{Machine, Reply, extension, get, sample};
use tempfile::TempDir;

use super::server::{Front, Kind, Places};
use crate::table::{CASES, Case};
use crate::worker::{Way, Worker};

/// A worker, and nginx before it.
fn behind_nginx(way: Way, folder: TempDir, extension: &Path) -> (Worker, Front) {
    let worker = Worker::start(way, Rc::new(folder), extension);
    let places = Places::of_worker(&worker, Path::new("/srv/www"));
    (worker, Front::start(Kind::Nginx, &places))
}

fn post(front: &Front, target: &str, body: &[u8]) -> Reply {
    let mut client = front.connect();
    client.request("POST", target, &["Connection: close"], body);
    client.reply("POST")
}

/// Runs the table of the samples, each of them in a worker of its own.
fn passes_the_table(way: Way) {
    let mut samples = BTreeMap::<&str, Vec<&Case>>::new();
    for case in CASES {
        let path = case.target.trim_start_matches('/');
        let name = path.split('?').next().unwrap();
        // A worker runs no CGI programs.
        if !name.starts_with("cgi-bin/") {
            samples.entry(name).or_default().push(case);
        }
    }
    for (name, cases) in samples {
        let file = match way {
            // It is written in Rust, and native.
            Way::UnderWine(_) if name == "card" => continue,
            Way::UnderWine(machine) => machine.sample(name),
            _ => sample(name),
        };
        let folder = TempDir::new().unwrap();
        let own = folder.path().join(file.file_name().unwrap());
        std::fs::copy(file, &own).unwrap();
        let (worker, front) = behind_nginx(way, folder, &own);
        let mut client = front.connect();
        for case in cases {
            client.request(case.method, case.target, case.headers, case.body);
            case.check(&client.reply(case.method));
        }
        drop(client);
        front.stop();
        worker.stop();
    }
}

#[test]
fn it_passes_the_table() {
    passes_the_table(Way::OnPort);
}

#[test]
fn it_passes_the_table_under_spawn_fcgi() {
    passes_the_table(Way::Spawned);
}

#[test]
fn it_passes_the_table_under_wine_64() {
    passes_the_table(Way::UnderWine(Machine::X86_64));
}

#[test]
fn it_passes_the_table_under_wine_32() {
    passes_the_table(Way::UnderWine(Machine::I686));
}

#[test]
fn it_tells_who_asks_for_what() {
    let (worker, front) =
        behind_nginx(Way::Listening, TempDir::new().unwrap(), &sample("dumpvars"));
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
    let (worker, front) = behind_nginx(Way::Listening, TempDir::new().unwrap(), &sample("echo"));
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
    let (mut worker, front) = behind_nginx(Way::Listening, folder, &witness);
    let reply = post(&front, "/witness.so?upload", &vec![b'x'; 20 << 20]);
    assert!(reply.complete && reply.text() == "witnessed", "{reply:?}");
    worker.log.wait_for(&["witness: body complete"]);
    // nginx sends no more of a body once it has the head of the answer.
    let reply = post(&front, "/witness.so?early", &vec![b'x'; 20 << 20]);
    assert!(reply.complete && reply.text() == "witnessed", "{reply:?}");
    let reply = get(front.address(), "/witness.so?late");
    assert!(!reply.complete, "{} bytes", reply.body.len());
    // Nobody starts another one: that is what the gateway is for.
    assert!(!worker.child.wait_end().success());
    front.stop();
}
