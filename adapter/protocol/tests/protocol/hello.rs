use fastcgi_protocol::{
    HELLO_VERSION, Hello, MAX_WINDOW, Params, ProtocolError, RecordType, encode, encode_pair,
};
use proptest::prelude::*;

use crate::{bytes, records};

pub fn hello() -> Hello {
    Hello {
        version: HELLO_VERSION,
        stdin_window: 1_000,
        stdout_window: 2_000,
        max_requests: 3,
        fields: Params::new(),
    }
}

fn content(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut content = Vec::new();
    for (name, value) in pairs {
        encode_pair(&mut content, name.as_bytes(), value.as_bytes());
    }
    content
}

proptest! {
    #[test]
    fn a_greeting_survives(
        stdin_window in 1..=MAX_WINDOW,
        stdout_window in 1..=MAX_WINDOW,
        max_requests in 1..=u16::MAX,
        fields in prop::collection::vec((bytes(20), bytes(200)), 0..6),
    ) {
        let sent = Hello {
            version: HELLO_VERSION,
            stdin_window,
            stdout_window,
            max_requests,
            fields: fields.into_iter().collect(),
        };
        let mut wire = Vec::new();
        encode::hello(&mut wire, &sent);
        let received = records(&wire);
        prop_assert_eq!(received.len(), 1);
        prop_assert_eq!((received[0].0, received[0].1), (RecordType::Hello, 0));
        prop_assert_eq!(Hello::parse(&received[0].2), Ok(sent));
    }
}

#[test]
fn unknown_fields_are_kept_and_do_no_harm() {
    let wire = content(&[
        ("colour", "blue"),
        ("version", "4"),
        ("stdin-window", "10"),
        ("stdout-window", "20"),
        ("max-requests", "30"),
        ("pid", "4711"),
    ]);
    let hello = Hello::parse(&wire).unwrap();
    assert_eq!(
        (hello.stdin_window, hello.stdout_window, hello.max_requests),
        (10, 20, 30)
    );
    assert_eq!(
        hello.fields,
        [("colour", "blue"), ("pid", "4711")].into_iter().collect()
    );
}

#[test]
fn each_number_is_checked() {
    let good = [
        ("version", "4"),
        ("stdin-window", "1"),
        ("stdout-window", "1"),
        ("max-requests", "1"),
    ];
    for (index, (name, _)) in good.into_iter().enumerate() {
        let mut missing = good.to_vec();
        missing.remove(index);
        assert_eq!(
            Hello::parse(&content(&missing)),
            Err(ProtocolError::BadHello(name))
        );
        for bad in ["", "x", "-1", "4294967296"] {
            let mut wrong = good.to_vec();
            wrong[index].1 = bad;
            assert_eq!(
                Hello::parse(&content(&wrong)),
                Err(ProtocolError::BadHello(name))
            );
        }
    }
    for (index, bad) in [
        (1, "0"),
        (2, "0"),
        (3, "0"),
        (1, "2147483649"),
        (2, "2147483649"),
    ] {
        let mut wrong = good.to_vec();
        wrong[index].1 = bad;
        assert_eq!(
            Hello::parse(&content(&wrong)),
            Err(ProtocolError::BadHello(good[index].0))
        );
    }
}

#[test]
fn another_version_is_refused() {
    assert_eq!(
        Hello::parse(&content(&[("version", "5")])),
        Err(ProtocolError::HelloVersion(5))
    );
    let message = ProtocolError::HelloVersion(5).to_string();
    assert!(
        message.contains("version 5") && message.contains("not 4"),
        "{message}"
    );
}

#[test]
fn a_worker_that_failed_needs_no_windows() {
    let mut failed = hello();
    (
        failed.stdin_window,
        failed.stdout_window,
        failed.max_requests,
    ) = (0, 0, 0);
    failed.fields.push(b"error", b"no such file");
    let mut wire = Vec::new();
    encode::hello(&mut wire, &failed);
    let parsed = Hello::parse(&records(&wire)[0].2).unwrap();
    assert_eq!(parsed.error(), Some(&b"no such file"[..]));
}

#[test]
fn an_answer_stays_within_the_offer() {
    let offer = hello();
    let own = Hello {
        stdin_window: 5_000,
        stdout_window: 50,
        max_requests: 30,
        ..hello()
    };
    let answer = own.limit_to(&offer);
    assert_eq!(
        (
            answer.stdin_window,
            answer.stdout_window,
            answer.max_requests
        ),
        (1_000, 50, 3)
    );
}

#[test]
fn a_long_error_is_cut_but_never_lost() {
    let mut large = hello();
    large.fields.push(b"error", &[b'x'; 70_000]);
    for _ in 0..100 {
        large.fields.push(b"other", &[b'y'; 1_024]);
    }
    let mut wire = Vec::new();
    encode::hello(&mut wire, &large);
    let parsed = Hello::parse(&records(&wire)[0].2).unwrap();
    assert_eq!(parsed.error(), Some(&[b'x'; 1_024][..]));
    assert!(
        parsed.fields.len() < 101,
        "what the record has no room for is left out"
    );
}
