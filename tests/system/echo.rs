//! Bodies that are sent, come back, and are compared while they flow.

use std::io::{Read, Write};
use std::sync::LazyLock;

use system_tests::Client;

/// Largest piece that is sent or compared at once.
pub const PIECE: usize = 64 * 1024;

/// The byte at offset i is i modulo this prime: no block size hides a loss, a doubling or a swap.
const PERIOD: usize = 251;

/// How the length of a body is told to the server.
#[derive(Clone, Copy, Debug)]
pub enum Coding {
    Length,
    /// Chunks of this size.
    Chunked(usize),
}

static PATTERN: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..PIECE + PERIOD).map(|at| (at % PERIOD) as u8).collect());

/// The part of the pattern from this offset on; at most [`PIECE`] bytes.
pub fn pattern(offset: u64, size: usize) -> &'static [u8] {
    &PATTERN[(offset % PERIOD as u64) as usize..][..size]
}

/// Sends so many bytes of the pattern to `path` and compares what comes back; `pause` is called before every read.
pub fn echo(client: &mut Client, path: &str, size: u64, coding: Coding, mut pause: impl FnMut()) {
    let length = match coding {
        Coding::Length => format!("Content-Length: {size}"),
        Coding::Chunked(_) => "Transfer-Encoding: chunked".into(),
    };
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n");
    client.send(head.as_bytes());
    let mut sender = client.sender();
    std::thread::scope(|scope| {
        scope.spawn(move || send(&mut sender, size, coding));
        let head = client.head().unwrap();
        assert_eq!(head.status, 200);
        let mut body = client.body(&head, "POST");
        let (mut offset, mut buffer) = (0, vec![0; PIECE]);
        loop {
            pause();
            let count = body.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            let expected = pattern(offset, count);
            assert!(buffer[..count] == *expected, "differs behind {offset}");
            offset += count as u64;
        }
        assert_eq!(offset, size);
    });
}

fn send(stream: &mut impl Write, size: u64, coding: Coding) {
    let piece = match coding {
        Coding::Length => PIECE,
        Coding::Chunked(chunk) => chunk,
    };
    let mut offset = 0;
    while offset < size {
        let count = usize::try_from(size - offset).map_or(piece, |left| left.min(piece));
        let data = pattern(offset, count);
        match coding {
            Coding::Length => stream.write_all(data).unwrap(),
            Coding::Chunked(_) => {
                let chunk = [format!("{count:x}\r\n").as_bytes(), data, b"\r\n"].concat();
                stream.write_all(&chunk).unwrap();
            }
        }
        offset += count as u64;
    }
    if let Coding::Chunked(_) = coding {
        stream.write_all(b"0\r\n\r\n").unwrap();
    }
}
