//! Which reports are kept, and who gets them.

use std::fs;

use system_tests::{Gateway, Signal, gateway_command, run, sample, script, wait_until};
use tempfile::TempDir;

use super::{CRASH, crash, files};

#[test]
fn planned_ends_leave_no_report_and_nothing_is_kept_if_so_wanted() {
    let gateway = crash("");
    gateway.get("/");
    let folder = gateway.folder().join("reports");
    assert!(files(&folder).is_empty());
    let text = CRASH.replace("folder = \"reports\"", "keep = 0");
    let without = Gateway::with_config(&text);
    assert_eq!(without.get("/?how=exit").status(), 502);
    assert_eq!(without.get("/").status(), 200);
    assert!(!without.folder().join("state").exists());
    without.stop();
    let mut gateway = gateway;
    gateway.signal(Signal::TERM);
    assert!(gateway.wait_end().success());
    assert!(files(&folder).is_empty());
}

#[test]
fn the_newest_are_kept() {
    let gateway = crash("keep = 3\n");
    let folder = gateway.folder().join("reports");
    for count in 1..=5 {
        assert_eq!(gateway.get("/?how=segfault").status(), 502);
        wait_until("it is reported", || {
            gateway.log().count("crash report: ") == count
        });
    }
    let kept = files(&folder);
    let lines = gateway.log().so_far();
    let told: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("crash report: "))
        .collect();
    assert_eq!(kept.len(), 3);
    for (file, line) in kept.iter().zip(&told[2..]) {
        assert!(line.contains(file.to_str().unwrap()), "{line}");
    }
    gateway.stop();
}

#[test]
fn the_hook_gets_each_report_and_never_runs_twice() {
    let folder = TempDir::new().unwrap();
    let text = r#"
cd "$(dirname "$0")" || exit 1
mkdir lock || exit 1
sleep 0.2
test -n "$OPERATORS_SECRET" && echo leaked
cp "$2" "copy-$(basename "$2")" && echo "has $1 $(basename "$2")"
rmdir lock
"#;
    script(folder.path(), "hook", text);
    let keys = "hook = [\"./hook\", \"one word\"]\n";
    let gateway = Gateway::with_config_in(folder, &[CRASH, keys].concat());
    for _ in 0..3 {
        assert_eq!(gateway.get("/?how=segfault").status(), 502);
    }
    let has = "crash hook: has one word ways-";
    wait_until("it has all", || gateway.log().count(has) == 3);
    let reports = files(&gateway.folder().join("reports"));
    assert_eq!(reports.len(), 3);
    for report in &reports {
        let name = report.file_name().unwrap().to_str().unwrap();
        let copy = gateway.folder().join(format!("copy-{name}"));
        assert_eq!(fs::read(copy).unwrap(), fs::read(report).unwrap());
    }
    let log = gateway.log().so_far().join("\n");
    assert!(
        !log.contains("leaked") && !log.contains("the crash hook"),
        "{log}"
    );
    gateway.stop();
}

#[test]
fn a_hook_that_fails_or_does_not_end_is_told() {
    let folder = TempDir::new().unwrap();
    script(folder.path(), "hook", "echo failing >&2; exit 4");
    let keys = "hook = \"./hook\"\n";
    let gateway = Gateway::with_config_in(folder, &[CRASH, keys].concat());
    gateway.get("/?how=segfault");
    gateway.log().wait_for(&["crash hook: failing"]);
    gateway
        .log()
        .wait_for(&["the crash hook", "exited with status 4"]);
    gateway.stop();

    let folder = TempDir::new().unwrap();
    script(folder.path(), "hook", "sleep 600 & echo $!; wait");
    // It has to have said something by then.
    let keys = "hook = \"./hook\"\nhook_timeout = \"25s\"\n";
    let gateway = Gateway::with_config_in(folder, &[CRASH, keys].concat());
    gateway.get("/?how=segfault");
    gateway.log().wait_for(&["crash hook: "]);
    gateway.processes();
    gateway
        .log()
        .wait_for(&["the crash hook", "ran longer than 25s"]);
    gateway.stop();
}

#[test]
fn a_folder_that_cannot_be_made_is_told_at_the_start() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let file = folder.path().join("gateway.toml");
    let extension = sample("crash");
    let text = CRASH
        .replace("{samples}/crash.so", extension.to_str().unwrap())
        .replace("\"reports\"", "\"file/reports\"");
    fs::write(&file, text).unwrap();
    let serve = ["serve".into(), "--config".into(), file.into_os_string()];
    let output = run(&mut gateway_command::<std::ffi::OsString>(serve));
    assert!(!output.status.success());
    assert!(
        output.error.contains("correct `folder` in [crash]"),
        "{}",
        output.error
    );
}
