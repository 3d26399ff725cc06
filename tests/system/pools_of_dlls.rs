//! What pools do for Windows DLLs as for native extensions: workers are replaced for every reason, die, and nobody
//! notices. The same of native ones is in `recycle.rs` and `innocent.rs`.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, getpgid};
use system_tests::{Client, Gateway, Load, Machine, Process, Signal, send_group, wait_until};

use crate::dlls::on_both_machines;
use crate::steady::{self, started};

on_both_machines! {
    a_new_file_takes_over_and_one_that_is_no_good_does_not
    nothing_is_lost_while_workers_are_replaced_all_the_time
    every_other_reason_replaces_a_worker
    a_worker_is_replaced_when_its_time_has_come
    a_worker_that_takes_too_much_or_is_silent_is_killed
    a_hang_costs_its_worker_and_nobody_else
    one_percent_crash_and_nobody_else_fails
    a_path_that_always_crashes_is_kept_out_and_the_pool_goes_on
    workers_are_killed_and_nobody_fails
}

/// A gateway that serves the fixture as a DLL, with these keys for its pool.
fn steady(machine: Machine, keys: &str) -> Gateway {
    steady::dll(machine, &["threads = 8\n", keys].concat())
}

/// Another version of the fixture, beside it.
fn version(machine: Machine, folder: &Path, options: &[&str]) -> PathBuf {
    machine.extension_as("new.dll", "steady", options, folder)
}

/// Waits until there have been so many workers, and one answers.
fn replaced(gateway: &Gateway, count: usize) {
    wait_until("another worker", || started(gateway) >= count);
    assert_eq!(gateway.get("/").text(), "version 1");
}

/// The workers' processes. Each leads a group: where Wine runs 32-bit programs through `start.exe`, that is not the
/// worker itself.
fn workers(gateway: &Gateway) -> Vec<Process> {
    let all = gateway.processes().into_iter();
    // One that has just been made may not lead yet.
    let leads = |pid: u32| {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap());
        getpgid(pid).is_ok_and(|group| Some(group) == pid)
    };
    all.filter(|process| process.is_alive() && leads(process.pid))
        .collect()
}

mod checks {
    use super::*;

    pub fn a_new_file_takes_over_and_one_that_is_no_good_does_not(machine: Machine) {
        let gateway = steady(machine, "");
        let first = gateway.get("/").process();
        let mut slow = Client::connect(gateway.address());
        slow.request("GET", "/?sleep=3000", &[], b"");
        gateway.log().wait_for(&["steady: sleeping"]);
        let load = Load::start(gateway.address(), 4, |_| "/".into());
        let file = gateway.folder().join("steady.dll");
        let new = version(machine, gateway.folder(), &["-DVERSION=2"]);
        std::fs::rename(new, &file).unwrap();
        let changed = ["takes no more requests", "file has changed"];
        gateway.log().wait_for(&changed);
        wait_until("version 2", || gateway.get("/").text() == "version 2");
        let reply = slow.reply("GET");
        let answer = (reply.text(), reply.process());
        assert_eq!(answer, ("version 1".to_owned(), first));
        gateway.log().wait_for(&["steady: terminated"]);
        let new = version(machine, gateway.folder(), &["-DVERSION=3", "-DCANNOT_LOAD"]);
        std::fs::rename(new, &file).unwrap();
        gateway.log().wait_for(&["the one that runs goes on"]);
        assert_eq!(gateway.get("/").text(), "version 2");
        load.stop().only(&["200 version 1", "200 version 2"]);
        drop(slow);
        gateway.stop();
    }

    pub fn nothing_is_lost_while_workers_are_replaced_all_the_time(machine: Machine) {
        let gateway = steady(machine, "processes = 2\nrecycle.age = '200ms'\n");
        let load = Load::start(gateway.address(), 32, |number| match number % 100 {
            0 => "/?sleep=50".into(),
            _ => "/".into(),
        });
        // Under Wine they take their time: only what stands still fails.
        for count in (2_000..=20_000).step_by(2_000) {
            wait_until("2,000 more requests", || load.sent() >= count);
        }
        for count in 3..=6 {
            wait_until("another replacement", || started(&gateway) >= count);
        }
        load.stop().only(&["200 version 1"]);
        gateway.stop();
    }

    pub fn every_other_reason_replaces_a_worker(machine: Machine) {
        let takes_no_more = "takes no more requests";
        let gateway = steady(machine, "start = 'on_demand'\nidle_timeout = '1s'\n");
        assert_eq!(gateway.get("/").text(), "version 1");
        gateway.log().wait_for(&[takes_no_more, "it is not needed"]);
        assert_eq!(gateway.get("/").text(), "version 1");
        gateway.stop();

        let keys = "recycle.requests = 500\nrecycle.memory = '150MiB'\n";
        let gateway = steady(machine, keys);
        gateway.get("/?unhealthy");
        let told = |words| gateway.log().wait_for(&[takes_no_more, words]);
        told("it is tired");
        replaced(&gateway, 2);

        gateway.get("/?leak=150");
        told("MiB of private memory");
        replaced(&gateway, 3);

        let load = Load::start(gateway.address(), 4, |_| "/".into());
        told("it has served its number of requests");
        replaced(&gateway, 4);
        load.stop().only(&["200 version 1"]);
        gateway.stop();
    }

    pub fn a_worker_is_replaced_when_its_time_has_come(machine: Machine) {
        let gateway = steady::scheduled(Some(machine));
        let load = Load::start(gateway.address(), 4, |_| "/".into());
        let told = ["takes no more requests", "it is time by the schedule"];
        gateway.log().wait_for(&told);
        replaced(&gateway, 2);
        load.stop().only(&["200 version 1"]);
        gateway.stop();
    }

    pub fn a_worker_that_takes_too_much_or_is_silent_is_killed(machine: Machine) {
        let gateway = steady(machine, "memory_limit = '150MiB'\n");
        // Killed before its answer or after it. What is posted does not run again.
        gateway.request("POST", "/?leak=200", &[], b"");
        gateway
            .log()
            .wait_for(&["was killed", "MiB of private memory"]);
        replaced(&gateway, 2);
        gateway.stop();

        // The limit is such that one that waits for a processor is hardly taken for one that is silent.
        let gateway = steady(machine, "ping_interval = '100ms'\nping_timeout = '10s'\n");
        replaced(&gateway, 1);
        let all = workers(&gateway);
        for process in &all {
            send_group(process.pid, Signal::STOP);
        }
        gateway
            .log()
            .wait_for(&["was killed", "it did not answer a ping in time"]);
        for process in all {
            process.wait_gone();
        }
        assert_eq!(gateway.get("/").text(), "version 1");
        gateway.stop();
    }

    pub fn a_hang_costs_its_worker_and_nobody_else(machine: Machine) {
        // The others may have to wait for a processor meanwhile.
        let gateway = steady(machine, "request_timeout = '20s'\nrequest_grace = '1s'\n");
        let mut stuck = Client::connect(gateway.address());
        stuck.request("GET", "/?sleep=600000", &[], b"");
        assert_eq!(stuck.reply("GET").status(), 502);
        let load = Load::start(gateway.address(), 4, |_| "/".into());
        gateway.log().wait_for(&["was killed"]);
        load.wait_for_answers();
        load.stop().only(&["200 version 1"]);
        drop(stuck);
        gateway.stop();
    }

    pub fn one_percent_crash_and_nobody_else_fails(machine: Machine) {
        let gateway = steady(machine, "processes = 2\nrapid_fail.failures = 0\n");
        steady::one_percent_crash(&gateway, 16, 1_000);
        gateway.stop();
    }

    pub fn a_path_that_always_crashes_is_kept_out_and_the_pool_goes_on(machine: Machine) {
        let keys = "processes = 2\nrapid_fail.failures = 2\n\
                    circuit = { delay = '1h', max_delay = '1h' }\n";
        let gateway = steady(machine, keys);
        let load = Load::start(gateway.address(), 4, |_| "/good".into());
        for _ in 0..3 {
            assert_eq!(gateway.get("/bad?crash").status(), 502);
        }
        gateway.log().wait_for(&["circuit open: GET /bad"]);
        assert_eq!(gateway.get("/bad").status(), 503);
        load.stop().only(&["200 version 1"]);
        gateway.stop();
    }

    pub fn workers_are_killed_and_nobody_fails(machine: Machine) {
        let gateway = steady(machine, "processes = 2\nrapid_fail.failures = 0\n");
        let load = Load::start(gateway.address(), 8, |_| "/".into());
        for killed in 0..6 {
            wait_until("two workers", || started(&gateway) >= 2 + killed);
            // A request runs again only once.
            load.wait_for_answers();
            let victim = workers(&gateway)[killed % 2];
            send_group(victim.pid, Signal::KILL);
            victim.wait_gone();
        }
        load.stop().only(&["200 version 1"]);
        gateway.stop();
    }
}
