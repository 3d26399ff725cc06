//! Any bytes as name-value pairs: no panic, nothing above the limits, the same result however the bytes were cut, and
//! what was decoded survives being encoded.

#![no_main]

use fastcgi_protocol::{
    Hello, Limits, PAIR_OVERHEAD, Params, ParamsDecoder, ProtocolError, encode, encode_pair, parse,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, u8, [u8; 4], &[u8])| {
    let (total, name, sizes, bytes) = input;
    let limits = Limits {
        total: total.into(),
        name: name.into(),
    };
    let cut = decode(limits, bytes, &sizes.map(|size| usize::from(size) + 1));
    assert_eq!(cut, decode(limits, bytes, &[usize::MAX]));
    if let Ok(params) = cut {
        assert!(params.byte_size() + params.len() * PAIR_OVERHEAD <= limits.total);
        let mut again = Vec::new();
        for (name, value) in params.iter() {
            assert!(name.len() <= limits.name);
            encode_pair(&mut again, name, value);
        }
        assert_eq!(Params::parse(&again), Ok(params));
    }
    if let Ok(hello) = Hello::parse(bytes) {
        let mut out = Vec::new();
        encode::hello(&mut out, &hello);
        let (record, used) = parse(&out).unwrap().unwrap();
        assert_eq!(used, out.len());
        let again = Hello::parse(record.content).unwrap();
        assert_eq!(
            (again.version, again.max_requests),
            (hello.version, hello.max_requests)
        );
        assert_eq!(
            (again.stdin_window, again.stdout_window),
            (hello.stdin_window, hello.stdout_window)
        );
    }
});

fn decode(limits: Limits, mut bytes: &[u8], sizes: &[usize]) -> Result<Params, ProtocolError> {
    let mut decoder = ParamsDecoder::new(limits);
    for &size in sizes.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        decoder.push(piece)?;
        bytes = rest;
    }
    decoder.finish()
}
