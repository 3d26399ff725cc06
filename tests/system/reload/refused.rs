//! Configurations that cannot be used, and what of one cannot be used before the next start.

use system_tests::{Gateway, Signal, extension, gateway_command, run, wait_until};
use tempfile::TempDir;

use super::{config, folder, goes_over, reload, steady};

#[test]
fn a_bad_file_changes_nothing_and_says_where_it_is_wrong() {
    let good = config(&[("a", &steady(""))]);
    let gateway = Gateway::with_config_in(folder(), &good);
    let process = gateway.get("/a/").process();
    let line = good.lines().count() + 1;
    let bad = format!("{good}proceses = 4\n");
    let output = reload(&gateway, &bad);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let place = format!("gateway.toml:{line}:1: unknown key `proceses`");
    for words in [
        &place,
        "everything stays as it was",
        "help: did you mean `processes`?",
    ] {
        assert!(output.error.contains(words), "{words}: {output:?}");
    }
    gateway.signal(Signal::HUP);
    gateway.log().wait_for(&["SIGHUP: reading"]);
    wait_until("the log has it twice", || gateway.log().count(&place) == 2);
    assert_eq!(gateway.get("/a/").process(), process);
    // It would be good again.
    assert_eq!(
        goes_over(&gateway, &good),
        "the new configuration is in use: nothing has changed"
    );
    assert_eq!(gateway.get("/a/").process(), process);
    let socket = gateway.folder().join("admin.sock");
    let address = format!("unix:{}", socket.display());
    let status = run(&mut gateway_command([
        "status", "--json", "--admin", &address,
    ]));
    for count in ["\"refused\": 2", "\"used\": 1"] {
        assert!(status.out.contains(count), "{status:?}");
    }
    gateway.stop();
}

#[test]
fn a_configuration_whose_extension_does_not_load_changes_nothing() {
    let folder = folder();
    let new = TempDir::new_in(folder.path()).unwrap();
    extension("steady", &["-DCANNOT_LOAD"], new.path());
    let broken = format!("extension = \"{}/steady.so\"", new.path().display());
    let good = config(&[("a", &steady(""))]);
    let gateway = Gateway::with_config_in(folder, &good);
    let process = gateway.get("/a/").process();
    for text in [
        config(&[("a", &steady("threads = 9")), ("b", &broken)]),
        config(&[("a", &broken)]),
    ] {
        let output = reload(&gateway, &text);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.error.contains("returned FALSE"), "{output:?}");
        assert_eq!(gateway.get("/a/").process(), process);
        assert_eq!(gateway.get("/b/").status(), 404);
        wait_until("nothing of it is left", || {
            let processes = gateway.processes();
            processes
                .iter()
                .all(|one| one.pid == process || !one.is_alive())
        });
    }
    gateway.stop();
}

#[test]
fn what_only_a_start_can_change_is_told() {
    let text = config(&[("a", &steady(""))]);
    let gateway = Gateway::with_config_in(folder(), &format!("[server]\nthreads = 1\n{text}"));
    let process = gateway.get("/a/").process();
    let told = goes_over(&gateway, &format!("[server]\nthreads = 2\n{text}"));
    assert!(
        told.contains("unchanged pools: 1; `threads` in [server] changed"),
        "{told}"
    );
    assert!(told.contains("needs a restart"), "{told}");
    assert_eq!(gateway.get("/a/").process(), process);
    gateway.stop();
}
