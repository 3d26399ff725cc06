//! DLLs for Windows, of both machines, under Wine: the samples' table, and what DLLs do besides ISAPI.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use system_tests::{Client, Gateway, Machine, Signal, mentioning, wait_until};
use tempfile::TempDir;

use crate::crash_reports;
use crate::samples::{Column, bodies, gateway_of, table};

/// Makes one test for each machine, of functions in a module `checks`.
macro_rules! on_both_machines {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn x86_64() {
                super::checks::$name(system_tests::Machine::X86_64);
            }

            #[test]
            fn i686() {
                super::checks::$name(system_tests::Machine::I686);
            }
        }
    )*};
}
pub(crate) use on_both_machines;

on_both_machines! {
    samples_answer
    bodies_come_back_unchanged
    crashes_hurt_nobody_else
    many_requests_through_a_crash
    thread_local_storage_works
    own_threads_answer
    files_are_found
    files_are_transmitted
    windows_sockets_work
    the_host_is_as_promised
    crashes_are_reported
    crash_reports_have_the_stack
    cplusplus_works
    pascal_works
    nothing_stays_behind
    a_killed_gateway_leaves_nothing
}

/// A gateway that serves one DLL at `/`, in a folder of its own with a file beside it.
fn serve(name: &str, machine: Machine, pool: &str) -> Gateway {
    let folder = TempDir::new().unwrap();
    if name == "webmodule" {
        std::fs::copy(machine.sample(name), folder.path().join("webmodule.dll")).unwrap();
    } else {
        machine.extension(name, folder.path());
    }
    std::fs::write(folder.path().join("beside.txt"), "beside the DLL").unwrap();
    let text = format!(
        "[server]\nwine_prefix = \"{{wine}}\"\n\
         [[site]]\nroot = \"{{dir}}\"\n\
         [[site.handler]]\npath = \"/{name}.dll\"\npool = \"{name}\"\n\
         [pool.{name}]\nextension = \"{{dir}}/{name}.dll\"\nqueue_timeout = \"1m\"\n{pool}"
    );
    Gateway::with_config_in(folder, &text)
}

fn answer(gateway: &Gateway, path: &str) -> String {
    let reply = gateway.get(path);
    assert_eq!(reply.status(), 200, "{path}: {}", reply.text());
    reply.text()
}

/// `/a/b` as Wine names it.
fn drive_z(path: &Path) -> String {
    format!("Z:{}", path.to_str().unwrap().replace('/', "\\"))
}

mod checks {
    use super::*;

    pub fn samples_answer(machine: Machine) {
        table(Column::Windows(machine));
    }

    pub fn bodies_come_back_unchanged(machine: Machine) {
        bodies(Column::Windows(machine));
    }

    pub fn crashes_hurt_nobody_else(machine: Machine) {
        let gateway = gateway_of(Column::Windows(machine));
        let process = |path: &str| gateway.get(path).header("x-process").unwrap().to_owned();
        let neighbour = process("/hello");
        for how in ["segfault", "abort", "exit", "overflow"] {
            let reply = gateway.get(&format!("/crash?how={how}"));
            assert_eq!(reply.status(), 502, "{how}");
            assert_eq!(gateway.get("/crash").status(), 200, "after {how}");
        }
        assert_eq!(process("/hello"), neighbour);
        gateway.stop();
    }

    pub fn many_requests_through_a_crash(machine: Machine) {
        let gateway = serve("legacy", machine, "");
        let (address, each) = (gateway.address(), 10_000 / 16);
        let run = |rounds: usize| {
            let mut served = 0;
            let mut client = Client::connect(address);
            for _ in 0..rounds {
                client.request("GET", "/legacy.dll/attached", &[], b"");
                let reply = client.reply("GET");
                assert_eq!(reply.status(), 200);
                served += 1;
            }
            served
        };
        let all = |rounds: usize| {
            thread::scope(|scope| {
                let clients: Vec<_> = (0..16).map(|_| scope.spawn(|| run(rounds))).collect();
                clients
                    .into_iter()
                    .map(|client| client.join().unwrap())
                    .sum::<usize>()
            })
        };
        let served = thread::scope(|scope| {
            let crash = scope.spawn(|| gateway.get("/legacy.dll/violation").status());
            let served = all(each);
            assert_eq!(crash.join().unwrap(), 502);
            served
        });
        // Those that were in the worker with the one that crashed have run again.
        assert_eq!(served, 16 * each);
        assert_eq!(all(10), 160);
        gateway.stop();
    }

    pub fn thread_local_storage_works(machine: Machine) {
        let gateway = serve("legacy", machine, "threads = 4\n");
        for _ in 0..20 {
            assert_eq!(answer(&gateway, "/legacy.dll/tls"), "equal");
        }
        assert_eq!(answer(&gateway, "/legacy.dll/attached"), "1");
        gateway.stop();
    }

    pub fn own_threads_answer(machine: Machine) {
        let gateway = serve("legacy", machine, "");
        for _ in 0..10 {
            assert_eq!(answer(&gateway, "/legacy.dll/thread"), "from my own thread");
        }
        gateway.stop();
    }

    pub fn files_are_found(machine: Machine) {
        let gateway = serve("legacy", machine, "");
        assert_eq!(
            answer(&gateway, "/legacy.dll/file?beside.txt"),
            "beside the DLL"
        );
        let path = drive_z(&gateway.folder().join("beside.txt"));
        assert_eq!(
            answer(&gateway, &format!("/legacy.dll/file?{path}")),
            "beside the DLL"
        );
        // Not found: 2 or 3, as Windows numbers it.
        assert_eq!(
            answer(&gateway, "/legacy.dll/file?C:\\no\\such.txt"),
            "error 3"
        );
        let module = answer(&gateway, "/legacy.dll/module");
        let folder = drive_z(gateway.folder());
        assert_eq!(module, format!("{folder}\\legacy.dll\n{folder}"));
        assert_eq!(
            answer(&gateway, "/legacy.dll/some/where"),
            format!("{folder}\\some\\where")
        );
        std::fs::write(gateway.folder().join("\u{e9}.txt"), "no ASCII").unwrap();
        assert_eq!(answer(&gateway, "/legacy.dll/%C3%A9.txt?open"), "no ASCII");
        gateway.stop();
        drive_c(machine);
    }

    /// A folder of this machine as one on drive C. No other gateway in the prefix may have a folder of that name, nor
    /// have had one: its link stays.
    fn drive_c(machine: Machine) {
        let unique = TempDir::with_prefix("inetpub-").unwrap();
        let folder = format!("C:\\{}", unique.path().file_name().unwrap().display());
        let gateway = serve(
            "legacy",
            machine,
            &format!("drives = {{ '{folder}' = \"{{dir}}\" }}\n"),
        );
        assert_eq!(
            answer(&gateway, "/legacy.dll/a/b"),
            format!("{folder}\\a\\b")
        );
        let path = format!("/legacy.dll/file?{folder}\\beside.txt");
        assert_eq!(answer(&gateway, &path), "beside the DLL");
        gateway.stop();
    }

    pub fn files_are_transmitted(machine: Machine) {
        let gateway = serve("windows", machine, "");
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        std::fs::write(gateway.folder().join("large.bin"), &bytes).unwrap();
        let reply = gateway.get("/windows.dll?file=large.bin");
        assert!(reply.complete);
        assert!(reply.body == bytes.repeat(4), "{} bytes", reply.body.len());
        gateway
            .log()
            .wait_for(&["transmitted 4, the last with 400000 bytes and error 0"]);
        gateway.stop();
    }

    pub fn windows_sockets_work(machine: Machine) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let greeter = thread::spawn(move || {
            server
                .accept()
                .unwrap()
                .0
                .write_all(b"hello from the server")
        });
        let gateway = serve("legacy", machine, "");
        let said = answer(&gateway, &format!("/legacy.dll/client?{port}"));
        assert_eq!(said, "hello from the server");
        greeter.join().unwrap().unwrap();
        gateway.stop();
    }

    pub fn the_host_is_as_promised(machine: Machine) {
        let gateway = serve("legacy", machine, "");
        let size = if machine == Machine::X86_64 { 192 } else { 144 };
        for (path, expected) in [
            ("sizes", format!("{size} {size}")),
            ("error", "1413 122 9".into()),
            ("ecb", "low".into()),
            // S_FALSE: it is there already; RPC_E_CHANGED_MODE.
            ("apartment", "00000001 80010106".into()),
        ] {
            assert_eq!(answer(&gateway, &format!("/legacy.dll/{path}")), expected);
        }
        gateway.log().wait_for(&["worker ready", "legacy fixture"]);
        gateway.stop();
    }

    pub fn crashes_are_reported(machine: Machine) {
        let gateway = serve("legacy", machine, "rapid_fail.failures = 0\n");
        for (path, words) in [
            (
                "violation",
                &[
                    "EXCEPTION_ACCESS_VIOLATION",
                    "legacy.dll+0x",
                    "GET /legacy.dll/violation",
                ][..],
            ),
            (
                "overflow",
                &["EXCEPTION_STACK_OVERFLOW", "GET /legacy.dll/overflow"],
            ),
            ("raise", &["0xE0001234"]),
            ("exit", &["exited with status 7"]),
        ] {
            assert_eq!(
                gateway.get(&format!("/legacy.dll/{path}")).status(),
                502,
                "{path}"
            );
            gateway.log().wait_for(words);
        }
        assert_eq!(answer(&gateway, "/legacy.dll/attached"), "1");
        gateway.stop();
    }

    pub fn crash_reports_have_the_stack(machine: Machine) {
        let gateway = serve("legacy", machine, "");
        assert_eq!(gateway.get("/legacy.dll/violation").status(), 502);
        let folder = gateway.folder().join("state/isapi-gateway/crash");
        let report = crash_reports::report(&gateway, &folder);
        assert_eq!(report["kind"], "crash");
        let fault = &report["fault"];
        assert_eq!(fault["name"], "EXCEPTION_ACCESS_VIOLATION");
        assert_eq!(fault["code"], "0xC0000005");
        assert_eq!(fault["module"], "legacy.dll");
        assert_eq!(report["culprit"]["path"], "/legacy.dll/violation");
        let frames = report["backtrace"].as_array().unwrap();
        for key in ["address", "module", "offset"] {
            assert_eq!(frames[0][key], fault[key]);
        }
        // Without frame pointers the DLL's callers are not found on x86.
        if machine == Machine::X86_64 {
            let worker = |frame: &serde_json::Value| {
                let module = frame["module"].as_str().unwrap_or_default();
                module.starts_with("isapi-worker")
            };
            assert!(frames.iter().any(worker), "{frames:?}");
        }
        gateway.stop();
    }

    pub fn cplusplus_works(machine: Machine) {
        let gateway = serve("cplusplus", machine, "");
        assert_eq!(
            answer(&gateway, "/cplusplus.dll/constructed"),
            "before the first request"
        );
        for _ in 0..10 {
            assert_eq!(
                answer(&gateway, "/cplusplus.dll/x"),
                "caught: nothing at /x"
            );
        }
        gateway.stop();
    }

    pub fn pascal_works(machine: Machine) {
        let gateway = serve("webmodule", machine, "");
        assert_eq!(answer(&gateway, "/webmodule.dll/divide?7"), "14");
        assert!(answer(&gateway, "/webmodule.dll/divide?0").starts_with("EDivByZero: "));
        assert_eq!(
            answer(&gateway, "/webmodule.dll/x"),
            "Exception: no action for /x"
        );
        let size = if machine == Machine::X86_64 {
            "192"
        } else {
            "144"
        };
        assert_eq!(answer(&gateway, "/webmodule.dll/size"), size);
        gateway
            .log()
            .wait_for(&["worker ready", "Free Pascal fixture"]);
        gateway.stop();
    }

    /// A 32-bit worker is not below the gateway in the tree of processes, but its command line names the DLL.
    pub fn nothing_stays_behind(machine: Machine) {
        let mut gateway = serve("legacy", machine, "");
        assert_eq!(answer(&gateway, "/legacy.dll/attached"), "1");
        let folder = gateway.folder().to_owned();
        assert!(!workers(&folder).is_empty());
        gateway.signal(Signal::TERM);
        assert!(gateway.wait_end().success());
        gateway.log().wait_for(&["legacy: terminated with 2"]);
        // It was killed if it had not gone yet, which takes a moment.
        wait_until("the worker has gone", || workers(&folder).is_empty());
    }

    pub fn a_killed_gateway_leaves_nothing(machine: Machine) {
        let mut gateway = serve("legacy", machine, "");
        assert_eq!(answer(&gateway, "/legacy.dll/attached"), "1");
        let folder = gateway.folder().to_owned();
        assert!(!workers(&folder).is_empty());
        gateway.signal(Signal::KILL);
        gateway.wait_end();
        wait_until("the worker has gone", || workers(&folder).is_empty());
    }

    /// Processes of the DLL in this folder.
    fn workers(folder: &Path) -> Vec<u32> {
        mentioning(&folder.join("legacy.dll"))
    }
}
