//! The protocol from outside: what is written is what the other end reads, whatever happens on the way.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod application;
mod conversation;
mod credit;
mod exec;
mod hello;
mod params;
mod records;
mod server;

use fastcgi_protocol::{ProtocolError, Record, RecordBuffer, RecordType};
use proptest::prelude::*;

/// A record with content of its own.
type OwnedRecord = (RecordType, u16, Vec<u8>);

/// Puts bytes into the buffer as far as it has room, and hands out all whole records, until no byte is left.
fn feed<E: From<ProtocolError>>(
    buffer: &mut RecordBuffer,
    mut bytes: &[u8],
    mut each: impl FnMut(Record<'_>) -> Result<(), E>,
) -> Result<(), E> {
    while !bytes.is_empty() {
        let space = buffer.space();
        assert!(
            space.len() >= 64 * 1024,
            "room for a large read after all records were taken"
        );
        let n = space.len().min(bytes.len());
        space[..n].copy_from_slice(&bytes[..n]);
        buffer.advance(n);
        bytes = &bytes[n..];
        while let Some(record) = buffer.next()? {
            each(record)?;
        }
    }
    Ok(())
}

/// All records in `bytes`, which must end with a whole one.
fn records(bytes: &[u8]) -> Vec<OwnedRecord> {
    let mut buffer = RecordBuffer::new();
    let mut all = Vec::new();
    feed(&mut buffer, bytes, |record| {
        all.push((record.kind, record.id, record.content.to_vec()));
        Ok::<_, ProtocolError>(())
    })
    .unwrap();
    assert!(buffer.is_empty(), "the last record is not whole");
    all
}

/// Cuts bytes into pieces of the given sizes, over and over.
fn pieces<'a>(mut bytes: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    sizes.iter().cycle().map_while(move |&size| {
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Sizes of pieces: single bytes, parts of headers, large reads.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1_usize..20, 1_usize..70_000], 1..8)
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=max)
}

/// Records as a peer out of its mind might send them: mostly well-formed, few ids, all types.
fn wild_bytes() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![200 => Just(1), 1 => any::<u8>()];
    let kind = prop_oneof![20 => 1_u8..=11, 6 => 128_u8..=137, 1 => any::<u8>()];
    let content = prop_oneof![
        Just(vec![]),
        Just(vec![0, 1, 1, 0, 0, 0, 0, 0]),
        Just(b"\x01\x01NV".to_vec()),
        Just(b"\x0E\x00FCGI_MAX_CONNS".to_vec()),
        bytes(40),
    ];
    let record = (version, kind, 0_u8..4, content, 0_u8..9).prop_map(
        |(version, kind, id, content, padding)| {
            let mut record = vec![version, kind, 0, id, 0, content.len() as u8, padding, 0];
            record.extend_from_slice(&content);
            record.resize(record.len() + usize::from(padding), 0xAA);
            record
        },
    );
    prop_oneof![
        9 => prop::collection::vec(record, 0..60).prop_map(|records| records.concat()),
        1 => bytes(2_000),
    ]
}
