//! Another configuration in a gateway that runs: no request is lost, and what has not changed goes on.

mod listeners;
mod refused;

use std::collections::BTreeSet;
use std::path::Path;

use system_tests::{
    Client, Gate, Gateway, Load, Outcome, Output, Signal, extension, fastcgi_program,
    gateway_command, run, script, wait_until,
};
use tempfile::TempDir;

use crate::cgi::is_starter;

const ADMIN: &str = "[admin]\nlisten = \"unix:{dir}/admin.sock\"\n";

/// A folder with the fixture.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    extension("steady", &[], folder.path());
    folder
}

/// An `[admin]` and a site in which each of these pools has a URL, `/NAME`.
fn config(pools: &[(&str, &str)]) -> String {
    let mut text = format!("{ADMIN}[[site]]\n");
    for (name, _) in pools {
        text += &format!("[[site.handler]]\npath = \"/{name}/*\"\npool = \"{name}\"\n");
    }
    for (name, keys) in pools {
        text += &format!("[pool.{name}]\n{keys}\n");
    }
    text
}

/// Keys of a pool with the fixture, and more.
fn steady(keys: &str) -> String {
    format!("extension = \"{{dir}}/steady.so\"\n{keys}")
}

/// The command, after the gateway has been given this configuration.
fn reload(gateway: &Gateway, text: &str) -> Output {
    let mut command = gateway_command(["reload", "--config"]);
    run(command.arg(gateway.configure(text)))
}

/// The same; it succeeds.
fn goes_over(gateway: &Gateway, text: &str) -> String {
    let output = reload(gateway, text);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output.out
}

/// Every answer was a good one.
fn all_well(outcome: &Outcome) {
    let bad = outcome
        .answers
        .keys()
        .find(|text| !text.starts_with("200 "));
    assert_eq!(bad, None, "{outcome:?}");
    assert!(!outcome.answers.is_empty());
}

fn wait_for_requests(load: &Load, count: usize) {
    let aim = load.sent() + count;
    wait_until("requests have been sent", || load.sent() >= aim);
}

#[test]
fn under_load_one_pool_of_three_is_replaced_and_no_request_fails() {
    let of = |keys: &str| {
        let plain = steady("processes = 2");
        let changed = format!("{plain}\n{keys}");
        config(&[("a", &plain), ("b", &changed), ("c", &plain)])
    };
    let gateway = Gateway::with_config_in(folder(), &of("threads = 8"));
    let workers = |pool: &str| {
        let asked = (0..40).map(|_| gateway.get(&format!("/{pool}/")).process());
        asked.collect::<BTreeSet<u32>>()
    };
    let all = || {
        gateway
            .processes()
            .iter()
            .map(|process| process.pid)
            .collect::<BTreeSet<u32>>()
    };
    wait_until("all workers run", || all().len() == 6);
    let before = all();
    let changed = workers("b");
    let load = Load::start(gateway.address(), 16, |number| {
        let pool = ["a", "b", "c"][number % 3];
        format!("/{pool}/?n={number}")
    });
    for round in 0..10 {
        wait_for_requests(&load, 300);
        let told = goes_over(&gateway, &of(&format!("threads = {}", 9 + round)));
        assert!(told.contains("unchanged pools: 2, replaced: b"), "{told}");
    }
    wait_for_requests(&load, 300);
    all_well(&load.stop());
    assert!(workers("b").is_disjoint(&changed));
    wait_until("the old workers have gone", || all().len() == 6);
    assert_eq!(before.intersection(&all()).count(), 4);
    assert!(
        workers("a")
            .union(&workers("c"))
            .all(|pid| before.contains(pid))
    );
    gateway.stop();
}

#[test]
fn a_pool_that_is_removed_or_replaced_finishes_what_it_is_at() {
    let first = config(&[("a", &steady("")), ("b", &steady(""))]);
    let gateway = Gateway::with_config_in(folder(), &first);
    let gate = Gate::new(gateway.folder());
    let mut clients = Vec::new();
    for pool in ["a", "b"] {
        let process = gateway.get(&format!("/{pool}/")).process();
        let mut client = Client::connect(gateway.address());
        client.request("GET", &format!("/{pool}/?wait={}", gate.path()), &[], b"");
        clients.push((process, client));
    }
    wait_until("both wait", || gateway.log().count("steady: waiting") == 2);
    let last = config(&[("b", &steady("threads = 9"))]);
    let told = goes_over(&gateway, &last);
    assert!(told.contains("replaced: b, removed: a"), "{told}");
    assert_eq!(gateway.get("/a/").status(), 404);
    assert_ne!(gateway.get("/b/").process(), clients[1].0);
    let socket = gateway.folder().join("admin.sock");
    let address = format!("unix:{}", socket.display());
    let status = run(&mut gateway_command([
        "status", "--json", "--admin", &address,
    ]));
    assert!(status.out.contains("\"name\": \"b\""), "{status:?}");
    assert!(!status.out.contains("\"name\": \"a\""), "{status:?}");
    let open = gate.open();
    for (process, mut client) in clients {
        let reply = client.reply("GET");
        assert_eq!(
            (reply.text().as_str(), reply.process()),
            ("version 1", process)
        );
    }
    drop(open);
    wait_until("both pools have ended", || {
        gateway.log().count("the former pool has ended") == 2
    });
    wait_until("one worker is left", || gateway.processes().len() == 1);
    gateway.stop();
}

/// The worker that runs before a change finishes what it is at; what comes after the change waits, and has the next one.
fn one_after_the_other(config: &str, change: impl FnOnce(&Gateway)) {
    let gateway = Gateway::with_config_in(folder(), config);
    let old = gateway.get("/a/").process();
    let gate = Gate::new(gateway.folder());
    let mut running = Client::connect(gateway.address());
    running.request("GET", &format!("/a/?wait={}", gate.path()), &[], b"");
    gateway.log().wait_for(&["steady: waiting"]);
    let workers = gateway.processes().len();
    change(&gateway);
    let mut waiting = Client::connect(gateway.address());
    waiting.request("GET", "/a/", &[], b"");
    assert_eq!(gateway.processes().len(), workers);
    let open = gate.open();
    assert_eq!(running.reply("GET").process(), old);
    drop(open);
    let reply = waiting.reply("GET");
    assert_eq!(reply.text(), "version 1");
    assert_ne!(reply.process(), old);
    gateway.stop();
}

#[test]
fn an_extension_that_must_not_run_twice_does_not() {
    let of = |keys: &str| config(&[("a", &steady(&format!("overlap = false\n{keys}")))]);
    one_after_the_other(&of(""), |gateway| {
        goes_over(gateway, &of("threads = 9"));
    });
}

#[test]
fn nor_does_it_when_it_is_taken_out_and_comes_back_meanwhile() {
    let alone = steady("overlap = false");
    let with = config(&[("a", &alone), ("b", &steady(""))]);
    one_after_the_other(&with, |gateway| {
        goes_over(gateway, &config(&[("b", &steady(""))]));
        goes_over(gateway, &with);
    });
}

#[test]
fn the_access_log_is_opened_again_also_while_a_new_pool_starts() {
    let log = "[access_log]\nfile = \"access.log\"\n";
    let first = config(&[("a", &steady(""))]);
    let gateway = Gateway::with_config_in(folder(), &format!("{first}{log}"));
    let gate = Gate::new(gateway.folder());
    let warmup = steady(&format!("warmup = \"/b/?wait={}\"", gate.path()));
    let second = config(&[("a", &steady("")), ("b", &warmup)]);
    gateway.configure(&format!("{second}{log}"));
    gateway.signal(Signal::HUP);
    gateway.log().wait_for(&["steady: waiting"]);
    let file = gateway.folder().join("access.log");
    std::fs::remove_file(&file).unwrap();
    gateway.signal(Signal::USR1);
    wait_until("the file is there again", || file.exists());
    gateway.stop();
}

#[test]
fn sites_script_maps_pages_and_logs_are_those_of_the_new_file() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("www")).unwrap();
    for (name, text) in [
        ("www/page.txt", "page"),
        ("www/x.abc", "script"),
        ("none.html", "none"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let first = config(&[("a", &steady(""))]);
    let gateway = Gateway::with_config_in(folder, &first);
    assert_eq!(gateway.get("/page.txt").status(), 404);
    let process = gateway.get("/a/").process();
    let second = first.replace(
        "[[site]]",
        "[[site]]\nroot = \"www\"\nerror_pages = { 404 = \"none.html\" }",
    ) + "[[site]]\nhosts = [\"other.example\"]\n[[site.handler]]\npath = \"*\"\npool = \"a\"\n\
           [access_log]\nfile = \"access.log\"\nformat = \"json\"\nflush_interval = \"10ms\"\n";
    let second = second.replace(
        "[[site.handler]]\npath = \"/a/*\"",
        "[[site.handler]]\npath = \"*.abc\"\npool = \"a\"\n[[site.handler]]\npath = \"/a/*\"",
    );
    gateway.configure(&second);
    gateway.signal(Signal::HUP);
    gateway
        .log()
        .wait_for(&["the new configuration is in use: unchanged pools: 1"]);
    assert_eq!(gateway.get("/page.txt").text(), "page");
    assert_eq!(gateway.get("/x.abc").text(), "version 1");
    assert_eq!(gateway.get("/nowhere").text(), "none");
    let mut other = Client::connect(gateway.address());
    other.ask_for("other.example");
    other.request("GET", "/nowhere", &[], b"");
    assert_eq!(other.reply("GET").text(), "version 1");
    drop(other);
    assert_eq!(gateway.get("/a/").process(), process);
    let log = gateway.folder().join("access.log");
    wait_until("the log has its lines", || logged(&log) == 5);
    let third = second
        .replace("access.log", "second.log")
        .replace("none.html", "www/page.txt");
    let told = goes_over(&gateway, &third);
    assert!(told.contains("unchanged pools: 1"), "{told}");
    assert_eq!(gateway.get("/nowhere").text(), "page");
    let log = gateway.folder().join("second.log");
    wait_until("the other log has a line", || logged(&log) == 1);
    gateway.stop();
}

fn logged(file: &Path) -> usize {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().count()
}

#[test]
fn a_file_that_changes_is_read_again_where_it_is_watched() {
    let of = |keys: &str| {
        format!(
            "[server]\nwatch = true\n{}",
            config(&[("a", &steady(keys))])
        )
    };
    let gateway = Gateway::with_config_in(folder(), &of(""));
    let first = gateway.get("/a/").process();
    gateway.configure(&of("threads = \"x\""));
    gateway.log().wait_for(&["the file has changed: reading"]);
    gateway.log().wait_for(&["everything stays as it was"]);
    assert_eq!(gateway.get("/a/").process(), first);
    gateway.configure(&of("threads = 9"));
    gateway
        .log()
        .wait_for(&["the new configuration is in use", "replaced: a"]);
    assert_ne!(gateway.get("/a/").process(), first);
    gateway.stop();
}

#[test]
fn programs_are_replaced_under_load_too() {
    let folder = TempDir::new().unwrap();
    fastcgi_program("application", folder.path());
    script(
        folder.path(),
        "cgi",
        "echo Content-Type: text/plain; echo; echo $ROUND",
    );
    let of = |round: usize| {
        let cgi = format!("cgi = \"{{dir}}/cgi\"\nenvironment = {{ ROUND = \"{round}\" }}");
        let program = format!(
            "program = \"{{dir}}/application\"\nprocesses = {}",
            2 + round % 2
        );
        config(&[("c", &cgi), ("p", &program)])
    };
    let gateway = Gateway::with_config_in(folder, &of(0));
    assert_eq!(gateway.get("/c/").text(), "0\n");
    let load = Load::start(gateway.address(), 8, |number| {
        format!("/{}/", ["c", "p"][number % 2])
    });
    for round in 1..6 {
        wait_for_requests(&load, 60);
        let told = goes_over(&gateway, &of(round));
        assert!(told.contains("replaced: c, p"), "{told}");
        assert_eq!(gateway.get("/c/").text(), format!("{round}\n"));
    }
    all_well(&load.stop());
    wait_until("three processes are left", || {
        let processes = gateway.processes().into_iter();
        processes.filter(|process| !is_starter(process.pid)).count() == 3
    });
    gateway.stop();
}

#[test]
fn requests_are_answered_while_a_new_pool_starts_and_a_stop_ends_that_too() {
    let gateway = Gateway::with_config_in(folder(), &config(&[("a", &steady(""))]));
    let process = gateway.get("/a/").process();
    let gate = Gate::new(gateway.folder());
    let warmup = steady(&format!("warmup = \"/b/?wait={}\"", gate.path()));
    gateway.configure(&config(&[("a", &steady("threads = 9")), ("b", &warmup)]));
    gateway.signal(Signal::HUP);
    gateway.log().wait_for(&["steady: waiting"]);
    assert_eq!(gateway.get("/a/").process(), process);
    assert_eq!(gateway.get("/b/").status(), 404);
    gateway.stop();
}

#[test]
fn a_stop_lets_requests_of_former_pools_finish() {
    let mut gateway = Gateway::with_config_in(folder(), &config(&[("a", &steady(""))]));
    let gate = Gate::new(gateway.folder());
    let mut running = Client::connect(gateway.address());
    let path = format!("/a/?wait={}", gate.path());
    running.request("GET", &path, &[], b"");
    gateway.log().wait_for(&["steady: waiting"]);
    for pool in ["b", "c"] {
        goes_over(&gateway, &config(&[(pool, &steady(""))]));
    }
    gateway.processes();
    gateway.signal(Signal::TERM);
    gateway
        .log()
        .wait_for(&["SIGTERM: stopping; 1 connections"]);
    let open = gate.open();
    let reply = running.reply("GET");
    assert_eq!((reply.text().as_str(), reply.complete), ("version 1", true));
    drop(open);
    assert!(gateway.wait_end().success());
}
