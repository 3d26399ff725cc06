//! The gateway for Windows, under Wine: it starts workers and CGI programs as Windows does.

use std::net::SocketAddr;
use std::process::Command;

use system_tests::{
    Client, Lines, Machine, Running, Signal, binary, free_port, get, mentioning, run, sample, send,
    wait_until, windows_gateway,
};
use tempfile::TempDir;

/// Both kinds of DLLs, a program and static files.
const CONFIG: &str = r#"
    [[site]]
    root = "site"
    [[site.handler]]
    path = "/long.dll"
    pool = "long"
    [[site.handler]]
    path = "/short.dll"
    pool = "short"
    [[site.handler]]
    path = "/echo.dll"
    pool = "echo"
    [[site.handler]]
    path = "/cgi"
    pool = "cgi"
    [pool.long]
    extension = "long.dll"
    [pool.short]
    extension = "short.dll"
    [pool.echo]
    extension = "echo.dll"
    [pool.cgi]
    cgi = "echo.exe"
"#;

struct Gateway {
    child: Running,
    log: Lines,
    address: SocketAddr,
    folder: TempDir,
}

impl Gateway {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let [long, short] = Machine::ALL;
        for (file, name) in [
            (long.sample("crash"), "long.dll"),
            (short.sample("crash"), "short.dll"),
            (long.sample("echo"), "echo.dll"),
            (long.program("echo"), "echo.exe"),
        ] {
            std::fs::copy(file, folder.path().join(name)).unwrap();
        }
        std::fs::create_dir(folder.path().join("site")).unwrap();
        std::fs::write(folder.path().join("site/index.html"), "the index").unwrap();
        Self::serving(folder, CONFIG)
    }

    fn serving(folder: TempDir, text: &str) -> Self {
        let config = folder.path().join("gateway.toml");
        std::fs::write(&config, text).unwrap();
        let config = config.to_str().unwrap();
        let mut command = windows_gateway(&["serve", "--config", config, "--http", "127.0.0.1:0"]);
        let mut child = Running(command.spawn().unwrap());
        let out = Lines::of(child.stdout.take().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        let ready = out.wait_for(&["listening on http://"]);
        let (_, address) = ready.split_once("http://").unwrap();
        Self {
            address: address.parse().unwrap(),
            child,
            log,
            folder,
        }
    }

    fn status(&self, path: &str) -> u16 {
        get(self.address, path).head.status
    }

    /// Waits until no process is left that has to do with it.
    fn leaves_nothing(&self) {
        wait_until("all processes have gone", || {
            mentioning(self.folder.path()).is_empty()
        });
    }
}

#[test]
fn extensions_programs_and_files_are_served() {
    let mut gateway = Gateway::start();
    assert_eq!(get(gateway.address, "/").body, b"the index");
    for path in ["/long.dll", "/short.dll"] {
        assert_eq!(gateway.status(path), 200, "{path}");
    }
    let body: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for path in ["/echo.dll", "/cgi"] {
        let mut client = Client::connect(gateway.address);
        client.request("POST", path, &[], &body);
        let reply = client.reply("POST");
        assert!(reply.complete && reply.body == body, "{path}");
    }
    for path in [
        "/C:/windows/win.ini",
        "/nul",
        "/index.html:x",
        "/index.html%20",
    ] {
        assert!([400, 404].contains(&gateway.status(path)), "{path}");
    }
    send(gateway.child.id(), Signal::INT);
    assert!(gateway.child.wait_end().success());
    gateway.log.wait_for(&["Ctrl+C: stopping"]);
    gateway.leaves_nothing();
}

#[test]
fn a_crash_is_told_in_full_and_a_new_worker_follows() {
    let gateway = Gateway::start();
    for path in ["/long.dll", "/short.dll"] {
        assert_eq!(gateway.status(&format!("{path}?how=segfault")), 502);
        let words = [
            "exited with status 0xC0000005: EXCEPTION_ACCESS_VIOLATION",
            path,
        ];
        gateway.log.wait_for(&words);
        assert_eq!(gateway.status(path), 200, "{path}");
    }
}

#[test]
fn a_killed_gateway_leaves_nothing() {
    let mut gateway = Gateway::start();
    for path in ["/long.dll", "/short.dll", "/echo.dll"] {
        assert_eq!(gateway.status(path), 200, "{path}");
    }
    assert!(mentioning(gateway.folder.path()).len() > 3);
    send(gateway.child.id(), Signal::KILL);
    gateway.child.wait_end();
    gateway.leaves_nothing();
}

#[test]
fn a_fastcgi_application_is_reached_over_tcp() {
    let port = free_port();
    let mut application = Command::new(binary("isapi-worker"));
    application
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .arg(sample("echo"));
    let application = Running(application.spawn().unwrap());
    let folder = TempDir::new().unwrap();
    let config = format!(
        "[[site]]\nroot = '.'\n[[site.handler]]\npath = '*'\npool = 'far'\n\
         [pool.far]\nfastcgi = '127.0.0.1:{port}'\nkeep_alive = 2\n"
    );
    let gateway = Gateway::serving(folder, &config);
    wait_until("it listens", || gateway.status("/") == 200);
    let body: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let mut client = Client::connect(gateway.address);
    for _ in 0..3 {
        client.request("POST", "/", &[], &body);
        let reply = client.reply("POST");
        assert!(reply.complete && reply.body == body);
    }
    // A kept connection that the application has closed is not taken for a new one.
    drop(application);
    assert_eq!(gateway.status("/"), 502);
}

#[test]
fn what_windows_does_not_have_is_refused() {
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("script.cgi");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    let config = folder.path().join("gateway.toml");
    let text = "[server]\nthreads = 2\n[[site]]\n[[site.handler]]\npath = '/'\npool = 'x'\n\
                [[site.handler]]\npath = '/y'\npool = 'y'\n[[site.handler]]\npath = '/z'\npool = 'z'\n\
                [pool.x]\ncgi = 'script.cgi'\n[pool.y]\nfastcgi = 'unix:y.sock'\n\
                [pool.z]\nprogram = 'z.exe'\narguments = '-b'\n";
    std::fs::write(&config, text).unwrap();
    let output = run(&mut windows_gateway(&[
        "check",
        "--config",
        config.to_str().unwrap(),
    ]));
    assert!(!output.status.success());
    for words in [
        "2 is not a whole number from 1 to 1",
        "ends in .exe",
        "there are no sockets in the file system here",
        "FastCGI programs cannot be started here",
    ] {
        assert!(output.error.contains(words), "{words}: {}", output.error);
    }
}
