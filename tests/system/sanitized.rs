//! Extensions with sanitizers in them and in all of the worker: the native column of the conformance table, and many
//! clients at once. Nothing may be found. That something would be is shown with an extension that is faulty.

use system_tests::{Client, Gateway, Lines, binary, extension, peer, sanitized, script};
use tempfile::TempDir;

use crate::conformance::{Native, broken_natively};

/// Faults are left to the worker, which reports them.
const ADDRESS_OPTIONS: &str = "handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:\
    handle_abort=0:use_sigaltstack=0:detect_leaks=1:detect_stack_use_after_return=1";

/// A race does not end the worker: the next one may be found, too.
const THREAD_OPTIONS: &str = "handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:\
    handle_abort=0:use_sigaltstack=0:second_deadlock_stack=1";

#[derive(Clone, Copy, Debug)]
enum Sanitizer {
    /// AddressSanitizer with its leak check; in the extension UndefinedBehaviorSanitizer, too.
    Address,
    /// ThreadSanitizer.
    Thread,
    /// Valgrind's memcheck, with the worker as it is.
    Memcheck,
}

impl Sanitizer {
    fn native(self, folder: &TempDir) -> Native {
        match self {
            Self::Address => Native {
                options: &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
                worker: Some(sanitized("address")),
                environment: vec![("ASAN_OPTIONS", ADDRESS_OPTIONS)],
            },
            Self::Thread => {
                // Where addresses are more random than GCC's runtime can take, they must not be.
                let worker = sanitized("thread");
                let command = format!(
                    "setarch -R true 2>&- && exec setarch -R {0} \"$@\"\nexec {0} \"$@\"",
                    worker.display()
                );
                Native {
                    options: &["-fsanitize=thread"],
                    worker: Some(script(folder.path(), "thread", &command)),
                    environment: vec![("TSAN_OPTIONS", THREAD_OPTIONS)],
                }
            }
            Self::Memcheck => {
                let command = format!(
                    "exec {} --quiet --fair-sched=yes --leak-check=full --errors-for-leak-kinds=definite \
                     --show-leak-kinds=definite {} \"$@\"",
                    peer("valgrind").display(),
                    binary("isapi-worker").display()
                );
                Native {
                    options: &[],
                    worker: Some(script(folder.path(), "memcheck", &command)),
                    environment: Vec::new(),
                }
            }
        }
    }

    /// What begins a finding in the log.
    fn signs(self) -> &'static [&'static str] {
        match self {
            Self::Address => &["AddressSanitizer", "LeakSanitizer", "runtime error:"],
            Self::Thread => &["ThreadSanitizer"],
            Self::Memcheck => &["=="],
        }
    }

    /// The log from the first finding on.
    fn finding(self, log: &[String]) -> Option<String> {
        let is_sign = |line: &String| self.signs().iter().any(|sign| line.contains(sign));
        let first = log.iter().position(is_sign)?;
        let end = log.len().min(first + 60);
        Some(log[first..end].join("\n"))
    }

    fn finds_nothing(self, log: &Lines) {
        let finding = self.finding(&log.to_end());
        assert!(finding.is_none(), "{}", finding.unwrap_or_default());
    }

    /// Runs the whole table; nothing may be found, and every rule is kept.
    fn runs_the_table(self) {
        let folder = TempDir::new().unwrap();
        let (broken, log) = broken_natively(&self.native(&folder));
        self.finds_nothing(&log);
        assert!(broken.is_empty(), "{broken}");
    }

    /// Has many clients at once do everything that the asynchronous extension offers; nothing may be found.
    fn runs_at_once(self) {
        let gateway = self.gateway("async", "threads = 4");
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| (0..5).for_each(|_| visit(&gateway)));
            }
        });
        let log = gateway.log().clone();
        gateway.stop();
        self.finds_nothing(&log);
    }

    /// Has the faulty extension commit this fault; returns what is found.
    fn finds(self, fault: &str) -> String {
        let log = self.log_of(fault);
        let finding = self.finding(&log);
        finding.unwrap_or_else(|| panic!("{self:?} finds no {fault} in\n{}", log.join("\n")))
    }

    /// Has the faulty extension commit this fault; returns the gateway's log.
    fn log_of(self, fault: &str) -> Vec<String> {
        let gateway = self.gateway("faulty", "");
        gateway.get(&format!("/?{fault}"));
        let log = gateway.log().clone();
        gateway.stop();
        log.to_end()
    }

    /// A gateway for a fixture.
    fn gateway(self, fixture: &str, pool: &str) -> Gateway {
        let folder = TempDir::new().unwrap();
        let native = self.native(&folder);
        let options = [&["-g", "-pthread"], native.options].concat();
        extension(fixture, &options, folder.path());
        let text = format!(
            "{}[[site]]\n[[site.handler]]\npath = \"*\"\npool = \"fixture\"\n\
             [pool.fixture]\nextension = \"{{dir}}/{fixture}.so\"\n{pool}\n{}",
            native.server(),
            native.pool()
        );
        Gateway::with_config_in(folder, &text)
    }
}

/// Asks for everything that ends in different ways, while others do the same.
fn visit(gateway: &Gateway) {
    let get = |query: &str| gateway.get(&format!("/?{query}")).text();
    assert_eq!(get("writes=200"), "x".repeat(200));
    assert_eq!(get("early"), "early");
    assert_eq!(get("returns"), "xbehind");
    let upload = gateway.request("POST", "/?reads", &[], &[b'x'; 49_500]);
    assert_eq!(upload.text(), "49500 bytes");
    let file = gateway.folder().join("gateway.toml");
    for query in ["file", "avector"] {
        let text = get(&format!("{query}={}", file.display()));
        assert!(text.ends_with(":tail"), "{text}");
    }
    // Clients that leave: before the extension has begun or behind it, as it comes.
    for query in ["waits", "cancels", "closes"] {
        let mut client = Client::connect(gateway.address());
        let head = format!("POST /?{query} HTTP/1.1\r\nHost: a\r\nContent-Length: 49153\r\n\r\n");
        client.send(head.as_bytes());
        client.send(&[b'x'; 49_152]);
    }
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/?downloads", &[], b"");
    assert_eq!(client.head().unwrap().status, 200);
}

#[test]
fn addresses() {
    Sanitizer::Address.runs_the_table();
}

#[test]
fn threads() {
    Sanitizer::Thread.runs_the_table();
}

#[test]
fn at_once() {
    Sanitizer::Address.runs_at_once();
    Sanitizer::Thread.runs_at_once();
}

#[test]
fn memory() {
    Sanitizer::Memcheck.runs_the_table();
}

#[test]
fn the_sanitizers_find_what_is_faulty() {
    use Sanitizer::{Address, Memcheck, Thread};
    for (sanitizer, fault, words) in [
        (Address, "overflow", "heap-buffer-overflow"),
        (Address, "host", "heap-buffer-overflow"),
        (Address, "undefined", "signed integer overflow"),
        (Address, "leak", "13 byte(s)"),
        (Thread, "race", "data race"),
        (Thread, "host-race", "data race"),
        (Memcheck, "overflow", "Invalid write"),
        (Memcheck, "host", "Invalid write"),
        (Memcheck, "uninitialised", "uninitialised byte(s)"),
        (Memcheck, "leak", "13 bytes"),
    ] {
        let finding = sanitizer.finds(fault);
        assert!(finding.contains(words), "{sanitizer:?} {fault}:\n{finding}");
    }
}

/// The worker's own reports of crashes, which the sanitizers would put theirs in place of.
#[test]
fn crashes_are_reported_by_the_worker() {
    for sanitizer in [Sanitizer::Address, Sanitizer::Thread] {
        let log = sanitizer.log_of("crash").join("\n");
        for words in ["SIGSEGV", "writing 0x8", "faulty.so", "GET /"] {
            assert!(log.contains(words), "{sanitizer:?}: no {words} in\n{log}");
        }
    }
}
