//! A web server that runs with its file of docs/fronts.

use std::fs::Permissions;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use system_tests::{Client, Gateway, Lines, Running, Signal, peer, send, wait_until};
use tempfile::TempDir;

/// Which web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nginx,
}

impl Kind {
    /// Whether an upload reaches the application while it comes.
    pub fn streams_uploads(self) -> bool {
        match self {
            Kind::Nginx => true,
        }
    }

    /// Connections that it may make for 1,024 requests, 32 at once.
    pub fn connections(self) -> usize {
        match self {
            // As many as it has requests at once, in each of its processes.
            Kind::Nginx => 64,
        }
    }
}

/// A web server, which ends when dropped.
pub struct Front {
    child: Running,
    log: Lines,
    address: SocketAddr,
    /// Its files.
    _folder: TempDir,
}

/// Where the gateway listens: both addresses of docs/fronts/gateway.toml.
pub struct Places {
    pub socket: PathBuf,
    pub port: u16,
}

/// A gateway with the listeners of docs/fronts/gateway.toml, these sites and pools.
pub fn gateway(folder: TempDir, sites: &str) -> (Gateway, Places) {
    open(folder.path());
    let text = document("gateway.toml");
    let (server, _) = text.split_once("[[site]]").unwrap();
    let socket = folder.path().join("fastcgi.sock");
    let mut server = Changed(server.to_owned());
    server.change("/run/isapi-gateway/fastcgi.sock", socket.to_str().unwrap());
    server.change("127.0.0.1:9000", "127.0.0.1:0");
    if !rustix::process::geteuid().is_root() {
        // Then the web server runs as ourselves, too.
        server.change("www-data", &own_group());
    }
    let variables = [("RUST_LOG", "isapi_gateway::front=debug,info")];
    let text = format!("{}{sites}", server.0);
    let gateway = Gateway::with_environment(folder, &text, &variables);
    let line = gateway.out().wait_for(&["listening on fastcgi://"]);
    let (_, port) = line.rsplit_once(':').unwrap();
    let port = port.parse().unwrap();
    (gateway, Places { socket, port })
}

impl Front {
    /// Starts it before an application that listens there.
    pub fn start(kind: Kind, places: &Places) -> Self {
        let folder = TempDir::new().unwrap();
        open(folder.path());
        let port = free_port();
        let mut command = match kind {
            Kind::Nginx => nginx(folder.path(), port, places),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = Running(command.stderr(Stdio::piped()).spawn().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        wait_until("the web server listens", || {
            let status = child.try_wait().unwrap();
            assert!(status.is_none(), "{status:?}\n{}", log.to_end().join("\n"));
            TcpStream::connect(address).is_ok()
        });
        Self {
            child,
            log,
            address,
            _folder: folder,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Ends it, with its own processes.
    pub fn stop(mut self) {
        send(self.child.id(), Signal::TERM);
        self.child.wait_end();
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the web server:\n{}", self.log.so_far().join("\n"));
            // Its own processes end with it only when it is asked to.
            send(self.child.id(), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

fn nginx(folder: &Path, port: u16, places: &Places) -> Command {
    let mut text = Changed(document("nginx.conf"));
    text.change("listen 80;", &format!("listen 127.0.0.1:{port};"));
    text.change(
        "/run/isapi-gateway/fastcgi.sock",
        places.socket.to_str().unwrap(),
    );
    text.change("/run/nginx.pid", folder.join("pid").to_str().unwrap());
    text.change("/var/log/nginx/error.log", "stderr");
    // Its folders for bodies, which are those of the system otherwise.
    let folders = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"].map(|name| {
        let path = folder.join(name);
        format!("{name}_temp_path {};\n", path.display())
    });
    text.change(
        "access_log /var/log/nginx/access.log;",
        &format!("access_log off;\n{}", folders.concat()),
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text.0).unwrap();
    let mut command = Command::new(peer("nginx"));
    command.args(["-g", "daemon off;", "-c"]).arg(file);
    command
}

/// A file of docs/fronts in which a few words are replaced.
struct Changed(String);

impl Changed {
    fn change(&mut self, from: &str, to: &str) {
        assert!(
            self.0.contains(from),
            "{from} is no longer there:\n{}",
            self.0
        );
        self.0 = self.0.replace(from, to);
    }
}

fn document(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/fronts");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn own_group() -> String {
    let output = Command::new("id").arg("-gn").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A port that nobody has at this moment: these web servers cannot pick one and tell.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Lets the web server's own user in.
fn open(folder: &Path) {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
}
