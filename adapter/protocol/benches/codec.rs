//! Records and parameters alone: `cargo bench -p fastcgi-protocol`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fastcgi_protocol::{Params, ParamsWriter, RecordBuffer, RecordType, encode};

/// The variables of a browser's request.
const PAIRS: [(&[u8], &[u8]); 20] = [
    (b"GATEWAY_INTERFACE", b"CGI/1.1"),
    (b"SERVER_SOFTWARE", b"isapi-gateway/0.1.0"),
    (b"SERVER_PROTOCOL", b"HTTP/1.1"),
    (b"SERVER_NAME", b"www.example.org"),
    (b"SERVER_PORT", b"443"),
    (b"REMOTE_ADDR", b"192.0.2.17"),
    (b"REMOTE_PORT", b"51234"),
    (b"REQUEST_METHOD", b"GET"),
    (
        b"REQUEST_URI",
        b"/shop/cart.dll/items?session=81fd00c4&page=2",
    ),
    (b"SCRIPT_NAME", b"/shop/cart.dll"),
    (b"PATH_INFO", b"/items"),
    (b"PATH_TRANSLATED", b"/srv/www/items"),
    (b"QUERY_STRING", b"session=81fd00c4&page=2"),
    (b"DOCUMENT_ROOT", b"/srv/www"),
    (b"HTTP_HOST", b"www.example.org"),
    (
        b"HTTP_USER_AGENT",
        b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        b"HTTP_ACCEPT",
        b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    (b"HTTP_ACCEPT_LANGUAGE", b"en-GB,en;q=0.5"),
    (b"HTTP_ACCEPT_ENCODING", b"gzip, deflate, br, zstd"),
    (
        b"HTTP_COOKIE",
        b"session=81fd00c4a6b94b0e; theme=dark; consent=yes",
    ),
];

fn write_params(out: &mut Vec<u8>) {
    let mut writer = ParamsWriter::new(out, 1);
    for (name, value) in PAIRS {
        writer.pair(name, value);
    }
    writer.finish();
}

/// Takes all records out of these bytes, as they come from a socket; returns the bytes of their contents.
fn read_records(buffer: &mut RecordBuffer, mut bytes: &[u8]) -> usize {
    let mut read = 0;
    while !bytes.is_empty() {
        let space = buffer.space();
        let count = space.len().min(bytes.len());
        space[..count].copy_from_slice(&bytes[..count]);
        buffer.advance(count);
        bytes = &bytes[count..];
        while let Some(record) = buffer.next().unwrap() {
            read += record.content.len();
        }
    }
    read
}

fn params(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("params");
    let mut out = Vec::new();
    write_params(&mut out);
    group.throughput(Throughput::Bytes(out.len() as u64));
    group.bench_function("write", |bench| {
        bench.iter(|| {
            out.clear();
            write_params(&mut out);
            black_box(out.len())
        });
    });
    let mut content = Vec::new();
    for (name, value) in PAIRS {
        fastcgi_protocol::encode_pair(&mut content, name, value);
    }
    group.bench_function("parse", |bench| {
        bench.iter(|| Params::parse(black_box(&content)).unwrap());
    });
    let params = Params::parse(&content).unwrap();
    group.bench_function("get", |bench| {
        bench.iter(|| params.get(black_box(b"HTTP_COOKIE")).map(<[u8]>::len));
    });
    group.finish();
}

fn records(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("records");
    for size in [13, 1024, 64 * 1024, 1024 * 1024] {
        let data = vec![b'x'; size];
        let mut out = Vec::new();
        encode::stream(&mut out, RecordType::Stdout, 1, &data);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("write {size}"), |bench| {
            let mut out = Vec::with_capacity(out.len());
            bench.iter(|| {
                out.clear();
                encode::stream(&mut out, RecordType::Stdout, 1, black_box(&data));
            });
        });
        group.bench_function(format!("read {size}"), |bench| {
            let mut buffer = RecordBuffer::new();
            bench.iter(|| assert_eq!(read_records(&mut buffer, black_box(&out)), size));
        });
    }
    group.finish();
}

criterion_group!(benches, params, records);
criterion_main!(benches);
