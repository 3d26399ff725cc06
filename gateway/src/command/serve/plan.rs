//! What a new configuration changes in a gateway that runs. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::config::{Config, FastCgiListener, Pool, PoolKind};
use crate::front::fastcgi::Address;
use crate::site::Warmup;

/// What is to be done. What is not named here takes effect with the table of sites, from one request to the next.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// What becomes of the pools.
    pub pools: Pools,
    /// What becomes of the listeners.
    pub listeners: Listeners,
    /// The access log is another one, or there is one no more.
    pub access_log: bool,
    /// Keys that have changed and that a gateway takes notice of only when it starts.
    pub needs_restart: Vec<&'static str>,
}

/// What becomes of the pools, by name.
#[derive(Debug, Default, PartialEq)]
pub struct Pools {
    /// They go on as they are.
    pub kept: BTreeSet<String>,
    /// There was none of this name.
    pub added: BTreeSet<String>,
    /// Another one takes the place of the one that there is.
    pub replaced: BTreeSet<String>,
    /// There is none of this name any more.
    pub removed: BTreeSet<String>,
    /// For those added and replaced: the ones that must have ended before this one starts a worker, since their
    /// extension must not run twice.
    pub after: BTreeMap<String, BTreeSet<Before>>,
}

/// A pool that comes to its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Before {
    /// It has this name in the old configuration, and is removed or replaced.
    Old(String),
    /// It is of an earlier configuration and has not ended yet: its place among those.
    Earlier(usize),
}

/// What becomes of the listeners. Those that are not named stay open, with the settings of the new configuration.
#[derive(Debug, Default, PartialEq)]
pub struct Listeners {
    /// New ones for HTTP.
    pub open_http: Vec<SocketAddr>,
    /// New ones for FastCGI.
    pub open_fastcgi: Vec<FastCgiListener>,
    /// Old ones for HTTP.
    pub close_http: Vec<SocketAddr>,
    /// Old ones for FastCGI.
    pub close_fastcgi: Vec<Address>,
    /// A new one, and the old one that is still open and in its way.
    pub obstructed: Option<(SocketAddr, SocketAddr)>,
}

/// Compares the configuration that runs with the one that shall. `earlier` are pools of configurations before that have
/// not ended yet.
pub fn plan(old: &Config, new: &Config, earlier: &[&Pool]) -> Changes {
    let restart = [
        (
            "`threads` in [server]",
            old.server.threads != new.server.threads,
        ),
        (
            "`bind_threads` in [server]",
            old.server.bind_threads != new.server.bind_threads,
        ),
        (
            "`batch_threads` in [server]",
            old.server.batch_threads != new.server.batch_threads,
        ),
        ("[admin]", old.admin != new.admin),
        ("[crash]", old.crash != new.crash),
    ];
    let restart = restart.into_iter();
    Changes {
        pools: pools(old, new, earlier),
        listeners: listeners(old, new),
        access_log: old.access_log != new.access_log,
        needs_restart: restart
            .filter_map(|(key, changed)| changed.then_some(key))
            .collect(),
    }
}

impl fmt::Display for Changes {
    /// In words for the operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pools {
            kept,
            added,
            replaced,
            removed,
            ..
        } = &self.pools;
        write!(f, "unchanged pools: {}", kept.len())?;
        for (what, names) in [("new", added), ("replaced", replaced), ("removed", removed)] {
            if !names.is_empty() {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                write!(f, ", {what}: {}", names.join(", "))?;
            }
        }
        if !self.needs_restart.is_empty() {
            let keys = self.needs_restart.join(" and ");
            write!(f, "; {keys} changed, too, but that needs a restart")?;
        }
        Ok(())
    }
}

impl Pools {
    /// Those of the new configuration that are to be started.
    pub fn started(&self) -> impl Iterator<Item = &String> {
        self.added.union(&self.replaced)
    }

    /// Those of the old configuration that come to their end.
    pub fn ended(&self) -> impl Iterator<Item = &String> {
        self.removed.union(&self.replaced)
    }
}

fn pools(old: &Config, new: &Config, earlier: &[&Pool]) -> Pools {
    let mut pools = Pools::default();
    for (name, pool) in &new.pools {
        let group = match old.pools.get(name) {
            None => &mut pools.added,
            Some(before) if is_same(before, old, pool, new) => &mut pools.kept,
            Some(_) => &mut pools.replaced,
        };
        group.insert(name.clone());
    }
    let gone = old
        .pools
        .keys()
        .filter(|name| !new.pools.contains_key(*name));
    pools.removed = gone.cloned().collect();
    let after = |name: &String| {
        let pool = &new.pools[name];
        let ended = pools
            .ended()
            .map(|name| (Before::Old(name.clone()), &old.pools[name]));
        let earlier = earlier.iter().enumerate();
        let all = ended.chain(earlier.map(|(at, pool)| (Before::Earlier(at), *pool)));
        let excluding = all.filter(|(_, before)| excludes(before, pool));
        let before: BTreeSet<Before> = excluding.map(|(before, _)| before).collect();
        (!before.is_empty()).then(|| (name.clone(), before))
    };
    pools.after = pools.started().filter_map(after).collect();
    pools
}

/// Whether a pool can go on: whatever its processes have been told, or are started with, is as it was.
fn is_same(before: &Pool, old: &Config, pool: &Pool, new: &Config) -> bool {
    let runner = |config: &Config| {
        let server = &config.server;
        let (worker, wine) = (server.worker.clone(), server.wine.clone());
        (worker, wine, server.wine_prefix.clone())
    };
    let is_extension = matches!(pool.kind, PoolKind::Extension(_));
    before == pool
        && (!is_extension || runner(old) == runner(new))
        && Warmup::new(old, &pool.name) == Warmup::new(new, &pool.name)
}

/// Whether a pool may start workers only when the one before has ended.
fn excludes(before: &Pool, pool: &Pool) -> bool {
    let runs_once = |pool: &Pool| !pool.workers.overlap;
    let is_one = before.name == pool.name || before.kind.file() == pool.kind.file();
    let are_extensions = [before, pool]
        .iter()
        .all(|pool| matches!(pool.kind, PoolKind::Extension(_)));
    are_extensions && is_one && (runs_once(before) || runs_once(pool))
}

fn listeners(old: &Config, new: &Config) -> Listeners {
    let (old, new) = (&old.server, &new.server);
    let place = |listener: &FastCgiListener| listener.address.clone();
    let (old_fastcgi, new_fastcgi): (Vec<_>, Vec<_>) = (
        old.fastcgi.iter().map(place).collect(),
        new.fastcgi.iter().map(place).collect(),
    );
    let mut open_fastcgi = new.fastcgi.clone();
    for address in &old_fastcgi {
        if let Some(at) = open_fastcgi.iter().position(|one| one.address == *address) {
            open_fastcgi.remove(at);
        }
    }
    let mut listeners = Listeners {
        open_http: without(&new.http, &old.http),
        close_http: without(&old.http, &new.http),
        close_fastcgi: without(&old_fastcgi, &new_fastcgi),
        open_fastcgi,
        obstructed: None,
    };
    listeners.obstructed = listeners.obstruction();
    listeners
}

impl Listeners {
    fn obstruction(&self) -> Option<(SocketAddr, SocketAddr)> {
        let port = |address: &Address| match address {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        };
        let closed = self.close_fastcgi.iter().filter_map(port);
        let closed: Vec<SocketAddr> = self.close_http.iter().copied().chain(closed).collect();
        let opened = self.open_fastcgi.iter();
        let opened = opened.filter_map(|listener| port(&listener.address));
        self.open_http
            .iter()
            .copied()
            .chain(opened)
            .find_map(|new| {
                let in_the_way = closed.iter().find(|old| collide(new, **old));
                in_the_way.map(|old| (new, *old))
            })
    }
}

/// Whether two sockets cannot listen on these addresses at the same time. `[::]` takes IPv4, too.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let takes =
        |one: IpAddr, other: IpAddr| one.is_unspecified() && (one.is_ipv6() || other.is_ipv4());
    let (ip, other_ip) = (one.ip(), other.ip());
    one.port() != 0
        && one.port() == other.port()
        && (ip == other_ip || takes(ip, other_ip) || takes(other_ip, ip))
}

/// `all` without `some`, each of which takes away one.
fn without<T: PartialEq + Clone>(all: &[T], some: &[T]) -> Vec<T> {
    let mut left = all.to_vec();
    for one in some {
        if let Some(at) = left.iter().position(|other| other == one) {
            left.remove(at);
        }
    }
    left
}

#[cfg(test)]
mod tests;
