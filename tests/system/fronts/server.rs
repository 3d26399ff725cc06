//! A web server that runs with its file of docs/fronts.

use std::fs::Permissions;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use system_tests::{Client, Daemon, Gateway, Lines, Running, free_port, peer, wait_until};
use tempfile::TempDir;

use crate::worker::{self, Worker};

/// Which web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Apache,
    Lighttpd,
    Haproxy,
    Caddy,
}

impl Kind {
    /// Whether an upload reaches the application while it comes.
    pub fn streams_uploads(self) -> bool {
        match self {
            Kind::Nginx | Kind::Apache | Kind::Haproxy | Kind::Caddy => true,
            // It has all of one in files first.
            Kind::Lighttpd => false,
        }
    }

    /// The longest chunked upload that it passes on, bytes, as far as this is tested.
    pub fn most_chunked(self) -> usize {
        match self {
            Kind::Nginx | Kind::Apache | Kind::Lighttpd | Kind::Caddy => 10 << 20,
            // It must know the length, and so have all of it in a buffer.
            Kind::Haproxy => 8 << 10,
        }
    }

    /// Whether a client sees that an answer is not whole whose length it has not been told.
    pub fn shows_cuts_of_unknown_length(self) -> bool {
        match self {
            Kind::Nginx | Kind::Apache | Kind::Lighttpd | Kind::Haproxy => true,
            // Caddy 2.6 logs the error and ends the answer as if it were whole.
            Kind::Caddy => false,
        }
    }

    /// Whether a client sees that an answer of unknown length is not whole when it was cut before any of it had gone out.
    pub fn shows_short_cuts(self) -> bool {
        match self {
            Kind::Nginx | Kind::Apache | Kind::Haproxy => true,
            Kind::Lighttpd | Kind::Caddy => false,
        }
    }

    /// Whether clients see the reason of a status.
    pub fn passes_reasons(self) -> bool {
        match self {
            Kind::Nginx | Kind::Apache => true,
            Kind::Lighttpd | Kind::Haproxy | Kind::Caddy => false,
        }
    }

    /// Connections that it may make for 1,024 requests, 32 at once.
    pub fn connections(self) -> usize {
        match self {
            // As many as it has requests at once, in each of its processes.
            Kind::Nginx | Kind::Apache | Kind::Haproxy => 64,
            // They keep none.
            Kind::Lighttpd | Kind::Caddy => 1024,
        }
    }

    /// Runs it with this configuration. Caddy puts files of its own beside it.
    fn command(self, file: &Path) -> Command {
        let (program, options): (_, &[&str]) = match self {
            Kind::Nginx => ("nginx", &["-g", "daemon off;", "-c"]),
            Kind::Apache => ("apache2", &["-D", "FOREGROUND", "-f"]),
            Kind::Lighttpd => ("lighttpd", &["-D", "-f"]),
            Kind::Haproxy => ("haproxy", &["-db", "-f"]),
            Kind::Caddy => ("caddy", &["run", "--adapter", "caddyfile", "--config"]),
        };
        let mut command = Command::new(peer(program));
        command.args(options).arg(file);
        if self == Kind::Caddy {
            let folder = file.parent().unwrap();
            for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
                command.env(variable, folder);
            }
        }
        command
    }
}

/// A web server, which ends when dropped.
pub struct Front {
    daemon: Daemon,
    _log: Told,
    address: SocketAddr,
    /// Its files.
    _folder: TempDir,
}

/// Where the gateway listens: the addresses of docs/fronts/gateway.toml. Or a worker alone, which has one of them.
pub struct Places {
    pub socket: Option<PathBuf>,
    pub port: u16,
    pub port_without_users: u16,
    /// DOCUMENT_ROOT for nginx.
    pub root: PathBuf,
}

/// A gateway with the listeners of docs/fronts/gateway.toml, these sites and pools.
pub fn gateway(folder: TempDir, sites: &str) -> (Gateway, Places) {
    open(folder.path());
    let mut server = Changed::document("gateway.toml");
    let site = server.0.find("[[site]]").unwrap();
    server.0.truncate(site);
    let socket = folder.path().join("fastcgi.sock");
    server.change_path("/run/isapi-gateway/fastcgi.sock", &socket);
    server.change("127.0.0.1:9000", "127.0.0.1:0");
    server.change("127.0.0.1:9001", "127.0.0.1:0");
    if !rustix::process::geteuid().is_root() {
        // Then the web server runs as ourselves, too.
        server.change("www-data", &own_group());
    }
    let variables = [("RUST_LOG", "isapi_gateway::front=debug,info")];
    let text = format!("{}{sites}", server.0);
    let gateway = Gateway::with_environment(folder, &text, &variables);
    let is_port = |line: &String| line.starts_with("listening on fastcgi://");
    let mut ports = Vec::new();
    wait_until("it listens on all ports", || {
        let lines = gateway.out().so_far();
        ports = lines
            .iter()
            .filter(|line| is_port(line))
            .map(|line| port_of(line))
            .collect();
        ports.len() == 2
    });
    let places = Places {
        socket: Some(socket),
        port: ports[0],
        port_without_users: ports[1],
        root: "/srv/www".into(),
    };
    (gateway, places)
}

impl Places {
    /// Where a worker alone listens: from now on a web server may connect to it.
    pub fn of_worker(worker: &Worker, root: &Path) -> Self {
        open(worker.folder());
        drop(worker.connect());
        let (socket, port) = match worker.address() {
            worker::Address::Socket(path) => {
                // Whoever may write to the socket may connect: that it is the web server's user is the operator's business.
                std::fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
                (Some(path.clone()), 0)
            }
            worker::Address::Port(port) => (None, *port),
        };
        Self {
            socket,
            port,
            port_without_users: port,
            root: root.to_owned(),
        }
    }

    fn socket(&self) -> &Path {
        self.socket.as_ref().expect("it has a socket")
    }
}

impl Front {
    /// Starts it before an application that listens there.
    pub fn start(kind: Kind, places: &Places) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let text = configuration(kind, folder.path(), port, places);
        Self::run(kind, &text, port, folder)
    }

    /// The same where clients may take their time between two requests of a connection.
    pub fn patient(kind: Kind, places: &Places) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let mut text = configuration(kind, folder.path(), port, places);
        match kind {
            Kind::Apache => text.change("KeepAliveTimeout 200ms", "KeepAliveTimeout 60"),
            Kind::Lighttpd => text.0.push_str("server.max-keep-alive-idle = 60\n"),
            // They wait for a minute and more.
            Kind::Nginx | Kind::Haproxy | Kind::Caddy => {}
        }
        Self::run(kind, &text, port, folder)
    }

    /// Starts it with this configuration, which makes it listen on this port. The folder holds its files.
    pub fn run(kind: Kind, text: &Changed, port: u16, folder: TempDir) -> Self {
        let file = folder.path().join("configuration");
        std::fs::write(&file, &text.0).unwrap();
        open(folder.path());
        let mut command = kind.command(&file);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut daemon = Daemon(Running(child));
        let log = Lines::of(daemon.0.stderr.take().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        wait_until("the web server listens", || {
            let status = daemon.0.try_wait().unwrap();
            assert!(status.is_none(), "{status:?}\n{}", log.to_end().join("\n"));
            TcpStream::connect(address).is_ok()
        });
        Self {
            daemon,
            _log: Told(log),
            address,
            _folder: folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Ends it, with its own processes.
    pub fn stop(self) {
        let Self {
            daemon,
            _log,
            _folder,
            ..
        } = self;
        daemon.stop();
    }
}

/// Says what a web server has said when a test fails.
struct Told(Lines);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the web server:\n{}", self.0.so_far().join("\n"));
        }
    }
}

fn configuration(kind: Kind, folder: &Path, port: u16, places: &Places) -> Changed {
    match kind {
        Kind::Nginx => nginx(folder, port, places),
        Kind::Apache => apache(folder, port, places),
        Kind::Lighttpd => lighttpd(folder, port, places),
        Kind::Haproxy => haproxy(port, places),
        Kind::Caddy => caddy(folder, port, places),
    }
}

fn nginx(folder: &Path, port: u16, places: &Places) -> Changed {
    let mut text = Changed::document("nginx.conf");
    text.change("listen 80;", &format!("listen 127.0.0.1:{port};"));
    text.nginx(folder, places);
    text.change_path("/srv/www", &places.root);
    text
}

fn apache(folder: &Path, port: u16, places: &Places) -> Changed {
    let mut text = Changed::document("apache2.conf");
    text.change("Listen 80", &format!("Listen 127.0.0.1:{port}"));
    text.apache(folder, places);
    // Each answer that is cut off costs so much.
    text.change("KeepAliveTimeout    2", "KeepAliveTimeout 200ms");
    text
}

fn lighttpd(folder: &Path, port: u16, places: &Places) -> Changed {
    let mut text = Changed::document("lighttpd.conf");
    text.change("= 80", &format!("= {port}"));
    text.lighttpd(folder, places);
    text
}

fn haproxy(port: u16, places: &Places) -> Changed {
    let mut text = Changed::document("haproxy.cfg");
    text.change("bind :80", &format!("bind 127.0.0.1:{port}"));
    let port = places.port_without_users;
    text.change("127.0.0.1:9001", &format!("127.0.0.1:{port}"));
    // With a line for each request, for tests that fail.
    text.change("local0 notice", "local0 info");
    text.change("mode http\n", "mode http\n    option httplog\n");
    text
}

fn caddy(folder: &Path, port: u16, places: &Places) -> Changed {
    let mut text = Changed::document("Caddyfile");
    text.change(":80 {", &format!("http://:{port} {{\n\tbind 127.0.0.1"));
    text.caddy(folder, places);
    text
}

/// A file of docs/fronts in which a few words are replaced.
pub struct Changed(String);

impl Changed {
    pub fn document(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/fronts");
        Self(std::fs::read_to_string(folder.join(name)).unwrap())
    }

    pub fn change(&mut self, from: &str, to: &str) {
        assert!(
            self.0.contains(from),
            "{from} is no longer there:\n{}",
            self.0
        );
        self.0 = self.0.replace(from, to);
    }

    pub fn change_path(&mut self, from: &str, to: &Path) {
        self.change(from, to.to_str().unwrap());
    }

    /// What all configurations of nginx name.
    pub fn nginx(&mut self, folder: &Path, places: &Places) {
        let address = match &places.socket {
            Some(path) => format!("unix:{}", path.display()),
            None => format!("127.0.0.1:{}", places.port),
        };
        self.change("unix:/run/isapi-gateway/fastcgi.sock", &address);
        self.change_path("/run/nginx.pid", &folder.join("pid"));
        self.change("/var/log/nginx/error.log", "stderr");
        // Its folders for bodies, which are those of the system otherwise.
        let folders = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"].map(|name| {
            let path = folder.join(name);
            format!("{name}_temp_path {};\n", path.display())
        });
        let own = format!("access_log off;\n{}", folders.concat());
        self.change("access_log /var/log/nginx/access.log;", &own);
    }

    /// What all configurations of lighttpd name.
    pub fn lighttpd(&mut self, folder: &Path, places: &Places) {
        self.change("0.0.0.0", "127.0.0.1");
        self.change("9000", &places.port.to_string());
        self.change_path("/run/lighttpd.pid", &folder.join("pid"));
        self.change_path("/srv/www", folder);
        self.change("server.errorlog", "# server.errorlog");
        let uploads = folder.join("uploads");
        std::fs::create_dir(&uploads).unwrap();
        std::fs::set_permissions(&uploads, Permissions::from_mode(0o777)).unwrap();
        self.change_path("/var/cache/lighttpd/uploads", &uploads);
    }

    /// What all configurations of Apache name.
    pub fn apache(&mut self, folder: &Path, places: &Places) {
        self.change_path("/run/isapi-gateway/fastcgi.sock", places.socket());
        self.change_path("/run/apache2/apache2.pid", &folder.join("pid"));
        self.change_path("/run/apache2", folder);
        self.change_path("/srv/www", folder);
        self.change("/var/log/apache2/error.log", "/dev/stderr");
    }

    /// What all configurations of Caddy name.
    pub fn caddy(&mut self, folder: &Path, places: &Places) {
        self.change_path("/run/isapi-gateway/fastcgi.sock", places.socket());
        self.change_path("/srv/www", folder);
    }
}

fn port_of(line: &str) -> u16 {
    line.rsplit_once(':').unwrap().1.parse().unwrap()
}

fn own_group() -> String {
    let output = Command::new("id").arg("-gn").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Lets the web server's own user in.
pub fn open(folder: &Path) {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
}
