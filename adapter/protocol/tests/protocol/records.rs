use fastcgi_protocol::{
    BeginRequest, EndRequest, MAX_CONTENT, ProtocolError, ProtocolStatus, Record, RecordBuffer,
    RecordType, Role, encode, parse,
};
use proptest::prelude::*;

use crate::{OwnedRecord, bytes, feed, pieces, records, sizes, wild_bytes};

fn any_record() -> impl Strategy<Value = OwnedRecord> {
    let content = prop_oneof![bytes(40), bytes(3_000), Just(vec![7; MAX_CONTENT])];
    (
        any::<u8>().prop_map(RecordType::from),
        any::<u16>(),
        content,
    )
}

proptest! {
    #[test]
    fn records_survive_any_split(sent in prop::collection::vec(any_record(), 0..12), sizes in sizes()) {
        let mut wire = Vec::new();
        for (kind, id, content) in &sent {
            encode::record(&mut wire, *kind, *id, content);
            prop_assert_eq!(wire.len() % 8, 0);
        }
        let mut buffer = RecordBuffer::new();
        let mut received = Vec::new();
        for piece in pieces(&wire, &sizes) {
            feed(&mut buffer, piece, |record| {
                received.push((record.kind, record.id, record.content.to_vec()));
                Ok::<_, ProtocolError>(())
            }).unwrap();
        }
        prop_assert_eq!(received, sent);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn streams_survive(length in 0_usize..200_000, seed in any::<u8>()) {
        let sent: Vec<u8> = (0..length).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect();
        let mut wire = Vec::new();
        encode::stream(&mut wire, RecordType::Stdout, 9, &sent);
        let received = records(&wire);
        prop_assert_eq!(received.len(), length.div_ceil(65_528));
        let all_stdout = received.iter().all(|(kind, id, content)| {
            *kind == RecordType::Stdout && *id == 9 && !content.is_empty()
        });
        prop_assert!(all_stdout);
        prop_assert_eq!(received.into_iter().flat_map(|(_, _, content)| content).collect::<Vec<_>>(), sent);
    }

    #[test]
    fn a_record_that_is_lengthened_is_as_if_it_had_been_written_whole(first in bytes(300), more in bytes(300), before in bytes(9)) {
        let mut wire = before.clone();
        encode::record(&mut wire, RecordType::Stdout, 7, &first);
        prop_assert!(encode::lengthen(&mut wire, before.len(), &more));
        let mut expected = before;
        encode::record(&mut expected, RecordType::Stdout, 7, &[first, more].concat());
        prop_assert_eq!(wire, expected);
    }

    #[test]
    fn any_bytes_do_no_harm(wire in wild_bytes(), sizes in sizes()) {
        let mut buffer = RecordBuffer::new();
        for piece in pieces(&wire, &sizes) {
            if feed(&mut buffer, piece, |_| Ok::<_, ProtocolError>(())).is_err() {
                break;
            }
            prop_assert!(buffer.space().len() <= 2 * 65_536 + 262);
        }
    }

    #[test]
    fn types_keep_their_numbers(number in any::<u8>()) {
        prop_assert_eq!(u8::from(RecordType::from(number)), number);
        prop_assert_eq!(u8::from(ProtocolStatus::from(number)), number);
        prop_assert_eq!(u16::from(Role::from(u16::from(number))), u16::from(number));
    }
}

#[test]
fn the_bytes_of_the_specification() {
    let mut out = Vec::new();
    encode::begin_request(&mut out, 1, Role::Responder, true);
    assert_eq!(out, [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);

    out.clear();
    encode::begin_request(&mut out, 0x1234, Role::Filter, false);
    assert_eq!(out, [1, 1, 0x12, 0x34, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0]);

    out.clear();
    encode::abort_request(&mut out, 1);
    assert_eq!(out, [1, 2, 0, 1, 0, 0, 0, 0]);

    out.clear();
    encode::end_request(&mut out, 1, 938, ProtocolStatus::Overloaded);
    assert_eq!(out, [1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 3, 170, 2, 0, 0, 0]);

    out.clear();
    encode::stream(&mut out, RecordType::Stdin, 1, b"name");
    encode::end_stream(&mut out, RecordType::Stdin, 1);
    assert_eq!(
        out,
        *b"\x01\x05\0\x01\0\x04\x04\0name\0\0\0\0\x01\x05\0\x01\0\0\0\0"
    );

    out.clear();
    encode::get_values(&mut out, [&b"FCGI_MAX_REQS"[..]]);
    assert_eq!(out, *b"\x01\x09\0\0\0\x0F\x01\0\x0D\0FCGI_MAX_REQS\0");

    out.clear();
    encode::get_values_result(&mut out, [(&b"FCGI_MAX_REQS"[..], &b"8"[..])]);
    assert_eq!(out, *b"\x01\x0A\0\0\0\x10\0\0\x0D\x01FCGI_MAX_REQS8");

    out.clear();
    encode::unknown_type(&mut out, 77);
    assert_eq!(out, [1, 11, 0, 0, 0, 8, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0]);

    out.clear();
    encode::credit(&mut out, 3, 0x0102_0304);
    assert_eq!(out, [1, 129, 0, 3, 0, 4, 4, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
}

#[test]
fn no_bytes_no_record() {
    let mut out = Vec::new();
    encode::stream(&mut out, RecordType::Stdout, 1, b"");
    assert!(out.is_empty(), "an empty record would end the stream");
}

#[test]
fn a_record_needs_its_padding() {
    let wire = [1, 6, 0, 2, 0, 3, 5, 0, b'a', b'b', b'c', 9, 9, 9, 9, 9, 1];
    for short in 0..16 {
        assert_eq!(parse(&wire[..short]), Ok(None));
    }
    let record = Record {
        kind: RecordType::Stdout,
        id: 2,
        content: b"abc",
    };
    assert_eq!(parse(&wire), Ok(Some((record, 16))));
}

#[test]
fn a_wrong_version_shows_in_the_first_byte() {
    assert_eq!(parse(&[0]), Err(ProtocolError::WrongVersion(0)));
    assert_eq!(parse(b"HTTP/1.1"), Err(ProtocolError::WrongVersion(b'H')));
}

#[test]
fn the_largest_record_fits_the_buffer() {
    let mut wire = vec![1, 6, 0, 1, 0xFF, 0xFF, 255, 0];
    wire.resize(8 + 65_535 + 255, 0);
    let mut buffer = RecordBuffer::new();
    for piece in pieces(&wire.repeat(3), &[65_530]) {
        feed(&mut buffer, piece, |record| {
            assert_eq!(record.content.len(), 65_535);
            Ok::<_, ProtocolError>(())
        })
        .unwrap();
    }
    assert!(buffer.is_empty());
}

#[test]
fn a_part_of_a_record_is_no_clean_end() {
    let mut buffer = RecordBuffer::new();
    assert!(buffer.is_empty());
    feed(&mut buffer, &[1, 6, 0], |_| Ok::<_, ProtocolError>(())).unwrap();
    assert!(!buffer.is_empty());
}

#[test]
fn fixed_bodies_have_eight_bytes() {
    for len in [0, 7, 9] {
        let content = vec![0; len];
        let kind = RecordType::BeginRequest;
        assert_eq!(
            BeginRequest::parse(&content),
            Err(ProtocolError::BadLength { kind, len })
        );
        let kind = RecordType::EndRequest;
        assert_eq!(
            EndRequest::parse(&content),
            Err(ProtocolError::BadLength { kind, len })
        );
    }
    let begin = BeginRequest::parse(&[0, 1, 0xFE, 9, 9, 9, 9, 9]);
    assert_eq!(
        begin,
        Ok(BeginRequest {
            role: Role::Responder,
            keep_conn: false
        })
    );
    let end = EndRequest::parse(&[0xFF, 0xFF, 0xFF, 0xFE, 3, 9, 9, 9]);
    let expected = EndRequest {
        app_status: 0xFFFF_FFFE,
        status: ProtocolStatus::UnknownRole,
    };
    assert_eq!(end, Ok(expected));
}

#[test]
fn long_texts_are_cut_between_characters() {
    let mut out = Vec::new();
    encode::cut(&mut out, 1, &"ä".repeat(600).replacen('ä', "a", 1));
    encode::log_parameter(&mut out, 2, &[b'x'; 5_000]);
    let received = records(&out);
    assert_eq!(received[0].0, RecordType::Cut);
    assert_eq!(std::str::from_utf8(&received[0].2).unwrap().len(), 1023);
    assert_eq!(received[1], (RecordType::LogParameter, 2, vec![b'x'; 1024]));
}

#[test]
fn a_record_has_no_more_room_than_needs_no_padding() {
    let mut wire = Vec::new();
    encode::record(&mut wire, RecordType::Stdout, 7, &[0; 65_000]);
    let before = wire.clone();
    assert!(!encode::lengthen(&mut wire, 0, &[0; 529]));
    assert_eq!(wire, before);
    assert!(encode::lengthen(&mut wire, 0, &[0; 528]));
    assert_eq!(records(&wire)[0].2.len(), 65_528);
}
