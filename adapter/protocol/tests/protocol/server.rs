use fastcgi_protocol::{
    ProtocolError, ProtocolStatus, Record, RecordBuffer, RecordType, Role, Server, ServerEvent,
    encode,
};
use proptest::prelude::*;

use crate::{feed, hello, pieces, records, sizes, wild_bytes};

fn receive<'a>(
    server: &mut Server,
    kind: RecordType,
    id: u16,
    content: &'a [u8],
) -> Result<Option<ServerEvent<'a>>, ProtocolError> {
    server.receive(Record { kind, id, content })
}

fn begin(server: &mut Server) -> Option<u16> {
    server.begin(&mut Vec::new(), Role::Responder, true)
}

const END: [u8; 8] = [0, 0, 0, 5, 0, 0, 0, 0];

#[test]
fn a_request_from_begin_to_end() {
    let mut server = Server::new(1, false);
    let mut out = Vec::new();
    assert_eq!(server.begin(&mut out, Role::Responder, false), Some(1));
    assert_eq!(
        records(&out),
        [(RecordType::BeginRequest, 1, vec![0, 1, 0, 0, 0, 0, 0, 0])]
    );
    let stdout = receive(&mut server, RecordType::Stdout, 1, b"out");
    assert_eq!(
        stdout,
        Ok(Some(ServerEvent::Stdout {
            id: 1,
            data: b"out"
        }))
    );
    let stderr = receive(&mut server, RecordType::Stderr, 1, b"err");
    assert_eq!(
        stderr,
        Ok(Some(ServerEvent::Stderr {
            id: 1,
            data: b"err"
        }))
    );
    assert_eq!(receive(&mut server, RecordType::Stderr, 1, b""), Ok(None));
    let end = receive(&mut server, RecordType::Stdout, 1, b"");
    assert_eq!(end, Ok(Some(ServerEvent::StdoutEnd { id: 1 })));
    assert_eq!(receive(&mut server, RecordType::Stdout, 1, b""), Ok(None));
    assert_eq!(
        receive(&mut server, RecordType::Stdout, 1, b"late"),
        Ok(None)
    );
    let status = ProtocolStatus::RequestComplete;
    let end = receive(&mut server, RecordType::EndRequest, 1, &END);
    assert_eq!(
        end,
        Ok(Some(ServerEvent::End {
            id: 1,
            app_status: 5,
            status
        }))
    );
    assert!(!server.is_active(1));
}

#[test]
fn ids_are_small_and_used_again() {
    let mut server = Server::new(3, false);
    assert_eq!(
        [begin(&mut server), begin(&mut server), begin(&mut server)],
        [Some(1), Some(2), Some(3)]
    );
    assert_eq!(begin(&mut server), None);
    receive(&mut server, RecordType::EndRequest, 2, &END).unwrap();
    assert_eq!(
        (server.active(), server.is_active(2), server.is_active(3)),
        (2, false, true)
    );
    assert_eq!(begin(&mut server), Some(2));
    let mut out = Vec::new();
    assert_eq!(server.begin(&mut out, Role::Responder, true), None);
    assert!(out.is_empty());
}

#[test]
fn there_are_65535_ids() {
    let mut server = Server::new(usize::MAX, false);
    for id in 1..=u16::MAX {
        assert_eq!(begin(&mut server), Some(id));
    }
    assert_eq!(begin(&mut server), None);
    assert!(server.is_active(u16::MAX) && !server.is_active(0));
}

#[test]
fn records_of_inactive_requests_are_ignored() {
    let mut server = Server::new(5, true);
    begin(&mut server);
    receive(&mut server, RecordType::EndRequest, 1, &END).unwrap();
    for id in [0, 1, 2, u16::MAX] {
        for kind in [
            RecordType::Stdout,
            RecordType::EndRequest,
            RecordType::Credit,
            RecordType::Cut,
        ] {
            assert_eq!(receive(&mut server, kind, id, b"anything"), Ok(None));
        }
    }
    assert_eq!(server.active(), 0);
}

#[test]
fn unknown_types_are_ignored() {
    let mut server = Server::new(1, false);
    begin(&mut server);
    for kind in [
        RecordType::Other(99),
        RecordType::Stdin,
        RecordType::Credit,
        RecordType::Cut,
        RecordType::LogParameter,
    ] {
        assert_eq!(receive(&mut server, kind, 1, b"anything"), Ok(None));
    }
    for kind in [
        RecordType::Other(99),
        RecordType::Hello,
        RecordType::GetValues,
    ] {
        assert_eq!(receive(&mut server, kind, 0, b"anything"), Ok(None));
    }
}

#[test]
fn wrong_lengths_are_errors() {
    let mut server = Server::new(1, true);
    begin(&mut server);
    for (kind, id, len) in [
        (RecordType::EndRequest, 1, 9),
        (RecordType::Credit, 1, 5),
        (RecordType::UnknownType, 0, 1),
    ] {
        let result = receive(&mut server, kind, id, &[0; 9][..len]);
        assert_eq!(result, Err(ProtocolError::BadLength { kind, len }));
    }
    assert!(server.is_active(1));
}

#[test]
fn management_answers_are_told() {
    let mut server = Server::new(1, false);
    let values = receive(&mut server, RecordType::GetValuesResult, 0, b"\x01\x01AB");
    assert_eq!(
        values,
        Ok(Some(ServerEvent::Values(
            [("A", "B")].into_iter().collect()
        )))
    );
    let unknown = receive(
        &mut server,
        RecordType::UnknownType,
        0,
        &[77, 0, 0, 0, 0, 0, 0, 0],
    );
    assert_eq!(unknown, Ok(Some(ServerEvent::UnknownType(77))));
    let broken = receive(&mut server, RecordType::GetValuesResult, 0, b"\x01");
    assert_eq!(broken, Err(ProtocolError::IncompletePair));
}

#[test]
fn a_worker_has_more_to_say() {
    let mut wire = Vec::new();
    encode::hello(&mut wire, &hello::hello());
    let content = &records(&wire)[0].2;
    let mut server = Server::new(100, true);
    let greeting = receive(&mut server, RecordType::Hello, 0, content);
    assert_eq!(
        greeting,
        Ok(Some(ServerEvent::Hello(Box::new(hello::hello()))))
    );
    assert_eq!(
        receive(&mut server, RecordType::Hello, 0, content),
        Err(ProtocolError::DuplicateHello)
    );
    for expected in [Some(1), Some(2), Some(3), None] {
        assert_eq!(
            begin(&mut server),
            expected,
            "the worker said: three at once"
        );
    }
    let credit = receive(&mut server, RecordType::Credit, 2, &[0, 0, 1, 0]);
    assert_eq!(credit, Ok(Some(ServerEvent::Credit { id: 2, bytes: 256 })));
    let log = receive(&mut server, RecordType::LogParameter, 2, b"&a=b");
    assert_eq!(
        log,
        Ok(Some(ServerEvent::LogParameter {
            id: 2,
            data: b"&a=b"
        }))
    );
    let cut = receive(&mut server, RecordType::Cut, 2, b"crashed");
    assert_eq!(
        cut,
        Ok(Some(ServerEvent::Cut {
            id: 2,
            reason: b"crashed"
        }))
    );
    assert!(server.is_active(2), "until the end");
}

#[test]
fn the_rest_of_an_answer_and_its_end_are_one_record() {
    let mut server = Server::new(100, true);
    let data = b"rest";
    for before in ["", "first"] {
        assert_eq!(server.allot(), Some(1));
        if !before.is_empty() {
            receive(&mut server, RecordType::Stdout, 1, before.as_bytes()).unwrap();
        }
        let rest = receive(&mut server, RecordType::Answer, 1, data);
        assert_eq!(rest, Ok(Some(ServerEvent::Answer { id: 1, data })));
        assert!(!server.is_active(1) && server.active() == 0);
        assert_eq!(receive(&mut server, RecordType::Answer, 1, data), Ok(None));
    }
    for (length, expected) in [
        (0, vec![RecordType::Answer]),
        (16_383, vec![RecordType::Answer]),
        (16_384, vec![RecordType::Stdout, RecordType::Answer]),
    ] {
        let mut wire = Vec::new();
        let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        encode::answer(&mut wire, 1, &bytes);
        let (kinds, contents): (Vec<_>, Vec<_>) = records(&wire)
            .into_iter()
            .map(|(kind, _, content)| (kind, content))
            .unzip();
        assert_eq!(kinds, expected);
        assert!(contents.concat() == bytes);
    }
    server.allot();
    receive(&mut server, RecordType::Stdout, 1, b"").unwrap();
    let (kind, id) = (RecordType::Answer, 1);
    assert_eq!(
        receive(&mut server, kind, id, data),
        Err(ProtocolError::ExecOrder { kind, id })
    );
    let end = receive(&mut server, kind, id, b"");
    assert_eq!(end, Ok(Some(ServerEvent::Answer { id, data: b"" })));
    let mut server = Server::new(100, false);
    begin(&mut server);
    assert_eq!(receive(&mut server, RecordType::Answer, 1, data), Ok(None));
    assert!(server.is_active(1));
}

#[test]
fn a_place_in_shared_memory_stands_for_output() {
    let mut server = Server::new(100, true);
    assert_eq!(server.allot(), Some(1));
    let mut wire = Vec::new();
    encode::shared(&mut wire, 1, 31, 65_528);
    let [(kind, id, content)] = &records(&wire)[..] else {
        panic!("not one record");
    };
    let (kind, id) = (*kind, *id);
    let place = ServerEvent::Shared {
        id,
        buffer: 31,
        length: 65_528,
    };
    assert_eq!(receive(&mut server, kind, id, content), Ok(Some(place)));
    let short = receive(&mut server, kind, id, &content[1..]);
    assert_eq!(short, Err(ProtocolError::BadLength { kind, len: 7 }));
    let nothing = receive(&mut server, kind, id, &[0; 8]);
    assert_eq!(nothing, Err(ProtocolError::BadBuffer));
    // The answer has begun by it, and may not go on behind its end.
    let page = receive(&mut server, RecordType::ErrorPage, 1, &[1, 148, 0, 0]);
    assert_eq!(page, Err(ProtocolError::LateErrorPage(1)));
    receive(&mut server, RecordType::Stdout, 1, b"").unwrap();
    let late = receive(&mut server, kind, id, content);
    assert_eq!(late, Err(ProtocolError::ExecOrder { kind, id }));
    assert_eq!(receive(&mut server, kind, 2, content), Ok(None));
    let mut server = Server::new(100, false);
    begin(&mut server);
    assert_eq!(receive(&mut server, kind, id, content), Ok(None));
}

#[test]
fn buffers_come_back_from_workers_alone() {
    let mut server = Server::new(100, true);
    let kind = RecordType::Released;
    let buffers = receive(&mut server, kind, 0, &[0, 0, 1, 2]);
    assert_eq!(buffers, Ok(Some(ServerEvent::Released(258))));
    let short = receive(&mut server, kind, 0, &[0; 3]);
    assert_eq!(short, Err(ProtocolError::BadLength { kind, len: 3 }));
    let mut server = Server::new(100, false);
    assert_eq!(receive(&mut server, kind, 0, &[0, 0, 1, 2]), Ok(None));
}

proptest! {
    #[test]
    fn any_bytes_do_no_harm(wire in wild_bytes(), sizes in sizes(), private in any::<bool>(), begun in 0_usize..4) {
        let mut server = Server::new(3, private);
        for _ in 0..begun {
            begin(&mut server);
        }
        let mut buffer = RecordBuffer::new();
        let mut ends = 0;
        for piece in pieces(&wire, &sizes) {
            let result = feed(&mut buffer, piece, |record| {
                let active = server.is_active(record.id);
                match server.receive(record)? {
                    Some(ServerEvent::End { id, .. } | ServerEvent::Answer { id, .. }) => {
                        assert!(active && !server.is_active(id));
                        ends += 1;
                    }
                    Some(_) => assert!(active || record.id == 0),
                    None => {}
                }
                Ok::<_, ProtocolError>(())
            });
            if result.is_err() {
                break;
            }
        }
        prop_assert_eq!(server.active(), begun - ends);
    }
}
