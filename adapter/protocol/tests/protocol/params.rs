use fastcgi_protocol::{
    EncodedPairs, IndexedParams, Limits, PAIR_OVERHEAD, Params, ParamsDecoder, ParamsWriter,
    ProtocolError, RecordType, encode_pair,
};
use proptest::prelude::*;

use crate::{bytes, pieces, records, sizes};

fn any_pairs() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let value = prop_oneof![
        bytes(10),
        bytes(300),
        (65_000_usize..70_000).prop_map(|n| vec![b'v'; n])
    ];
    prop::collection::vec((bytes(200), value), 0..10)
}

fn decode(wire: &[u8], sizes: &[usize]) -> Result<Params, ProtocolError> {
    let mut decoder = ParamsDecoder::new(Limits::default());
    for piece in pieces(wire, sizes) {
        decoder.push(piece)?;
    }
    decoder.finish()
}

fn collect(params: &Params) -> Vec<(Vec<u8>, Vec<u8>)> {
    params
        .iter()
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

proptest! {
    #[test]
    fn pairs_survive_any_split(pairs in any_pairs(), sizes in sizes()) {
        let mut wire = Vec::new();
        for (name, value) in &pairs {
            encode_pair(&mut wire, name, value);
        }
        let params = decode(&wire, &sizes).unwrap();
        prop_assert_eq!(params.len(), pairs.len());
        prop_assert_eq!(params.byte_size(), pairs.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>());
        prop_assert_eq!(collect(&params), pairs);
    }

    #[test]
    fn the_writer_makes_a_stream_of_the_same_pairs(
        mut pairs in any_pairs(),
        fixed in prop::collection::vec((bytes(20), bytes(300)), 0..4),
        before in bytes(20),
    ) {
        let mut wire = before.clone();
        let mut writer = ParamsWriter::new(&mut wire, 5);
        for (name, value) in &pairs {
            writer.pair(name, value);
        }
        let mut encoded = EncodedPairs::default();
        for (name, value) in &fixed {
            encoded.push(name, value);
        }
        writer.encoded(&encoded);
        writer.finish();
        let cost: usize = fixed.iter().map(|(n, v)| n.len() + v.len() + PAIR_OVERHEAD).sum();
        prop_assert_eq!(encoded.cost(), cost);
        pairs.extend(fixed);
        prop_assert_eq!(&wire[..before.len()], &before[..]);
        let mut received = records(&wire[before.len()..]);
        prop_assert_eq!(received.pop(), Some((RecordType::Params, 5, vec![])));
        let good = received.iter().all(|(kind, id, content)| {
            *kind == RecordType::Params && *id == 5 && !content.is_empty()
        });
        prop_assert!(good);
        let content: Vec<u8> = received.into_iter().flat_map(|(_, _, content)| content).collect();
        prop_assert_eq!(collect(&Params::parse(&content).unwrap()), pairs);
    }

    #[test]
    fn a_whole_request_is_one_record_if_it_fits(pairs in any_pairs(), before in bytes(20)) {
        let mut wire = before.clone();
        let mut writer = ParamsWriter::whole_request(&mut wire, 5);
        for (name, value) in &pairs {
            writer.pair(name, value);
        }
        writer.finish();
        let expected: Params = pairs.into_iter().collect();
        let received = records(&wire[before.len()..]);
        if let [(RecordType::Request, 5, content)] = &received[..] {
            let params = IndexedParams::parse(content, &Limits::default()).unwrap();
            prop_assert!(params.iter().eq(expected.iter()));
        } else {
            prop_assert!(expected.byte_size() > 60_000);
            let [begin, params @ .., params_end, stdin_end] = &received[..] else {
                panic!("{} records", received.len());
            };
            prop_assert_eq!(begin, &(RecordType::BeginRequest, 5, vec![0, 1, 1, 0, 0, 0, 0, 0]));
            prop_assert_eq!(params_end, &(RecordType::Params, 5, vec![]));
            prop_assert_eq!(stdin_end, &(RecordType::Stdin, 5, vec![]));
            let content: Vec<&[u8]> = params.iter().map(|(_, _, content)| &content[..]).collect();
            prop_assert_eq!(Params::parse(&content.concat()).unwrap(), expected);
        }
    }

    #[test]
    fn any_bytes_do_no_harm(wire in bytes(3_000), sizes in sizes()) {
        // Decoded in pieces or as a whole, the result is the same.
        let params = Params::parse(&wire);
        prop_assert_eq!(&decode(&wire, &sizes), &params);
        match (IndexedParams::parse(&wire, &Limits::default()), params) {
            (Ok(indexed), Ok(params)) => prop_assert!(indexed.iter().eq(params.iter())),
            (indexed, params) => prop_assert!(indexed.is_err() && params.is_err()),
        }
    }

    #[test]
    fn an_index_finds_the_first(names in prop::collection::vec("[A-C]{0,4}", 0..400), long in 0_usize..300, wanted in "[A-C]{0,4}") {
        let value = vec![b'v'; long];
        let pairs = names.iter().enumerate();
        let params: Params = pairs.map(|(number, name)| (name, [&value[..], &number.to_be_bytes()].concat())).collect();
        let indexed = IndexedParams::from(params.clone());
        let mut wire = Vec::new();
        params.iter().for_each(|(name, value)| encode_pair(&mut wire, name, value));
        let parsed = IndexedParams::parse(&wire, &Limits::default()).unwrap();
        prop_assert_eq!(parsed.get(wanted.as_bytes()), params.get(wanted.as_bytes()));
        prop_assert_eq!(indexed.get(wanted.as_bytes()), params.get(wanted.as_bytes()));
        let named = params.iter().filter(|(name, _)| *name == wanted.as_bytes());
        prop_assert!(indexed.all(wanted.as_bytes()).eq(named.map(|(_, value)| value)));
        prop_assert!(indexed.iter().eq(params.iter()));
    }

    #[test]
    fn set_replaces_the_first(names in prop::collection::vec(0_u8..4, 0..8), name in 0_u8..4, value in bytes(40)) {
        let mut model: Vec<_> = names.iter().map(|&n| (vec![b'A' + n], vec![b'v'; usize::from(n) * 7])).collect();
        let mut params: Params = model.iter().map(|(n, v)| (n, v)).collect();
        let name = vec![b'A' + name];
        match model.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => old.clone_from(&value),
            None => model.push((name.clone(), value.clone())),
        }
        params.set(&name, &value);
        prop_assert_eq!(collect(&params), model);
        prop_assert_eq!(params.get(&name), Some(&value[..]));
    }
}

#[test]
fn the_bytes_of_the_specification() {
    let mut out = Vec::new();
    encode_pair(&mut out, b"SERVER_PORT", b"80");
    encode_pair(&mut out, b"SERVER_ADDR", b"199.170.183.42");
    assert_eq!(
        out,
        *b"\x0B\x02SERVER_PORT80\x0B\x0ESERVER_ADDR199.170.183.42"
    );
}

#[test]
fn lengths_take_four_bytes_from_128() {
    for (length, prefix) in [
        (127, &[1, 127][..]),
        (128, &[1, 0x80, 0, 0, 128]),
        (70_000, &[1, 0x80, 1, 0x11, 0x70]),
    ] {
        let mut out = Vec::new();
        encode_pair(&mut out, b"N", &vec![b'v'; length]);
        assert_eq!(&out[..prefix.len()], prefix);
        assert_eq!(out.len(), prefix.len() + 1 + length);
    }
}

#[test]
fn four_bytes_are_good_for_short_lengths() {
    let params = Params::parse(b"\x80\0\0\x01\x80\0\0\x02NVV").unwrap();
    assert_eq!(collect(&params), [(b"N".to_vec(), b"VV".to_vec())]);
}

#[test]
fn names_are_exact_and_the_first_counts() {
    let params: Params = [("A", "1"), ("a", "2"), ("A", "3")].into_iter().collect();
    assert_eq!(params.get(b"A"), Some(&b"1"[..]));
    assert_eq!(params.get(b"a"), Some(&b"2"[..]));
    assert_eq!(params.get(b"B"), None);
}

#[test]
fn the_end_in_a_pair_is_an_error() {
    let whole = b"\x01\x80\0\0\x02NVV";
    for short in 1..whole.len() {
        assert_eq!(
            Params::parse(&whole[..short]),
            Err(ProtocolError::IncompletePair)
        );
    }
}

#[test]
fn limits_are_exact() {
    let limits = Limits {
        total: 2 * (PAIR_OVERHEAD + 10),
        name: 8,
    };
    let good = |wire: &[u8]| ParamsDecoder::new(limits).push(wire);
    assert_eq!(good(b"\x08\x02NNNNNNNNVV\x01\x09NVVVVVVVVV"), Ok(()));
    assert_eq!(
        good(b"\x08\x02NNNNNNNNVV\x01\x0A"),
        Err(ProtocolError::ParamsTooLong {
            limit: limits.total
        })
    );
    assert_eq!(
        good(b"\x09\0"),
        Err(ProtocolError::NameTooLong { len: 9, limit: 8 })
    );
    assert_eq!(
        good(b"\0\0\0\0\0\0"),
        Err(ProtocolError::ParamsTooLong {
            limit: limits.total
        })
    );
}
