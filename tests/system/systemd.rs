//! The gateway under a service manager: sockets that are open already, and what it tells. The test is the manager, with
//! the units of docs/systemd.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt as _, FdMapping};
use system_tests::{Lines, PATIENCE, Running, Signal, binary, get, peer, run, sample, send};
use tempfile::TempDir;

use crate::fastcgi::Connection;
use crate::worker::GET;

/// The gateway as a service.
struct Service {
    child: Running,
    out: Lines,
    log: Lines,
    manager: UnixDatagram,
    folder: TempDir,
}

impl Service {
    /// Starts the service with these sockets and variables. In the configuration, `{dir}` stands for its folder.
    fn start(
        folder: TempDir,
        config: &str,
        sockets: Vec<OwnedFd>,
        variables: &[(&str, &str)],
    ) -> Self {
        let file = folder.path().join("gateway.toml");
        let config = config.replace("{dir}", folder.path().to_str().unwrap());
        std::fs::write(&file, config).unwrap();
        let place = folder.path().join("notify");
        let manager = UnixDatagram::bind(&place).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Command::new("/bin/sh");
        // The number of the process is known only in it.
        command.args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\""]);
        command.args(start_line(&binary("isapi-gateway"), &file));
        command
            .env("LISTEN_FDS", sockets.len().to_string())
            .env("NOTIFY_SOCKET", &place)
            .env("XDG_STATE_HOME", folder.path().join("state"))
            .envs(variables.iter().copied())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mappings = sockets.into_iter().zip(3..);
        let mappings = mappings.map(|(parent_fd, child_fd)| FdMapping {
            parent_fd,
            child_fd,
        });
        command.fd_mappings(mappings.collect()).unwrap();
        let mut child = Running(command.spawn().unwrap());
        let out = Lines::of(child.stdout.take().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        Self {
            child,
            out,
            log,
            manager,
            folder,
        }
    }

    /// Waits until it has told this.
    fn tells(&self, expected: &str) {
        let mut buffer = [0; 256];
        loop {
            let count = self.manager.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..count]);
            if text.lines().any(|line| line == expected) {
                return;
            }
        }
    }

    fn stop(mut self) -> TempDir {
        send(self.child.id(), Signal::TERM);
        self.tells("STOPPING=1");
        assert!(self.child.wait_end().success());
        self.folder
    }
}

/// The command line of the unit, with another program and file.
fn start_line(program: &Path, config: &Path) -> Vec<OsString> {
    let unit = unit("isapi-gateway.service");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let words = line.unwrap().split_whitespace();
    let words = words.map(|word| match word {
        "/usr/bin/isapi-gateway" => program.into(),
        "/etc/isapi-gateway/gateway.toml" => config.into(),
        other => other.into(),
    });
    words.collect()
}

fn unit(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/systemd");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// A site that answers everything, behind these listeners.
fn config(server: &str) -> String {
    format!(
        "[server]\n{server}\n[[site]]\n[[site.handler]]\npath = \"*\"\npool = \"hello\"\n\
         [pool.hello]\nextension = \"{}\"\n",
        sample("hello").display()
    )
}

#[test]
fn sockets_that_are_open_already_are_used() {
    let folder = TempDir::new().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = folder.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let address = port.local_addr().unwrap();
    let server = format!("http = \"{address}\"\nfastcgi = \"unix:{{dir}}/socket\"");
    let sockets = vec![socket.into(), port.into()];
    let service = Service::start(folder, &config(&server), sockets, &[]);
    service.tells("READY=1");
    for expected in [
        format!("listening on http://{address}"),
        format!("listening on fastcgi+unix:{}", path.display()),
    ] {
        service.out.wait_for(&[&expected]);
    }
    assert_eq!(get(address, "/").text(), "Hello, world!");
    let answer = Connection::unix(&path).request(&GET, b"", true);
    assert!(answer.ends_with(b"Hello, world!"));
    let folder = service.stop();
    // It is the manager's.
    assert!(path.exists());
    drop(folder);
}

#[test]
fn a_socket_without_a_listener_is_told() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    let config = config("http = \"127.0.0.1:0\"");
    let mut service = Service::start(TempDir::new().unwrap(), &config, vec![port.into()], &[]);
    assert_eq!(service.child.wait_end().code(), Some(1));
    let log = service.log.to_end().join("\n");
    let expected = format!("the service manager has opened {address}, but no listener");
    assert!(log.contains(&expected), "{log}");
}

#[test]
fn a_manager_that_asks_for_it_hears_that_it_is_alive() {
    let config = config("http = \"127.0.0.1:0\"");
    let variables = [("WATCHDOG_USEC", "300000")];
    let service = Service::start(TempDir::new().unwrap(), &config, Vec::new(), &variables);
    service.tells("READY=1");
    for _ in 0..3 {
        service.tells("WATCHDOG=1");
    }
    service.stop();
}

/// Nothing in them that systemd does not know; what it would run is replaced by what is there.
#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(peer("systemd-analyze"));
    command.arg("verify").current_dir(folder.path());
    let gateway = binary("isapi-gateway");
    for name in ["isapi-gateway.service", "isapi-gateway.socket"] {
        let text = unit(name).replace("/usr/bin/isapi-gateway", gateway.to_str().unwrap());
        std::fs::write(folder.path().join(name), text).unwrap();
        command.arg(format!("./{name}"));
    }
    let output = run(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert!(
        output.status.success() && output.error.is_empty(),
        "{output:?}"
    );
}

#[test]
fn a_manager_hears_of_another_configuration() {
    let text = config("http = \"127.0.0.1:0\"");
    let service = Service::start(TempDir::new().unwrap(), &text, Vec::new(), &[]);
    service.tells("READY=1");
    let changed = text.replace("http =", "header_limit = 9000\nhttp =");
    std::fs::write(service.folder.path().join("gateway.toml"), changed).unwrap();
    send(service.child.id(), Signal::HUP);
    service.tells("RELOADING=1");
    service.tells("READY=1");
    service.log.wait_for(&["the new configuration is in use"]);
    service.stop();
}

#[test]
fn the_units_name_listeners_of_the_reference() {
    let socket = unit("isapi-gateway.socket");
    for (comment, line) in [
        ("# http = \"0.0.0.0:80\"", "ListenStream=0.0.0.0:80"),
        (
            "# fastcgi = \"unix:/run/isapi-gateway/fastcgi.sock\"",
            "ListenStream=/run/isapi-gateway/fastcgi.sock",
        ),
    ] {
        assert!(socket.contains(&format!("{comment}\n{line}\n")), "{line}");
    }
    let service = unit("isapi-gateway.service");
    assert!(service.contains("\nType=notify\n") && service.contains("\nWatchdogSec="));
    assert!(service.contains("\nExecReload=/bin/kill -HUP $MAINPID\n"));
}
