//! Whether sites, their virtual directories and their handlers fit each other.

use std::collections::BTreeMap;

use super::{Findings, Wrong};
use crate::config::{Config, Handler, HandlerPath, Pool, PoolKind, Site, VirtualDirectory};
use crate::site::path::divide;

/// Notes what does not.
pub fn check(config: &Config, findings: &mut Findings) {
    hosts(config, findings);
    site_ids(&config.sites, findings);
    for (index, site) in config.sites.iter().enumerate() {
        virtual_directories(index, site, findings);
        handlers(index, site, findings);
        roots(index, site, &config.pools, findings);
    }
}

/// One host has one site.
fn hosts(config: &Config, findings: &mut Findings) {
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
