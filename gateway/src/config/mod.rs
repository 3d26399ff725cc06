//! The configuration as typed values, their defaults, and the two ways to get one. `parse` reads TOML into them,
//! `listener` and `fastcgi` those of FastCGI, `value` holds the grammar of single values, `section` reads one table and
//! knows its keys, `validate` checks what a type cannot say, `diagnostic` shows what is wrong and where.

mod access_log;
mod account;
pub mod admin;
pub mod cgroup;
mod circuit;
mod crash;
mod diagnostic;
mod error_page;
mod fastcgi;
mod kind;
mod limits;
mod listener;
mod parse;
mod sandbox;
mod secret;
mod section;
mod sticky;
mod trace;
mod validate;
mod value;
mod virtual_directory;
mod workers;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::env::consts::EXE_SUFFIX;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use http::Method;

pub use access_log::{AccessLog, LogFormat};
pub use admin::Admin;
pub use circuit::Circuit;
pub use crash::Crash;
pub use diagnostic::{ConfigErrors, Diagnostic};
use diagnostic::{Findings, Source};
pub use error_page::{ErrorCode, ErrorPages};
pub use fastcgi::{Application, Endpoint, FastCgi, SendFile};
pub use limits::Limits;
pub use sandbox::Sandbox;
pub use secret::Secret;
pub use sticky::Sticky;
pub use trace::{TraceHeader, TraceLevel};
pub use virtual_directory::{Access, VirtualDirectory};
pub use workers::{RapidFail, Start, Workers};

use crate::front::fastcgi::{Address, Network};
use crate::os;
use crate::wine::{self, Drive, WineError};

/// Everything that `gateway.toml` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Listeners and limits of the gateway itself.
    pub server: Server,
    /// `[error_pages]`, for all sites.
    pub error_pages: ErrorPages,
    /// `[admin]`; none by default.
    pub admin: Option<Admin>,
    /// `[crash]`.
    pub crash: Crash,
    /// `[access_log]`; none by default.
    pub access_log: Option<AccessLog>,
    /// Sites, in the order of the file; a request's host chooses one.
    pub sites: Vec<Site>,
    /// Pools by name.
    pub pools: BTreeMap<String, Pool>,
}

/// `[server]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Addresses to listen on for HTTP; port 0 picks a free port. Default `127.0.0.1:8080`, or none when there is a
    /// listener for FastCGI.
    pub http: Vec<SocketAddr>,
    /// Listeners for web servers that speak FastCGI. Default: none.
    pub fastcgi: Vec<FastCgiListener>,
    /// Runtime threads that serve connections. Default: number of processors.
    pub threads: usize,
    /// Whether each of them, and the threads of workers that read its connections, stay on a processor of their own; only
    /// where there are as many threads as processors. Default: yes.
    pub bind_threads: bool,
    /// Whether none of them, when it is woken, interrupts what runs on its processor. Default: yes.
    pub batch_threads: bool,
    /// How long a client may take to send a whole request head. Default 30 s.
    pub header_timeout: Duration,
    /// Largest request head, bytes; a larger one is answered with 431. Default 65,536.
    pub header_limit: usize,
    /// How long requests may go on after a stop signal before they are cut. Default 30 s.
    pub shutdown_timeout: Duration,
    /// The worker binary. Default: `isapi-worker` beside the gateway's own executable. Those for Windows lie beside it.
    pub worker: Option<PathBuf>,
    /// Wine's loader. Default: searched for, see [`crate::wine::Wine::find`].
    pub wine: Option<PathBuf>,
    /// The Wine prefix. Default: a folder of the gateway's own, see [`crate::wine::default_prefix`].
    pub wine_prefix: Option<PathBuf>,
    /// Whether the configuration is read again when its file has changed. Default: false.
    pub watch: bool,
}

/// One of `fastcgi` in `[server]`.
#[derive(Clone, Debug, PartialEq)]
pub struct FastCgiListener {
    /// Where it is.
    pub address: Address,
    /// Permissions of a socket's file. Default 0660.
    pub mode: u32,
    /// Owner of a socket's file. Default: the gateway's user.
    pub owner: Option<u32>,
    /// Group of a socket's file. Default: the gateway's group.
    pub group: Option<u32>,
    /// Who may connect to a port; empty: everybody.
    pub allow: Vec<Network>,
    /// What the web server says of the client's address, user and certificate counts. Default: true for a socket in
    /// the file system, whose permissions say who may speak there; false for a port.
    pub trusted: bool,
    /// So does who the user is. Default: as `trusted`.
    pub users: bool,
    /// Connections at the same time. Default 512.
    pub connections: usize,
    /// Requests at the same time on one connection; 1: none is multiplexed. Default 32.
    pub requests: usize,
    /// How long a connection may have no request before it is closed. Default 5 min.
    pub idle_timeout: Duration,
    /// Path of the handler that answers requests with the role Authorizer. Default: the role is refused.
    pub authorizer: Option<String>,
    /// Files that the web server sends by itself. Default: none.
    pub sendfile: SendFile,
    /// It runs local redirects, too. Default: false.
    pub local_redirects: bool,
}

/// `[[site]]`: what one host, or every host, serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// INSTANCE_ID (ISAPI.md §5.2). Default: 1 for the first site of the file, and so on.
    pub id: Option<usize>,
    /// INSTANCE_NAME. Default: the first host name, or "Default Web Site".
    pub name: Option<String>,
    /// Host names without port, in lower case; `*.example.org` matches one or more labels. Empty: any host.
    pub hosts: Vec<String>,
    /// Folder of static files, and the root that URLs are mapped to (PATH_TRANSLATED). Absolute.
    pub root: Option<PathBuf>,
    /// File names tried for a URL that names a folder. Default `index.html`.
    pub default_documents: Vec<String>,
    /// Folders that stand at URLs of the site.
    pub virtual_directories: Vec<VirtualDirectory>,
    /// Pages for errors, before those of all sites.
    pub error_pages: ErrorPages,
    /// The URL path that answers, in its place, where there is neither a handler nor a file; decoded.
    pub fallback: Option<String>,
    /// Handlers, in the order of the file: the first whose path and verb fit answers.
    pub handlers: Vec<Handler>,
}

/// `[[site.handler]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Handler {
    /// Which URLs it answers.
    pub path: HandlerPath,
    /// Verbs it takes; empty: all.
    pub verbs: Vec<Method>,
    /// Name of its pool; validated to exist.
    pub pool: String,
    /// CGI-style PATH_INFO instead of IIS's whole URL path (ISAPI.md §5.4, AllowPathInfoForScriptMappings).
    /// Default: false for `extension` pools, true for others. Always true for [`HandlerPath::Exact`].
    pub path_info: bool,
    /// Whether a script must be a file of the site, 404 else (IIS `resourceType="File"`). Only for
    /// [`HandlerPath::ScriptMap`]. Default: true for FastCGI applications that see the site's own folder.
    pub must_exist: bool,
}

/// The forms of a handler's `path`, IIS-style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandlerPath {
    /// `/x/foo.dll`: the extension named in the URL, with extra path behind it (ISAPI.md §5.4 row A).
    Exact(String),
    /// `*.abc`: a script map; holds `.abc` in lower case (rows B and C).
    ScriptMap(String),
    /// `/prefix/*`: everything below `/prefix`; holds `/prefix` without the slash (row D).
    Prefix(String),
    /// `*`: everything (row D).
    Wildcard,
}

/// `[pool.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// The name in `[pool.NAME]`.
    pub name: String,
    /// What runs in it.
    pub kind: PoolKind,
    /// Worker processes. Default 1 (IIS maxProcesses). Only for `extension` and `program`.
    pub processes: usize,
    /// Threads per worker that run `HttpExtensionProc`. Default 4 × processors, at least 8. Only for `extension`.
    pub threads: usize,
    /// Requests in one worker at the same time, queued ones included. Default 1000. For `cgi`: programs at the same
    /// time, default 64. For FastCGI applications: connections to one address, default 64, for `program` the number of
    /// processes.
    pub concurrency: usize,
    /// Requests that may wait when no worker can take one. Default 1000 (IIS queueLength).
    pub queue_length: usize,
    /// How long a request may wait there. Default 30 s.
    pub queue_timeout: Duration,
    /// How long a request may run; zero: no limit. Default zero for `extension` (IIS has none), 15 min for others (IIS's CGI limit).
    pub request_timeout: Duration,
    /// How its worker processes are kept. Only for `extension`.
    pub workers: Workers,
    /// What the system allows them. Only for `extension`.
    pub limits: Limits,
    /// What the extension may do. Default: what the workers' user may. Only for `extension`.
    pub sandbox: Option<Sandbox>,
    /// How long a worker may take to load its extension. Default 90 s (IIS startupTimeLimit).
    pub startup_timeout: Duration,
    /// How long a stopping worker may take to finish. Default 90 s (IIS shutdownTimeLimit).
    pub shutdown_timeout: Duration,
    /// Environment variables given to the worker or program beside the few it always gets.
    pub environment: BTreeMap<String, String>,
    /// What Windows extensions call Unix folders. Only for `extension`.
    pub drives: BTreeMap<Drive, PathBuf>,
    /// Working folder. Default: the folder of the extension or program.
    pub working_directory: Option<PathBuf>,
    /// Files that the application may have sent. Not for `extension`.
    pub sendfile: SendFile,
    /// What HSE_REQ_SEND_URL does with a URL of the site. Default: redirect. Only for `extension`.
    pub send_url: SendUrl,
    /// Which callbacks are logged. Default: none. Only for `extension`.
    pub trace: TraceLevel,
    /// By which header single requests are traced. Only for `extension`.
    pub trace_header: Option<TraceHeader>,
    /// Errors for which all sites of the pool have a page.
    pub error_pages: Vec<ErrorCode>,
}

/// What HSE_REQ_SEND_URL does with a URL that begins with a slash (ISAPI.md §4.2, code 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SendUrl {
    /// Redirects the client, as IIS since version 5.
    #[default]
    Redirect,
    /// Answers with the document at that URL.
    Internal,
}

/// What runs in a pool; exactly one of the keys is given.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolKind {
    /// `extension = "PATH"`: an ISAPI extension in workers.
    Extension(PathBuf),
    /// `cgi = "PATH"`: a CGI program, one process per request.
    Cgi(PathBuf),
    /// `fastcgi = "ADDRESS"` or `program = "PATH"`: a FastCGI application.
    FastCgi(Box<FastCgi>),
}

impl Config {
    /// Reads and checks a configuration file. Nothing is loaded or started.
    ///
    /// # Errors
    /// Everything that is wrong with the file, each with its place in it.
    pub fn load(file: &Path) -> Result<(Self, Vec<Diagnostic>), ConfigErrors> {
        Self::from_toml(file, &text_of(file)?)
    }

    fn from_toml(file: &Path, text: &str) -> Result<(Self, Vec<Diagnostic>), ConfigErrors> {
        let source = Some(Source { file, text });
        let mut findings = Findings::default();
        let Some(config) = parse::config(text, &folder_of(file), &mut findings) else {
            return Err(findings.into_errors(source));
        };
        validate::config(&config, &mut findings);
        findings.into_result(config, source)
    }

    /// The configuration of `serve EXTENSION`: one site for every host, in which `/NAME.ext/extra` and `/extra` both
    /// reach the extension with PATH_INFO `/extra`. The site has no root: no file of the folder is served. It listens
    /// where it is told to, else at the default address for HTTP.
    ///
    /// # Errors
    /// When the extension is not a file.
    pub fn for_extension(
        extension: &Path,
        http: Option<SocketAddr>,
        fastcgi: Option<Address>,
    ) -> Result<Self, ConfigErrors> {
        let refused = |message: String| ConfigErrors::from(Diagnostic::without_place(message));
        let shown = extension.display();
        let file =
            std::path::absolute(extension).map_err(|error| refused(format!("{shown}: {error}")))?;
        let names = file.file_name().zip(file.file_stem());
        let Some((name, stem)) = names.and_then(|(name, stem)| name.to_str().zip(stem.to_str()))
        else {
            return Err(refused(format!(
                "{shown}: the name of the file is not UTF-8 text"
            )));
        };
        let own_path = value::handler_path(&format!("/{name}"))
            .map_err(|wrong| refused(format!("{shown}: as a URL, {}", wrong.message)))?;
        let pool = Pool::new(value::to_pool_name(stem), PoolKind::Extension(file.clone()));
        let handler = |path| Handler {
            path,
            verbs: Vec::new(),
            pool: pool.name.clone(),
            path_info: true,
            must_exist: false,
        };
        let site = Site {
            handlers: vec![handler(own_path), handler(HandlerPath::Wildcard)],
            ..Site::default()
        };
        let config = Self {
            server: Server {
                http: match (http, &fastcgi) {
                    (None, Some(_)) => Vec::new(),
                    (http, _) => vec![http.unwrap_or(DEFAULT_HTTP)],
                },
                fastcgi: fastcgi.into_iter().map(FastCgiListener::new).collect(),
                ..Server::default()
            },
            sites: vec![site],
            pools: BTreeMap::from([(pool.name.clone(), pool)]),
            error_pages: ErrorPages::new(),
            access_log: None,
            crash: Crash::default(),
            admin: None,
        };
        let mut findings = Findings::default();
        validate::config(&config, &mut findings);
        findings.into_result(config, None).map(|(config, _)| config)
    }
}

/// Where HTTP is listened for when nothing else is said.
const DEFAULT_HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

impl FastCgiListener {
    /// A listener with the defaults of its kind.
    pub fn new(address: Address) -> Self {
        let trusted = matches!(address, Address::Unix(_));
        Self {
            mode: 0o660,
            owner: None,
            group: None,
            allow: Vec::new(),
            trusted,
            users: trusted,
            connections: 512,
            requests: 32,
            idle_timeout: Duration::from_secs(5 * 60),
            authorizer: None,
            sendfile: SendFile::default(),
            local_redirects: false,
            address,
        }
    }
}

fn text_of(file: &Path) -> Result<String, ConfigErrors> {
    std::fs::read_to_string(file).map_err(|error| {
        let message = format!("{}: cannot be read: {error}", file.display());
        Diagnostic::without_place(message).into()
    })
}

/// Where relative paths of a file start.
fn folder_of(file: &Path) -> PathBuf {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    absolute.parent().unwrap_or(Path::new("/")).to_owned()
}

impl Default for Server {
    fn default() -> Self {
        Self {
            http: vec![DEFAULT_HTTP],
            fastcgi: Vec::new(),
            threads: processors().min(os::MOST_LANES),
            bind_threads: true,
            batch_threads: true,
            header_timeout: Duration::from_secs(30),
            header_limit: 64 * 1024,
            shutdown_timeout: Duration::from_secs(30),
            worker: None,
            wine: None,
            wine_prefix: None,
            watch: false,
        }
    }
}

impl Server {
    /// The worker binary: the configured one, else `isapi-worker` beside this program.
    pub fn worker_binary(&self) -> PathBuf {
        match (&self.worker, std::env::current_exe()) {
            (Some(worker), _) => worker.clone(),
            (None, Ok(own)) => own.with_file_name(format!("isapi-worker{EXE_SUFFIX}")),
            // What the system cannot tell is at least in PATH, as this program was.
            (None, Err(_)) => PathBuf::from("isapi-worker"),
        }
    }

    /// The Wine prefix.
    ///
    /// # Errors
    /// When none is configured and there is no place for one.
    pub fn wine_prefix(&self) -> Result<PathBuf, WineError> {
        match &self.wine_prefix {
            Some(prefix) => Ok(prefix.clone()),
            None => wine::default_prefix(),
        }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self {
            id: None,
            name: None,
            hosts: Vec::new(),
            root: None,
            default_documents: vec!["index.html".to_owned()],
            fallback: None,
            virtual_directories: Vec::new(),
            error_pages: ErrorPages::new(),
            handlers: Vec::new(),
        }
    }
}

impl Pool {
    /// A pool with the defaults of its kind.
    pub fn new(name: String, kind: PoolKind) -> Self {
        let (concurrency, request_timeout) = match kind {
            PoolKind::Extension(_) => (1000, Duration::ZERO),
            PoolKind::Cgi(_) | PoolKind::FastCgi(_) => (64, Duration::from_secs(15 * 60)),
        };
        Self {
            name,
            kind,
            processes: 1,
            workers: Workers::default(),
            limits: Limits::default(),
            sandbox: None,
            threads: (4 * processors()).clamp(8, validate::MOST_THREADS),
            concurrency,
            queue_length: 1000,
            queue_timeout: Duration::from_secs(30),
            request_timeout,
            startup_timeout: Duration::from_secs(90),
            shutdown_timeout: Duration::from_secs(90),
            environment: BTreeMap::new(),
            drives: BTreeMap::new(),
            working_directory: None,
            sendfile: SendFile::default(),
            send_url: SendUrl::default(),
            trace: TraceLevel::default(),
            trace_header: None,
            error_pages: Vec::new(),
        }
    }
}

impl SendUrl {
    /// Its name in the configuration and towards workers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Internal => "internal",
        }
    }
}

impl PoolKind {
    /// The file of the extension or program; `None` for an application that the gateway does not start.
    pub fn file(&self) -> Option<&Path> {
        match self {
            PoolKind::Extension(file) | PoolKind::Cgi(file) => Some(file),
            PoolKind::FastCgi(fastcgi) => fastcgi.program(),
        }
    }
}

fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}
