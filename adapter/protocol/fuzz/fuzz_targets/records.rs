//! Any bytes, cut anywhere, into both ends of a connection: no panic, no more answers and no more active requests than
//! promised, and the same records however the bytes were cut.

#![no_main]

use fastcgi_protocol::{
    Application, Event, ExecStatus, Limits, Options, PAIR_OVERHEAD, RecordBuffer, Role, Server,
    ServerEvent, parse,
};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    total: 4_096,
    name: 64,
};

fuzz_target!(|input: (u8, [u8; 4], &[u8])| {
    let (flags, sizes, bytes) = input;
    let options = Options {
        max_requests: usize::from(flags & 3),
        multiplex: flags & 4 != 0,
        authorizer: flags & 8 != 0,
        private: flags & 16 != 0,
        limits: LIMITS,
        ..Options::default()
    };
    let max_requests = options.max_requests;
    let mut application = Application::new(options);
    let mut server = Server::new(3, flags & 16 != 0);
    let mut out = Vec::new();
    while server.begin(&mut out, Role::Responder, true).is_some() {}

    let mut buffer = RecordBuffer::new();
    let mut whole = bytes;
    let mut rest = bytes;
    let mut ended = 0;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let space = buffer.space();
        let n = (usize::from(*size) * 7 + 1)
            .min(rest.len())
            .min(space.len());
        space[..n].copy_from_slice(&rest[..n]);
        buffer.advance(n);
        rest = &rest[n..];
        loop {
            let record = match buffer.next() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => return assert_eq!(parse(whole), Err(error)),
            };
            let (expected, used) = parse(whole).unwrap().unwrap();
            assert_eq!(record, expected);
            whole = &whole[used..];

            out.clear();
            let event = application.receive(record, &mut out);
            assert!(out.len() <= 128 && out.len() % 8 == 0);
            assert!(application.active() <= max_requests);
            match event {
                Ok(Some(Event::Request { id, params, .. })) => {
                    let size = params.byte_size() + params.len() * PAIR_OVERHEAD;
                    assert!(size <= LIMITS.total);
                    assert!(application.is_active(id));
                }
                Ok(Some(Event::Abort { id })) => application.finish(id),
                Ok(_) => {}
                Err(_) => return,
            }
            match server.receive(record) {
                Ok(Some(ServerEvent::End { .. } | ServerEvent::Answer { .. })) => ended += 1,
                Ok(Some(ServerEvent::Exec { id, .. })) if flags & 32 != 0 => {
                    server.end_exec(&mut out, id, ExecStatus::default());
                }
                Ok(_) => {}
                Err(_) => return,
            }
            assert_eq!(server.active(), 3 - ended);
        }
    }
});
