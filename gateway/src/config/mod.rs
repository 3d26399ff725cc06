//! The configuration as typed values. `parse` reads TOML into them with a place for every error, `validate` checks
//! what a type cannot say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;

/// Everything that `gateway.toml` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Listeners and limits of the gateway itself.
    pub server: Server,
    /// Sites, in the order of the file; a request's host chooses one.
    pub sites: Vec<Site>,
    /// Pools by name.
    pub pools: BTreeMap<String, Pool>,
}

/// `[server]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Addresses to listen on for HTTP; port 0 picks a free port. Default `127.0.0.1:8080`.
    pub http: Vec<SocketAddr>,
    /// Runtime threads that serve connections. Default: number of processors.
    pub threads: usize,
    /// How long a client may take to send a whole request head. Default 30 s.
    pub header_timeout: Duration,
    /// Largest request head, bytes. Default 65,536 … hyper answers 431 above it.
    pub header_limit: usize,
    /// How long requests may go on after a stop signal before they are cut. Default 30 s.
    pub shutdown_timeout: Duration,
    /// The worker binary. Default: `isapi-worker` beside the gateway's own executable.
    pub worker: Option<PathBuf>,
}

/// `[[site]]`: what one host, or every host, serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Host names without port, in lower case; `*.example.org` matches one or more labels. Empty: any host.
    pub hosts: Vec<String>,
    /// Folder of static files, and the root that URLs are mapped to (PATH_TRANSLATED). Absolute.
    pub root: Option<PathBuf>,
    /// File names tried for a URL that names a folder. Default `index.html`.
    pub default_documents: Vec<String>,
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
    /// Default: false for `extension` pools, true for `cgi` and `fastcgi` pools.
    pub path_info: bool,
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
    /// Worker processes. Default 1 (IIS maxProcesses). Only for `extension`.
    pub processes: usize,
    /// Threads per worker that run `HttpExtensionProc`. Default 4 × processors, at least 8. Only for `extension`.
    pub threads: usize,
    /// Requests in one worker at the same time, queued ones included. Default 1000. For `cgi`: programs at the same
    /// time, default 64.
    pub concurrency: usize,
    /// Requests that may wait when no worker can take one. Default 1000 (IIS queueLength).
    pub queue_length: usize,
    /// How long a request may wait there. Default 30 s.
    pub queue_timeout: Duration,
    /// How long a request may run; zero: no limit. Default zero for `extension` (IIS has none), 15 min for `cgi` (IIS's CGI limit).
    pub request_timeout: Duration,
    /// How long a worker may take to load its extension. Default 90 s (IIS startupTimeLimit).
    pub startup_timeout: Duration,
    /// How long a stopping worker may take to finish. Default 90 s (IIS shutdownTimeLimit).
    pub shutdown_timeout: Duration,
    /// Environment variables given to the worker or program beside the few it always gets.
    pub environment: BTreeMap<String, String>,
    /// Working folder. Default: the folder of the extension or program.
    pub working_directory: Option<PathBuf>,
}

/// What runs in a pool; exactly one of the three keys is given.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolKind {
    /// `extension = "PATH"`: an ISAPI extension in workers.
    Extension(PathBuf),
    /// `cgi = "PATH"`: a CGI program, one process per request.
    Cgi(PathBuf),
    /// `fastcgi = "unix:PATH | HOST:PORT"`: a foreign FastCGI application.
    Fastcgi(String),
}
