//! The head of an answer of a CGI program, a FastCGI application or a worker alone: `cargo bench -p isapi-gateway`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use backend::head::HeadParser;

// The gateway's library shows nothing of its parts: the parser is compiled into the benchmark, with what it is made of.
mod alarms {
    pub use tokio::time::timeout;
}
#[allow(dead_code, reason = "what else they offer")]
#[path = "../src/backend"]
mod backend {
    pub mod head;
}
#[allow(dead_code, reason = "what else they offer")]
#[path = "../src/body.rs"]
mod body;
#[allow(dead_code, reason = "what else they offer")]
#[path = "../src/error.rs"]
mod error;
#[allow(dead_code, unused_imports, reason = "what else they offer")]
#[path = "../src/fields.rs"]
mod fields;
#[allow(dead_code, reason = "what else they offer")]
#[path = "../src/response.rs"]
mod response;

const SHORT: &[u8] = b"Content-Type: text/plain\r\n\r\n";

const LONG: &[u8] = b"Status: 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 13\r\n\
                      Cache-Control: no-store, must-revalidate\r\nSet-Cookie: session=81fd00c4; Path=/; HttpOnly\r\n\
                      Set-Cookie: theme=dark; Max-Age=31536000\r\nX-Frame-Options: DENY\r\nVary: Accept-Encoding\r\n\
                      Last-Modified: Sun, 22 Nov 2026 06:18:58 GMT\r\nETag: \"5f3a-61c0\"\r\nConnection: keep-alive\r\n\r\n";

fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("head");
    for (name, head) in [("1 field", SHORT), ("11 fields", LONG)] {
        let answer = Bytes::from([head, b"Hello, world!"].concat());
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let found = HeadParser::new().push(black_box(&answer)).unwrap();
                assert_eq!(found.as_ref().map(|(_, end)| *end), Some(head.len()));
                found
            });
        });
    }
    // From a pipe it may come in pieces.
    group.throughput(Throughput::Bytes(LONG.len() as u64));
    group.bench_function("11 fields in pieces of 64 bytes", |bench| {
        bench.iter(|| {
            let mut parser = HeadParser::new();
            let mut pieces = black_box(LONG).chunks(64).map(Bytes::from_static);
            pieces.find_map(|piece| parser.push(&piece).unwrap())
        });
    });
    group.finish();
}

criterion_group!(benches, heads);
criterion_main!(benches);
