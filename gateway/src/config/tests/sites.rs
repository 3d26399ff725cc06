//! What a site has beside its handlers.

use super::*;

#[test]
fn virtual_directories_names_and_pages_are_read() {
    let folder = Folder::new();
    for name in ["general.html", "own.html"] {
        std::fs::write(folder.path(name), "").unwrap();
    }
    let text = r#"
        [error_pages]
        "404" = "general.html"
        "503" = "general.html"
        [[site]]
        id = 7
        name = "Orders"
        [site.error_pages]
        "404.2" = "own.html"
        "500" = "own.html"
        [[site.virtual]]
        path = "/App"
        root = "www"
        access = ["read", "script"]
        application = true
        [[site.virtual]]
        path = "/all"
        root = "www"
        [[site.virtual]]
        path = "/none"
        root = "www"
        access = []
        [[site.handler]]
        path = "*"
        pool = "hello"
        [[site]]
        hosts = "other"
        [[site.handler]]
        path = "*"
        pool = "hello"
        [pool.hello]
        extension = "x.so"
        trace_header = "X-Trace: 0123456789abcdef"
    "#;
    let (config, warnings) = folder.load(text).unwrap();
    assert_eq!(warnings, []);
    let site = &config.sites[0];
    assert_eq!((site.id, site.name.as_deref()), (Some(7), Some("Orders")));
    let paths = site.virtual_directories.iter();
    let told: Vec<_> = paths
        .map(|directory| {
            (
                directory.path.as_str(),
                directory.access.flags(),
                directory.application,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("/App", 0x201, true),
            ("/all", 0x205, false),
            ("/none", 0, false)
        ]
    );

    let page = |status, sub_status| {
        let code = ErrorCode { status, sub_status };
        code.page(&site.error_pages)
            .or_else(|| code.page(&config.error_pages))
    };
    assert_eq!(page(404, 2), Some(folder.path("own.html").as_path()));
    assert_eq!(page(404, 3), Some(folder.path("general.html").as_path()));
    assert_eq!(page(500, 1), Some(folder.path("own.html").as_path()));
    assert_eq!(page(501, 0), None);

    // A page that only one of its sites has is none that the pool's workers may rely on.
    let codes: Vec<_> = config.pools["hello"]
        .error_pages
        .iter()
        .map(ErrorCode::to_string)
        .collect();
    assert_eq!(codes, ["404", "404.2", "503"]);
    assert!(config.pools["hello"].trace_header.is_some());
}

#[test]
fn mistakes_in_them_are_told() {
    let folder = Folder::new();
    std::fs::write(folder.path("plain"), "").unwrap();
    for (text, expected) in [
        (
            "[[site]]\nroot = 'www'\nid = 0\n",
            "3:6: 0 is not a whole number",
        ),
        (
            "[[site]]\nroot = 'www'\nname = \"a\\tb\"\n",
            "3:8: the string has a control character",
        ),
        (
            "[[site]]\nroot = 'www'\nhosts = 'a'\n[[site]]\nroot = 'www'\nid = 1\n",
            "6:6: sites 1 and 2 have the same `id`",
        ),
        (
            "[[site]]\n[[site.virtual]]\npath = '/a'\n",
            "2:1: [[site.virtual]] has no `root`",
        ),
        (
            "[[site]]\nvirtual = [{ path = '/', root = 'www' }]\n",
            "2:21: the site's root is no virtual directory",
        ),
        (
            "[[site]]\nvirtual = [{ path = '/a/', root = 'www' }]\n",
            "2:21: \"/a/\" is not the path of a virtual directory",
        ),
        (
            "[[site]]\nvirtual = [{ path = '/a', root = 'www', access = 'write' }]\n",
            "2:50: \"write\" is not an access right",
        ),
        (
            "[[site]]\nvirtual = [{ path = '/a', root = 'gone' }]\n",
            "2:34: gone does not exist",
        ),
        (
            "[[site]]\nvirtual = [{ path = '/a', root = 'www' }, { path = '/A', root = 'www' }]\n",
            "2:52: virtual directory 1 of the site has this path already",
        ),
        (
            "[error_pages]\n'200' = 'plain'\n",
            "2:1: \"200\" is not an error",
        ),
        (
            "[error_pages]\n'404' = 'gone'\n",
            "2:9: gone does not exist",
        ),
        (
            "[[site]]\nroot = 'www'\n[site.error_pages]\n'404.2' = 'www'\n",
            "4:11: www is not a file",
        ),
        (
            "[pool.x]\nextension = 'x.so'\nsend_url = 'x'\n",
            "3:12: \"x\" is not a choice",
        ),
        (
            "[pool.x]\nextension = 'x.so'\ntrace = 'all'\n",
            "3:9: \"all\" is not a level of the trace",
        ),
        (
            "[pool.x]\nextension = 'x.so'\ntrace_header = 'X-Trace: short'\n",
            "3:16: the secret has at least 16",
        ),
    ] {
        let site = if text.contains("site") { "" } else { SITE };
        let errors = folder.errors(&format!("{text}{site}"));
        assert!(
            errors[0].starts_with(&format!("gateway.toml:{expected}")),
            "{text}\n{}",
            errors[0]
        );
    }
}
