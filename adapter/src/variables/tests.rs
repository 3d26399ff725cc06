#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn variables() -> Variables {
    let mut params = Params::new();
    for (name, value) in [
        ("REQUEST_METHOD", "POST"),
        ("REQUEST_URI", "/x/foo.dll/extra?a=%20"),
        ("QUERY_STRING", "a=%20"),
        ("SCRIPT_NAME", "/x/foo.dll"),
        ("PATH_INFO", "/extra"),
        ("SCRIPT_FILENAME", "/srv/x/foo.dll"),
        ("DOCUMENT_ROOT", "/srv"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "_"),
        ("SERVER_PORT", "8080"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("CONTENT_TYPE", "text/plain"),
        ("CONTENT_LENGTH", "3"),
        ("HTTP_HOST", "example.org:8080"),
        ("HTTP_X_FORWARDED_FOR", "10.0.0.1"),
        ("HTTP_DNT", "1"),
        // As nginx tells them, too.
        ("HTTP_CONTENT_TYPE", "text/plain"),
        ("HTTP_CONTENT_LENGTH", "3"),
    ] {
        params.push(name.as_bytes(), value.as_bytes());
    }
    Variables::new(params)
}

fn text(name: &str) -> Option<String> {
    match variables().get(name.as_bytes())? {
        Value::Bytes(bytes) => Some(String::from_utf8(bytes.into_owned()).unwrap()),
        Value::Wide(wide) => Some(String::from_utf16(&wide).unwrap()),
    }
}

#[test]
fn values_follow_the_table() {
    for (name, value) in [
        ("REQUEST_METHOD", "POST"),
        ("request_method", "POST"),
        ("HTTP_METHOD", "POST"),
        ("HTTP_URL", "/x/foo.dll/extra?a=%20"),
        ("HTTP_VERSION", "HTTP/1.1"),
        ("URL", "/x/foo.dll/extra"),
        ("SERVER_NAME", "example.org"),
        ("SERVER_SOFTWARE", "Microsoft-IIS/10.0"),
        ("HTTPS", "off"),
        ("SERVER_PORT_SECURE", "0"),
        ("REMOTE_HOST", "127.0.0.1"),
        ("REMOTE_USER", ""),
        ("HTTP_HOST", "example.org:8080"),
        ("HTTP_X_FORWARDED_FOR", "10.0.0.1"),
        ("HTTP_X-Forwarded-For", "10.0.0.1"),
        ("HEADER_X-Forwarded-For", "10.0.0.1"),
        ("HEADER_Content-Type", "text/plain"),
        ("HTTP_CONTENT_LENGTH", "3"),
        ("INSTANCE_META_PATH", "/LM/W3SVC/1"),
        ("APPL_MD_PATH", "/LM/W3SVC/1/ROOT"),
        ("APPL_PHYSICAL_PATH", "/srv/"),
        ("SCRIPT_TRANSLATED", r"\\?\/srv/x/foo.dll"),
        ("CACHE_URL", "http://example.org:8080/x/foo.dll/extra?a=%20"),
        ("UNICODE_SCRIPT_NAME", "/x/foo.dll"),
        ("UNICODE_HTTP_URL", "/x/foo.dll/extra?a=%20"),
    ] {
        assert_eq!(text(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn unknown_names_and_absent_headers_are_unknown() {
    for name in [
        "NO_SUCH",
        "HTTP_COOKIE",
        "HEADER_X_FORWARDED_FOR",
        "UNICODE_HTTP_HOST",
        "UNICODE_HEADER_Host",
        "PATH",
        "\u{e9}",
    ] {
        assert_eq!(text(name), None, "{name}");
    }
}

#[test]
fn header_blocks_end_every_line() {
    let http = "HTTP_HOST:example.org:8080\nHTTP_X_FORWARDED_FOR:10.0.0.1\nHTTP_DNT:1\n";
    assert_eq!(
        text("ALL_HTTP").unwrap(),
        format!("HTTP_CONTENT_TYPE:text/plain\nHTTP_CONTENT_LENGTH:3\n{http}")
    );
    let raw = "Content-Type: text/plain\r\nContent-Length: 3\r\nHost: example.org:8080\r\nX-Forwarded-For: 10.0.0.1\r\nDNT: 1\r\n";
    assert_eq!(text("ALL_RAW").unwrap(), raw);
}

fn with(params: &[(&str, &str)], name: &str) -> Option<String> {
    let mut all = Params::new();
    for (name, value) in params {
        all.push(name.as_bytes(), value.as_bytes());
    }
    match Variables::new(all).get(name.as_bytes())? {
        Value::Bytes(bytes) => Some(String::from_utf8(bytes.into_owned()).unwrap()),
        Value::Wide(wide) => Some(String::from_utf16(&wide).unwrap()),
    }
}

/// Every name of ISAPI.md §5.2 but the two prefixes.
const ALL: &str = "ALL_HTTP ALL_RAW APP_POOL_CONFIG APP_POOL_ID APPL_MD_PATH APPL_PHYSICAL_PATH AUTH_PASSWORD AUTH_TYPE \
    AUTH_USER CACHE_URL CERT_COOKIE CERT_FLAGS CERT_ISSUER CERT_SUBJECT CERT_KEYSIZE HTTPS_KEYSIZE CERT_SECRETKEYSIZE \
    HTTPS_SECRETKEYSIZE CERT_SERIALNUMBER CERT_SERVER_ISSUER HTTPS_SERVER_ISSUER CERT_SERVER_SUBJECT \
    HTTPS_SERVER_SUBJECT CONTENT_LENGTH CONTENT_TYPE CRYPT_CIPHER_ALG_ID CRYPT_HASH_ALG_ID CRYPT_KEYEXCHANGE_ALG_ID \
    CRYPT_PROTOCOL DOCUMENT_ROOT FORWARDED_URL GATEWAY_INTERFACE HTTP_METHOD HTTP_URL HTTP_VERSION HTTPS INSTANCE_ID \
    INSTANCE_META_PATH INSTANCE_NAME LOCAL_ADDR LOGON_USER MANAGED_PIPELINE_MODE PATH_INFO PATH_TRANSLATED QUERY_STRING \
    REMOTE_ADDR REMOTE_HOST REMOTE_PORT REMOTE_USER REQUEST_FILENAME REQUEST_FLAGS REQUEST_METHOD REQUEST_URI \
    SCRIPT_FILENAME SCRIPT_NAME SCRIPT_TRANSLATED SERVER_ADDR SERVER_NAME SERVER_PORT SERVER_PORT_SECURE \
    SERVER_PROTOCOL SERVER_SOFTWARE SSI_EXEC_DISABLED UNENCODED_URL UNMAPPED_REMOTE_USER URL URL_PATH_INFO";

#[test]
fn every_name_is_known_even_without_a_value() {
    for name in ALL.split(' ') {
        for name in [name, &name.to_lowercase(), &format!("Unicode_{name}")] {
            assert!(with(&[], name).is_some(), "{name}");
        }
    }
}

#[test]
fn the_front_may_say_more_of_site_and_application() {
    let params = [
        ("DOCUMENT_ROOT", "/srv"),
        ("INSTANCE_ID", "7"),
        ("INSTANCE_NAME", "shop"),
        ("APP_POOL_ID", "pool"),
        ("APPL_MD_PATH", "/LM/W3SVC/7/ROOT/app"),
        ("APPL_PHYSICAL_PATH", "/srv/app"),
    ];
    for (name, value) in &params[1..5] {
        assert_eq!(with(&params, name).as_deref(), Some(*value));
    }
    for (name, value) in [
        ("INSTANCE_META_PATH", "/LM/W3SVC/7"),
        ("APPL_PHYSICAL_PATH", "/srv/app/"),
    ] {
        assert_eq!(with(&params, name).as_deref(), Some(value));
    }
    let default = with(&params[..2], "APPL_MD_PATH");
    assert_eq!(default.as_deref(), Some("/LM/W3SVC/7/ROOT"));
}

#[test]
fn a_body_without_content_length_is_measured() {
    let chunked = Variables::new(Params::new());
    assert_eq!(chunked.get(b"HTTP_CONTENT_LENGTH"), None);
    chunked.set_body_length(20);
    for name in [
        "CONTENT_LENGTH",
        "HTTP_CONTENT_LENGTH",
        "HEADER_Content-Length",
    ] {
        let expected = Value::Bytes(Cow::Borrowed(b"20"));
        assert_eq!(chunked.get(name.as_bytes()), Some(expected), "{name}");
    }
    let declared = variables();
    declared.set_body_length(20);
    assert_eq!(
        declared.get(b"CONTENT_LENGTH"),
        Some(Value::Bytes(Cow::Borrowed(b"3")))
    );
}

#[test]
fn certificates_are_described_as_the_front_verified_them() {
    let pem = "-----BEGIN CERTIFICATE-----\nMAEC\n-----END CERTIFICATE-----\n";
    for (verify, pem, flags) in [
        ("SUCCESS", pem, "1"),
        ("FAILED:expired", pem, "3"),
        ("GENEROUS", pem, "3"),
        ("NONE", "", "0"),
        ("", "", "0"),
        ("", pem, "3"),
    ] {
        let params = [
            ("HTTPS", "on"),
            ("SSL_CLIENT_VERIFY", verify),
            ("SSL_CLIENT_CERT", pem),
        ];
        assert_eq!(with(&params, "CERT_FLAGS").as_deref(), Some(flags));
        assert_eq!(with(&params[1..], "CERT_FLAGS").as_deref(), Some(""));
        let cookie = with(&params, "CERT_COOKIE").unwrap();
        assert_eq!(cookie.len(), if pem.is_empty() { 0 } else { 32 });
    }
}

#[test]
fn names_and_keys_come_from_mod_ssl_or_nginx() {
    for (parameter, value, name, expected) in [
        ("SSL_CLIENT_S_DN", "CN=a", "CERT_SUBJECT", "CN=a"),
        ("SSL_CLIENT_I_DN", "CN=b", "CERT_ISSUER", "CN=b"),
        ("SSL_CLIENT_M_SERIAL", "0A", "CERT_SERIALNUMBER", "0A"),
        ("SSL_CLIENT_SERIAL", "0B", "CERT_SERIALNUMBER", "0B"),
        ("SSL_SERVER_S_DN", "CN=c", "HTTPS_SERVER_SUBJECT", "CN=c"),
        ("SSL_SERVER_I_DN", "CN=d", "CERT_SERVER_ISSUER", "CN=d"),
        ("HTTPS_SECRETKEYSIZE", "2048", "CERT_SECRETKEYSIZE", "2048"),
        ("SSL_CIPHER_USEKEYSIZE", "256", "HTTPS_KEYSIZE", "256"),
        (
            "SSL_CIPHER",
            "TLS_AES_128_GCM_SHA256",
            "CERT_KEYSIZE",
            "128",
        ),
        (
            "SSL_CIPHER",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "CERT_KEYSIZE",
            "256",
        ),
        (
            "SSL_CIPHER",
            "TLS_CHACHA20_POLY1305_SHA256",
            "CERT_KEYSIZE",
            "256",
        ),
        ("SSL_CIPHER", "DES-CBC3-SHA256", "CERT_KEYSIZE", ""),
    ] {
        let found = with(&[(parameter, value)], name);
        assert_eq!(found.as_deref(), Some(expected), "{parameter}");
    }
}

#[test]
fn passwords_come_from_basic_credentials() {
    for (authorization, password) in [
        ("Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==", "open:sesame"),
        ("basic  dTo=", ""),
        ("Basic dQ==", ""),
        ("Basic ???", ""),
        ("Bearer QWxhZGRpbjpvcGVu", ""),
        ("Ba", ""),
    ] {
        let params = [("HTTP_AUTHORIZATION", authorization)];
        let found = with(&params, "AUTH_PASSWORD");
        assert_eq!(found.as_deref(), Some(password), "{authorization}");
    }
    assert_eq!(with(&[], "AUTH_PASSWORD").as_deref(), Some(""));
}

#[test]
fn several_headers_of_one_name_are_joined() {
    let params = [
        ("HTTP_ACCEPT", "a"),
        ("HTTP_COOKIE", "b=1"),
        ("HTTP_ACCEPT", "c"),
        ("HTTP_COOKIE", "d=2"),
    ];
    for (name, value) in [
        ("HTTP_ACCEPT", "a, c"),
        ("HEADER_Accept", "a, c"),
        ("HTTP_COOKIE", "b=1; d=2"),
        (
            "ALL_RAW",
            "Accept: a\r\nCookie: b=1\r\nAccept: c\r\nCookie: d=2\r\n",
        ),
    ] {
        assert_eq!(with(&params, name).as_deref(), Some(value));
    }
}

#[test]
fn keep_alive_depends_on_version_and_header() {
    let with = |version: &str, connection: &str| {
        let mut params = Params::new();
        params.push(b"SERVER_PROTOCOL", version.as_bytes());
        params.push(b"HTTP_CONNECTION", connection.as_bytes());
        Variables::new(params).wants_keep_alive()
    };
    assert!(with("HTTP/1.1", "") && with("HTTP/1.0", "Keep-Alive, x"));
    assert!(!with("HTTP/1.1", "x, close") && !with("HTTP/1.0", ""));
}
