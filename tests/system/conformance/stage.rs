//! A gateway with the conformance extension, and what its column of the table calls things.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use system_tests::{Gateway, conformance, script};
use tempfile::TempDir;

use super::rule::pattern;
use crate::fronts::server::{self, Front, Kind, Places};
use crate::samples::Column;
use crate::worker::{Way, Worker};

/// Where rules are run.
pub struct Stage {
    pub server: Server,
    pub column: Column,
    /// The web server before it.
    front: Option<(Kind, Front)>,
    folder: PathBuf,
    /// The path of the extension.
    extension: String,
}

/// What runs the extension.
pub enum Server {
    Gateway(Gateway),
    /// A worker alone.
    Worker(Worker),
}

/// `/conformance.dll`, script maps and a wildcard, all to one extension in one worker, and what children are run by.
const CONFIGURATION: &str = r#"
[error_pages]
"404" = "{dir}/404.html"
[[site]]
root = "{dir}/www"
[[site.handler]]
path = "/conformance.dll"
pool = "conformance"
[[site.handler]]
path = "*.abc"
pool = "conformance"
[[site.handler]]
path = "*.cgi"
path_info = true
pool = "conformance"
[[site.handler]]
path = "/wild/*"
pool = "conformance"

[[site.handler]]
path = "/cgi"
pool = "cgi"
[[site.virtual]]
path = "/app"
root = "{dir}/app"
access = ["read", "script"]

[pool.cgi]
cgi = "{dir}/cgi"
[pool.conformance]
extension = "{dir}/EXTENSION"
threads = 4
"#;

/// Says how it was asked, and gives its body back.
const CGI: &str = r#"
printf 'Content-Type: text/plain\nX-Child: yes\n\n'
printf '%s %s %s %s|%s|' "$REQUEST_METHOD" "$QUERY_STRING" "$REMOTE_USER" "$AUTH_TYPE" "$HTTP_X_OWN"
cat"#;

/// For the compiler of the native extension.
const OPTIONS: &[&str] = &["-g", "-O2", "-lpthread"];

/// How a native extension is compiled and run.
#[derive(Default)]
pub struct Native {
    /// Options for the compiler.
    pub options: &'static [&'static str],
    /// The worker, if it is not that beside the gateway.
    pub worker: Option<PathBuf>,
    /// Environment of the worker.
    pub environment: Vec<(&'static str, &'static str)>,
}

impl Native {
    /// The configuration's section about the server.
    pub fn server(&self) -> String {
        let worker = self.worker.as_ref();
        worker.map_or(String::new(), |worker| {
            format!("[server]\nworker = {worker:?}\n")
        })
    }

    /// Further lines for a pool.
    pub fn pool(&self) -> String {
        let environment = self.environment.iter();
        let pairs: Vec<_> = environment
            .map(|(name, value)| format!("{name} = {value:?}"))
            .collect();
        format!("environment = {{ {} }}\n", pairs.join(", "))
    }
}

impl Stage {
    /// Compiles the extension and starts a gateway.
    pub fn new(column: Column) -> Self {
        Self::start(column, &Native::default())
    }

    /// The native column with an extension that is compiled and run like this.
    pub fn native(native: &Native) -> Self {
        Self::start(Column::Native, native)
    }

    /// The native column behind a web server.
    pub fn behind(kind: Kind) -> Self {
        let folder = folder();
        let file = conformance(OPTIONS, folder.path());
        let (gateway, places) = server::gateway(folder, &configuration(&file));
        Self {
            folder: gateway.folder().to_owned(),
            server: Server::Gateway(gateway),
            front: Some((kind, Front::start(kind, &places))),
            extension: file.to_str().unwrap().to_owned(),
            column: Column::Native,
        }
    }

    /// A worker alone, started in this way, behind a web server.
    pub fn alone_behind(kind: Kind, way: Way) -> Self {
        let folder = folder();
        let path = folder.path().to_owned();
        // A worker divides URLs by the name of its file.
        let file = path.join("conformance.dll");
        let column = match way {
            Way::UnderWine(machine) => {
                machine.conformance(&path);
                Column::Windows(machine)
            }
            Way::Listening | Way::OnPort | Way::Spawned => {
                std::fs::rename(conformance(OPTIONS, &path), &file).unwrap();
                Column::Native
            }
        };
        let worker = Worker::start(way, Rc::new(folder), &file);
        let places = Places::of_worker(&worker, &path.join("www"));
        Self {
            server: Server::Worker(worker),
            front: Some((kind, Front::start(kind, &places))),
            extension: file.to_str().unwrap().to_owned(),
            folder: path,
            column,
        }
    }

    fn start(column: Column, native: &Native) -> Self {
        let folder = folder();
        let (file, server) = match column {
            Column::Native => {
                let options = [OPTIONS, native.options].concat();
                (conformance(&options, folder.path()), native.server())
            }
            Column::Windows(machine) => (
                machine.conformance(folder.path()),
                "[server]\nwine_prefix = \"{wine}\"\n".to_owned(),
            ),
        };
        let text = format!("{server}{}{}", configuration(&file), native.pool());
        let gateway = Gateway::with_config_in(folder, &text);
        Self {
            folder: gateway.folder().to_owned(),
            server: Server::Gateway(gateway),
            front: None,
            extension: file.to_str().unwrap().to_owned(),
            column,
        }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        match (&self.front, &self.server) {
            (Some((_, front)), _) => front.address(),
            (None, Server::Gateway(gateway)) => gateway.address(),
            (None, Server::Worker(_)) => unreachable!("a worker speaks no HTTP"),
        }
    }

    /// Which web server stands before it.
    pub fn kind(&self) -> Option<Kind> {
        self.front.as_ref().map(|(kind, _)| *kind)
    }

    /// Ends everything, in order.
    pub fn stop(self) {
        if let Some((_, front)) = self.front {
            front.stop();
        }
        match self.server {
            Server::Gateway(gateway) => gateway.stop(),
            Server::Worker(worker) => worker.stop(),
        }
    }

    /// Puts what this column calls things in the place of `{…}`: `{32/64}` is the first in a 32-bit worker and the second
    /// in others, `{path:/a}` a path below the site's root, `{app:/a}` one
    /// below its virtual directory `/app`, `{extension}` the extension's file, `{port}` the server's port.
    /// Paths are as the extension sees them and reports quote them.
    pub fn expand(&self, text: &str) -> String {
        let mut parts = text.split('{');
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (word, rest) = part.split_once('}').expect("a closing brace");
            expanded.push_str(&self.word(word));
            expanded.push_str(rest);
        }
        expanded
    }

    fn word(&self, word: &str) -> String {
        if word == "framing" {
            return "{framing}".into();
        }
        if word == "port" {
            return self.address().port().to_string();
        }
        if let Some(path) = word.strip_prefix("app:") {
            return self.quoted(&format!("{}/app{path}", self.folder.display()));
        }
        if let Some(path) = word.strip_prefix("path:") {
            return self.quoted_path(path);
        }
        if word == "extension" {
            return self.quoted(&self.extension);
        }
        let (bits_32, bits_64) = word.split_once('/').expect("a known word");
        match self.column {
            Column::Windows(machine) if machine.name() == "i686" => bits_32.into(),
            _ => bits_64.into(),
        }
    }

    fn quoted_path(&self, path: &str) -> String {
        self.quoted(&format!("{}/www{path}", self.folder.display()))
    }

    /// A path as reports quote it: on Windows in the system's code page, which has the first 256 characters of Unicode.
    fn quoted(&self, path: &str) -> String {
        let windows = self.column != Column::Native;
        let mut quoted = String::from(if windows { "Z:" } else { "" });
        for character in path.chars() {
            match character {
                '/' if windows => quoted.push_str("\\\\"),
                ' '..='~' => quoted.push(character),
                _ if windows => quoted.push_str(&format!("\\x{:02x}", u32::from(character))),
                _ => {
                    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                        quoted.push_str(&format!("\\x{byte:02x}"));
                    }
                }
            }
        }
        quoted
    }
}

/// A folder with what the configuration names, but for the extension.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["www", "www/wild", "app"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    for (name, bytes) in [
        ("www/pattern", pattern(100_000)),
        ("www/text", b"text\n".to_vec()),
        ("www/wild/text", b"wild\n".to_vec()),
        ("www/empty", Vec::new()),
        ("404.html", b"nothing here\n".to_vec()),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    script(folder.path(), "cgi", CGI);
    folder
}

/// The sites and pools for this extension.
fn configuration(extension: &Path) -> String {
    let name = extension.file_name().unwrap().to_str().unwrap();
    CONFIGURATION.replace("EXTENSION", name)
}
