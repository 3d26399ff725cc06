//! `check --config`: every mistake is told with its place and what to do about it.

use std::path::Path;

use system_tests::{Output, extension, gateway_command, program, run, sample};
use tempfile::TempDir;

/// A configuration that can be served; `{hello}` and `{cgi}` stand for a sample's files.
const VALID: &str = r#"[server]
http = "127.0.0.1:0"
header_timeout = "10s"

[[site]]
hosts = ["www.example.org", "*.example.org"]

[[site.handler]]
path = "/hello.so"
verbs = ["GET", "HEAD"]
pool = "hello"

[[site.handler]]
path = "*.abc"
pool = "cgi"

[[site]]

[[site.handler]]
path = "*"
pool = "hello"

[pool.hello]
extension = "{hello}"
processes = 2
threads = 4
request_timeout = "00:01:30"

[pool.cgi]
cgi = "{cgi}"
request_timeout = 30
environment = { LANG = "C" }
"#;

fn check(folder: &Path, text: &str) -> Output {
    let text = text
        .replace("{hello}", sample("hello").to_str().unwrap())
        .replace("{cgi}", program("hello").to_str().unwrap());
    let file = folder.join("gateway.toml");
    std::fs::write(&file, text).unwrap();
    run(&mut gateway_command([
        "check",
        "--config",
        file.to_str().unwrap(),
    ]))
}

#[test]
fn a_valid_configuration_is_valid() {
    let folder = TempDir::new().unwrap();
    let output = check(folder.path(), VALID);
    assert_eq!(output.status.code(), Some(0), "{}", output.error);
    assert!(output.out.contains("valid"), "{}", output.out);
    assert_eq!(output.error, "");
}

#[test]
fn each_mistake_is_told_with_its_place_and_a_remedy() {
    // What is replaced, by what, where the mistake is, and words of the message and the remedy.
    let mistakes: &[(&str, &str, &str, &[&str])] = &[
        ("[server]", "[server", "1:", &[]),
        (
            "header_timeout =",
            "header_timeut =",
            "3:1",
            &["unknown key", "header_timeout"],
        ),
        ("[server]", "[sever]", "1:", &["unknown key", "server"]),
        ("\"127.0.0.1:0\"", "8080", "2:8", &["string"]),
        (
            "\"127.0.0.1:0\"",
            "\"localhost\"",
            "2:8",
            &["IP address", "127.0.0.1:8080"],
        ),
        ("\"10s\"", "\"ten\"", "3:18", &["not a duration", "15m"]),
        ("\"10s\"", "\"-1s\"", "3:18", &["not a duration"]),
        (
            "\"www.example.org\"",
            "\"www.example.org:80\"",
            "6:10",
            &["host name", "port"],
        ),
        (
            "\"*.example.org\"",
            "\"www.example.org\"",
            "6:29",
            &["given to site 1", "one host has one site"],
        ),
        (
            "[[site]]\n\n[[site.handler]]\npath = \"*\"",
            "[[site]]\nhosts = [\"WWW.example.org\"]\n[[site.handler]]\npath = \"*\"",
            "18:10",
            &["given to site 1"],
        ),
        (
            "\"/hello.so\"",
            "\"hello.so\"",
            "9:8",
            &["not a handler path", "/hello.so"],
        ),
        (
            "\"*.abc\"",
            "\"*.abc/*\"",
            "14:8",
            &["not a handler path", "*.ext"],
        ),
        (
            "\"/hello.so\"",
            "\"/a/../hello.so\"",
            "9:8",
            &["not a handler path"],
        ),
        ("\"GET\"", "\"get\"", "10:10", &["not a verb", "GET"]),
        (
            "pool = \"cgi\"",
            "pool = \"cgy\"",
            "15:8",
            &["no pool", "cgi"],
        ),
        ("pool = \"cgi\"", "", "13:1", &["no `pool`"]),
        (
            "extension = \"{hello}\"",
            "extension = \"{hello}\"\ncgi = \"{cgi}\"",
            "23:",
            &["more than one", "exactly one"],
        ),
        (
            "extension = \"{hello}\"",
            "",
            "23:",
            &["what runs", "exactly one"],
        ),
        (
            "extension = \"{hello}\"",
            "extension = \"missing.so\"",
            "24:13",
            &["does not exist", "check the path"],
        ),
        (
            "cgi = \"{cgi}\"",
            "cgi = \"gateway.toml\"",
            "30:7",
            &["not executable", "chmod"],
        ),
        (
            "cgi = \"{cgi}\"",
            "fastcgi = \"127.0.0.1\"",
            "30:11",
            &["not the address", "HOST:PORT"],
        ),
        ("processes = 2", "processes = 0", "25:13", &["1 to 64"]),
        (
            "processes = 2",
            "processes = \"2\"",
            "25:13",
            &["string", "number"],
        ),
        ("threads = 4", "threads = 100000", "26:11", &["256"]),
        (
            "threads = 4",
            "threads = 4\nthreads = 5",
            "27:1",
            &["duplicate"],
        ),
        (
            "request_timeout = 30",
            "processes = 3",
            "31:1",
            &["cgi", "remove"],
        ),
        (
            "[pool.cgi]",
            "[pool.\"c g i\"]",
            "29:",
            &["not a pool name", "letters"],
        ),
        ("LANG = \"C\"", "LANG = 1", "32:", &["expected a string"]),
        (
            "path = \"*.abc\"",
            "path = \"/hello.so/more\"\nverbs = [\"GET\"]",
            "14:8",
            &["never reached", "narrower"],
        ),
    ];
    let folder = TempDir::new().unwrap();
    for (from, to, place, words) in mistakes {
        assert!(VALID.contains(from), "{from}");
        let output = check(folder.path(), &VALID.replacen(from, to, 1));
        let error = output.error;
        assert_eq!(output.status.code(), Some(1), "{to}: {error}");
        assert_eq!(output.out, "", "{to}");
        assert!(
            error.contains(&format!("gateway.toml:{place}")),
            "{to}: {place} in {error}"
        );
        for word in *words {
            assert!(error.contains(word), "{to}: {word} in {error}");
        }
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let folder = TempDir::new().unwrap();
    let text = VALID
        .replace("\"10s\"", "\"ten\"")
        .replace("threads = 4", "threads = 0");
    let output = check(folder.path(), &text);
    assert!(
        output.error.contains("gateway.toml:3:18"),
        "{}",
        output.error
    );
    assert!(
        output.error.contains("gateway.toml:26:11"),
        "{}",
        output.error
    );
    assert!(output.error.contains("2 errors"), "{}", output.error);
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing.toml");
    let output = run(&mut gateway_command([
        "check",
        "--config",
        missing.to_str().unwrap(),
    ]));
    assert_eq!(output.status.code(), Some(1));
    assert!(output.error.contains("missing.toml"), "{}", output.error);

    let binary = folder.path().join("binary.toml");
    std::fs::write(&binary, [0xff, 0xfe, 0, 1]).unwrap();
    let output = run(&mut gateway_command([
        "check",
        "--config",
        binary.to_str().unwrap(),
    ]));
    assert_eq!(output.status.code(), Some(1));

    let output = check(folder.path(), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.error.contains("[[site]]"), "{}", output.error);
}

#[test]
fn serve_refuses_what_check_refuses() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, "[server]\nhttp = 1\n").unwrap();
    let output = run(&mut gateway_command([
        "serve",
        "--config",
        file.to_str().unwrap(),
    ]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.out, "");
    assert!(
        output.error.contains("gateway.toml:2:8"),
        "{}",
        output.error
    );
}

#[test]
fn check_loads_and_starts_nothing() {
    let folder = TempDir::new().unwrap();
    let refusing = extension("witness", &["-DLOADS=FALSE"], folder.path());
    let text = VALID.replace("{hello}", refusing.to_str().unwrap());
    let output = check(folder.path(), &text);
    assert_eq!(output.status.code(), Some(0), "{}", output.error);
}

#[test]
fn check_refuses_what_is_no_extension() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("text.so"), "not a library").unwrap();
    let text = VALID.replace("{hello}", "text.so");
    let output = check(folder.path(), &text);
    assert_eq!(output.status.code(), Some(1), "{}", output.error);
    let words = "neither a Windows DLL nor a shared object";
    assert!(output.error.contains(words), "{}", output.error);
}

#[test]
fn wrong_command_lines_are_refused_with_usage() {
    for arguments in [
        &["serve"][..],
        &["check"],
        &["serve", "a.so", "--config", "b.toml"],
        &["serve", "a.so", "--http", "nowhere"],
        &["nonsense"],
        &["serve", "--nonsense"],
    ] {
        let output = run(&mut gateway_command(arguments.iter().copied()));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            output.error.contains("Usage") || output.error.contains("--help"),
            "{}",
            output.error
        );
    }
    let help = run(&mut gateway_command(["--help"]));
    assert_eq!(help.status.code(), Some(0));
    assert!(
        help.out.contains("serve") && help.out.contains("check"),
        "{}",
        help.out
    );
}
