//! The worker for Windows, both bitnesses, under Wine: as a CGI program and with the gateway's side of a connection.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::rc::Rc;

use command_fds::{CommandFdExt as _, FdMapping};
use system_tests::{Lines, Machine, Output, Running, run};
use tempfile::TempDir;

use crate::gateway_side::Gateway;
use crate::trace::{CRASHES, crash_calls};
use crate::worker::{self, GET, Way, text, with};

/// A worker on a socket.
struct Worker {
    child: Running,
    log: Lines,
    gateway: Gateway,
    /// Its further connections.
    further: Vec<UnixStream>,
}

impl Worker {
    fn start(command: Command) -> Self {
        Self::with_further(command, 0)
    }

    fn with_further(mut command: Command, count: usize) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = OwnedFd::from(theirs);
        let mut further = Vec::new();
        let mut mappings = Vec::new();
        for child_fd in (3..).take(count) {
            let (ours, theirs) = UnixStream::pair().unwrap();
            further.push(ours);
            command.args(["--fd", &child_fd.to_string()]);
            mappings.push(FdMapping {
                parent_fd: theirs.into(),
                child_fd,
            });
        }
        command.fd_mappings(mappings).unwrap();
        command
            .stdin(theirs.try_clone().unwrap())
            .stdout(theirs)
            .stderr(Stdio::piped());
        let mut child = Running(command.spawn().unwrap());
        // Our copies of its ends go, so that its end shows.
        drop(command);
        let log = Lines::of(child.stderr.take().unwrap());
        let gateway = Gateway::greet(ours);
        Self {
            child,
            log,
            gateway,
            further,
        }
    }

    /// Closes the connections: it ends in order.
    fn stop(mut self) {
        drop(self.gateway);
        drop(self.further);
        let status = self.child.wait_end();
        assert!(status.success(), "{status}: {:?}", self.log.to_end());
    }
}

fn get(query: &str) -> Vec<(&str, &str)> {
    with(&[("QUERY_STRING", query), ("REQUEST_URI", "/x.dll?secret")])
}

/// What runs it as a CGI program gives it.
fn cgi(mut command: Command, query: &str) -> Output {
    command
        .envs(get(query))
        .env("DOCUMENT_ROOT", "/srv/www")
        .stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    run(&mut command)
}

#[test]
fn runs_as_a_cgi_program() {
    for machine in Machine::ALL {
        let output = cgi(machine.worker(&machine.sample("hello")), "");
        assert!(output.status.success(), "{machine:?}: {output:?}");
        assert!(output.out.ends_with("\r\n\r\nHello, world!"), "{output:?}");
    }
}

#[test]
fn finds_decorated_entry_points() {
    // Built without a .def file: on x86 its entry points are HttpExtensionProc@4 and GetExtensionVersion@4.
    for machine in Machine::ALL {
        let output = cgi(machine.worker(&machine.sample("tiny")), "");
        assert!(output.out.ends_with("My first extension."), "{output:?}");
    }
}

#[test]
fn paths_are_those_of_windows() {
    for machine in Machine::ALL {
        let mut command = machine.worker(&machine.sample("dumpvars"));
        command.args(["--drive", r"C:\inetpub=/srv", "--drive", "D=/srv/www/deep"]);
        let output = cgi(command, "format=text");
        for line in [
            r"PATH_TRANSLATED=C:\\inetpub\\www\\hello.so",
            r"ECB.lpszPathTranslated=C:\\inetpub\\www\\hello.so",
            r"SCRIPT_TRANSLATED=\\\\?\\C:\\inetpub\\www\\hello.so",
            r"APPL_PHYSICAL_PATH=C:\\inetpub\\www\\",
            r"DOCUMENT_ROOT=C:\\inetpub\\www",
            "PATH_INFO=/hello.so",
        ] {
            let mut lines = output.out.lines();
            assert!(lines.any(|found| found == line), "{line}: {}", output.out);
        }
    }
}

#[test]
fn answers_many_requests_at_once() {
    let body = text(1024 * 1024);
    for machine in Machine::ALL {
        let mut worker = Worker::start(machine.worker(&machine.sample("echo")));
        let post = with(&[("REQUEST_METHOD", "POST"), ("CONTENT_LENGTH", "1048576")]);
        let requests = vec![(post, body.as_bytes()); 16];
        for answer in worker.gateway.exchange(&requests) {
            let answer = answer.expect("no answer");
            assert!(answer.ends_with(body.as_bytes()), "{} bytes", answer.len());
        }
        worker.stop();
    }
}

#[test]
fn answers_ten_thousand_requests() {
    for machine in Machine::ALL {
        let mut worker = Worker::start(machine.worker(&machine.sample("hello")));
        let requests = vec![(get(""), b"".as_slice()); 16];
        for _ in 0..10_000 / requests.len() {
            for answer in worker.gateway.exchange(&requests) {
                assert!(answer.expect("no answer").ends_with(b"Hello, world!"));
            }
        }
        worker.stop();
    }
}

#[test]
fn takes_further_connections() {
    for machine in Machine::ALL {
        let mut worker = Worker::with_further(machine.worker(&machine.sample("hello")), 3);
        assert!(worker.gateway.text(get("")).unwrap().ends_with("world!"));
        let mut further = Vec::new();
        for stream in worker.further.drain(..) {
            let mut gateway = Gateway::greet(stream);
            assert!(gateway.text(get("")).unwrap().ends_with("Hello, world!"));
            further.push(gateway);
        }
        drop(further);
        worker.stop();
    }
}

#[test]
fn keeps_what_isapi_promises() {
    for machine in Machine::ALL {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("beside"), "it is here").unwrap();
        let extension = machine.extension("windows", folder.path());
        let mut worker = Worker::start(machine.worker(&extension));
        let gateway = &mut worker.gateway;
        let host = gateway.text(get("")).unwrap();
        let name = folder.path().to_str().unwrap().replace('/', r"\");
        for line in [
            "low=1".to_owned(),
            "winsock=1".to_owned(),
            // S_FALSE: the host has joined the apartment before.
            "com=1".to_owned(),
            "attached=1".to_owned(),
            format!(r"folder=Z:{name}"),
            format!(r"module=Z:{name}\windows.dll"),
        ] {
            assert!(host.lines().any(|found| found == line), "{line}: {host}");
        }
        let last = gateway.text(get("last")).unwrap();
        assert!(last.ends_with("kept=4711\nunknown=1413\n"), "{last}");
        let line = gateway.text(get("open=beside")).unwrap();
        assert!(line.ends_with("it is here"), "{line}");
        let absolute = format!(r"open=Z:{name}\beside");
        let line = gateway.text(get(&absolute)).unwrap();
        assert!(line.ends_with("it is here"), "{line}");
        let handled = gateway.text(get("throw")).unwrap();
        assert!(handled.ends_with("handled"), "{handled}");
        let log = worker.log.clone();
        worker.stop();
        log.wait_for(&["windows: terminated with 2"]);
    }
}

#[test]
fn what_an_extension_prints_goes_to_standard_error() {
    for machine in Machine::ALL {
        let folder = TempDir::new().unwrap();
        let witness = machine.extension("witness", folder.path());
        let mut worker = Worker::start(machine.worker(&witness));
        let answer = worker.gateway.text(get("print")).unwrap();
        assert!(answer.ends_with("witnessed"), "{answer}");
        worker.log.wait_for(&["witness: line 999"]);
        worker.stop();
    }
}

#[test]
fn a_crash_is_reported() {
    let address = [
        "EXCEPTION_ACCESS_VIOLATION (0xC0000005) writing 0x0",
        "at crash.dll+0x",
    ];
    let stack = ["EXCEPTION_STACK_OVERFLOW (0xC00000FD)", "at crash.dll+0x"];
    let raised = ["exception (0xE0000002)", "at "];
    let left = ["the thread has ended inside the extension", ""];
    for machine in Machine::ALL {
        let folder = TempDir::new().unwrap();
        let own = machine.extension("windows", folder.path());
        let crash = machine.sample("crash");
        for (extension, query, words) in [
            (&crash, "how=segfault", address),
            (&crash, "how=late", address),
            (&crash, "how=overflow", stack),
            (&own, "raise", raised),
            (&own, "leave", left),
        ] {
            let mut worker = Worker::start(machine.worker(extension));
            assert_eq!(worker.gateway.text(get(query)), None, "{query}");
            let line = worker.log.wait_for(&["isapi-worker: crash: "]);
            for word in words {
                assert!(line.contains(word), "{machine:?}, {query}: {line}");
            }
            assert!(line.ends_with(", request 0:1 GET /x.dll"), "{line}");
            assert!(line.contains(" in thread "), "{line}");
            assert!(!worker.child.wait_end().success());
        }
    }
}

#[test]
fn a_crash_tells_the_last_calls() {
    for machine in Machine::ALL {
        let folder = TempDir::new().unwrap();
        let calls = machine.extension("calls", folder.path());
        for (way, expected) in CRASHES {
            let mut worker = Worker::start(machine.worker(&calls));
            let request = [get(way), vec![("HTTP_COOKIE", "hidden-cookie")]].concat();
            assert_eq!(worker.gateway.text(request), None, "{way}");
            assert!(!worker.child.wait_end().success());
            let mut lines = worker.log.to_end();
            lines.retain(|line| line.starts_with("isapi-worker: crash: "));
            assert!(lines[0].contains("EXCEPTION_ACCESS_VIOLATION"), "{lines:?}");
            assert_eq!(crash_calls(&lines), expected, "{machine:?}: {lines:#?}");
            assert!(!lines.concat().contains("hidden"), "{lines:#?}");
        }
    }
}

#[test]
fn an_extension_that_ends_the_process_does_not_look_successful() {
    for machine in Machine::ALL {
        for query in ["how=abort", "how=exit"] {
            let mut worker = Worker::start(machine.worker(&machine.sample("crash")));
            assert_eq!(worker.gateway.text(get(query)), None);
            assert_eq!(worker.child.wait_end().code(), Some(3), "{query}");
        }
    }
}

#[test]
fn says_why_it_cannot_run() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text.dll");
    std::fs::write(&text, "not a library").unwrap();
    let missing = folder.path().join("missing.dll");
    let [long, short] = Machine::ALL;
    for (machine, extension, words) in [
        (long, &missing, "does not exist"),
        (long, &text, "cannot be loaded"),
        (long, &short.sample("hello"), "os error 193"),
        (short, &long.sample("hello"), "os error 193"),
    ] {
        let output = cgi(machine.worker(extension), "");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.error.contains(words), "{output:?}");
    }
    let mut command = long.worker(&long.sample("hello"));
    command.args(["--listen", "unix:/tmp/never"]);
    let output = cgi(command, "");
    assert!(output.error.contains("give HOST:PORT"), "{output:?}");
}

#[test]
fn listens_on_a_tcp_port() {
    for machine in Machine::ALL {
        let folder = Rc::new(TempDir::new().unwrap());
        let witness = machine.extension("witness", folder.path());
        let worker = worker::Worker::start(Way::UnderWine(machine), folder, &witness);
        let mut connection = worker.connect();
        for _ in 0..2 {
            let answer = connection.request(&GET, b"", true);
            assert!(answer.ends_with(b"witnessed"), "{machine:?}");
        }
        let log = worker.log.clone();
        worker.stop();
        log.wait_for(&["witness: terminated"]);
    }
}

#[test]
fn ends_with_its_gateway() {
    for machine in Machine::ALL {
        let mut worker = Worker::start(machine.worker(&machine.sample("hello")));
        assert!(worker.gateway.text(get("")).is_some());
        // A gateway that is killed leaves nothing but the ends of its connections.
        worker.stop();
    }
}
