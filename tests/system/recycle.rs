//! Workers are replaced for many reasons, and nobody notices.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use system_tests::{Client, Gate, Gateway, Load, Process, Signal, extension_as, wait_until};

use crate::steady::{self, started};

/// A gateway that serves the fixture, with these keys for its pool.
fn steady(keys: &str) -> Gateway {
    steady::native(&["threads = 8\n", keys].concat())
}

/// Another version of the fixture, beside it.
fn version(folder: &Path, options: &[&str]) -> PathBuf {
    extension_as("new.so", "steady", options, folder)
}

/// Waits until this is what the extension answers.
fn answers(gateway: &Gateway, text: &str) {
    wait_until(text, || gateway.get("/").text() == text);
}

#[test]
fn a_new_file_takes_over_and_the_old_one_finishes() {
    let gateway = steady("");
    let gate = Gate::new(gateway.folder());
    let mut slow = Client::connect(gateway.address());
    slow.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
    gateway.log().wait_for(&["steady: waiting"]);
    let first = gateway.get("/").process();
    let new = version(gateway.folder(), &["-DVERSION=2"]);
    std::fs::rename(new, gateway.folder().join("steady.so")).unwrap();
    gateway
        .log()
        .wait_for(&["takes no more requests", "file has changed"]);
    answers(&gateway, "version 2");
    let open = gate.open();
    let reply = slow.reply("GET");
    assert_eq!(
        (reply.text().as_str(), reply.process()),
        ("version 1", first)
    );
    drop(open);
    gateway.log().wait_for(&["steady: terminated"]);
    drop(slow);
    gateway.stop();
}

#[test]
fn a_file_is_overwritten_in_place_under_load() {
    let gateway = steady("");
    let load = Load::start(gateway.address(), 8, |_| "/".into());
    for number in 2..5 {
        let new = version(gateway.folder(), &[&format!("-DVERSION={number}")]);
        // Truncates the file and writes it anew.
        std::fs::copy(new, gateway.folder().join("steady.so")).unwrap();
        answers(&gateway, &format!("version {number}"));
        // What was under way, and then one more.
        load.wait_for_answers();
        load.wait_for_answers();
    }
    let outcome = load.stop();
    outcome.only(&[
        "200 version 1",
        "200 version 2",
        "200 version 3",
        "200 version 4",
    ]);
    assert_eq!(outcome.answers.len(), 4, "{outcome:?}");
    // A file that is written slowly may look whole before it is.
    assert!(outcome.processes.len() >= 4, "{outcome:?}");
    gateway.stop();
}

#[test]
fn a_new_file_that_is_no_good_never_takes_over() {
    let gateway = steady("warmup = '/warm?up'\n");
    let load = Load::start(gateway.address(), 4, |_| "/".into());
    let file = gateway.folder().join("steady.so");
    for (option, words) in [
        ("-DCANNOT_LOAD", "returned FALSE"),
        (
            "-DCANNOT_WARM_UP",
            "the warm-up request /warm?up failed: status 500",
        ),
    ] {
        let new = version(gateway.folder(), &["-DVERSION=2", option]);
        std::fs::rename(new, &file).unwrap();
        gateway.log().wait_for(&[words]);
        let seen = || gateway.log().count("the one that runs goes on");
        let expected = if option == "-DCANNOT_LOAD" { 1 } else { 2 };
        wait_until("the old version is kept", || seen() == expected);
        assert_eq!(gateway.get("/").text(), "version 1");
    }
    let new = version(gateway.folder(), &["-DVERSION=3"]);
    std::fs::rename(new, &file).unwrap();
    answers(&gateway, "version 3");
    load.stop().only(&["200 version 1", "200 version 3"]);
    gateway.stop();
}

#[test]
fn an_extension_that_cannot_run_twice_ends_first() {
    let gateway = steady("overlap = false\n");
    let load = Load::start(gateway.address(), 4, |_| "/".into());
    let new = version(gateway.folder(), &["-DVERSION=2"]);
    std::fs::rename(new, gateway.folder().join("steady.so")).unwrap();
    answers(&gateway, "version 2");
    load.stop().only(&["200 version 1", "200 version 2"]);
    let lines = gateway.log().so_far();
    let at = |words: &str| lines.iter().rposition(|line| line.contains(words)).unwrap();
    assert!(at("steady: terminated") < at("worker ready"), "{lines:#?}");
    gateway.stop();
}

#[test]
fn twenty_thousand_requests_lose_nothing_while_workers_are_replaced_all_the_time() {
    let gateway = steady("processes = 2\nrecycle.age = '200ms'\n");
    let load = Load::start(gateway.address(), 32, |number| match number % 100 {
        0 => "/?sleep=50".into(),
        _ => "/".into(),
    });
    for count in (2_000..=20_000).step_by(2_000) {
        wait_until("2,000 more requests", || load.sent() >= count);
    }
    wait_until("twenty workers", || started(&gateway) >= 20);
    let outcome = load.stop();
    outcome.only(&["200 version 1"]);
    assert!(outcome.processes.len() > 10, "{outcome:?}");
    gateway.stop();
}

#[test]
fn a_number_of_requests_is_enough_for_one_worker() {
    let gateway = steady("recycle.requests = 500\n");
    let load = Load::start(gateway.address(), 8, |_| "/".into());
    // Each goes on until the next one is ready, so there is no hard upper limit.
    wait_until("the sixth worker", || started(&gateway) >= 6);
    let outcome = load.stop();
    outcome.only(&["200 version 1"]);
    let mut counts: Vec<usize> = outcome.processes.into_values().collect();
    counts.sort_unstable();
    assert!(counts[1] >= 450, "{counts:?}");
    gateway
        .log()
        .wait_for(&["it has served its number of requests"]);
    gateway.stop();
}

#[test]
fn a_worker_that_reports_that_it_is_unhealthy_is_replaced() {
    let gateway = steady("");
    let reply = gateway.get("/?unhealthy");
    assert_eq!(reply.text(), "version 1");
    gateway
        .log()
        .wait_for(&["takes no more requests", "it is tired"]);
    wait_until("another worker answers", || {
        gateway.get("/").process() != reply.process()
    });
    gateway.stop();
}

#[test]
fn a_worker_that_leaks_is_replaced_at_the_soft_limit() {
    let gateway = steady("recycle.memory = '100MiB'\n");
    let first = gateway.get("/?leak=50").process();
    assert_eq!(gateway.get("/?leak=100").process(), first);
    gateway
        .log()
        .wait_for(&["takes no more requests", "MiB of private memory"]);
    wait_until("another worker answers", || {
        gateway.get("/").process() != first
    });
    gateway.stop();
}

#[test]
fn a_worker_that_leaks_too_much_is_killed() {
    let gateway = steady("memory_limit = '100MiB'\n");
    let first = gateway.get("/").process();
    // Killed before its answer or after it. What is posted does not run again.
    gateway.request("POST", "/?leak=150", &[], b"");
    let line = gateway
        .log()
        .wait_for(&["was killed: it had", "MiB of private memory"]);
    assert!(line.contains(&first.to_string()), "{line}");
    assert_ne!(gateway.get("/").process(), first);
    gateway.stop();
}

#[test]
fn a_worker_that_does_not_answer_pings_is_killed() {
    let gateway = steady("ping_interval = '100ms'\nping_timeout = '1s'\n");
    let first = gateway.get("/").process();
    // One that had to wait for a processor may have gone already.
    if let Some(process) = Process::find(first) {
        let pid = Pid::from_raw(i32::try_from(first).unwrap());
        let _ = kill_process(pid.unwrap(), Signal::STOP);
        process.wait_gone();
    }
    gateway
        .log()
        .wait_for(&["was killed: it did not answer a ping in time"]);
    assert_ne!(gateway.get("/").process(), first);
    gateway.stop();
}

#[test]
fn a_worker_whose_threads_all_hang_answers_pings() {
    let gateway = steady("ping_interval = '100ms'\nping_timeout = '500ms'\n");
    let gate = Gate::new(gateway.folder());
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(gateway.address())).collect();
    for client in &mut clients {
        client.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
    }
    wait_until("all threads wait", || {
        gateway.log().count("steady: waiting") >= 8
    });
    // Several pings, as many as would be missed.
    std::thread::sleep(Duration::from_secs(4));
    let open = gate.open();
    for client in &mut clients {
        assert_eq!(client.reply("GET").text(), "version 1");
    }
    drop(open);
    drop(clients);
    gateway.stop();
}

#[test]
fn a_worker_is_replaced_when_its_time_has_come() {
    let gateway = steady::scheduled(None);
    gateway
        .log()
        .wait_for(&["takes no more requests", "it is time by the schedule"]);
    wait_until("another worker", || started(&gateway) >= 2);
    assert_eq!(gateway.get("/").text(), "version 1");
    gateway.stop();
}

#[test]
fn on_demand_there_is_a_worker_when_there_are_requests() {
    let gateway = steady("start = 'on_demand'\nidle_timeout = '1s'\n");
    assert_eq!(gateway.processes().len(), 0);
    let mut first = 0;
    wait_until("one that has not ended yet answers again", || {
        first = gateway.get("/").process();
        gateway.get("/").process() == first
    });
    if let Some(process) = Process::find(first) {
        process.wait_gone();
    }
    gateway
        .log()
        .wait_for(&["takes no more requests", "it is not needed"]);
    let reply = gateway.get("/");
    assert_eq!(reply.text(), "version 1");
    assert_ne!(reply.process(), first);
    gateway.stop();
}

#[test]
fn spare_workers_follow_the_load() {
    let gateway = steady(
        "processes = 3\nstart = 'dynamic'\nmin_spare = 1\nmax_spare = 1\nidle_timeout = '1s'\n",
    );
    let workers = |count| {
        wait_until(&format!("{count} workers"), || {
            gateway
                .processes()
                .iter()
                .filter(|process| process.is_alive())
                .count()
                == count
        });
    };
    workers(1);
    let gate = Gate::new(gateway.folder());
    let mut clients: Vec<Client> = (0..10)
        .map(|_| Client::connect(gateway.address()))
        .collect();
    for client in &mut clients {
        client.request("GET", &format!("/?wait={}", gate.path()), &[], b"");
    }
    // Ten requests need two workers of eight threads, and one is to spare.
    workers(3);
    let open = gate.open();
    for client in &mut clients {
        assert_eq!(client.reply("GET").text(), "version 1");
    }
    drop(open);
    workers(1);
    drop(clients);
    gateway.stop();
}
