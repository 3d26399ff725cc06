//! What must hold behind every web server.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use system_tests::{
    Client, Gate, Gateway, extension, gateway_command, get, memory, run, wait_until,
};
use tempfile::TempDir;

use super::server::{Front, Kind, Places, gateway};
use crate::echo::pattern;
use crate::samples::{Column, sites};
use crate::table::CASES;

/// Bytes of what is large.
const LARGE: u64 = 256 << 20;

/// The most that a process may have in memory, KiB.
const MEMORY: u64 = 64 * 1024;

pub fn table(kind: Kind) {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("www")).unwrap();
    let (gateway, places) = gateway(folder, &sites(Column::Native));
    let front = Front::patient(kind, &places);
    let mut client = front.connect();
    for case in CASES {
        client.request(case.method, case.target, case.headers, case.body);
        case.check(&client.reply(case.method));
    }
    drop(client);
    front.stop();
    gateway.stop();
}

pub fn variables(kind: Kind) {
    let (gateway, places) = gateway(
        TempDir::new().unwrap(),
        "[[site]]\nroot = \"{dir}\"\n[[site.handler]]\npath = \"/x/dumpvars.so\"\npool = \"dumpvars\"\n\
         [pool.dumpvars]\nextension = \"{samples}/dumpvars.so\"\n",
    );
    let front = Front::start(kind, &places);
    let mut client = front.connect();
    let headers = ["X-Mine: yes", "Cookie: a=b", "Authorization: Basic eDp5"];
    let target = "/x/dumpvars.so/ex%20tra/%C3%A4?format=text&q=%20";
    client.request("GET", target, &headers, b"");
    let own = client.sender().local_addr().unwrap();
    let text = client.reply("GET").text();
    let found: HashMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let folder = gateway.folder().to_str().unwrap();
    for (name, expected) in [
        ("SCRIPT_NAME", "/x/dumpvars.so"),
        ("PATH_INFO", "/ex tra/ä"),
        ("PATH_TRANSLATED", &format!("{folder}/ex tra/ä")),
        ("DOCUMENT_ROOT", folder),
        ("QUERY_STRING", "format=text&q=%20"),
        ("REQUEST_METHOD", "GET"),
        ("HTTP_URL", target),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "127.0.0.1"),
        ("SERVER_PORT", &front.address().port().to_string()),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", &own.port().to_string()),
        ("HTTPS", "off"),
        // The client has said so, but nobody has asked it for a password.
        ("REMOTE_USER", ""),
    ] {
        assert_eq!(found.get(name), Some(&expected), "{name} of\n{text}");
    }
    for header in [
        "HTTP_X_MINE:yes\\n",
        "HTTP_COOKIE:a=b\\n",
        "HTTP_AUTHORIZATION:Basic eDp5\\n",
    ] {
        assert!(found["ALL_HTTP"].contains(header), "{header} in\n{text}");
    }
    drop(client);
    front.stop();
    gateway.stop();
}

/// A gateway with a witness that must tell what it lives through.
fn witness(pool: &str) -> (Gateway, Places) {
    let folder = TempDir::new().unwrap();
    extension("witness", &[], folder.path());
    let text = format!(
        "[[site]]\n[[site.handler]]\npath = \"/witness.so\"\npool = \"witness\"\n\
         [[site.handler]]\npath = \"/stream\"\npool = \"stream\"\n\
         [pool.stream]\nextension = \"{{samples}}/stream.so\"\n\
         [pool.witness]\nextension = \"{{dir}}/witness.so\"\n{pool}"
    );
    gateway(folder, &text)
}

pub fn large_bodies(kind: Kind) {
    let (gateway, places) = witness("");
    let front = Front::patient(kind, &places);
    let mut client = front.connect();

    client.request("GET", &format!("/stream?mib={}", LARGE >> 20), &[], b"");
    let head = client.head().unwrap();
    let read = io::copy(&mut client.body(&head, "GET"), &mut io::sink());
    assert_eq!(read.unwrap(), LARGE);

    // One answers when it has the body, the other sends its head before.
    for (query, size) in [("upload", LARGE), ("early", LARGE / 8)] {
        let line = format!("POST /witness.so?{query} HTTP/1.1\r\n");
        client.send(format!("{line}Host: a\r\nContent-Length: {size}\r\n\r\n").as_bytes());
        for _ in 0..size / 65_536 {
            client.send(pattern(0, 65_536));
        }
        let reply = client.reply("POST");
        assert!(
            reply.complete && reply.text() == "witnessed",
            "{query}: {reply:?}"
        );
        gateway.log().wait_for(&["witness: body complete"]);
    }

    let head = "POST /witness.so?count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(head.as_bytes());
    let chunks = kind.most_chunked() / 0x2000;
    for _ in 0..chunks {
        client.send(b"2000\r\n");
        client.send(pattern(0, 0x2000));
        client.send(b"\r\n");
    }
    client.send(b"0\r\n\r\n");
    let reply = client.reply("POST");
    assert!(reply.complete && reply.text() == "witnessed", "{reply:?}");
    let counted = format!("witness: counted {} bytes", chunks * 0x2000);
    gateway.log().wait_for(&[&counted]);

    let workers = gateway.processes();
    for pid in workers
        .iter()
        .map(|process| process.pid)
        .chain([gateway.pid()])
    {
        let memory = memory(pid);
        assert!(memory.peak < MEMORY, "process {pid}: {memory:?}");
    }
    drop(client);
    front.stop();
    gateway.stop();
}

pub fn client_gone(kind: Kind) {
    let (gateway, places) = witness("");
    let front = Front::start(kind, &places);
    let mut client = front.connect();
    client.request("GET", "/witness.so?download", &[], b"");
    let head = client.head().unwrap();
    let mut some = vec![0; 1 << 20];
    client.body(&head, "GET").read_exact(&mut some).unwrap();
    drop(client);
    gateway.log().wait_for(&["witness: WriteClient failed"]);

    let mut client = front.connect();
    client
        .send(b"POST /witness.so?upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    client.send(&vec![b'x'; 3_000_000]);
    if kind.streams_uploads() {
        gateway.log().wait_for(&["witness: uploading"]);
        drop(client);
        gateway.log().wait_for(&["witness: ReadClient failed"]);
    } else {
        drop(client);
    }
    assert_eq!(get(front.address(), "/witness.so").text(), "witnessed");
    let log = gateway.log().so_far();
    assert!(
        !log.iter()
            .any(|line| line.contains("witness: body complete"))
    );
    front.stop();
    gateway.stop();
}

pub fn cut(kind: Kind) {
    let (gateway, places) = witness("");
    let front = Front::start(kind, &places);
    for how in ["short", "late", "short"] {
        if how == "late" && !kind.shows_cuts_of_unknown_length() {
            continue;
        }
        let mut client = front.connect();
        client.request("GET", &format!("/witness.so?{how}"), &[], b"");
        let reply = client.reply("GET");
        assert_eq!(reply.status(), 200);
        assert!(!reply.complete, "{} bytes", reply.body.len());
    }
    front.stop();
    gateway.stop();
}

/// Answers that are cut, and others all the time until the last of those has been.
pub fn cut_among_others(kind: Kind) {
    let (gateway, places) = witness("");
    let front = Front::start(kind, &places);
    std::thread::scope(|scope| {
        let front = &front;
        let cuts = [(); 3].map(|()| {
            scope.spawn(move || {
                for _ in 0..10 {
                    let mut client = Client::connect(front.address());
                    client.request("GET", "/witness.so?part", &[], b"");
                    // nginx keeps back the little that it has had of it.
                    let all = String::from_utf8(client.to_end()).unwrap();
                    let begin = all.find("\r\n\r\n").map(|head| &all[head + 4..]);
                    assert!(matches!(begin, None | Some("witn")), "{all}");
                }
            })
        });
        let cuts = Arc::new(cuts);
        // What has an effect is not made again by the web server.
        for method in ["POST", "POST", "GET"] {
            let cuts = Arc::clone(&cuts);
            scope.spawn(move || {
                while !cuts.iter().all(ScopedJoinHandle::is_finished) {
                    let mut client = Client::connect(front.address());
                    client.request(method, "/witness.so", &[], b"");
                    let reply = client.reply(method);
                    let found = (reply.status(), reply.text());
                    assert_eq!(found, (200, "witnessed".to_owned()), "{method}");
                }
            });
        }
    });
    front.stop();
    gateway.stop();
}

pub fn overload(kind: Kind) {
    let admin = "[admin]\nlisten = \"unix:{dir}/admin.sock\"\n";
    let (gateway, places) = witness(&format!("concurrency = 1\nqueue_length = 0\n{admin}"));
    // Before there is a worker, and requests know of it, there is no room either.
    let admin = format!("unix:{}/admin.sock", gateway.folder().display());
    wait_until("both pools have a worker", || {
        let words = ["status", "--json", "--admin", &admin];
        let status = run(&mut gateway_command(words));
        status.out.matches("\"state\": \"running\"").count() == 2
    });
    let gate = Gate::new(gateway.folder());
    let front = Front::start(kind, &places);
    let mut first = front.connect();
    first.request(
        "GET",
        &format!("/witness.so?wait={}", gate.path()),
        &[],
        b"",
    );
    gateway.log().wait_for(&["witness: waiting"]);
    let refused = get(front.address(), "/witness.so");
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert!(refused.complete);
    let _open = gate.open();
    let reply = first.reply("GET");
    assert!(reply.complete && reply.text() == "witnessed", "{reply:?}");
    drop(first);
    front.stop();
    gateway.stop();
}

pub fn many(kind: Kind) {
    let (gateway, places) = witness("");
    let front = Front::patient(kind, &places);
    let before = connections(&gateway);
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let mut client = Client::connect(front.address());
                for _ in 0..32 {
                    client.request("GET", "/witness.so", &[], b"");
                    let reply = client.reply("GET");
                    assert_eq!((reply.status(), reply.text().as_str()), (200, "witnessed"));
                }
            });
        }
    });
    let made = connections(&gateway) - before;
    assert!(
        made <= kind.connections(),
        "{made} connections for 1,024 requests"
    );
    front.stop();
    gateway.stop();
}

/// Connections that the gateway has accepted from web servers.
fn connections(gateway: &Gateway) -> usize {
    gateway.log().count("connection accepted")
}
