//! The head of an extension's answer alone: `cargo bench -p isapi-adapter`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use isapi_adapter::response::Response;

const SUCCESS: u32 = 1;

const HEAD: &[u8] = b"Content-Type: text/html; charset=utf-8\r\nContent-Length: 13\r\nCache-Control: no-store\r\n\
                      Set-Cookie: session=81fd00c4; Path=/; HttpOnly\r\nX-Frame-Options: DENY\r\n\r\n";

fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("response");
    let mut out = Vec::with_capacity(1024);
    // With SEND_RESPONSE_HEADER_EX …
    group.bench_function("send_header", |bench| {
        bench.iter(|| {
            out.clear();
            let mut response = Response::new(b"GET", true);
            response
                .send_header(b"200 OK", black_box(HEAD), &mut out)
                .unwrap();
            response.write(b"Hello, world!", &mut out).unwrap();
            response.finish(SUCCESS, 200, &mut out)
        });
    });
    // … and as the first bytes of WriteClient.
    let answer = [b"HTTP/1.1 200 OK\r\n", HEAD, b"Hello, world!"].concat();
    group.bench_function("written head", |bench| {
        bench.iter(|| {
            out.clear();
            let mut response = Response::new(b"GET", true);
            response.write(black_box(&answer), &mut out).unwrap();
            response.finish(SUCCESS, 200, &mut out)
        });
    });
    group.finish();
}

criterion_group!(benches, heads);
criterion_main!(benches);
