use fastcgi_protocol::{
    Application, Event, Limits, Options, PAIR_OVERHEAD, Params, ProtocolError, Record,
    RecordBuffer, RecordType, Role, encode, encode_pair,
};
use proptest::prelude::*;

use crate::{OwnedRecord, feed, hello, pieces, records, sizes, wild_bytes};

/// A multiplexing end, as a gateway's worker has it.
fn worker() -> Application {
    Application::new(Options {
        max_requests: 2,
        multiplex: true,
        private: true,
        ..Options::default()
    })
}

/// Feeds one record; returns the event and the records answered.
fn receive<'a>(
    application: &mut Application,
    kind: RecordType,
    id: u16,
    content: &'a [u8],
) -> Result<(Option<Event<'a>>, Vec<OwnedRecord>), ProtocolError> {
    let mut out = Vec::new();
    let event = application.receive(Record { kind, id, content }, &mut out)?;
    Ok((event, records(&out)))
}

/// Feeds one record that is answered with nothing.
fn event<'a>(
    application: &mut Application,
    kind: RecordType,
    id: u16,
    content: &'a [u8],
) -> Option<Event<'a>> {
    let (event, answer) = receive(application, kind, id, content).unwrap();
    assert_eq!(answer, []);
    event
}

/// The body of BEGIN_REQUEST for a Responder and a connection to be kept.
const BEGIN: &[u8] = &[0, 1, 1, 0, 0, 0, 0, 0];

/// Begins a request and completes its (empty) parameters.
fn open(application: &mut Application, id: u16) {
    assert_eq!(
        event(application, RecordType::BeginRequest, id, BEGIN),
        None
    );
    let request = event(application, RecordType::Params, id, b"");
    assert!(matches!(request, Some(Event::Request { .. })));
}

fn ended(id: u16, status: u8) -> Vec<OwnedRecord> {
    vec![(
        RecordType::EndRequest,
        id,
        vec![0, 0, 0, 0, status, 0, 0, 0],
    )]
}

#[test]
fn a_request_from_begin_to_finish() {
    let mut app = worker();
    assert_eq!(event(&mut app, RecordType::BeginRequest, 7, BEGIN), None);
    assert!(app.is_active(7));
    assert_eq!(event(&mut app, RecordType::Params, 7, b"\x01\x02A"), None);
    assert_eq!(event(&mut app, RecordType::Params, 7, b"bc"), None);
    let params = [("A", "bc")].into_iter().collect();
    let request = Event::Request {
        id: 7,
        role: Role::Responder,
        keep_conn: true,
        params,
    };
    assert_eq!(event(&mut app, RecordType::Params, 7, b""), Some(request));
    assert_eq!(
        event(&mut app, RecordType::Stdin, 7, b"x"),
        Some(Event::Stdin { id: 7, data: b"x" })
    );
    assert_eq!(event(&mut app, RecordType::Data, 7, b"x"), None);
    assert_eq!(
        event(&mut app, RecordType::Stdin, 7, b""),
        Some(Event::StdinEnd { id: 7 })
    );
    assert_eq!(event(&mut app, RecordType::Stdin, 7, b"late"), None);
    assert_eq!(event(&mut app, RecordType::Stdin, 7, b""), None);
    app.finish(7);
    assert_eq!(app.active(), 0);
    assert!(!app.must_close());
    open(&mut app, 7);
}

#[test]
fn a_request_that_is_one_record() {
    let mut app = worker();
    let params = b"\x01\x02Abc";
    assert_eq!(
        event(&mut app, RecordType::Request, 7, params),
        Some(Event::WholeRequest { id: 7, params })
    );
    assert!(app.is_active(7));
    assert_eq!(
        receive(&mut app, RecordType::Request, 7, params),
        Err(ProtocolError::DuplicateBegin(7))
    );
    assert_eq!(event(&mut app, RecordType::Stdin, 7, b"x"), None);
    assert_eq!(event(&mut app, RecordType::Stdin, 7, b""), None);
    assert_eq!(
        receive(&mut app, RecordType::Params, 7, b""),
        Err(ProtocolError::AfterParamsEnd(7))
    );
    assert_eq!(
        event(&mut app, RecordType::AbortRequest, 7, b""),
        Some(Event::Abort { id: 7 })
    );
    open(&mut app, 8);
    let refused = receive(&mut app, RecordType::Request, 9, params);
    assert_eq!(refused, Ok((None, ended(9, 2))));
    app.finish(7);
    assert!(!app.must_close() && app.active() == 1);
    let request = event(&mut app, RecordType::Request, 9, b"");
    assert_eq!(request, Some(Event::WholeRequest { id: 9, params: b"" }));
    let mut app = Application::new(Options::default());
    assert_eq!(event(&mut app, RecordType::Request, 7, params), None);
}

#[test]
fn records_of_inactive_requests_are_ignored() {
    let mut app = worker();
    for kind in [
        RecordType::AbortRequest,
        RecordType::Params,
        RecordType::Stdin,
        RecordType::Data,
        RecordType::Stdout,
        RecordType::Other(99),
    ] {
        assert_eq!(event(&mut app, kind, 3, b"anything"), None);
    }
    assert_eq!(event(&mut app, RecordType::Credit, 3, &[0, 0, 0, 1]), None);
    assert_eq!(app.active(), 0);
}

#[test]
fn unknown_application_records_are_ignored() {
    let mut app = worker();
    open(&mut app, 1);
    for kind in [
        RecordType::Other(99),
        RecordType::GetValues,
        RecordType::Hello,
        RecordType::Stdout,
    ] {
        assert_eq!(event(&mut app, kind, 1, b"anything"), None);
    }
}

#[test]
fn violations_are_errors() {
    let mut app = worker();
    open(&mut app, 1);
    let kind = RecordType::BeginRequest;
    let again = receive(&mut app, kind, 1, BEGIN);
    assert_eq!(again, Err(ProtocolError::DuplicateBegin(1)));
    let short = receive(&mut app, kind, 2, b"1234567");
    assert_eq!(short, Err(ProtocolError::BadLength { kind, len: 7 }));
    let late = receive(&mut app, RecordType::Params, 1, b"");
    assert_eq!(late, Err(ProtocolError::AfterParamsEnd(1)));
    let kind = RecordType::Credit;
    let short = receive(&mut app, kind, 1, b"123");
    assert_eq!(short, Err(ProtocolError::BadLength { kind, len: 3 }));

    event(&mut app, RecordType::BeginRequest, 2, BEGIN);
    for (kind, content) in [
        (RecordType::Stdin, &b""[..]),
        (RecordType::Credit, &[0, 0, 0, 1]),
    ] {
        let early = receive(&mut app, kind, 2, content);
        assert_eq!(early, Err(ProtocolError::BeforeParamsEnd { kind, id: 2 }));
    }
    event(&mut app, RecordType::Params, 2, b"\x05");
    assert_eq!(
        receive(&mut app, RecordType::Params, 2, b""),
        Err(ProtocolError::IncompletePair)
    );
}

#[test]
fn the_parameters_have_a_limit() {
    let limits = Limits {
        total: 100,
        name: 10,
    };
    let mut app = Application::new(Options {
        limits,
        ..Options::default()
    });
    event(&mut app, RecordType::BeginRequest, 1, BEGIN);
    let long = receive(&mut app, RecordType::Params, 1, b"\x0B\0");
    assert_eq!(long, Err(ProtocolError::NameTooLong { len: 11, limit: 10 }));
}

#[test]
fn roles_that_are_not_served_are_refused() {
    let mut app = worker();
    for role in [0, 2, 3, 4] {
        let begin = [0, role, 1, 0, 0, 0, 0, 0];
        let refused = receive(&mut app, RecordType::BeginRequest, 1, &begin);
        assert_eq!(refused, Ok((None, ended(1, 3))));
        assert!(!app.is_active(1));
    }
    let mut app = Application::new(Options {
        authorizer: true,
        ..Options::default()
    });
    assert_eq!(
        event(
            &mut app,
            RecordType::BeginRequest,
            1,
            &[0, 2, 1, 0, 0, 0, 0, 0]
        ),
        None
    );
    let request = event(&mut app, RecordType::Params, 1, b"");
    assert!(matches!(
        request,
        Some(Event::Request {
            role: Role::Authorizer,
            ..
        })
    ));
}

#[test]
fn one_request_at_a_time_without_multiplexing() {
    let mut app = Application::new(Options {
        max_requests: 5,
        ..Options::default()
    });
    open(&mut app, 1);
    let refused = receive(&mut app, RecordType::BeginRequest, 2, BEGIN);
    assert_eq!(refused, Ok((None, ended(2, 1))));
    app.finish(1);
    open(&mut app, 2);
}

#[test]
fn too_many_requests_are_refused() {
    let mut app = worker();
    open(&mut app, 1);
    open(&mut app, 2);
    let refused = receive(&mut app, RecordType::BeginRequest, 3, BEGIN);
    assert_eq!(refused, Ok((None, ended(3, 2))));
    assert_eq!(app.active(), 2);
}

#[test]
fn an_abort_is_told_once_the_request_is_known() {
    let mut app = worker();
    event(&mut app, RecordType::BeginRequest, 1, BEGIN);
    assert_eq!(
        receive(&mut app, RecordType::AbortRequest, 1, b""),
        Ok((None, ended(1, 0)))
    );
    assert!(!app.is_active(1));
    assert_eq!(event(&mut app, RecordType::Params, 1, b""), None);

    open(&mut app, 1);
    assert_eq!(
        event(&mut app, RecordType::AbortRequest, 1, b""),
        Some(Event::Abort { id: 1 })
    );
    assert!(app.is_active(1), "until the application has answered");
}

#[test]
fn the_connection_closes_when_the_server_wants_it() {
    type Way = fn(&mut Application);
    let ways: [Way; 3] = [
        |app| {
            event(app, RecordType::Params, 2, b"");
            app.finish(2);
        },
        |app| {
            receive(app, RecordType::AbortRequest, 2, b"").unwrap();
        },
        |app| {
            receive(app, RecordType::BeginRequest, 3, &[0, 9, 0, 0, 0, 0, 0, 0]).unwrap();
            event(app, RecordType::Params, 2, b"");
            app.finish(2);
        },
    ];
    for way in ways {
        let mut app = worker();
        open(&mut app, 1);
        event(
            &mut app,
            RecordType::BeginRequest,
            2,
            &[0, 1, 0, 0, 0, 0, 0, 0],
        );
        way(&mut app);
        assert!(!app.must_close(), "another request is active");
        app.finish(1);
        assert!(app.must_close());
    }
}

#[test]
fn values_are_told_once_each() {
    let options = Options {
        max_requests: 20,
        max_connections: 30,
        multiplex: true,
        ..Options::default()
    };
    let mut app = Application::new(options);
    let mut asked = Vec::new();
    for name in [
        "FCGI_MPXS_CONNS",
        "FCGI_MAX_REQS",
        "FCGI_NICE",
        "FCGI_MAX_CONNS",
        "FCGI_MAX_REQS",
    ] {
        encode_pair(&mut asked, name.as_bytes(), b"");
    }
    assert_eq!(app.cut_mark(), [0; 8]);
    let (event, answer) = receive(&mut app, RecordType::GetValues, 0, &asked).unwrap();
    // HAProxy, which would go on using a connection that ends with a record of no version.
    assert_eq!(app.cut_mark(), b"");
    assert_eq!(event, None);
    assert_eq!(
        (answer[0].0, answer[0].1, answer.len()),
        (RecordType::GetValuesResult, 0, 1)
    );
    let values = Params::parse(&answer[0].2).unwrap();
    let expected = [
        ("FCGI_MAX_CONNS", "30"),
        ("FCGI_MAX_REQS", "20"),
        ("FCGI_MPXS_CONNS", "1"),
    ];
    assert_eq!(values, expected.into_iter().collect());
}

#[test]
fn unknown_management_records_are_answered_but_no_answers() {
    let mut app = Application::new(Options::default());
    for number in [1, 5, 99, 128, 129] {
        let (event, answer) = receive(&mut app, number.into(), 0, b"anything").unwrap();
        assert_eq!(event, None);
        assert_eq!(
            answer,
            [(
                RecordType::UnknownType,
                0,
                vec![number, 0, 0, 0, 0, 0, 0, 0]
            )]
        );
    }
    assert_eq!(event(&mut app, RecordType::UnknownType, 0, &[1; 8]), None);
}

#[test]
fn private_records_are_for_gateways() {
    let mut wire = Vec::new();
    encode::hello(&mut wire, &hello::hello());
    let content = &records(&wire)[0].2;

    let mut app = worker();
    assert_eq!(
        event(&mut app, RecordType::Hello, 0, content),
        Some(Event::Hello(hello::hello()))
    );
    assert_eq!(
        receive(&mut app, RecordType::Hello, 0, content),
        Err(ProtocolError::DuplicateHello)
    );
    open(&mut app, 1);
    let credit = event(&mut app, RecordType::Credit, 1, &[0, 1, 0, 2]);
    assert_eq!(
        credit,
        Some(Event::Credit {
            id: 1,
            bytes: 65_538
        })
    );

    let mut wire = Vec::new();
    encode::released(&mut wire, 1 << 31 | 5);
    let (released, _) = fastcgi_protocol::parse(&wire).unwrap().unwrap();
    let mut out = Vec::new();
    let buffers = app.receive(released, &mut out);
    assert_eq!(buffers, Ok(Some(Event::Released(1 << 31 | 5))));
    assert_eq!(
        receive(&mut app, RecordType::Released, 0, &[0; 3]),
        Err(ProtocolError::BadLength {
            kind: RecordType::Released,
            len: 3
        })
    );

    let mut app = Application::new(Options::default());
    open(&mut app, 1);
    assert_eq!(event(&mut app, RecordType::Credit, 1, &[0, 1, 0, 2]), None);
}

#[test]
fn a_place_in_shared_memory_stands_for_a_body() {
    let mut app = worker();
    let mut wire = Vec::new();
    encode::shared(&mut wire, 1, 31, 65_528);
    let (record, _) = fastcgi_protocol::parse(&wire).unwrap().unwrap();
    let place = |id| {
        let (buffer, length) = (31, 65_528);
        Some(Event::Shared { id, buffer, length })
    };
    let kind = RecordType::Shared;
    // Its buffer is given back, whoever it was for.
    assert_eq!(event(&mut app, kind, 1, record.content), place(None));
    event(&mut app, RecordType::BeginRequest, 1, BEGIN);
    let early = receive(&mut app, kind, 1, record.content);
    assert_eq!(early, Err(ProtocolError::BeforeParamsEnd { kind, id: 1 }));
    let mut app = worker();
    open(&mut app, 1);
    assert_eq!(event(&mut app, kind, 1, record.content), place(Some(1)));
    let short = receive(&mut app, kind, 1, &record.content[1..]);
    assert_eq!(short, Err(ProtocolError::BadLength { kind, len: 7 }));
    let nothing = receive(&mut app, kind, 1, &[0; 8]);
    assert_eq!(nothing, Err(ProtocolError::BadBuffer));
    event(&mut app, RecordType::Stdin, 1, b"");
    assert_eq!(event(&mut app, kind, 1, record.content), place(None));
    let mut app = Application::new(Options::default());
    open(&mut app, 1);
    assert_eq!(event(&mut app, kind, 1, record.content), None);
}

proptest! {
    #[test]
    fn any_bytes_do_no_harm(wire in wild_bytes(), sizes in sizes(), private in any::<bool>(), finish in 1_u16..9) {
        let limits = Limits { total: 500, name: 30 };
        let options = Options { max_requests: 2, multiplex: true, limits, private, ..Options::default() };
        let mut app = Application::new(options);
        let mut buffer = RecordBuffer::new();
        let mut count = 0;
        for piece in pieces(&wire, &sizes) {
            let result = feed(&mut buffer, piece, |record| {
                let mut out = Vec::new();
                let event = app.receive(record, &mut out)?;
                assert!(out.len() <= 128 && out.len() % 8 == 0);
                assert!(app.active() <= 2);
                if let Some(Event::Request { id, params, .. }) = event {
                    assert!(app.is_active(id));
                    assert!(params.byte_size() + params.len() * PAIR_OVERHEAD <= limits.total);
                }
                count += 1;
                if count % finish == 0 {
                    app.finish(record.id);
                }
                Ok::<_, ProtocolError>(())
            });
            if result.is_err() {
                break;
            }
        }
    }
}

#[test]
fn who_asks_and_multiplexes_is_told_to_begin_no_more() {
    for (multiplex, asks) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut app = Application::new(Options {
            multiplex,
            ..Options::default()
        });
        if asks {
            receive(&mut app, RecordType::GetValues, 0, &[]).unwrap();
        }
        let mut out = Vec::new();
        assert_eq!(app.retire(&mut out), multiplex && asks);
        let mut told = Vec::new();
        if multiplex && asks {
            encode::get_values_result(&mut told, [(&b"FCGI_MAX_REQS"[..], &b"0"[..])]);
        }
        assert_eq!(out, told);
    }
}
