//! What runs in a pool, and which keys have a meaning for it.

use std::path::Path;

use super::diagnostic::{Findings, Wrong};
use super::fastcgi::{self, Application, FastCgi};
use super::parse::path;
use super::section::{Section, listed};
use super::{PoolKind, limits, sandbox, value, workers};

/// Keys of `[pool.NAME]` of which one says what runs in it.
const KINDS: [&str; 4] = ["extension", "cgi", "fastcgi", "program"];

/// Keys that only a pool of workers has.
const WORKER_KEYS: [&[&str]; 4] = [
    &[
        "drives",
        "send_url",
        "threads",
        "trace",
        "trace_header",
        "startup_timeout",
    ],
    &workers::KEYS,
    &limits::KEYS,
    &[sandbox::KEY],
];

/// Keys that only a pool has whose processes stay.
const PROCESS_KEYS: [&str; 2] = ["processes", "shutdown_timeout"];

/// Keys that only a pool has whose processes the gateway starts.
const START_KEYS: [&str; 2] = ["environment", "working_directory"];

/// Keys that only a pool has whose answers may name files.
const FILE_KEYS: [&str; 2] = ["sendfile", "accel_redirect"];

/// What runs in a pool; `None` when that is missing, ambiguous or wrong.
pub fn read(section: &mut Section, folder: &Path, findings: &mut Findings) -> Option<PoolKind> {
    let given = KINDS.iter().filter(|kind| section.has(kind)).count();
    if given != 1 {
        let title = section.title();
        let wrong = Wrong::with_remedy(
            match given {
                0 => format!("{title} does not say what runs in it"),
                _ => format!("{title} has more than one of {}", listed(&KINDS)),
            },
            "give it exactly one: `extension = \"FILE\"` for an ISAPI extension, `cgi = \"FILE\"` for a CGI program, \
             `fastcgi = \"HOST:PORT\"` or `program = \"FILE\"` for a FastCGI application",
        );
        findings.error_at(section.place(), wrong);
    }
    let extension = section.get(findings, "extension", |value| path(value, folder));
    let cgi = section.get(findings, "cgi", |value| path(value, folder));
    let addresses = section.some_of(findings, "fastcgi", |value| fastcgi::address(value, folder));
    let program = section.get(findings, "program", |value| fastcgi::program(value, folder));
    let application = if section.has("program") {
        let arguments = section.list(findings, "arguments", value::string);
        let arguments = arguments.unwrap_or_default();
        program.map(|file| Application::Program { file, arguments })
    } else {
        let addresses = addresses.filter(|addresses| !addresses.is_empty());
        addresses.map(Application::Listening)
    };
    let fastcgi = (section.has("fastcgi") || section.has("program")).then(|| {
        // Without an application its keys can be checked all the same.
        let known = application.is_some();
        let application = application.unwrap_or(Application::Listening(Vec::new()));
        let read = FastCgi::read(application, section, folder, findings);
        known.then_some(PoolKind::FastCgi(Box::new(read)))
    });
    match (extension, cgi, fastcgi) {
        _ if given != 1 => None,
        (Some(file), ..) => Some(PoolKind::Extension(file)),
        (_, Some(file), _) => Some(PoolKind::Cgi(file)),
        (.., fastcgi) => fastcgi.flatten(),
    }
}

/// Keys of other kinds of pools than this one.
pub fn refuse_foreign_keys(section: &Section, findings: &mut Findings) {
    let (kind, foreign, remedy) = if section.has("extension") {
        let remedy = "remove it: an extension sends files by `TransmitFile`";
        ("extension", vec![&FILE_KEYS[..]], remedy)
    } else if section.has("cgi") {
        let foreign = [&WORKER_KEYS[..], &[&PROCESS_KEYS]].concat();
        let remedy =
            "remove it: every request gets a process of its own, `concurrency` limits how many";
        ("cgi", foreign, remedy)
    } else if section.has("program") {
        let remedy = "remove it: it is for extensions";
        ("program", WORKER_KEYS.to_vec(), remedy)
    } else if section.has("fastcgi") {
        let foreign = [&WORKER_KEYS[..], &[&PROCESS_KEYS, &START_KEYS]].concat();
        let remedy = "remove it: the gateway does not start the application";
        ("fastcgi", foreign, remedy)
    } else {
        return;
    };
    for key in foreign.into_iter().flatten() {
        if section.has(key) {
            let message = format!("`{key}` has no meaning for a `{kind}` pool");
            findings.error_at(section.key_place(key), Wrong::with_remedy(message, remedy));
        }
    }
}
