#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::config::{self, AccessLog, ErrorPages, Handler, HandlerPath, LogFormat, Server, Site};

/// A configuration with these pools, each the kind and the threads of an extension, CGI program or application.
fn config(pools: Vec<Pool>) -> Config {
    Config {
        server: Server::default(),
        admin: None,
        error_pages: ErrorPages::new(),
        access_log: None,
        crash: config::Crash::default(),
        sites: Vec::new(),
        pools: pools
            .into_iter()
            .map(|pool| (pool.name.clone(), pool))
            .collect(),
    }
}

fn extension(name: &str) -> Pool {
    let file = format!("/srv/{name}.so");
    Pool::new(name.into(), PoolKind::Extension(file.into()))
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn pools_are_told_apart_by_what_their_processes_see() {
    let old = config(["kept", "changed", "gone"].map(extension).to_vec());
    let mut changed = extension("changed");
    changed.threads += 1;
    let mut new = config(vec![extension("kept"), changed, extension("new")]);
    let pools = plan(&old, &new, &[]).pools;
    let expected = Pools {
        kept: names(["kept"]),
        added: names(["new"]),
        replaced: names(["changed"]),
        removed: names(["gone"]),
        after: BTreeMap::new(),
    };
    assert_eq!(pools, expected);
    assert_eq!(
        plan(&old, &new, &[]).to_string(),
        "unchanged pools: 1, new: new, replaced: changed, removed: gone"
    );
    new.server.worker = Some("/opt/isapi-worker".into());
    let cgi = Pool::new("cgi".into(), PoolKind::Cgi("/srv/cgi".into()));
    new.pools.insert("cgi".into(), cgi.clone());
    let mut old = old;
    old.pools.insert("cgi".into(), cgi);
    let pools = plan(&old, &new, &[]).pools;
    assert_eq!(pools.kept, names(["cgi"]));
    assert_eq!(pools.replaced, names(["changed", "kept"]));
}

#[test]
fn a_pool_is_another_one_when_its_warm_up_request_means_something_else() {
    let mut warm = extension("warm");
    warm.workers.warmup = Some("/warm".into());
    let with = |host: &str, handlers: usize| {
        let handler = |path| Handler {
            path,
            verbs: Vec::new(),
            pool: "warm".into(),
            path_info: true,
            must_exist: false,
        };
        let mut handlers: Vec<Handler> = (0..handlers)
            .map(|number| handler(HandlerPath::Exact(format!("/{number}"))))
            .collect();
        handlers.push(handler(HandlerPath::Wildcard));
        let mut config = config(vec![warm.clone()]);
        config.sites = vec![Site {
            hosts: vec![host.into()],
            handlers,
            ..Site::default()
        }];
        config
    };
    let kept = |old: &Config, new: &Config| plan(old, new, &[]).pools.kept == names(["warm"]);
    assert!(kept(&with("a.example", 0), &with("a.example", 3)));
    assert!(!kept(&with("a.example", 0), &with("b.example", 0)));
}

#[test]
fn what_must_not_run_twice_waits_for_its_predecessor() {
    let alone = |name: &str, file: &str| {
        let mut pool = Pool::new(name.into(), PoolKind::Extension(file.into()));
        pool.workers.overlap = false;
        pool
    };
    let old = config(vec![alone("a", "/srv/x.so"), extension("b")]);
    // The same under another name; the same name with another file; one that may overlap.
    let mut other = extension("b");
    other.threads += 1;
    for (new, after) in [
        (
            vec![alone("renamed", "/srv/x.so"), extension("b")],
            Some("renamed"),
        ),
        (vec![alone("a", "/srv/y.so"), extension("b")], Some("a")),
        (vec![alone("a", "/srv/x.so"), other], None),
        (vec![extension("a"), extension("b")], Some("a")),
    ] {
        let before = BTreeSet::from([Before::Old("a".into())]);
        let after = after.map(|name| (name.to_owned(), before));
        assert_eq!(
            plan(&old, &config(new), &[]).pools.after,
            after.into_iter().collect()
        );
    }
}

#[test]
fn what_must_not_run_twice_waits_for_those_of_earlier_configurations_too() {
    let mut alone = extension("a");
    alone.workers.overlap = false;
    let with = config(vec![alone.clone(), extension("b")]);
    let without = config(vec![extension("b")]);
    assert_eq!(plan(&with, &without, &[]).pools.removed, names(["a"]));
    // It comes back while the one before is at its last requests.
    let back = plan(&without, &with, &[&extension("c"), &alone]).pools;
    let expected = [("a".to_owned(), [Before::Earlier(1)].into())];
    assert_eq!((back.added, back.after), (names(["a"]), expected.into()));
    // It is replaced meanwhile.
    let mut other = alone.clone();
    other.threads += 1;
    let changed = config(vec![other, extension("b")]);
    let expected = [Before::Old("a".into()), Before::Earlier(0)];
    let after = plan(&with, &changed, &[&alone]).pools.after;
    assert_eq!(after["a"], expected.into());
    assert_eq!(plan(&with, &with, &[&alone]).pools.after, BTreeMap::new());
}

#[test]
fn listeners_are_their_addresses() {
    let with = |http: &[&str], fastcgi: &[(&str, usize)]| {
        let mut config = config(Vec::new());
        config.server.http = http.iter().map(|text| text.parse().unwrap()).collect();
        let listener = |(text, connections): &(&str, usize)| FastCgiListener {
            connections: *connections,
            ..FastCgiListener::new(text.parse().unwrap())
        };
        config.server.fastcgi = fastcgi.iter().map(listener).collect();
        config
    };
    let old = with(
        &["127.0.0.1:0", "127.0.0.1:80"],
        &[("unix:/run/a", 1), ("unix:/run/b", 1)],
    );
    let new = with(
        &["127.0.0.1:0", "127.0.0.1:0", "127.0.0.2:80"],
        &[("unix:/run/b", 2), ("unix:/run/c", 3)],
    );
    let changes = plan(&old, &new, &[]).listeners;
    let expected = Listeners {
        open_http: vec![
            "127.0.0.1:0".parse().unwrap(),
            "127.0.0.2:80".parse().unwrap(),
        ],
        open_fastcgi: vec![new.server.fastcgi[1].clone()],
        close_http: vec!["127.0.0.1:80".parse().unwrap()],
        close_fastcgi: vec!["unix:/run/a".parse().unwrap()],
        obstructed: None,
    };
    assert_eq!(changes, expected);
}

#[test]
fn an_old_listener_in_the_way_of_a_new_one_is_named() {
    for (old, new, expected) in [
        ("127.0.0.1:80", "0.0.0.0:80", true),
        ("0.0.0.0:80", "127.0.0.1:80", true),
        ("[::]:80", "127.0.0.1:80", true),
        ("0.0.0.0:80", "[::]:80", true),
        ("0.0.0.0:80", "[::1]:80", false),
        ("127.0.0.1:80", "127.0.0.2:80", false),
        ("127.0.0.1:80", "0.0.0.0:81", false),
        ("127.0.0.1:0", "0.0.0.0:0", false),
    ] {
        let with = |text: &str| {
            let mut config = config(Vec::new());
            config.server.http = vec![text.parse().unwrap()];
            config
        };
        let found = plan(&with(old), &with(new), &[]).listeners.obstructed;
        assert_eq!(found.is_some(), expected, "{old} {new}");
    }
    let mut http = config(Vec::new());
    http.server.http = vec!["127.0.0.1:9000".parse().unwrap()];
    let mut fastcgi = config(Vec::new());
    fastcgi.server.http = Vec::new();
    fastcgi.server.fastcgi = vec![FastCgiListener::new("127.0.0.1:9000".parse().unwrap())];
    assert!(plan(&http, &fastcgi, &[]).listeners.obstructed.is_some());
    assert!(plan(&fastcgi, &http, &[]).listeners.obstructed.is_some());
}

#[test]
fn what_only_a_start_can_change_is_named() {
    let old = config(Vec::new());
    let mut new = old.clone();
    new.server.threads += 1;
    new.server.header_limit += 1;
    assert_eq!(
        plan(&old, &new, &[]).needs_restart,
        ["`threads` in [server]"]
    );
    new.admin = Some(config::Admin {
        listen: Address::Unix("/run/admin".into()),
        mode: 0o600,
        token: None,
    });
    assert_eq!(
        plan(&old, &new, &[]).to_string(),
        "unchanged pools: 0; `threads` in [server] and [admin] changed, too, but that needs a restart"
    );
    new.access_log = Some(AccessLog {
        file: "/var/log/x".into(),
        format: LogFormat::Json,
        buffer: 1 << 20,
        flush_interval: std::time::Duration::ZERO,
    });
    assert!(plan(&old, &new, &[]).access_log);
    assert_eq!(
        plan(&new, &new, &[]),
        Changes {
            pools: Pools::default(),
            ..plan(&old, &old, &[])
        }
    );
}

/// Few of everything, so that much is the same.
fn any_config() -> impl Strategy<Value = Config> {
    let pool = (0..4_usize, 0..3_usize, 1..3_usize, any::<bool>());
    let pools = proptest::collection::vec(pool, 0..5);
    let http = proptest::collection::vec((0..3_u8, 0..3_u16), 0..4);
    let fastcgi = proptest::collection::vec((0..3_u8, 1..3_usize), 0..4);
    (pools, http, fastcgi).prop_map(|(pools, http, fastcgi)| {
        let pools = pools.into_iter().map(|(name, file, threads, overlap)| {
            let file = format!("/srv/{file}");
            let kind = match name {
                3 => PoolKind::Cgi(file.into()),
                _ => PoolKind::Extension(file.into()),
            };
            let mut pool = Pool::new(name.to_string(), kind);
            pool.threads = threads;
            pool.workers.overlap = overlap;
            pool
        });
        let mut config = config(pools.collect());
        let http = http.into_iter();
        config.server.http = http
            .map(|(host, port)| SocketAddr::from(([127, 0, 0, host], port)))
            .collect();
        let listener = |(name, connections): (u8, usize)| FastCgiListener {
            connections,
            ..FastCgiListener::new(Address::Unix(format!("/run/{name}").into()))
        };
        config.server.fastcgi = fastcgi.into_iter().map(listener).collect();
        config
    })
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_is_there_twice(
        old in any_config(),
        new in any_config(),
        earlier in any_config(),
    ) {
        let earlier: Vec<&Pool> = earlier.pools.values().collect();
        let Changes { pools, listeners, .. } = plan(&old, &new, &earlier);
        let joined = |groups: [&BTreeSet<String>; 3]| {
            let mut all: Vec<&String> = groups.into_iter().flatten().collect();
            all.sort();
            all.into_iter().cloned().collect::<Vec<_>>()
        };
        let of = |config: &Config| config.pools.keys().cloned().collect::<Vec<_>>();
        prop_assert_eq!(joined([&pools.kept, &pools.added, &pools.replaced]), of(&new));
        prop_assert_eq!(joined([&pools.kept, &pools.removed, &pools.replaced]), of(&old));
        for name in &pools.kept {
            prop_assert_eq!(&old.pools[name], &new.pools[name]);
        }
        for (name, before) in &pools.after {
            prop_assert!(pools.started().any(|started| started == name));
            prop_assert!(!before.is_empty());
            for before in before {
                let is_ending = match before {
                    Before::Old(name) => pools.ended().any(|ended| ended == name),
                    Before::Earlier(at) => *at < earlier.len(),
                };
                prop_assert!(is_ending);
            }
        }
        let sorted = |mut all: Vec<String>| {
            all.sort();
            all
        };
        let http = |all: &[SocketAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let kept = without(&old.server.http, &listeners.close_http);
        let open = [kept, listeners.open_http].concat();
        prop_assert_eq!(sorted(http(&open)), sorted(http(&new.server.http)));
        let places = |all: &[FastCgiListener]| {
            all.iter().map(|one| one.address.to_string()).collect::<Vec<_>>()
        };
        let closed = listeners.close_fastcgi.iter().map(ToString::to_string);
        let kept = without(&places(&old.server.fastcgi), &closed.collect::<Vec<_>>());
        let open = [kept, places(&listeners.open_fastcgi)].concat();
        prop_assert_eq!(sorted(open), sorted(places(&new.server.fastcgi)));
    }

    #[test]
    fn the_same_changes_nothing(config in any_config()) {
        let Changes { pools, listeners, access_log, needs_restart } = plan(&config, &config, &[]);
        prop_assert_eq!(pools.started().count() + pools.ended().count(), 0);
        prop_assert_eq!(listeners, Listeners::default());
        prop_assert!(!access_log && needs_restart.is_empty());
    }
}
