//! What a type cannot say: whether files exist, and whether the parts of a configuration fit each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::Path;

use super::diagnostic::{Findings, Wrong};
use super::{
    Config, Handler, HandlerPath, Limits, Pool, PoolKind, Sandbox, SendFile, Site, VirtualDirectory,
};
use crate::front::fastcgi::Address;
use crate::library::{self, Platform};
use crate::os;
use crate::site::Warmup;
use crate::site::path::divide;
use crate::wine::{self, Wine, WineError};

/// Most threads of a worker.
pub const MOST_THREADS: usize = 256;

/// Largest number of a site: IIS's are 32 bits long.
pub const LARGEST_ID: usize = 0xFFFF_FFFF;

/// Notes everything that keeps a configuration from being run, and what is odd in it. When something has been noted
/// already, parts may be missing: then only what each part says by itself is checked.
pub fn config(config: &Config, findings: &mut Findings) {
    let is_whole = findings.is_clean();
    files(config, findings);
    extensions(config, findings);
    if !is_whole {
        return;
    }
    drives(config, findings);
    listeners(config, findings);
    sites(config, findings);
    site_ids(&config.sites, findings);
    for (index, site) in config.sites.iter().enumerate() {
        virtual_directories(index, site, findings);
        handlers(index, site, findings);
        roots(index, site, &config.pools, findings);
    }
    unused_pools(config, findings);
    warmups(config, findings);
    limits(config, findings);
}

fn files(config: &Config, findings: &mut Findings) {
    let mut check = |key: &str, checked: Result<(), Wrong>| {
        if let Err(wrong) = checked {
            findings.error(key, wrong);
        }
    };
    if let Some(log) = &config.access_log {
        check("access_log.file", to_be_written(&log.file));
    }
    if let Some(hook) = config.crash.hook.first().filter(|hook| hook.contains('/')) {
        check("crash.hook[0]", program(Path::new(hook)));
    }
    if let Some(worker) = &config.server.worker {
        check("server.worker", program(worker));
    }
    for (index, listener) in config.server.fastcgi.iter().enumerate() {
        let key = format!("server.fastcgi[{index}]");
        sent_files(&key, &listener.sendfile, &mut check);
    }
    for (index, site) in config.sites.iter().enumerate() {
        if let Some(root) = &site.root {
            check(&format!("site[{index}].root"), folder(root));
        }
        for (at, directory) in site.virtual_directories.iter().enumerate() {
            let key = format!("site[{index}].virtual[{at}].root");
            check(&key, mapped_folder(&directory.root));
        }
        for (code, page) in &site.error_pages {
            let key = format!("site[{index}].error_pages.{code}");
            check(&key, file(page).map(drop));
        }
    }
    for (code, page) in &config.error_pages {
        check(&format!("error_pages.{code}"), file(page).map(drop));
    }
    for pool in config.pools.values() {
        let key = |key: &str| format!("pool.{}.{key}", pool.name);
        match &pool.kind {
            PoolKind::Cgi(path) => check(&key("cgi"), program(path)),
            PoolKind::FastCgi(fastcgi) => {
                if let Some(path) = fastcgi.program() {
                    check(&key("program"), program(path));
                }
            }
            PoolKind::Extension(_) => {}
        }
        sent_files(&format!("pool.{}", pool.name), &pool.sendfile, &mut check);
        for (drive, target) in &pool.drives {
            check(&key(&format!("drives.{drive}")), folder(target));
        }
        for (list, paths) in pool.sandbox.iter().flat_map(Sandbox::paths) {
            for (index, path) in paths.iter().enumerate() {
                let key = key(&format!("sandbox.{list}[{index}]"));
                check(&key, metadata(path).map(drop));
            }
        }
        if let Some(parent) = pool
            .limits
            .cgroup
            .as_ref()
            .and_then(|group| group.parent.as_ref())
        {
            check(&key("cgroup.parent"), cgroup(parent));
        }
        if let Some(directory) = &pool.working_directory {
            check(&key("working_directory"), folder(directory));
        }
    }
}

fn sent_files(section: &str, files: &SendFile, check: &mut impl FnMut(&str, Result<(), Wrong>)) {
    for (index, target) in files.folders.iter().enumerate() {
        check(&format!("{section}.sendfile[{index}]"), folder(target));
    }
    for (prefix, target) in &files.internal {
        check(
            &format!("{section}.accel_redirect.{prefix}"),
            folder(target),
        );
    }
}

/// Whether there is a worker for each extension, by its header.
fn extensions(config: &Config, findings: &mut Findings) {
    let mut windows = Vec::new();
    for pool in config.pools.values() {
        let PoolKind::Extension(path) = &pool.kind else {
            continue;
        };
        let key = format!("pool.{}.extension", pool.name);
        match file(path).and_then(|_| platform(path)) {
            Err(wrong) => findings.error(&key, wrong),
            Ok(platform) if !platform.needs_wine() => {
                if let Some(drive) = pool.drives.keys().next() {
                    let wrong = Wrong::with_remedy(
                        "this pool has `drives`, but its extension does not run under Wine",
                        "remove them: it sees the file system as it is",
                    );
                    findings.error(&format!("pool.{}.drives.{drive}", pool.name), wrong);
                }
            }
            Ok(platform) => {
                native_only(pool, findings);
                windows.push((key, platform));
            }
        }
    }
    let configured = config.server.wine.as_deref();
    let Some((first, _)) = windows.first() else {
        return;
    };
    let wine = match Wine::find(configured) {
        Ok(wine) => wine,
        Err(error) => {
            let key = configured.map_or(first.as_str(), |_| "server.wine");
            return findings.error(key, without_wine(&error));
        }
    };
    let native = config.server.worker_binary();
    for (key, platform) in &windows {
        let runs = wine
            .supports(*platform)
            .and(wine::worker(&native, *platform));
        if let Err(error) = runs {
            findings.error(key, without_wine(&error));
        }
    }
}

/// What Wine does not bear.
fn native_only(pool: &Pool, findings: &mut Findings) {
    let mut refuse = |key: &str, why: &str| {
        let message = format!("`{key}` cannot be used for a Windows DLL: {why}");
        findings.error(
            &format!("pool.{}.{key}", pool.name),
            Wrong::with_remedy(message, "remove it"),
        );
    };
    if pool.limits.user.is_some() {
        refuse("user", "a Wine prefix has one owner");
    }
    if pool.sandbox.is_some() {
        refuse(
            "sandbox",
            "its worker is a Windows program and cannot ask Linux for one",
        );
    }
    if pool.limits.address_space.is_some() {
        refuse(
            "limits.address_space",
            "Wine reserves far more than it uses",
        );
    }
}

/// What the gateway's own system does not have, and what only root may do.
fn limits(config: &Config, findings: &mut Findings) {
    for pool in config.pools.values() {
        let key = |key: &str| format!("pool.{}.{key}", pool.name);
        let resources = Limits {
            user: None,
            cgroup: None,
            ..pool.limits.clone()
        };
        let given = [
            ("user", pool.limits.user.is_some()),
            ("limits", resources != Limits::default()),
            ("cgroup", pool.limits.cgroup.is_some()),
            ("sandbox", pool.sandbox.is_some()),
            ("memory_limit", pool.workers.memory_limit > 0),
            ("recycle.memory", pool.workers.recycle.memory > 0),
        ];
        for (name, _) in given.iter().filter(|(_, given)| *given && !os::HAS_LIMITS) {
            let message = format!("`{name}` is not available on this system");
            findings.error(&key(name), Wrong::with_remedy(message, "remove it"));
        }
        if pool.limits.user.is_some() && !os::is_root() {
            let wrong = Wrong::with_remedy(
                "the gateway cannot start workers of another user",
                "start it as root, or remove `user`",
            );
            findings.warning(&key("user"), wrong);
        }
    }
}

fn platform(path: &Path) -> Result<Platform, Wrong> {
    library::platform_of(path).map_err(|defect| Wrong {
        message: format!("{} {defect}", path.display()),
        remedy: defect.remedy(),
    })
}

fn without_wine(error: &WineError) -> Wrong {
    Wrong::with_remedy(error.to_string(), error.remedy())
}

/// All pools see the same drives: they share a Wine prefix.
fn drives(config: &Config, findings: &mut Findings) {
    let mut seen = BTreeMap::new();
    for pool in config.pools.values() {
        for (drive, target) in &pool.drives {
            let (owner, first) = *seen.entry(drive).or_insert((&pool.name, target));
            if first != target {
                let wrong = Wrong::with_remedy(
                    format!("{drive} is {} in [pool.{owner}]", first.display()),
                    "give it the same folder in all pools: they share a Wine prefix",
                );
                findings.error(&format!("pool.{}.drives.{drive}", pool.name), wrong);
            }
        }
    }
}

fn listeners(config: &Config, findings: &mut Findings) {
    let listeners = &config.server.http;
    for (index, address) in listeners.iter().enumerate() {
        if address.port() != 0 && listeners[..index].contains(address) {
            let wrong = Wrong::with_remedy(
                format!("{address} is listed twice"),
                "remove one of the two",
            );
            findings.error(&format!("server.http[{index}]"), wrong);
        }
    }
    let listeners = &config.server.fastcgi;
    for (index, listener) in listeners.iter().enumerate() {
        let address = &listener.address;
        let picks_port = matches!(address, Address::Tcp(address) if address.port() == 0);
        let mut earlier = listeners[..index].iter().map(|earlier| &earlier.address);
        let is_http =
            matches!(address, Address::Tcp(address) if config.server.http.contains(address));
        if !picks_port && (is_http || earlier.any(|earlier| earlier == address)) {
            let wrong = Wrong::with_remedy(
                format!("{address} is listed twice"),
                "remove one of the two",
            );
            findings.error(&format!("server.fastcgi[{index}]"), wrong);
        }
    }
}

fn sites(config: &Config, findings: &mut Findings) {
    if config.sites.is_empty() {
        let wrong = Wrong::with_remedy(
            "there is no site: nothing would be served",
            "add a [[site]] with a `root`, or with a [[site.handler]]",
        );
        findings.error_at(Some(0..0), wrong);
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, site) in config.sites.iter().enumerate() {
        let unnamed = site.hosts.is_empty().then_some("");
        let hosts = site.hosts.iter().map(String::as_str).chain(unnamed);
        for (at, host) in hosts.enumerate() {
            let Some(&first) = seen.get(host) else {
                seen.insert(host, index);
                continue;
            };
            let (key, message) = match host {
                "" => (
                    format!("site[{index}]"),
                    format!(
                        "site {} is for every host, and so is site {} before it",
                        index + 1,
                        first + 1
                    ),
                ),
                _ => (
                    format!("site[{index}].hosts[{at}]"),
                    format!(
                        "the host \"{host}\" has been given to site {} already",
                        first + 1
                    ),
                ),
            };
            let remedy = "one host has one site: join the two, or give them different `hosts`";
            findings.error(&key, Wrong::with_remedy(message, remedy));
        }
    }
}

/// Extensions tell sites apart by their numbers.
fn site_ids(sites: &[Site], findings: &mut Findings) {
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, site) in sites.iter().enumerate() {
        let Some(first) = seen.insert(site.id.unwrap_or(index + 1), index) else {
            continue;
        };
        let wrong = Wrong::with_remedy(
            format!("sites {} and {} have the same `id`", first + 1, index + 1),
            "give it another number; a site without `id` has its place in the file as number",
        );
        let explicit = site.id.map_or(first, |_| index);
        findings.error(&format!("site[{explicit}].id"), wrong);
    }
}

fn virtual_directories(site_index: usize, site: &Site, findings: &mut Findings) {
    let directories = &site.virtual_directories;
    for (index, directory) in directories.iter().enumerate() {
        let is_same = |other: &VirtualDirectory| other.path.eq_ignore_ascii_case(&directory.path);
        if let Some(first) = directories[..index].iter().position(is_same) {
            let wrong = Wrong::new(format!(
                "virtual directory {} of the site has this path already",
                first + 1
            ));
            findings.error(&format!("site[{site_index}].virtual[{index}].path"), wrong);
        }
    }
}

/// A handler behind another that takes all its requests is a mistake: it would never run.
fn handlers(site_index: usize, site: &Site, findings: &mut Findings) {
    for (index, handler) in site.handlers.iter().enumerate() {
        let earlier = &site.handlers[..index];
        if let Some(first) = earlier.iter().position(|earlier| hides(earlier, handler)) {
            let wrong = Wrong::with_remedy(
                format!(
                    "this handler is never reached: handler {} of the site takes its requests",
                    first + 1
                ),
                "put the narrower path first, give them different `verbs`, or remove one",
            );
            findings.error(&format!("site[{site_index}].handler[{index}].path"), wrong);
        }
    }
}

/// An application that runs elsewhere must be told where the files of its URLs are.
fn roots(site_index: usize, site: &Site, pools: &BTreeMap<String, Pool>, findings: &mut Findings) {
    if site.root.is_some() {
        return;
    }
    for (index, handler) in site.handlers.iter().enumerate() {
        if let PoolKind::FastCgi(fastcgi) = &pools[&handler.pool].kind
            && fastcgi.root.is_none()
            && fastcgi.program().is_none()
        {
            let wrong = Wrong::with_remedy(
                "neither this site nor its FastCGI application has a `root`: SCRIPT_FILENAME could not be told",
                format!(
                    "add `root = \"FOLDER\"` to the site, or to [pool.{}] the folder as the application sees it",
                    handler.pool
                ),
            );
            findings.error(&format!("site[{site_index}].handler[{index}].pool"), wrong);
        }
    }
}

fn hides(earlier: &Handler, later: &Handler) -> bool {
    let takes_verbs = earlier.verbs.is_empty()
        || (!later.verbs.is_empty() && later.verbs.iter().all(|verb| earlier.verbs.contains(verb)));
    takes_verbs && covers(&earlier.path, &later.path)
}

/// Whether every URL that fits `narrow` fits `wide` too.
fn covers(wide: &HandlerPath, narrow: &HandlerPath) -> bool {
    match (wide, narrow) {
        (HandlerPath::Wildcard, _) => true,
        (HandlerPath::ScriptMap(wide), HandlerPath::ScriptMap(narrow)) => {
            narrow.ends_with(wide.as_str())
        }
        (_, HandlerPath::ScriptMap(_) | HandlerPath::Wildcard) => false,
        (_, HandlerPath::Exact(path) | HandlerPath::Prefix(path)) => {
            divide(wide, true, path.as_bytes()).is_some()
        }
    }
}

fn unused_pools(config: &Config, findings: &mut Findings) {
    let handlers = config.sites.iter().flat_map(|site| &site.handlers);
    let used: BTreeSet<&str> = handlers.map(|handler| handler.pool.as_str()).collect();
    for name in config.pools.keys() {
        if !used.contains(name.as_str()) {
            let wrong = Wrong::with_remedy(
                format!("no handler uses the pool \"{name}\""),
                format!("add a [[site.handler]] with `pool = \"{name}\"`, or remove the pool"),
            );
            findings.warning(&format!("pool.{name}"), wrong);
        }
    }
}

/// A warm-up request that another pool would answer would never reach the worker.
fn warmups(config: &Config, findings: &mut Findings) {
    for pool in config.pools.values() {
        if let Some(path) = &pool.workers.warmup
            && Warmup::new(config, &pool.name).is_none()
        {
            let wrong = Wrong::with_remedy(
                format!("no handler of this pool answers \"{path}\""),
                "write a path that one of its handlers takes",
            );
            findings.error(&format!("pool.{}.warmup", pool.name), wrong);
        }
    }
}

fn file(path: &Path) -> Result<Metadata, Wrong> {
    let metadata = metadata(path)?;
    if metadata.is_file() {
        Ok(metadata)
    } else {
        Err(Wrong::new(format!("{} is not a file", path.display())))
    }
}

fn program(path: &Path) -> Result<(), Wrong> {
    file(path)?;
    if os::is_program(path) {
        return Ok(());
    }
    Err(Wrong::with_remedy(
        format!("{} is not executable", path.display()),
        os::make_program(path),
    ))
}

fn folder(path: &Path) -> Result<(), Wrong> {
    if metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(Wrong::new(format!("{} is not a folder", path.display())))
    }
}

/// A control group.
fn cgroup(path: &Path) -> Result<(), Wrong> {
    folder(path)?;
    if path.join("cgroup.controllers").exists() {
        return Ok(());
    }
    Err(Wrong::with_remedy(
        format!("{} is not a cgroup of version 2", path.display()),
        "name a folder below the mounted cgroup2, as `/sys/fs/cgroup/NAME`",
    ))
}

/// A file that is there or can be made.
fn to_be_written(path: &Path) -> Result<(), Wrong> {
    if path.is_dir() {
        return Err(Wrong::new(format!("{} is a folder", path.display())));
    }
    path.parent().map_or(Ok(()), folder)
}

/// A folder whose path can be told to workers, line by line.
fn mapped_folder(path: &Path) -> Result<(), Wrong> {
    if path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .any(u8::is_ascii_control)
    {
        return Err(Wrong::new("the path has a control character"));
    }
    folder(path)
}

fn metadata(path: &Path) -> Result<Metadata, Wrong> {
    fs::metadata(path).map_err(|error| {
        let shown = path.display();
        Wrong::with_remedy(
            match error.kind() {
                ErrorKind::NotFound => format!("{shown} does not exist"),
                _ => format!("{shown}: {error}"),
            },
            "check the path; in a configuration file a relative one starts from the folder of that file",
        )
    })
}
