//! The configuration of `serve EXTENSION`.

use super::*;

#[test]
fn one_extension_is_served_for_every_url() {
    let folder = Folder::new();
    let extension = folder.path("my ext.so");
    std::fs::write(&extension, sample::native()).unwrap();
    let http = "127.0.0.1:0".parse().unwrap();
    let config = Config::for_extension(&extension, Some(http), None).unwrap();
    assert_eq!(config.server.http, [http]);
    assert_eq!(config.pools["my_ext"].kind, PoolKind::Extension(extension));
    let [site] = config.sites.as_slice() else {
        panic!("one site");
    };
    assert_eq!((site.root.as_ref(), site.hosts.len()), (None, 0));
    let handlers: Vec<_> = site
        .handlers
        .iter()
        .map(|handler| (&handler.path, handler.path_info))
        .collect();
    let own = HandlerPath::Exact("/my ext.so".to_owned());
    assert_eq!(handlers, [(&own, true), (&HandlerPath::Wildcard, true)]);
}

#[test]
fn one_extension_listens_where_it_is_told_to() {
    let folder = Folder::new();
    let (http, unix) = (
        "127.0.0.1:1".parse().unwrap(),
        Address::Unix("/run/x".into()),
    );
    for (told, expected) in [
        (
            (None, None),
            (vec!["127.0.0.1:8080".parse().unwrap()], vec![]),
        ),
        ((Some(http), None), (vec![http], vec![])),
        ((None, Some(&unix)), (vec![], vec![&unix])),
        ((Some(http), Some(&unix)), (vec![http], vec![&unix])),
    ] {
        let fastcgi = told.1.cloned();
        let config = Config::for_extension(&folder.path("x.so"), told.0, fastcgi).unwrap();
        let listeners = config.server.fastcgi.iter();
        let found: Vec<_> = listeners.map(|listener| &listener.address).collect();
        assert_eq!((config.server.http, found), expected);
    }
}

#[test]
fn one_extension_must_be_a_file() {
    let folder = Folder::new();
    for (name, expected) in [("gone.so", "does not exist"), ("www", "is not a file")] {
        let errors = Config::for_extension(&folder.path(name), None, None).unwrap_err();
        assert!(errors.to_string().contains(expected), "{errors}");
    }
    assert!(Config::for_extension(Path::new("/"), None, None).is_err());
    assert!(Config::for_extension(Path::new(""), None, None).is_err());
}
