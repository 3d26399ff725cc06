//! Child requests, error pages, trace and unhealthy reports.

use fastcgi_protocol::{
    Application, ChildRequest, Event, ExecStatus, Options, Params, ProtocolError, Record,
    RecordType, Role, Server, ServerEvent, encode,
};
use proptest::prelude::*;

use crate::{bytes, records};

const STATUS: ExecStatus = ExecStatus {
    status: 404,
    sub_status: 3,
    error: 0x0102_0304,
};

/// A server with request 1.
fn server() -> Server {
    let mut server = Server::new(1, true);
    server.begin(&mut Vec::new(), Role::Responder, true);
    server
}

fn receive<'a>(
    server: &mut Server,
    kind: RecordType,
    content: &'a [u8],
) -> Result<Option<ServerEvent<'a>>, ProtocolError> {
    server.receive(Record {
        kind,
        id: 1,
        content,
    })
}

/// Begins a child request, without its entity.
fn ask(server: &mut Server) {
    receive(server, RecordType::ExecParams, b"").unwrap();
}

#[test]
fn a_child_request_from_begin_to_end() {
    let mut server = server();
    let child = ChildRequest {
        url: Some(b"/x?y".to_vec()),
        flags: 6,
        length: Some(3),
        ..ChildRequest::default()
    };
    receive(&mut server, RecordType::Stdout, b"before").unwrap();
    let wire = child.to_bytes();
    let (first, second) = wire.split_at(5);
    for part in [first, second] {
        let event = receive(&mut server, RecordType::ExecParams, part);
        let len = part.len();
        assert_eq!(event, Ok(Some(ServerEvent::ExecParams { id: 1, len })));
    }
    let event = receive(&mut server, RecordType::ExecParams, b"");
    assert_eq!(
        event,
        Ok(Some(ServerEvent::Exec {
            id: 1,
            child: Box::new(child)
        }))
    );
    let event = receive(&mut server, RecordType::ExecStdin, b"abc");
    let data = &b"abc"[..];
    assert_eq!(event, Ok(Some(ServerEvent::ExecStdin { id: 1, data })));
    let event = receive(&mut server, RecordType::ExecStdin, b"");
    assert_eq!(event, Ok(Some(ServerEvent::ExecStdinEnd { id: 1 })));

    let mut out = Vec::new();
    server.end_exec(&mut out, 1, STATUS);
    let content = vec![1, 148, 0, 3, 1, 2, 3, 4];
    assert_eq!(records(&out), [(RecordType::ExecStatus, 1, content)]);
    server.end_exec(&mut out, 1, STATUS);
    assert_eq!(records(&out).len(), 1, "it is over once");
    let event = receive(&mut server, RecordType::Stdout, b"after");
    let data = &b"after"[..];
    assert_eq!(event, Ok(Some(ServerEvent::Stdout { id: 1, data })));
    ask(&mut server);
}

#[test]
fn a_child_may_end_before_its_entity() {
    let mut server = server();
    ask(&mut server);
    receive(&mut server, RecordType::ExecStdin, b"abc").unwrap();
    server.end_exec(&mut Vec::new(), 1, STATUS);
    let event = receive(&mut server, RecordType::ExecStdin, b"on the way");
    assert!(matches!(event, Ok(Some(ServerEvent::ExecStdin { .. }))));
    let event = receive(&mut server, RecordType::ExecStdin, b"");
    assert_eq!(event, Ok(None));
    receive(&mut server, RecordType::Stdout, b"after").unwrap();
}

#[test]
fn records_out_of_order_are_errors() {
    use RecordType::{ExecParams, ExecStdin, Stdout};
    let wrong = |kind| Err(ProtocolError::ExecOrder { kind, id: 1 });
    let result = receive(&mut server(), ExecStdin, b"no child");
    assert_eq!(result, wrong(ExecStdin));

    let mut server = server();
    let name = b"\x03\0url";
    receive(&mut server, ExecParams, name).unwrap();
    for kind in [Stdout, ExecStdin] {
        assert_eq!(receive(&mut server, kind, b"x"), wrong(kind));
    }
    receive(&mut server, ExecParams, b"").unwrap();
    for kind in [Stdout, ExecParams] {
        assert_eq!(receive(&mut server, kind, b"x"), wrong(kind));
    }
    receive(&mut server, ExecStdin, b"").unwrap();
    for kind in [Stdout, ExecParams, ExecStdin] {
        assert_eq!(receive(&mut server, kind, b"x"), wrong(kind));
    }
    // An answer may break off at any place.
    let event = receive(&mut server, Stdout, b"");
    assert_eq!(event, Ok(Some(ServerEvent::StdoutEnd { id: 1 })));
    for kind in [Stdout, ExecParams, ExecStdin] {
        assert_eq!(receive(&mut server, kind, b"late"), Ok(None));
    }
}

#[test]
fn an_error_page_is_the_whole_answer() {
    let mut out = Vec::new();
    encode::error_page(&mut out, 1, 404, 2, b"Not here");
    let content = &records(&out)[0].2;
    let mut server = server();
    let event = receive(&mut server, RecordType::ErrorPage, content);
    let expected = ServerEvent::ErrorPage {
        id: 1,
        status: 404,
        sub_status: 2,
        reason: b"Not here",
    };
    assert_eq!(event, Ok(Some(expected)));
    assert_eq!(receive(&mut server, RecordType::Stdout, b"late"), Ok(None));
    assert_eq!(
        receive(&mut server, RecordType::ErrorPage, content),
        Ok(None)
    );

    let mut server = self::server();
    let kind = RecordType::ErrorPage;
    let short = receive(&mut server, kind, &[1, 2, 3]);
    assert_eq!(short, Err(ProtocolError::BadLength { kind, len: 3 }));
    receive(&mut server, RecordType::Stdout, b"x").unwrap();
    let late = receive(&mut server, kind, content);
    assert_eq!(late, Err(ProtocolError::LateErrorPage(1)));
}

#[test]
fn numbers_of_a_child_request_are_checked() {
    for (name, value) in [("flags", "-1"), ("length", "x"), ("flags", "4294967296")] {
        let params: Params = [(name, value)].into_iter().collect();
        assert!(matches!(
            ChildRequest::parse(&params),
            Err(ProtocolError::BadExec(field)) if field == name
        ));
    }
}

#[test]
fn traces_and_unhealthy_reports_are_told() {
    let mut out = Vec::new();
    let long = vec![b'a'; 100_000];
    encode::trace(
        &mut out,
        1,
        [(&b"call"[..], &b"WriteClient"[..]), (b"data", &long)],
    );
    encode::trace(&mut out, 0, [(&b"call"[..], &b"GetExtensionVersion"[..])]);
    encode::unhealthy(&mut out, b"leaks");
    let mut server = server();
    let mut told = Vec::new();
    for (kind, id, content) in &records(&out) {
        let (kind, id) = (*kind, *id);
        told.push(match server.receive(Record { kind, id, content }) {
            Ok(Some(ServerEvent::Trace { id, event })) => (id, event.len(), event.byte_size()),
            Ok(Some(ServerEvent::Unhealthy(reason))) => (0, 0, reason.len()),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(told, [(1, 2, 19 + 8192), (0, 1, 23), (0, 0, 5)]);
    // A peer that is no worker has nothing to say of these.
    let mut foreign = Server::new(1, false);
    foreign.begin(&mut out, Role::Responder, true);
    for (id, kind) in [
        (0, RecordType::Unhealthy),
        (0, RecordType::Trace),
        (1, RecordType::Trace),
        (1, RecordType::ExecParams),
        (1, RecordType::ErrorPage),
    ] {
        let content = &b"\0\0\0\0"[..];
        assert_eq!(foreign.receive(Record { kind, id, content }), Ok(None));
    }
}

#[test]
fn the_worker_is_told_how_its_child_ended() {
    let mut application = Application::new(Options {
        private: true,
        ..Options::default()
    });
    let mut wire = Vec::new();
    encode::exec_status(&mut wire, 1, STATUS);
    let content = &records(&wire)[0].2;
    let mut out = Vec::new();
    let mut receive = |kind, content| {
        application.receive(
            Record {
                kind,
                id: 1,
                content,
            },
            &mut out,
        )
    };
    let kind = RecordType::ExecStatus;
    assert_eq!(receive(kind, content), Ok(None), "no such request");
    receive(RecordType::BeginRequest, &[0, 1, 1, 0, 0, 0, 0, 0]).unwrap();
    let early = receive(kind, content);
    assert_eq!(early, Err(ProtocolError::BeforeParamsEnd { kind, id: 1 }));
    receive(RecordType::Params, b"").unwrap();
    let event = receive(kind, content);
    assert_eq!(
        event,
        Ok(Some(Event::ExecStatus {
            id: 1,
            status: STATUS
        }))
    );
    let long = receive(kind, &[0; 9]);
    assert_eq!(long, Err(ProtocolError::BadLength { kind, len: 9 }));
}

proptest! {
    #[test]
    fn child_requests_arrive_as_they_were_sent(
        texts in prop::array::uniform5(prop::option::of(bytes(300))),
        flags in any::<u32>(),
        length in prop::option::of(any::<u64>()),
    ) {
        let [url, method, headers, user, auth_type] = texts;
        let child = ChildRequest { url, method, headers, user, auth_type, flags, length };
        let params = Params::parse(&child.to_bytes()).unwrap();
        prop_assert_eq!(ChildRequest::parse(&params), Ok(child));
    }
}
