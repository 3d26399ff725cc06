#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::site::variables;

const SOCKET: Connection = Connection {
    remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5),
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9000),
    secure: false,
};

/// As nginx sends them, with a client certificate.
const NGINX: &[(&str, &str)] = &[
    ("QUERY_STRING", "q"),
    ("REQUEST_METHOD", "POST"),
    ("CONTENT_TYPE", "text/plain"),
    ("CONTENT_LENGTH", "3"),
    ("SCRIPT_NAME", "/x.dll"),
    ("REQUEST_URI", "/x.dll?q"),
    ("DOCUMENT_URI", "/x.dll"),
    ("DOCUMENT_ROOT", "/srv/www"),
    ("SERVER_PROTOCOL", "HTTP/2.0"),
    ("REQUEST_SCHEME", "https"),
    ("HTTPS", "on"),
    ("REMOTE_ADDR", "2001:db8::7"),
    ("REMOTE_PORT", "5000"),
    ("REMOTE_USER", "ann"),
    ("AUTH_TYPE", "Basic"),
    ("SERVER_ADDR", "192.0.2.1"),
    ("SERVER_PORT", "443"),
    ("SERVER_NAME", "www.example.org"),
    ("REDIRECT_STATUS", "200"),
    ("SSL_CLIENT_S_DN", "CN=ann"),
    ("HTTP_HOST", "www.example.org"),
    ("HTTP_CONTENT_TYPE", "text/other"),
    ("HTTP_CONTENT_LENGTH", "4"),
    ("HTTP_X_A", "1"),
    ("HTTP_X_A", "2"),
];

const NO: Trust = Trust {
    client: false,
    users: false,
};
const YES: Trust = Trust {
    client: true,
    users: true,
};

fn read(pairs: &[(&str, &str)], trusted: bool) -> Result<RequestHead, Error> {
    head(
        Params::from_iter(pairs.iter().copied()),
        "",
        SOCKET,
        if trusted { YES } else { NO },
        None,
    )
}

fn with(pairs: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [NGINX, pairs].concat()
}

#[test]
fn a_trusted_web_server_speaks_for_its_client() {
    let head = read(NGINX, true).unwrap();
    assert_eq!((head.method, head.version), (Method::POST, Version::HTTP_2));
    assert_eq!(head.uri, "/x.dll?q");
    assert_eq!(
        head.connection.remote,
        "[2001:db8::7]:5000".parse().unwrap()
    );
    assert_eq!(head.connection.local, "192.0.2.1:443".parse().unwrap());
    assert!(head.connection.secure);
    let told: Vec<_> = head.front.variables.iter().collect();
    let expected: [(&[u8], &[u8]); 3] = [
        (b"SSL_CLIENT_S_DN", b"CN=ann"),
        (b"REMOTE_USER", b"ann"),
        (b"AUTH_TYPE", b"Basic"),
    ];
    assert_eq!(told, expected);
    assert_eq!(head.front.document_root.unwrap(), Path::new("/srv/www"));
    assert_eq!(head.front.request_uri, None);
}

/// nginx tells of the user of any Authorization header.
#[test]
fn a_user_that_nobody_has_authenticated_is_none() {
    let head = read(&with(&[("AUTH_TYPE", "")]), true).unwrap();
    assert_eq!(head.front.variables.get(b"REMOTE_USER"), None);
    let params = Params::from_iter(NGINX.iter().copied());
    let trust = Trust {
        users: false,
        ..YES
    };
    let head = super::head(params, "", SOCKET, trust, None).unwrap();
    let told: Vec<_> = head.front.variables.iter().map(|(name, _)| name).collect();
    assert_eq!(told, [b"SSL_CLIENT_S_DN"]);
}

#[test]
fn any_other_is_the_client_itself() {
    let head = read(NGINX, false).unwrap();
    assert_eq!(head.connection.remote, SOCKET.remote);
    assert_eq!(head.connection.local, SOCKET.local);
    assert!(!head.connection.secure);
    assert!(head.front.variables.is_empty());
    assert_eq!(head.front.document_root, None);
    assert_eq!(head.headers["x-a"], "1");
}

#[test]
fn headers_are_those_of_the_client() {
    let head = read(NGINX, true).unwrap();
    let found = |name| head.headers.get_all(name).iter().collect::<Vec<_>>();
    for (name, expected) in [
        ("host", &["www.example.org"][..]),
        ("content-type", &["text/plain"]),
        ("content-length", &["3"]),
        ("x-a", &["1", "2"]),
        ("remote-user", &[]),
    ] {
        assert_eq!(found(name), expected, "{name}");
    }
}

#[test]
fn the_last_of_two_counts() {
    let pairs = with(&[
        ("REQUEST_METHOD", "GET"),
        ("CONTENT_LENGTH", ""),
        ("REMOTE_USER", "bob"),
        ("HTTP_HOST", "other.example.org"),
        ("HTTPS", "off"),
        ("REQUEST_SCHEME", "http"),
    ]);
    let head = read(&pairs, true).unwrap();
    assert_eq!(head.method, Method::GET);
    assert!(!head.headers.contains_key("content-length"));
    assert_eq!(head.headers["host"], "other.example.org");
    assert_eq!(head.front.variables.get(b"REMOTE_USER").unwrap(), b"bob");
    assert!(!head.connection.secure);
}

#[test]
fn what_is_missing_is_made_up_for() {
    let head = read(&[("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", "/")], true).unwrap();
    assert_eq!(head.version, Version::HTTP_11);
    assert_eq!(head.headers["host"], "");
    assert_eq!(head.connection.remote, SOCKET.remote);
    let named = [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", "/"),
        ("SERVER_NAME", "a"),
    ];
    assert_eq!(read(&named, false).unwrap().headers["host"], "a");
    let strange = with(&[
        ("REMOTE_ADDR", "unix:"),
        ("SERVER_ADDR", "[::1]"),
        ("REMOTE_PORT", "x"),
    ]);
    let head = read(&strange, true).unwrap();
    assert_eq!(head.connection.remote, SOCKET.remote);
    assert_eq!(head.connection.local, "[::1]:443".parse().unwrap());
}

#[test]
fn what_is_no_request_is_refused() {
    for pairs in [
        &[("REQUEST_METHOD", "G T")][..],
        &[("REQUEST_METHOD", "")],
        &[("REQUEST_METHOD", "CONNECT")],
        &[("HTTP_X_B", "a\r\nb")],
        &[("CONTENT_TYPE", "a\0")],
    ] {
        assert!(read(&with(pairs), true).is_err(), "{pairs:?}");
    }
    // Not headers at all, so not wrong ones.
    assert!(
        read(
            &with(&[("HTTP_", "a"), ("HTTP_A B", "\n"), ("X", "\0")]),
            true
        )
        .is_ok()
    );
}

#[test]
fn more_headers_than_a_map_can_hold_are_refused() {
    let params = (0..30_000).map(|number| (format!("HTTP_{number}"), ""));
    let params = Params::from_iter([("REQUEST_METHOD".into(), "GET")].into_iter().chain(params));
    assert!(head(params, "", SOCKET, YES, None).is_err());
}

#[test]
fn nothing_enters_an_environment_that_has_no_place_there() {
    let pairs = with(&[("SSL_A=B", "x"), ("SSL_C", "\0"), ("SSL_", "")]);
    let head = read(&pairs, true).unwrap();
    assert_eq!(head.front.variables.len(), 3);
}

proptest! {
    #[test]
    fn any_bytes(pairs in prop::collection::vec(
        (prop_oneof![
            Just(b"REQUEST_METHOD".to_vec()),
            Just(b"SCRIPT_NAME".to_vec()),
            Just(b"HTTP_HOST".to_vec()),
            Just(b"REMOTE_ADDR".to_vec()),
            prop::collection::vec(any::<u8>(), 0..20),
        ], prop::collection::vec(any::<u8>(), 0..20)),
        0..12,
    ), trusted: bool) {
        let params = Params::from_iter(pairs);
        // Whatever it says of them, it does not panic.
        let _ = head(params, "", SOCKET, if trusted { YES } else { NO }, None);
    }

    /// Whether they are read later or at once.
    #[test]
    fn headers_are_the_same_read_in_either_way(further in prop::collection::vec(
        ("HTTP_(HOST|ACCEPT|COOKIE|CONTENT_TYPE|[A-C_]{0,2}|[A-z0-9 -]{0,9})|CONTENT_(TYPE|LENGTH)", "[ -~\u{e9}\t]{0,20}|\\PC{0,3}"),
        0..8,
    )) {
        let further: Vec<_> = further.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let pairs = [&[("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", "/")], &*further].concat();
        let params = Bytes::from(Vec::from(Params::from_iter(pairs.iter().copied())));
        let mut told = Told::default();
        told.read(&params, |_| {});
        let expected = headers(&params, &told);
        match read(&pairs, true) {
            Ok(head) => prop_assert_eq!(&*head.headers, &expected.unwrap()),
            Err(_) => prop_assert!(expected.is_err()),
        }
    }

    #[test]
    fn addresses_go_on_as_they_would_be_written(
        addresses in prop::array::uniform2("((1|0|25)?[0-9]\\.){3}[0-9]{1,3}|::1|"),
        ports in prop::array::uniform2("[0-9]{0,5}"),
        secure: bool,
    ) {
        let ([server, client], [server_port, client_port]) = (&addresses, &ports);
        let pairs = [
            ("REQUEST_METHOD", "GET"),
            ("SCRIPT_NAME", "/"),
            ("HTTP_HOST", "www"),
            ("SERVER_ADDR", server),
            ("SERVER_PORT", server_port),
            ("REMOTE_ADDR", client),
            ("REMOTE_PORT", client_port),
            ("HTTPS", if secure { "1" } else { "" }),
        ];
        let head = read(&pairs, true).unwrap();
        let sent = head.headers.unread().unwrap();
        let written = variables::of_connection(&head.connection);
        let is_same = sent.variables().bytes().ends_with(written.bytes());
        prop_assert_eq!(sent.has_connection(), is_same);
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_does(text in "[0-9.:\\[a-f]{0,16}|([0-9]{1,3}\\.){3}[0-9]{1,3}") {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        prop_assert_eq!(ip(text.as_bytes()), bare.parse().ok());
    }
}
