//! Every sample through the gateway: one table, run over each kind of connection.

use std::process::{Command, Stdio};

use system_tests::{Client, Gateway, Machine, Reply, peer, run, sample};
use tempfile::TempDir;

use crate::echo::{Coding, echo, pattern};
use crate::table::CASES;

const EXTENSIONS: [&str; 9] = [
    "hello", "dumpvars", "echo", "redirect", "stream", "form", "crash", "tiny", "card",
];
const PROGRAMS: [&str; 2] = ["hello", "echo"];

/// For which machine the samples are built: one column of the table each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Native,
    /// Under Wine.
    Windows(Machine),
}

impl Column {
    /// The file of a sample, for a configuration. The one that is written in Rust is native in every column.
    fn file(self, name: &str) -> String {
        match self {
            Column::Windows(machine) if name != "card" => {
                format!("{{samples}}/{}/{name}.dll", machine.name())
            }
            _ => format!("{{samples}}/{name}.so"),
        }
    }
}

/// A gateway with every native sample.
fn gateway() -> Gateway {
    gateway_of(Column::Native)
}

/// A gateway with every sample at `/NAME` and `/NAME.so`, and the CGI programs at `/cgi-bin/NAME`.
pub fn gateway_of(column: Column) -> Gateway {
    let mut text = sites(column);
    if column != Column::Native {
        text.insert_str(0, "[server]\nwine_prefix = \"{wine}\"\n");
    }
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("www")).unwrap();
    Gateway::with_config_in(folder, &text)
}

/// The sites and pools of its configuration, with a root at `{dir}/www`.
pub fn sites(column: Column) -> String {
    let mut text = String::from("[[site]]\nroot = \"{dir}/www\"\n");
    let mut handler = |path: &str, pool: &str| {
        text.push_str(&format!(
            "[[site.handler]]\npath = \"{path}\"\npool = \"{pool}\"\n"
        ));
    };
    for name in EXTENSIONS {
        handler(&format!("/{name}"), name);
        handler(&format!("/{name}.so"), name);
    }
    for name in PROGRAMS {
        handler(&format!("/cgi-bin/{name}"), &format!("cgi-{name}"));
    }
    for name in EXTENSIONS {
        let file = column.file(name);
        text.push_str(&format!("[pool.{name}]\nextension = \"{file}\"\n"));
        if name == "crash" {
            text.push_str("rapid_fail.failures = 0\n");
        }
    }
    for name in PROGRAMS {
        text.push_str(&format!("[pool.cgi-{name}]\ncgi = \"{{cgi}}/{name}\"\n"));
    }
    text
}

#[test]
fn over_one_connection_that_is_kept() {
    table(Column::Native);
}

/// Runs the whole table over one connection.
pub fn table(column: Column) {
    let gateway = gateway_of(column);
    let mut client = Client::connect(gateway.address());
    for case in CASES {
        client.request(case.method, case.target, case.headers, case.body);
        case.check(&client.reply(case.method));
    }
    drop(client);
    gateway.stop();
}

#[test]
fn over_connections_that_are_closed() {
    let gateway = gateway();
    for case in CASES {
        let mut client = Client::connect(gateway.address());
        let headers = [case.headers, &["Connection: close"]].concat();
        client.request(case.method, case.target, &headers, case.body);
        case.check(&client.reply(case.method));
        assert!(client.is_closed(), "{}", case.target);
    }
    gateway.stop();
}

#[test]
fn over_http_1_0() {
    let gateway = gateway();
    for case in CASES {
        let mut client = Client::connect(gateway.address()).with_http_1_0();
        client.request(case.method, case.target, case.headers, case.body);
        let reply = client.reply(case.method);
        assert_eq!(reply.header("transfer-encoding"), None, "{}", case.target);
        case.check(&reply);
        assert!(client.is_closed(), "{}", case.target);
    }
    gateway.stop();
}

#[test]
fn over_http_2_without_tls() {
    let gateway = gateway();
    let file = gateway.folder().join("body");
    let sent = vec![b'x'; 1 << 20];
    std::fs::write(&file, &sent).unwrap();
    for (path, body) in [
        ("/hello", None),
        ("/cgi-bin/hello", None),
        ("/echo", Some(&file)),
    ] {
        let mut command = Command::new(peer("curl"));
        command
            .args(["--silent", "--show-error", "--max-time", "60"])
            .args([
                "--http2-prior-knowledge",
                "--write-out",
                "\n%{http_version} %{http_code}",
            ])
            .arg(format!("http://{}{path}", gateway.address()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(file) = body {
            command
                .arg("--data-binary")
                .arg(format!("@{}", file.display()));
        }
        let output = run(&mut command);
        let (text, seen) = output.out.rsplit_once('\n').unwrap();
        assert_eq!(seen, "2 200", "{path}: {}", output.error);
        let expected = body.map_or(b"Hello, world!".as_slice(), |_| &sent);
        assert!(text.as_bytes() == expected, "{path}: {} bytes", text.len());
    }
    gateway.stop();
}

#[test]
fn bodies_around_the_size_that_is_read_ahead_come_back_unchanged() {
    bodies(Column::Native);
}

/// Echoes bodies of the sizes that matter.
pub fn bodies(column: Column) {
    let gateway = gateway_of(column);
    for path in ["/echo", "/cgi-bin/echo"] {
        for size in [0, 1, 49_151, 49_152, 49_153, 200_000] {
            for coding in [
                Coding::Length,
                Coding::Chunked(1 << 12),
                Coding::Chunked(1 << 16),
            ] {
                // The sample declines to keep a connection for an answer of unknown length.
                let mut client = Client::connect(gateway.address());
                echo(&mut client, path, size, coding, || {});
            }
        }
    }
    gateway.stop();
}

#[test]
fn a_body_of_64_mebibytes_comes_back_unchanged() {
    let gateway = Gateway::serve(&sample("echo"));
    let mut client = Client::connect(gateway.address());
    for coding in [Coding::Length, Coding::Chunked(50_000)] {
        echo(&mut client, "/", 64 << 20, coding, || {});
    }
    drop(client);
    gateway.stop();
}

#[test]
fn asks_for_the_body_that_a_client_holds_back() {
    let gateway = gateway();
    for path in ["/echo", "/cgi-bin/echo"] {
        let mut client = Client::connect(gateway.address());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        );
        client.send(head.as_bytes());
        assert_eq!(client.head().unwrap().status, 100, "{path}");
        client.send(b"hello");
        let reply = client.reply("POST");
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, "hello"),
            "{path}"
        );
    }
    gateway.stop();
}

#[test]
fn streams_the_bytes_that_it_should() {
    let gateway = Gateway::serve(&sample("stream"));
    let line = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-\n";
    for chunk in [1, 100, 8192, 1_000_000] {
        // Small writes are many: less of them.
        let mib = if chunk == 1 { 1 } else { 5 };
        let reply = gateway.get(&format!("/?mib={mib}&chunk={chunk}"));
        assert!(reply.complete);
        assert_eq!(reply.body.len(), mib << 20, "{chunk}");
        assert!(
            reply.body.chunks(line.len()).all(|found| found == line),
            "{chunk}"
        );
    }
    gateway.stop();
}

#[test]
fn one_extension_is_served_for_every_url() {
    let dumpvars = sample("dumpvars");
    let gateway = Gateway::serve(&dumpvars);
    assert_eq!(gateway.out().so_far().len(), 1, "one line when it is ready");
    for (path, name, info) in [
        ("/dumpvars.so/extra", "/dumpvars.so", "/extra"),
        ("/dumpvars.so", "/dumpvars.so", ""),
        ("/extra/more", "", "/extra/more"),
        ("/", "", "/"),
        ("/dumpvars.so/a%20b", "/dumpvars.so", "/a b"),
    ] {
        let reply = gateway.get(&format!("{path}?format=text"));
        assert_eq!(reply.status(), 200, "{path}");
        has_line(&reply, &format!("SCRIPT_NAME={name}"));
        has_line(&reply, &format!("PATH_INFO={info}"));
        has_line(&reply, &format!("ECB.lpszPathInfo={info}"));
    }
    gateway.stop();
}

#[test]
fn variables_tell_the_request_as_it_was() {
    let gateway = gateway();
    let mut client = Client::connect(gateway.address());
    let local = client.sender().local_addr().unwrap();
    let root = gateway.folder().join("www");
    let root = root.to_str().unwrap();
    let target = "/dumpvars.so/a/b.txt?format=text&var=HTTP_X_MINE";
    let headers = [
        "Content-Type: text/x-own",
        "X-Mine: one",
        "Cookie: a=1",
        "User-Agent: tests/1",
        "Connection: close",
    ];
    client.request("PUT", target, &headers, b"twelve bytes");
    let reply = client.reply("PUT");
    assert_eq!(reply.status(), 200);
    let port = gateway.address().port();
    for line in [
        "REQUEST_METHOD=PUT".to_owned(),
        "HTTP_METHOD=PUT".into(),
        "QUERY_STRING=format=text&var=HTTP_X_MINE".into(),
        "SCRIPT_NAME=/dumpvars.so".into(),
        "PATH_INFO=/a/b.txt".into(),
        format!("PATH_TRANSLATED={root}/a/b.txt"),
        format!("APPL_PHYSICAL_PATH={root}/"),
        format!("HTTP_URL={target}"),
        "URL=/dumpvars.so/a/b.txt".into(),
        "CONTENT_TYPE=text/x-own".into(),
        "CONTENT_LENGTH=12".into(),
        "HTTP_X_MINE=one".into(),
        "HTTPS=off".into(),
        "SERVER_PORT_SECURE=0".into(),
        "SERVER_NAME=127.0.0.1".into(),
        format!("SERVER_PORT={port}"),
        "SERVER_PROTOCOL=HTTP/1.1".into(),
        "REMOTE_ADDR=127.0.0.1".into(),
        format!("REMOTE_PORT={}", local.port()),
        "LOCAL_ADDR=127.0.0.1".into(),
        "GATEWAY_INTERFACE=CGI/1.1".into(),
        "APP_POOL_ID=dumpvars".into(),
        "REMOTE_USER=".into(),
        "ECB.cbSize=192".into(),
        "ECB.lpszMethod=PUT".into(),
        "ECB.lpszQueryString=format=text&var=HTTP_X_MINE".into(),
        "ECB.lpszPathInfo=/a/b.txt".into(),
        format!("ECB.lpszPathTranslated={root}/a/b.txt"),
        "ECB.cbTotalBytes=12".into(),
        "ECB.cbAvailable=12".into(),
        "ECB.lpszContentType=text/x-own".into(),
    ] {
        has_line(&reply, &line);
    }
    let text = reply.text();
    let all = text.lines().find(|line| line.starts_with("ALL_HTTP="));
    for header in [
        "HTTP_X_MINE:one\\n",
        "HTTP_COOKIE:a=1\\n",
        "HTTP_USER_AGENT:tests/1\\n",
        &format!("HTTP_HOST:127.0.0.1:{port}\\n"),
    ] {
        assert!(all.unwrap().contains(header), "{header} in {all:?}");
    }
    gateway.stop();
}

#[test]
fn a_first_part_of_the_body_is_there_when_the_extension_is_called() {
    let gateway = Gateway::serve(&sample("dumpvars"));
    for (size, available, total) in [
        (0, "0", "0"),
        (1, "1", "1"),
        (49_151, "49151", "49151"),
        (49_152, "49152", "49152"),
        (49_153, "49152", "49153"),
    ] {
        let reply = gateway.request("POST", "/?format=text", &[], pattern(0, size));
        has_line(&reply, &format!("ECB.cbAvailable={available}"));
        has_line(&reply, &format!("ECB.cbTotalBytes={total}"));
    }
    gateway.stop();
}

fn has_line(reply: &Reply, line: &str) {
    let text = reply.text();
    assert!(text.lines().any(|found| found == line), "{line} in {text}");
}
