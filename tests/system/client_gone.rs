//! Clients that leave in the middle: the extension learns of it, its worker lives.

use std::io::Read as _;

use system_tests::{Client, Gateway, extension, sample};
use tempfile::TempDir;

fn witness() -> (Gateway, TempDir) {
    let folder = TempDir::new().unwrap();
    let file = extension("witness", &[], folder.path());
    (Gateway::serve(&file), folder)
}

#[test]
fn during_a_download_makes_write_client_fail() {
    let (gateway, _folder) = witness();
    let process = gateway.get("/").process();
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/?download", &[], b"");
    let head = client.head().unwrap();
    let mut some = vec![0; 1 << 20];
    client.body(&head, "GET").read_exact(&mut some).unwrap();
    drop(client);
    let line = gateway.log().wait_for(&["witness: WriteClient failed"]);
    assert!(line.contains("error 10054"), "{line}");
    assert_eq!(gateway.get("/").process(), process);
    gateway.stop();
}

#[test]
fn before_reading_anything_makes_write_client_fail() {
    let (gateway, _folder) = witness();
    let process = gateway.get("/").process();
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/?download", &[], b"");
    gateway.log().wait_for(&["witness: downloading"]);
    drop(client);
    gateway.log().wait_for(&["witness: WriteClient failed"]);
    assert_eq!(gateway.get("/").process(), process);
    gateway.stop();
}

#[test]
fn during_an_upload_makes_read_client_fail() {
    for (length, chunk) in [
        ("Content-Length: 10000000", ["", ""]),
        ("Transfer-Encoding: chunked", ["186a0\r\n", "\r\n"]),
    ] {
        let (gateway, _folder) = witness();
        let process = gateway.get("/").process();
        let mut client = Client::connect(gateway.address());
        let head = format!("POST /?upload HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n");
        client.send(&[head.as_bytes(), chunk[0].as_bytes()].concat());
        client.send(&[b'x'; 100_000]);
        client.send(chunk[1].as_bytes());
        gateway.log().wait_for(&["witness: uploading"]);
        drop(client);
        gateway.log().wait_for(&["witness: ReadClient failed"]);
        assert_eq!(gateway.get("/").process(), process, "{length}");
        assert_eq!(gateway.log().count("witness: body complete"), 0);
        gateway.stop();
    }
}

#[test]
fn an_upload_that_ends_early_is_never_taken_for_a_whole_one() {
    let (gateway, _folder) = witness();
    for size in [0, 10, 49_151, 49_152, 60_000] {
        let mut client = Client::connect(gateway.address());
        client.send(b"POST /?upload HTTP/1.1\r\nHost: a\r\nContent-Length: 60001\r\n\r\n");
        client.send(&vec![b'x'; size]);
        client.finish();
        let answer = client.to_end();
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{size}");
    }
    assert_eq!(gateway.get("/").text(), "witnessed");
    assert_eq!(gateway.log().count("witness: body complete"), 0);
    gateway.stop();
}

#[test]
fn an_extension_is_called_once_for_a_request() {
    let (gateway, _folder) = witness();
    let mut client = Client::connect(gateway.address());
    client.request("POST", "/?upload", &[], &vec![b'x'; 1 << 20]);
    assert_eq!(client.reply("POST").text(), "witnessed");
    gateway.log().wait_for(&["witness: body complete"]);
    drop(client);
    let log = gateway.log().clone();
    gateway.stop();
    log.to_end();
    assert_eq!(log.count("witness: uploading"), 1);
}

#[test]
fn is_named_by_the_sample_in_the_log() {
    let gateway = Gateway::serve(&sample("stream"));
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/?mib=1000", &[], b"");
    let process: u32 = client
        .head()
        .unwrap()
        .header("x-process")
        .unwrap()
        .parse()
        .unwrap();
    drop(client);
    gateway.log().wait_for(&["client gone after"]);
    assert_eq!(gateway.get("/?mib=0").process(), process);
    gateway.stop();
}
