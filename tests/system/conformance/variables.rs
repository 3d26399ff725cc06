//! §5: server variables.

use super::rule::{Rule, rule};

pub fn rules() -> Vec<Rule> {
    let mut rules = client_and_server();
    rules.extend(url());
    rules.extend(site());
    rules.extend(without_value());
    rules.extend(all_headers());
    rules.extend(paths());
    rules.extend(refused_paths());
    rules
}

/// Variables, by name, with their values.
fn values(sentence: &'static str, pairs: &[(&str, &str)]) -> Rule {
    let names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    let lines = pairs
        .iter()
        .map(|(name, value)| format!("{name} TRUE \"{value}\"\n"));
    rule("5.2/values", sentence)
        .header(format!("X-Names: {}", names.join(" ")))
        .says(&lines.collect::<String>())
}

fn client_and_server() -> Vec<Rule> {
    vec![
        values(
            "REMOTE_ADDR, REMOTE_PORT: the client; REMOTE_HOST is its address too",
            &[
                ("REMOTE_ADDR", "127.0.0.1"),
                ("REMOTE_HOST", "127.0.0.1"),
                ("REMOTE_PORT", "{client}"),
            ],
        ),
        values(
            "LOCAL_ADDR, SERVER_ADDR, SERVER_PORT: where the request came in",
            &[
                ("LOCAL_ADDR", "127.0.0.1"),
                ("SERVER_ADDR", "127.0.0.1"),
                ("SERVER_PORT", "{port}"),
            ],
        ),
        values(
            "SERVER_NAME: the address if the client names no other host",
            &[("SERVER_NAME", "127.0.0.1")],
        ),
        rule(
            "5.2/values",
            "SERVER_NAME: the host that the client asks for, without port",
        )
        .header("X-Names: SERVER_NAME SERVER_PORT")
        .host("www.example.org:81")
        .says("SERVER_NAME TRUE \"www.example.org\"\nSERVER_PORT TRUE \"{port}\"\n"),
        values(
            "SERVER_SOFTWARE: Microsoft-IIS/10.0; GATEWAY_INTERFACE: CGI/1.1",
            &[
                ("SERVER_SOFTWARE", "Microsoft-IIS/10.0"),
                ("GATEWAY_INTERFACE", "CGI/1.1"),
            ],
        )
        .apache("Apache's name"),
        values(
            "SERVER_PROTOCOL, HTTP_VERSION: the request's protocol",
            &[
                ("SERVER_PROTOCOL", "HTTP/1.1"),
                ("HTTP_VERSION", "HTTP/1.1"),
            ],
        ),
        values(
            "SERVER_PROTOCOL, HTTP_VERSION of an old client",
            &[
                ("SERVER_PROTOCOL", "HTTP/1.0"),
                ("HTTP_VERSION", "HTTP/1.0"),
            ],
        )
        .old(),
        values(
            "HTTPS off, SERVER_PORT_SECURE 0 without TLS",
            &[("HTTPS", "off"), ("SERVER_PORT_SECURE", "0")],
        ),
        values(
            "REQUEST_METHOD, HTTP_METHOD: the method",
            &[("REQUEST_METHOD", "PUT"), ("HTTP_METHOD", "PUT")],
        )
        .method("PUT"),
        values(
            "CONTENT_LENGTH is 0 and CONTENT_TYPE empty without a body",
            &[("CONTENT_LENGTH", "0"), ("CONTENT_TYPE", "")],
        )
        .apache("1413"),
        values(
            "CONTENT_LENGTH, CONTENT_TYPE and the headers of their names",
            &[
                ("CONTENT_LENGTH", "4"),
                ("CONTENT_TYPE", "text/x-own"),
                ("HTTP_CONTENT_LENGTH", "4"),
                ("HTTP_CONTENT_TYPE", "text/x-own"),
                ("HEADER_Content-Type", "text/x-own"),
            ],
        )
        .header("Content-Type: text/x-own")
        .post("four"),
        rule(
            "5.2/values",
            "HTTP_CONTENT_LENGTH and HTTP_CONTENT_TYPE of headers that were not sent: 1413",
        )
        .header("X-Names: HTTP_CONTENT_LENGTH HTTP_CONTENT_TYPE")
        .says("HTTP_CONTENT_LENGTH FALSE 1413\nHTTP_CONTENT_TYPE FALSE 1413\n"),
        values(
            "HTTP_HOST, HTTP_USER_AGENT, HTTP_COOKIE: headers",
            &[
                ("HTTP_HOST", "127.0.0.1:{port}"),
                ("HTTP_USER_AGENT", "tests/1"),
                ("HTTP_COOKIE", "a=1; b=\\\"2\\\""),
            ],
        )
        .header("User-Agent: tests/1")
        .header("Cookie: a=1; b=\"2\""),
    ]
}

fn url() -> Vec<Rule> {
    let own = "/conformance.dll/5.2/values";
    let raw = "/conformance.dll/5.2/%76alues?q=%20&r";
    vec![
        values("QUERY_STRING: not decoded", &[("QUERY_STRING", "a=%41+b")]).query("a=%41+b"),
        values("QUERY_STRING: empty without a query", &[("QUERY_STRING", "")]),
        values("HTTP_URL, UNENCODED_URL, REQUEST_URI: as sent, with the query", &[
            ("HTTP_URL", raw),
            ("UNENCODED_URL", raw),
            ("REQUEST_URI", raw),
        ])
        .target("/conformance.dll/5.2/%76alues?q=%20&r")
        .iis_unknown()
        .apache("REQUEST_URI"),
        values("URL, URL_PATH_INFO: decoded, without query", &[("URL", own), ("URL_PATH_INFO", own)])
            .target("/conformance.dll/5.2/%76alues?q=%20&r")
            .iis_unknown()
            .apache("URL"),
        values("SCRIPT_NAME, PATH_INFO, PATH_TRANSLATED", &[
            ("SCRIPT_NAME", "/conformance.dll"),
            ("PATH_INFO", "/5.2/values"),
            ("PATH_TRANSLATED", "{path:/5.2/values}"),
        ]),
        values("REQUEST_FILENAME, SCRIPT_FILENAME: the extension; SCRIPT_TRANSLATED with \\\\?\\ before it", &[
            ("REQUEST_FILENAME", "{extension}"),
            ("SCRIPT_FILENAME", "{extension}"),
            ("SCRIPT_TRANSLATED", "\\\\\\\\?\\\\{extension}"),
        ])
        .apache("no"),
        values("CACHE_URL: scheme, host, port and URL", &[(
            "CACHE_URL",
            "http://127.0.0.1:{port}/conformance.dll/5.2/values",
        )])
        .apache("no"),
    ]
}

fn site() -> Vec<Rule> {
    vec![
        values(
            "APP_POOL_ID: the pool's name",
            &[("APP_POOL_ID", "conformance")],
        )
        .apache("no"),
        rule(
            "5.2/environment",
            "APP_POOL_ID is in the worker's environment too",
        )
        .says("APP_POOL_ID is in the environment\n")
        .apache("no"),
        values(
            "APPL_PHYSICAL_PATH: the application's folder with a separator at the end",
            &[("APPL_PHYSICAL_PATH", "{path:/}")],
        )
        .apache("no"),
        values(
            "DOCUMENT_ROOT: the site's folder",
            &[("DOCUMENT_ROOT", "{path:}")],
        ),
        values(
            "INSTANCE_ID, INSTANCE_META_PATH, APPL_MD_PATH: numbers of the first site",
            &[
                ("INSTANCE_ID", "1"),
                ("INSTANCE_META_PATH", "/LM/W3SVC/1"),
                ("APPL_MD_PATH", "/LM/W3SVC/1/ROOT"),
            ],
        )
        .apache("no"),
        values(
            "MANAGED_PIPELINE_MODE: Classic",
            &[("MANAGED_PIPELINE_MODE", "Classic")],
        )
        .apache("no"),
        values(
            "REQUEST_FLAGS 0, SSI_EXEC_DISABLED 1",
            &[("REQUEST_FLAGS", "0"), ("SSI_EXEC_DISABLED", "1")],
        )
        .iis_unknown()
        .apache("no"),
    ]
}

/// §5.1: a name of the list without value is empty, not unknown.
fn without_value() -> Vec<Rule> {
    let groups: [(&'static str, &[&str]); 5] = [
        (
            "AUTH_ variables and users are empty for anonymous requests",
            &[
                "AUTH_TYPE",
                "AUTH_USER",
                "AUTH_PASSWORD",
                "LOGON_USER",
                "REMOTE_USER",
                "UNMAPPED_REMOTE_USER",
            ],
        ),
        (
            "CERT_ variables are empty without TLS",
            &[
                "CERT_COOKIE",
                "CERT_FLAGS",
                "CERT_ISSUER",
                "CERT_KEYSIZE",
                "CERT_SECRETKEYSIZE",
                "CERT_SERIALNUMBER",
                "CERT_SERVER_ISSUER",
                "CERT_SERVER_SUBJECT",
                "CERT_SUBJECT",
            ],
        ),
        (
            "HTTPS_ variables are empty without TLS",
            &[
                "HTTPS_KEYSIZE",
                "HTTPS_SECRETKEYSIZE",
                "HTTPS_SERVER_ISSUER",
                "HTTPS_SERVER_SUBJECT",
            ],
        ),
        (
            "CRYPT_ variables are empty",
            &[
                "CRYPT_CIPHER_ALG_ID",
                "CRYPT_HASH_ALG_ID",
                "CRYPT_KEYEXCHANGE_ALG_ID",
                "CRYPT_PROTOCOL",
            ],
        ),
        (
            "APP_POOL_CONFIG, FORWARDED_URL are empty",
            &["APP_POOL_CONFIG", "FORWARDED_URL"],
        ),
    ];
    groups
        .into_iter()
        .map(|(sentence, names)| {
            let pairs: Vec<(&str, &str)> = names.iter().map(|name| (*name, "")).collect();
            values(sentence, &pairs)
                .section("5.1")
                .iis_unknown()
                .apache("1413")
        })
        .collect()
}

fn all_headers() -> Vec<Rule> {
    vec![
        values("ALL_HTTP: HTTP_NAME:value and a line feed for each header, the last too", &[(
            "ALL_HTTP",
            "HTTP_HOST:127.0.0.1:{port}\\nHTTP_X_NAMES:ALL_HTTP\\nHTTP_X_OWN_NAME:a: b\\nHTTP_X_EMPTY:\\n",
        )])
        .section("5.3")
        .header("X-Own-Name: a: b")
        .header("X-Empty:")
        .apache("CRLF"),
        values("ALL_RAW: Name: value and CRLF for each header", &[(
            "ALL_RAW",
            "Host: 127.0.0.1:{port}\\r\\nX-Names: ALL_RAW\\r\\nX-Own-Name: a: b\\r\\nX-Empty: \\r\\n",
        )])
        .section("5.3")
        .header("X-Own-Name: a: b")
        .header("X-Empty:"),
        values("ALL_HTTP has Content-Type and Content-Length", &[(
            "ALL_HTTP",
            "HTTP_CONTENT_TYPE:text/x-own\\nHTTP_CONTENT_LENGTH:4\\nHTTP_HOST:127.0.0.1:{port}\\nHTTP_X_NAMES:ALL_HTTP\\n",
        )])
        .section("5.3")
        .header("Content-Type: text/x-own")
        .post("four")
        .apache("CRLF"),
    ]
}

fn paths() -> Vec<Rule> {
    let case = |sentence, target, script: &str, info: &str, translated: &str, file: &str| {
        rule("5.4/paths", sentence).target(target).says(&format!(
            "SCRIPT_NAME TRUE \"{script}\"\nPATH_INFO TRUE \"{info}\"\nPATH_TRANSLATED TRUE \"{translated}\"\n\
             SCRIPT_TRANSLATED TRUE \"\\\\\\\\?\\\\{file}\"\nlpszPathInfo \"{info}\"\nlpszPathTranslated \"{translated}\"\n"
        ))
    };
    vec![
        case(
            "A: the DLL is named in the URL",
            "/conformance.dll/extra?q",
            "/conformance.dll",
            "/extra",
            "{path:/extra}",
            "{extension}",
        ),
        case(
            "A0: nothing behind the DLL's name",
            "/conformance.dll?q",
            "/conformance.dll",
            "",
            "{path:}",
            "{extension}",
        )
        .apache("no PATH_TRANSLATED"),
        case(
            "B: a script map; PATH_INFO is the whole path, PATH_TRANSLATED the file",
            "/d/a.abc/extra?q",
            "/d/a.abc",
            "/d/a.abc/extra",
            "{path:/d/a.abc}",
            "{path:/d/a.abc}",
        )
        .apache("as C"),
        case(
            "B0: a script map, nothing behind the file's name",
            "/d/a.abc?q",
            "/d/a.abc",
            "/d/a.abc",
            "{path:/d/a.abc}",
            "{path:/d/a.abc}",
        )
        .apache("as C"),
        case(
            "C: a script map with AllowPathInfoForScriptMappings",
            "/d/a.cgi/extra?q",
            "/d/a.cgi",
            "/extra",
            "{path:/extra}",
            "{path:/d/a.cgi}",
        ),
        case(
            "D: a wildcard",
            "/wild/e/f?q",
            "/wild/e/f",
            "/wild/e/f",
            "{path:/wild/e/f}",
            "{path:/wild/e/f}",
        )
        .apache("as C"),
        case(
            "Escapes are decoded, slashes too",
            "/conformance.dll/a%20b%2Fc%41",
            "/conformance.dll",
            "/a b/cA",
            "{path:/a b/cA}",
            "{extension}",
        ),
        case(
            "The first segment of the script map's name ends the script",
            "/d/a.abc/b.abc",
            "/d/a.abc",
            "/d/a.abc/b.abc",
            "{path:/d/a.abc}",
            "{path:/d/a.abc}",
        )
        .apache("as C"),
    ]
}

fn refused_paths() -> Vec<Rule> {
    [
        ("A NUL in the path: 400", "/conformance.dll/%00"),
        ("A segment ..: 400", "/d/../a.abc"),
        ("A segment .. written with escapes: 400", "/d/%2e%2E/a.abc"),
        ("A dot behind a name: 400", "/d/a.abc."),
        ("A blank behind a name: 400", "/d/a.abc%20"),
        ("The name of a stream: 400", "/d/a.abc::$DATA"),
        ("A backslash: 400", "/d%5Ca.abc"),
    ]
    .map(|(sentence, target)| {
        let refused = rule("5.4/paths", sentence).target(target);
        refused
            .answers_with_error(400)
            .iis_unknown()
            .apache_unknown()
    })
    .into()
}
