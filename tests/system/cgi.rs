//! CGI programs through the gateway.

use std::fs::read_to_string;
use std::io::Read as _;

use system_tests::{Client, Gateway, Process, Signal, program, script, send, wait_until};
use tempfile::TempDir;

use crate::echo::{Coding, echo};

/// A gateway with one program at `/program` and extra lines for its pool.
fn gateway(text: &str, extra: &str) -> Gateway {
    let folder = TempDir::new().unwrap();
    script(folder.path(), "program", text);
    let config = r#"
[[site]]
[[site.handler]]
path = "/program"
pool = "program"
[[site.handler]]
path = "/hello"
pool = "hello"
[pool.hello]
extension = "{samples}/hello.so"
[pool.program]
cgi = "{dir}/program"
"#;
    Gateway::with_config_in(folder, &[config, extra].concat())
}

#[test]
fn the_environment_is_the_requests_and_nothing_else() {
    let gateway = gateway(
        "printf 'Content-Type: text/plain\\n\\n'\nenv\necho CWD=$(pwd)",
        "[pool.program.environment]\nOWN = \"yes\"\n",
    );
    let reply = gateway.request(
        "POST",
        "/program/extra?a=b",
        &[
            "Content-Type: text/x",
            "Authorization: Basic c2VjcmV0",
            "X-Mine: 1",
        ],
        b"four",
    );
    let text = reply.text();
    let has = |line: &str| text.lines().any(|found| found == line);
    let folder = gateway.folder().to_str().unwrap();
    for line in [
        "GATEWAY_INTERFACE=CGI/1.1",
        "SERVER_PROTOCOL=HTTP/1.1",
        "REQUEST_METHOD=POST",
        "SCRIPT_NAME=/program",
        "PATH_INFO=/extra",
        "QUERY_STRING=a=b",
        "CONTENT_TYPE=text/x",
        "CONTENT_LENGTH=4",
        "REMOTE_ADDR=127.0.0.1",
        "HTTP_X_MINE=1",
        "OWN=yes",
        &format!("SCRIPT_FILENAME={folder}/program"),
        &format!("CWD={folder}"),
    ] {
        assert!(has(line), "{line} in {text}");
    }
    for part in ["OPERATORS_SECRET", "HOME=", "AUTHORIZATION", "c2VjcmV0"] {
        assert!(!text.contains(part), "{part} in {text}");
    }
    gateway.stop();
}

#[test]
fn answers_have_every_form_of_rfc_3875() {
    let gateway = gateway(
        r#"case "$QUERY_STRING" in
document=1) printf 'Content-Type: text/plain\n\nplain' ;;
status=1) printf 'Status: 418 I am a teapot\r\nContent-Type: text/plain\r\n\r\nshort and stout' ;;
redirect=1) printf 'Location: http://example.org/elsewhere\n\n' ;;
local=1) printf 'Location: /hello?x=y\n\n' ;;
loop=1) printf 'Location: /program?loop=1\n\n' ;;
raw=1) printf 'HTTP/1.1 203 Own Words\r\nContent-Type: text/plain\r\nX-Own: 1\r\n\r\nraw' ;;
none=1) : ;;
garbage=1) printf 'no head at all' ;;
fails=1) exit 3 ;;
esac"#,
        "",
    );
    let ask = |query: &str| gateway.get(&format!("/program?{query}=1"));
    let document = ask("document");
    assert_eq!(
        (document.status(), document.text().as_str()),
        (200, "plain")
    );
    let status = ask("status");
    assert_eq!(
        (status.status(), status.text().as_str()),
        (418, "short and stout")
    );
    assert_eq!(status.head.reason, "I am a teapot");
    let redirect = ask("redirect");
    assert_eq!(redirect.status(), 302);
    assert_eq!(
        redirect.header("location"),
        Some("http://example.org/elsewhere")
    );
    let local = ask("local");
    assert_eq!(
        (local.status(), local.text().as_str()),
        (200, "Hello, world!")
    );
    assert_eq!(local.header("location"), None);
    assert!(matches!(ask("loop").status(), 500..=508));
    let raw = ask("raw");
    assert_eq!((raw.status(), raw.text().as_str()), (203, "raw"));
    assert_eq!(raw.header("x-own"), Some("1"));
    for query in ["none", "garbage", "fails"] {
        assert_eq!(ask(query).status(), 502, "{query}");
    }
    gateway.log().wait_for(&["exited with status 3"]);
    gateway.stop();
}

#[test]
fn standard_error_goes_to_the_log() {
    let gateway = gateway(
        "echo 'words for the operator' >&2\nprintf 'Content-Type: text/plain\\n\\nok'",
        "",
    );
    let reply = gateway.get("/program");
    assert_eq!(reply.text(), "ok");
    let line = gateway.log().wait_for(&["words for the operator"]);
    assert!(line.contains("program"), "{line}");
    gateway.stop();
}

#[test]
fn a_program_that_runs_too_long_is_ended_with_its_children() {
    let gateway = gateway(
        "sleep 600 &\necho $! > child\necho $$ > self\nwait",
        "request_timeout = \"5s\"\n",
    );
    let own = gateway.folder().join("self");
    wait_until("it has come as far as that", || {
        assert_eq!(gateway.get("/program").status(), 502);
        read_to_string(&own).is_ok_and(|text| text.ends_with('\n'))
    });
    gateway.log().wait_for(&["longer than 5s"]);
    for file in ["self", "child"] {
        is_gone(&gateway, file);
    }
    gateway.stop();
}

#[test]
fn a_program_whose_client_has_gone_is_ended_with_its_children() {
    for begins_to_answer in [false, true] {
        let head = "printf 'Content-Type: text/plain\\n\\nbegun'\n";
        let head = if begins_to_answer { head } else { "" };
        let text =
            format!("sleep 600 &\necho $! > child\necho $$ > self\n{head}echo it runs >&2\nwait");
        let gateway = gateway(&text, "");
        let mut client = Client::connect(gateway.address());
        client.request("GET", "/program", &[], b"");
        gateway.log().wait_for(&["it runs"]);
        if begins_to_answer {
            let head = client.head().unwrap();
            let mut begun = [0; 5];
            client.body(&head, "GET").read_exact(&mut begun).unwrap();
        }
        drop(client);
        for file in ["self", "child"] {
            is_gone(&gateway, file);
        }
        gateway.stop();
    }
}

#[test]
fn an_answer_that_is_cut_short_never_looks_complete() {
    let gateway = gateway(
        r#"case "$QUERY_STRING" in
killed=1) printf 'Content-Type: text/plain\n\nbegun'; kill -9 $$ ;;
short=1) printf 'Content-Length: 100\nContent-Type: text/plain\n\nbegun' ;;
late=1) printf 'Content-Type: text/plain\n\nbegun'; sleep 600 ;;
esac"#,
        "request_timeout = \"25s\"\n",
    );
    for query in ["killed", "short", "late"] {
        let mut client = Client::connect(gateway.address());
        client.request("GET", &format!("/program?{query}=1"), &[], b"");
        let reply = client.reply("GET");
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, "begun"),
            "{query}"
        );
        assert!(!reply.complete, "{query}");
    }
    gateway.stop();
}

#[test]
fn a_body_of_64_mebibytes_comes_back_unchanged() {
    let echo_program = program("echo");
    let gateway = Gateway::with_config(&format!(
        "[[site]]\n[[site.handler]]\npath = \"*\"\npool = \"echo\"\n[pool.echo]\ncgi = \"{}\"\n",
        echo_program.display()
    ));
    let mut client = Client::connect(gateway.address());
    for coding in [Coding::Length, Coding::Chunked(60_000)] {
        echo(&mut client, "/", 64 << 20, coding, || {});
    }
    drop(client);
    gateway.stop();
}

#[test]
fn a_program_that_does_not_read_its_body_answers_all_the_same() {
    let gateway = gateway("printf 'Content-Type: text/plain\\n\\nunread'", "");
    let reply = gateway.request("POST", "/program", &[], &vec![b'x'; 100_000]);
    assert_eq!((reply.status(), reply.text().as_str()), (200, "unread"));
    gateway.stop();
}

/// Whether a process starts CGI programs for the gateway.
pub fn is_starter(pid: u32) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    arguments.ends_with(b"\0--start-programs\0")
}

/// The processes that start programs for a gateway without workers.
fn starters(gateway: &Gateway) -> Vec<u32> {
    let processes = gateway.processes();
    processes
        .into_iter()
        .map(|process| process.pid)
        .filter(|pid| is_starter(*pid))
        .collect()
}

/// How many processes there are beside the worker of the other pool and those that start programs.
fn programs(gateway: &Gateway) -> usize {
    gateway.processes().len() - 1 - starters(gateway).len()
}

#[test]
fn programs_are_the_gateways_children_whoever_starts_them() {
    let gateway = gateway(
        "printf 'Content-Type: text/plain\\n\\n'\necho $PPID\nexec grep -E '^Sig(Blk|Ign)' /proc/self/status",
        "",
    );
    let ask = || gateway.get("/program").text();
    let told = ask();
    let mut lines = told.lines();
    assert_eq!(lines.next(), Some(gateway.pid().to_string().as_str()));
    let mut signals = lines.map(|line| {
        let (_, mask) = line.split_once(":\t").unwrap();
        u64::from_str_radix(mask, 16).unwrap()
    });
    assert_eq!(signals.next(), Some(0), "blocked: {told}");
    // Rust ignores SIGPIPE; a program must not.
    assert_eq!(signals.next().unwrap() & 1 << 12, 0, "ignored: {told}");

    let before = starters(&gateway);
    assert!(!before.is_empty());
    for pid in &before {
        send(*pid, Signal::KILL);
    }
    wait_until("they have ended", || {
        starters(&gateway).iter().all(|pid| !before.contains(pid))
    });
    // Who asks in that moment may be told that the program did not start.
    wait_until("others have taken their place", || {
        ask() == told && !starters(&gateway).is_empty()
    });
    gateway.stop();
}

#[test]
fn programs_run_where_the_worker_cannot_start_them() {
    let gateway = gateway(
        "printf 'Content-Type: text/plain\\n\\n'\ncat",
        "[server]\nworker = \"/bin/true\"\nthreads = 1\n",
    );
    for _ in 0..2 {
        let reply = gateway.request("POST", "/program", &[], b"body");
        assert_eq!((reply.status(), reply.text().as_str()), (200, "body"));
    }
    gateway.log().wait_for(&["/bin/true cannot do it"]);
    assert!(starters(&gateway).is_empty());
    gateway.stop();
}

#[test]
fn a_program_that_cannot_be_started_leaves_nothing_behind() {
    let gateway = gateway("exit 0", "");
    let file = gateway.folder().join("program");
    std::fs::write(&file, "#!/none/such\n").unwrap();
    for _ in 0..3 {
        assert_eq!(gateway.get("/program").status(), 500);
    }
    gateway
        .log()
        .wait_for(&["the interpreter it names does not exist"]);
    assert_eq!(programs(&gateway), 0);
    gateway.stop();
}

#[test]
fn every_request_gets_a_process_of_its_own() {
    let gateway = gateway("printf 'Content-Type: text/plain\\n\\n'\necho $$", "");
    let mut processes: Vec<String> = (0..10).map(|_| gateway.get("/program").text()).collect();
    processes.sort();
    processes.dedup();
    assert_eq!(processes.len(), 10);
    wait_until("all programs have been reaped", || programs(&gateway) == 0);
    gateway.stop();
}

#[test]
fn a_program_may_have_files_sent_from_its_folders() {
    let gateway = gateway(
        "printf 'X-Sendfile: %s\\nContent-Type: text/x\\n\\n' \"$PWD/$QUERY_STRING\"; echo not this",
        "sendfile = \"{dir}\"\n",
    );
    let text = read_to_string(gateway.folder().join("gateway.toml")).unwrap();
    let reply = gateway.get("/program?gateway.toml");
    assert_eq!((reply.status(), reply.text()), (200, text));
    assert_eq!(reply.header("x-sendfile"), None);
    assert_eq!(gateway.get("/program?../none").status(), 404);
    gateway.stop();
}

/// Waits until the process whose id the program has left in a file is gone.
fn is_gone(gateway: &Gateway, file: &str) {
    let text = read_to_string(gateway.folder().join(file)).unwrap();
    let pid = text.trim().parse().unwrap();
    wait_until(&format!("the program's {file} is ended"), || {
        Process::find(pid).is_none_or(|process| !process.is_alive())
    });
}
