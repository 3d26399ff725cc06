//! FastCGI applications.

use super::*;

#[test]
fn fastcgi_applications_are_listening_or_started() {
    let folder = Folder::new();
    let text = r#"
        [[site]]
        root = "www"
        [[site.handler]]
        path = "*.php"
        pool = "php"
        [[site.handler]]
        path = "*.two"
        must_exist = false
        pool = "php"
        [[site.handler]]
        path = "*.far"
        pool = "far"
        [[site.handler]]
        path = "/app/*"
        pool = "own"
        [pool.php]
        fastcgi = "unix:php.sock"
        [pool.far]
        fastcgi = ["php.example.org:9000", "192.0.2.1:9000", "[2001:db8::1]:9000"]
        root = "/srv/www"
        connect_timeout = 1
        read_timeout = 0
        keep_alive = 8
        keep_alive_timeout = 2
        max_fails = 0
        fail_timeout = 3
        buffer_body = "64KiB"
        sticky = "ROUTE"
        sendfile = ["www", "/"]
        accel_redirect = { "/protected" = "www" }
        concurrency = 20
        [pool.own]
        program = "x.cgi"
        arguments = ["-x", ""]
        processes = 3
        environment = { A = "1" }
        working_directory = "www"
    "#;
    let (config, warnings) = folder.load(text).unwrap();
    assert_eq!(warnings, []);
    let settings = |name: &str| match &config.pools[name].kind {
        PoolKind::FastCgi(settings) => (**settings).clone(),
        other => panic!("{other:?}"),
    };
    let php = FastCgi::new(Application::Listening(vec![Endpoint::Unix(
        folder.path("php.sock"),
    )]));
    assert_eq!(settings("php"), php);
    assert_eq!(config.pools["php"].concurrency, 64);
    let addresses = ["php.example.org", "192.0.2.1", "2001:db8::1"];
    let far = FastCgi {
        application: Application::Listening(
            addresses
                .map(|host| Endpoint::Tcp(host.to_owned(), 9000))
                .to_vec(),
        ),
        root: Some("/srv/www".into()),
        connect_timeout: Duration::from_secs(1),
        read_timeout: Duration::ZERO,
        keep_alive: Some(8),
        keep_alive_timeout: Duration::from_secs(2),
        max_fails: 0,
        fail_timeout: Duration::from_secs(3),
        buffer_body: 65_536,
        sticky: Some(Sticky::Cookie("ROUTE".to_owned())),
    };
    assert_eq!(settings("far"), far);
    let sendfile = SendFile {
        folders: vec![folder.path("www"), "/".into()],
        internal: [("/protected".to_owned(), folder.path("www"))].into(),
    };
    assert_eq!(config.pools["far"].sendfile, sendfile);
    let own = FastCgi::new(Application::Program {
        file: folder.path("x.cgi"),
        arguments: vec!["-x".to_owned(), String::new()],
    });
    assert_eq!(settings("own"), own);
    assert_eq!(config.pools["own"].concurrency, 3);
    let handlers = config.sites[0].handlers.iter();
    let told: Vec<_> = handlers
        .map(|handler| (handler.must_exist, handler.path_info))
        .collect();
    let expected = [(true, true), (false, true), (false, true), (false, true)];
    assert_eq!(told, expected);
}
