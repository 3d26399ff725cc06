#![allow(clippy::unwrap_used, clippy::panic)]

mod fastcgi;
mod listeners;
mod mistakes;
mod one_extension;
mod sandbox;
mod sites;
mod workers;

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::library::sample;
use crate::process::user::User;

/// A folder with an extension `x.so`, a program `x.cgi`, a folder `www` and a configuration.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.path("x.so"), sample::native()).unwrap();
        std::fs::write(folder.path("x.cgi"), "").unwrap();
        std::fs::set_permissions(folder.path("x.cgi"), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        std::fs::create_dir(folder.path("www")).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, text: &str) -> Result<(Config, Vec<Diagnostic>), ConfigErrors> {
        std::fs::write(self.path("gateway.toml"), text).unwrap();
        Config::load(&self.path("gateway.toml"))
    }

    /// The errors of a configuration, as they are shown, without the folder's own path.
    fn errors(&self, text: &str) -> Vec<String> {
        let folder = format!("{}/", self.0.path().display());
        let errors = self.load(text).unwrap_err().0;
        errors
            .iter()
            .map(|error| error.to_string().replace(&folder, ""))
            .collect()
    }
}

const SITE: &str = "[[site]]\nroot = 'www'\n";

#[test]
fn reads_everything() {
    let folder = Folder::new();
    let text = r#"
        [server]
        http = ["127.0.0.1:0", "[::1]:81"]
        fastcgi = ["unix:run/x.sock", "127.0.0.1:9000", { address = "0.0.0.0:9001", allow = "10.0.0.0/8", trusted = true, users = false, requests = 1, connections = 7, idle_timeout = "1m", authorizer = "/auth.dll", sendfile = "www", accel_redirect = { "/in" = "www" }, local_redirects = true }, { address = "unix:/run/y.sock", mode = 0o600, owner = "root", group = 0, trusted = false }]
        threads = 3
        bind_threads = false
        batch_threads = false
        header_timeout = "1m 30s"
        header_limit = 0x10000
        shutdown_timeout = 2.5
        worker = "./x.cgi"
        wine = "wine64"
        wine_prefix = "prefix"
        watch = true

        [access_log]
        file = "www/access.log"
        format = "json"
        buffer = "64KiB"
        flush_interval = "500ms"

        [admin]
        listen = "unix:admin.sock"
        mode = 0o660
        token = "0123456789abcdef"

        [crash]
        folder = "reports"
        keep = 3
        size = "64KiB"
        hook = ["./x.cgi", "one"]
        hook_timeout = "5s"

        [[site]]
        hosts = ["WWW.Example.org.", "*.example.net"]
        root = "www/"
        default_documents = []
        fallback = "/start.abc"
        [[site.handler]]
        path = "/x/Foo.dll"
        verbs = ["GET", "POST"]
        pool = "hello"
        [[site.handler]]
        path = "*.ABC"
        pool = "hello"
        path_info = true
        [[site.handler]]
        path = "/cgi/*"
        pool = "program"
        [[site.handler]]
        path = "*"
        pool = "hello"

        [[site]]
        root = "/"

        [pool.hello]
        extension = "x.so"
        processes = 2
        start = "dynamic"
        min_spare = 0
        max_spare = 2
        idle_timeout = "5m"
        warmup = "/x/Foo.dll/warm?up"
        shadow_copy = false
        ping_interval = 0
        ping_timeout = "10s"
        memory_limit = "2GiB"
        request_grace = "1s"
        slow_request = "5s"
        retry_body = "1KiB"
        sticky_header = "X-Route"
        sticky_drain = "1m"
        user = "root"
        group = "0"
        limits = { open_files = 1024, core_size = 0, cpu_time = "1h", address_space = "4GiB" }
        recycle = { requests = 10000, age = 0, schedule = ["03:30"], memory = "512 MiB", file_changed = false }
        rapid_fail = { failures = 0, interval = "1m", delay = "2s", max_delay = "4s" }
        circuit = { failures = 7, delay = "5s", max_delay = "6s" }
        threads = 5
        concurrency = 6
        queue_length = 0
        queue_timeout = 0
        request_timeout = "00:15:00"
        startup_timeout = "1.00:00:01"
        shutdown_timeout = "500ms"
        environment = { A = "1", B = "" }
        working_directory = "www"
        send_url = "internal"
        trace = "failed"

        [pool.program]
        cgi = "x.cgi"
    "#;
    let (config, warnings) = folder.load(text).unwrap();
    assert_eq!(warnings, []);
    let handler = |path, verbs: &[Method], pool: &str, path_info| Handler {
        path,
        verbs: verbs.to_vec(),
        pool: pool.to_owned(),
        path_info,
        must_exist: false,
    };
    let server = Server {
        http: vec!["127.0.0.1:0".parse().unwrap(), "[::1]:81".parse().unwrap()],
        fastcgi: vec![
            FastCgiListener::new(Address::Unix(folder.path("run/x.sock"))),
            FastCgiListener::new(Address::Tcp("127.0.0.1:9000".parse().unwrap())),
            FastCgiListener {
                allow: vec!["10.0.0.0/8".parse().unwrap()],
                trusted: true,
                users: false,
                requests: 1,
                connections: 7,
                idle_timeout: Duration::from_secs(60),
                authorizer: Some("/auth.dll".to_owned()),
                sendfile: SendFile {
                    folders: vec![folder.path("www")],
                    internal: [("/in".to_owned(), folder.path("www"))].into(),
                },
                local_redirects: true,
                ..FastCgiListener::new(Address::Tcp("0.0.0.0:9001".parse().unwrap()))
            },
            FastCgiListener {
                mode: 0o600,
                owner: Some(0),
                group: Some(0),
                trusted: false,
                users: false,
                ..FastCgiListener::new(Address::Unix("/run/y.sock".into()))
            },
        ],
        threads: 3,
        bind_threads: false,
        batch_threads: false,
        header_timeout: Duration::from_secs(90),
        header_limit: 65_536,
        shutdown_timeout: Duration::from_millis(2500),
        worker: Some(folder.path("x.cgi")),
        wine: Some(folder.path("wine64")),
        wine_prefix: Some(folder.path("prefix")),
        watch: true,
    };
    assert_eq!(config.server, server);
    let access_log = AccessLog {
        file: folder.path("www/access.log"),
        format: LogFormat::Json,
        buffer: 65_536,
        flush_interval: Duration::from_millis(500),
    };
    assert_eq!(config.access_log, Some(access_log));
    let admin = Admin {
        listen: Address::Unix(folder.path("admin.sock")),
        mode: 0o660,
        token: Some(Secret::new("0123456789abcdef").unwrap()),
    };
    assert_eq!(config.admin, Some(admin));
    let crash = Crash {
        folder: Some(folder.path("reports")),
        keep: 3,
        size: 65_536,
        hook: vec![
            folder.path("x.cgi").to_str().unwrap().to_owned(),
            "one".to_owned(),
        ],
        hook_timeout: Duration::from_secs(5),
    };
    assert_eq!(config.crash, crash);
    let verbs = [Method::GET, Method::POST];
    let site = Site {
        hosts: vec!["www.example.org".to_owned(), "*.example.net".to_owned()],
        root: Some(folder.path("www")),
        default_documents: Vec::new(),
        fallback: Some("/start.abc".to_owned()),
        handlers: vec![
            handler(
                HandlerPath::Exact("/x/Foo.dll".to_owned()),
                &verbs,
                "hello",
                true,
            ),
            handler(
                HandlerPath::ScriptMap(".abc".to_owned()),
                &[],
                "hello",
                true,
            ),
            handler(HandlerPath::Prefix("/cgi".to_owned()), &[], "program", true),
            handler(HandlerPath::Wildcard, &[], "hello", false),
        ],
        ..Site::default()
    };
    let any = Site {
        root: Some("/".into()),
        ..Site::default()
    };
    assert_eq!(config.sites, [site, any]);
    let hello = Pool {
        name: "hello".to_owned(),
        kind: PoolKind::Extension(folder.path("x.so")),
        processes: 2,
        workers: Workers {
            start: Start::Dynamic {
                min_spare: 0,
                max_spare: 2,
            },
            idle_timeout: Duration::from_secs(300),
            overlap: true,
            warmup: Some("/x/Foo.dll/warm?up".to_owned()),
            shadow_copy: false,
            ping_interval: Duration::ZERO,
            ping_timeout: Duration::from_secs(10),
            memory_limit: 2 << 30,
            request_grace: Duration::from_secs(1),
            slow_request: Duration::from_secs(5),
            retry_body: 1024,
            sticky: Some(Sticky::Header(http::HeaderName::from_static("x-route"))),
            sticky_drain: Duration::from_secs(60),
            recycle: super::workers::Recycle {
                requests: 10_000,
                age: Duration::ZERO,
                schedule: vec![jiff::civil::time(3, 30, 0, 0)],
                memory: 512 << 20,
                file_changed: false,
            },
            rapid_fail: RapidFail {
                failures: 0,
                interval: Duration::from_secs(60),
                delay: Duration::from_secs(2),
                max_delay: Duration::from_secs(4),
            },
            circuit: Circuit {
                failures: 7,
                interval: Duration::from_secs(60),
                delay: Duration::from_secs(5),
                max_delay: Duration::from_secs(6),
            },
        },
        limits: Limits {
            user: Some(User {
                id: 0,
                group: 0,
                home: "/root".into(),
            }),
            open_files: Some(1024),
            processes: None,
            core_size: Some(0),
            cpu_time: Some(Duration::from_secs(3600)),
            address_space: Some(4 << 30),
            cgroup: None,
        },
        sandbox: None,
        threads: 5,
        concurrency: 6,
        queue_length: 0,
        queue_timeout: Duration::ZERO,
        request_timeout: Duration::from_secs(15 * 60),
        startup_timeout: Duration::from_secs(24 * 3600 + 1),
        shutdown_timeout: Duration::from_millis(500),
        environment: [("A", "1"), ("B", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        drives: BTreeMap::new(),
        working_directory: Some(folder.path("www")),
        send_url: SendUrl::Internal,
        trace: TraceLevel::Failed,
        ..Pool::new(String::new(), PoolKind::Extension(PathBuf::new()))
    };
    let program = Pool::new("program".to_owned(), PoolKind::Cgi(folder.path("x.cgi")));
    assert_eq!(program.concurrency, 64);
    assert_eq!(
        config.pools.into_values().collect::<Vec<_>>(),
        [hello, program]
    );
}

/// A folder with a DLL, and with what looks like Wine and the worker for it.
fn windows_folder() -> Folder {
    let folder = Folder::new();
    for name in ["wine64", "wineserver", "isapi-worker-x86_64.exe"] {
        std::fs::copy(folder.path("x.cgi"), folder.path(name)).unwrap();
    }
    let dll = sample::pe(sample::PE_X86_64, &sample::EXPORTS);
    std::fs::write(folder.path("x.dll"), dll).unwrap();
    folder
}

const WINDOWS: &str = "[server]\nworker = 'x.cgi'\nwine = 'wine64'\n[[site]]\nroot = 'www'\n";

#[test]
fn windows_extensions_have_drives() {
    let folder = windows_folder();
    let pool = "[pool.x]\nextension = 'x.dll'\ndrives = { d = 'www', 'c:\\inetpub' = '/' }\n";
    let (config, _) = folder.load(&format!("{WINDOWS}{pool}")).unwrap();
    let drives: Vec<_> = config.pools["x"]
        .drives
        .iter()
        .map(|(drive, target)| (drive.to_string(), target.clone()))
        .collect();
    let expected = [("D:", folder.path("www")), (r"C:\inetpub", "/".into())];
    assert_eq!(
        drives,
        expected.map(|(drive, target)| (drive.to_owned(), target))
    );
}

#[test]
fn the_example_of_the_reference_is_valid() {
    let reference = include_str!("../../../docs/configuration.md");
    let (_, example) = reference.split_once("```toml\n# gateway.toml").unwrap();
    let (example, _) = example.split_once("\n```").unwrap();
    let folder = Folder::new();
    for name in ["www", "www/intranet"] {
        std::fs::create_dir_all(folder.path(name)).unwrap();
    }
    for (from, to) in [
        ("x.so", "orders.so"),
        ("x.so", "abc.so"),
        ("x.cgi", "report"),
    ] {
        std::fs::copy(folder.path(from), folder.path(to)).unwrap();
    }
    let (config, warnings) = folder.load(example).unwrap();
    assert_eq!(warnings, []);
    assert_eq!((config.sites.len(), config.pools.len()), (2, 3));
}

#[test]
fn the_smallest_configuration_has_defaults() {
    let folder = Folder::new();
    let (config, _) = folder.load(SITE).unwrap();
    assert_eq!(config.server, Server::default());
    assert_eq!(config.server.http, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.sites[0].default_documents, ["index.html"]);
}

#[test]
fn handlers_for_other_paths_and_verbs_stand_beside_each_other() {
    let folder = Folder::new();
    let text = r"
        [[site]]
        [[site.handler]]
        path = '/a/b'
        pool = 'x'
        [[site.handler]]
        path = '/a/*'
        verbs = ['GET', 'HEAD']
        pool = 'x'
        [[site.handler]]
        path = '/a/*'
        verbs = ['GET', 'POST']
        pool = 'x'
        [[site.handler]]
        path = '/abc/*'
        pool = 'x'
        [[site.handler]]
        path = '*.abc'
        pool = 'x'
        [[site.handler]]
        path = '/*'
        pool = 'x'
        [pool.x]
        extension = 'x.so'
    ";
    let (config, _) = folder.load(text).unwrap();
    assert_eq!(config.sites[0].handlers.len(), 6);
    assert_eq!(config.sites[0].handlers[5].path, HandlerPath::Wildcard);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(\\[|\\]|=|'|\"|\n|site|pool|server|http|\\.|[0-9]|\\PC){0,40}") {
        let file = Path::new("gateway.toml");
        if let Err(errors) = Config::from_toml(file, &text) {
            prop_assert!(!errors.to_string().is_empty());
        }
    }
}
