//! What a type cannot say: whether files exist, and whether the parts of a configuration fit each other.

mod extensions;
mod files;
mod sites;

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Findings, Wrong};
use super::{Config, Limits};
use crate::front::fastcgi::Address;
use crate::os;
use crate::site::Warmup;

/// Most threads of a worker.
pub const MOST_THREADS: usize = 256;

/// Largest number of a site: IIS's are 32 bits long.
pub const LARGEST_ID: usize = 0xFFFF_FFFF;

/// Notes everything that keeps a configuration from being run, and what is odd in it. When something has been noted
/// already, parts may be missing: then only what each part says by itself is checked.
pub fn config(config: &Config, findings: &mut Findings) {
    let is_whole = findings.is_clean();
    files::check(config, findings);
    extensions::check(config, findings);
    if !is_whole {
        return;
    }
    drives(config, findings);
    listeners(config, findings);
    sites::check(config, findings);
    unused_pools(config, findings);
    warmups(config, findings);
    limits(config, findings);
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
