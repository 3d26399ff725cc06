//! TOML to the types of the configuration. Every mistake is noted with its place and reading goes on, so that one run
//! tells them all.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Findings, Wrong};
use super::fastcgi::SendFile;
use super::section::{Section, listed, note, suggest};
use super::{
    Config, Handler, HandlerPath, Pool, PoolKind, Server, Site, TraceHeader, TraceLevel,
    access_log, admin, crash, error_page, kind, limits, listener, sandbox, validate, value,
    virtual_directory, workers,
};
use crate::os;
use crate::wine::Drive;

/// Time-outs that may be zero.
pub const FROM_ZERO: RangeInclusive<Duration> = Duration::ZERO..=value::LONGEST;

/// Time-outs without which something would never end, or never begin.
pub const FROM_A_MOMENT: RangeInclusive<Duration> = Duration::from_millis(1)..=value::LONGEST;

/// Reads a configuration. Relative paths start from `folder`, which is absolute. `None` when the text is not TOML;
/// every mistake is in `findings`, and the configuration can be used only when there is none.
pub fn config(text: &str, folder: &Path, findings: &mut Findings) -> Option<Config> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            findings.error_at(error.span(), Wrong::new(error.message()));
        }
        return None;
    }
    let mut root = Section::root(table.get_ref());
    let server = match root.section(findings, "server") {
        Some(section) => server(section, folder, findings),
        None => Server::default(),
    };
    let sections = root.named_sections(findings, "pool");
    let names: Vec<String> = sections.iter().map(|(name, _)| name.clone()).collect();
    let error_pages = error_page::read(&mut root, folder, findings);
    let access_log = access_log::read(&mut root, folder, findings);
    let admin = admin::read(&mut root, folder, findings);
    let crash = crash::read(&mut root, folder, findings);
    let mut pools: BTreeMap<String, Pool> = sections
        .into_iter()
        .filter_map(|(name, section)| pool(name, section, folder, findings))
        .map(|pool| (pool.name.clone(), pool))
        .collect();
    let sites: Vec<Site> = root
        .sections(findings, "site")
        .into_iter()
        .map(|section| site(section, folder, &names, &pools, findings))
        .collect();
    root.finish(findings);
    for pool in pools.values_mut() {
        pool.error_pages = error_page::common(&sites, &error_pages, &pool.name);
    }
    Some(Config {
        server,
        error_pages,
        access_log,
        admin,
        crash,
        sites,
        pools,
    })
}

fn server(mut section: Section, folder: &Path, findings: &mut Findings) -> Server {
    let default = Server::default();
    let in_folder = |value: &DeValue| path(value, folder);
    let fastcgi = listener::all(&mut section, folder, findings);
    let server = Server {
        http: match section.some_of(findings, "http", value::listener) {
            Some(http) => http,
            None if fastcgi.is_empty() => default.http,
            None => Vec::new(),
        },
        fastcgi,
        threads: section
            .get(findings, "threads", |value| {
                value::integer(value, &(1..=os::MOST_LANES))
            })
            .unwrap_or(default.threads),
        bind_threads: section
            .get(findings, "bind_threads", value::boolean)
            .unwrap_or(default.bind_threads),
        batch_threads: section
            .get(findings, "batch_threads", value::boolean)
            .unwrap_or(default.batch_threads),
        header_timeout: section
            .get(findings, "header_timeout", |value| {
                value::duration(value, &FROM_A_MOMENT)
            })
            .unwrap_or(default.header_timeout),
        header_limit: section
            .get(findings, "header_limit", |value| {
                value::integer(value, &(8 * 1024..=1024 * 1024))
            })
            .unwrap_or(default.header_limit),
        shutdown_timeout: section
            .get(findings, "shutdown_timeout", |value| {
                value::duration(value, &FROM_ZERO)
            })
            .unwrap_or(default.shutdown_timeout),
        worker: section.get(findings, "worker", in_folder),
        wine: section.get(findings, "wine", in_folder),
        wine_prefix: section.get(findings, "wine_prefix", in_folder),
        watch: section
            .get(findings, "watch", value::boolean)
            .unwrap_or(default.watch),
    };
    section.finish(findings);
    server
}

fn site(
    mut section: Section,
    folder: &Path,
    names: &[String],
    pools: &BTreeMap<String, Pool>,
    findings: &mut Findings,
) -> Site {
    if !["root", "handler", "virtual"]
        .iter()
        .any(|key| section.has(key))
    {
        let wrong = Wrong::with_remedy(
            "this site has neither a `root` nor a handler: it would answer nothing",
            "add `root = \"FOLDER\"` for static files, or a [[site.handler]] below it",
        );
        findings.error_at(section.place(), wrong);
    }
    let default = Site::default();
    let site = Site {
        id: section.get(findings, "id", |value| {
            value::integer(value, &(1..=validate::LARGEST_ID))
        }),
        name: section.get(findings, "name", value::line),
        hosts: section
            .some_of(findings, "hosts", value::host)
            .unwrap_or(default.hosts),
        root: section.get(findings, "root", |value| path(value, folder)),
        default_documents: section
            .list(findings, "default_documents", value::file_name)
            .unwrap_or(default.default_documents),
        fallback: section.get(findings, "fallback", |value| {
            value::url_path(&value::string(value)?)
        }),
        virtual_directories: section
            .sections(findings, "virtual")
            .into_iter()
            .filter_map(|section| virtual_directory::read(section, folder, findings))
            .collect(),
        error_pages: error_page::read(&mut section, folder, findings),
        handlers: section
            .sections(findings, "handler")
            .into_iter()
            .filter_map(|section| handler(section, names, pools, findings))
            .collect(),
    };
    if site.fallback.is_some() && !section.has("root") {
        let wrong = Wrong::with_remedy(
            "`fallback` is for what is not in the `root`, and this site has none",
            "add `root = \"FOLDER\"`, or send everything to a handler with `path = \"*\"`",
        );
        findings.error_at(section.key_place("fallback"), wrong);
    }
    section.finish(findings);
    site
}

fn handler(
    mut section: Section,
    names: &[String],
    pools: &BTreeMap<String, Pool>,
    findings: &mut Findings,
) -> Option<Handler> {
    let path = section.require(findings, "path", |value| {
        value::handler_path(&value::string(value)?)
    });
    let pool = section.require(findings, "pool", |value| pool_of(value, names));
    let verbs = section.some_of(findings, "verbs", value::verb);
    let path_info = section.get(findings, "path_info", value::boolean);
    if path_info.is_some() && matches!(path, Some(HandlerPath::Exact(_))) {
        let wrong = Wrong::with_remedy(
            "`path_info` has no meaning for a path that names the extension or program itself",
            "remove it: such a URL always has path info",
        );
        findings.error_at(section.key_place("path_info"), wrong);
    }
    let must_exist = section.get(findings, "must_exist", value::boolean);
    let is_script_map = matches!(path, Some(HandlerPath::ScriptMap(_)));
    if must_exist.is_some() && path.is_some() && !is_script_map {
        let wrong = Wrong::with_remedy(
            "`must_exist` has a meaning only for a script map",
            "remove it: other paths than `*.ext` need not name a file",
        );
        findings.error_at(section.key_place("must_exist"), wrong);
    }
    section.finish(findings);
    let (path, pool) = (path?, pool?);
    let kind = pools.get(&pool).map(|pool| &pool.kind);
    let is_extension = matches!(kind, Some(PoolKind::Extension(_)) | None);
    let is_at_hand = matches!(kind, Some(PoolKind::FastCgi(fastcgi)) if fastcgi.root.is_none());
    Some(Handler {
        path_info: path_info.unwrap_or(matches!(path, HandlerPath::Exact(_)) || !is_extension),
        must_exist: must_exist.unwrap_or(is_script_map && is_at_hand),
        path,
        verbs: verbs.unwrap_or_default(),
        pool,
    })
}

fn pool(
    name: String,
    mut section: Section,
    folder: &Path,
    findings: &mut Findings,
) -> Option<Pool> {
    if let Err(wrong) = value::pool_name(&name) {
        findings.error_at(section.place(), wrong);
    }
    let kind = kind::read(&mut section, folder, findings);
    // Without a kind there are no defaults, but the other keys can be checked all the same.
    let placeholder = || PoolKind::Extension(PathBuf::new());
    let known = kind.is_some();
    let default = Pool::new(name, kind.unwrap_or_else(placeholder));
    kind::refuse_foreign_keys(&section, findings);
    let processes = section.get(findings, "processes", |value| {
        value::integer(value, &(1..=64))
    });
    let processes = processes.unwrap_or(default.processes);
    // Each process of a FastCGI program has one connection at a time.
    let is_program = section.has("program");
    let concurrency = if is_program {
        processes
    } else {
        default.concurrency
    };
    let pool = Pool {
        processes,
        workers: workers::read(&mut section, processes, findings),
        limits: limits::read(&mut section, folder, findings),
        sandbox: sandbox::read(&mut section, folder, findings),
        threads: section
            .get(findings, "threads", |value| {
                value::integer(value, &(1..=validate::MOST_THREADS))
            })
            .unwrap_or(default.threads),
        concurrency: section
            .get(findings, "concurrency", |value| {
                value::integer(value, &(1..=10_000))
            })
            .unwrap_or(concurrency),
        queue_length: section
            .get(findings, "queue_length", |value| {
                value::integer(value, &(0..=65_535))
            })
            .unwrap_or(default.queue_length),
        queue_timeout: section
            .get(findings, "queue_timeout", |value| {
                value::duration(value, &FROM_ZERO)
            })
            .unwrap_or(default.queue_timeout),
        request_timeout: section
            .get(findings, "request_timeout", |value| {
                value::duration(value, &FROM_ZERO)
            })
            .unwrap_or(default.request_timeout),
        startup_timeout: section
            .get(findings, "startup_timeout", |value| {
                value::duration(value, &FROM_A_MOMENT)
            })
            .unwrap_or(default.startup_timeout),
        shutdown_timeout: section
            .get(findings, "shutdown_timeout", |value| {
                value::duration(value, &FROM_ZERO)
            })
            .unwrap_or(default.shutdown_timeout),
        environment: environment(&mut section, findings),
        drives: drives(&mut section, folder, findings),
        working_directory: section.get(findings, "working_directory", |value| path(value, folder)),
        sendfile: SendFile::read(&mut section, folder, findings),
        send_url: section
            .get(findings, "send_url", value::send_url)
            .unwrap_or(default.send_url),
        trace: section
            .get(findings, "trace", TraceLevel::read)
            .unwrap_or(default.trace),
        trace_header: section.get(findings, "trace_header", TraceHeader::read),
        ..default
    };
    section.finish(findings);
    known.then_some(pool)
}

fn environment(section: &mut Section, findings: &mut Findings) -> BTreeMap<String, String> {
    let Some(table) = section.section(findings, "environment") else {
        return BTreeMap::new();
    };
    let mut environment = BTreeMap::new();
    for (key, value) in table.entries() {
        let name = key.get_ref();
        if name.is_empty() || name.contains(['=', '\0']) {
            let wrong = Wrong::new("an environment variable's name is not empty and has no `=`");
            findings.error_at(Some(key.span()), wrong);
        } else if let Some(text) = note(findings, value.span(), value::string(value.get_ref())) {
            environment.insert(name.to_string(), text);
        }
    }
    environment
}

fn drives(
    section: &mut Section,
    folder: &Path,
    findings: &mut Findings,
) -> BTreeMap<Drive, PathBuf> {
    let Some(table) = section.section(findings, "drives") else {
        return BTreeMap::new();
    };
    let mut drives = BTreeMap::new();
    for (key, value) in table.entries() {
        let name = key.get_ref();
        let drive = Drive::parse(name).map_err(|remedy| {
            Wrong::with_remedy(format!("\"{name}\" cannot be another folder"), remedy)
        });
        let drive = note(findings, key.span(), drive);
        let target = note(findings, value.span(), path(value.get_ref(), folder));
        if let Some((drive, target)) = drive.zip(target) {
            findings.set_place(format!("{}.{drive}", table.path()), value.span());
            if drives.insert(drive, target).is_some() {
                let wrong = Wrong::new(format!("\"{name}\" is here twice"));
                findings.error_at(Some(key.span()), wrong);
            }
        }
    }
    drives
}

/// The name of a pool that the file has.
fn pool_of(value: &DeValue, names: &[String]) -> Result<String, Wrong> {
    let name = value::text(value)?;
    if names.contains(&name) {
        return Ok(name);
    }
    let remedy = suggest(&name, names).unwrap_or_else(|| match names {
        [] => format!("add a [pool.{name}]"),
        _ => format!("the pools are {}", listed(names)),
    });
    Err(Wrong::with_remedy(
        format!("there is no pool \"{name}\""),
        remedy,
    ))
}

/// A path; a relative one starts from `folder`.
pub fn path(value: &DeValue, folder: &Path) -> Result<PathBuf, Wrong> {
    Ok(from_folder(Path::new(&value::text(value)?), folder))
}

/// A path without `..`, so that logs and messages are readable; symbolic links stay.
pub fn from_folder(relative: &Path, folder: &Path) -> PathBuf {
    let mut path = PathBuf::new();
    for part in folder.join(relative).components() {
        if part != Component::ParentDir || !path.pop() {
            path.push(part);
        }
    }
    path
}
