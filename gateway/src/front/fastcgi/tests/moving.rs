//! What moves a connection on.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::Cell;
use std::future::pending;
use std::task::Waker;

use fastcgi_protocol::{RecordType, encode};
use http_body_util::BodyExt as _;
use tokio::net::UnixStream;

use super::super::answering::Source;
use super::super::tests::{begun, front, socket};
use super::*;

/// Leaves the body until `may_take`, takes all of it that has come, and never answers.
async fn take(work: Work, may_take: &Cell<bool>) -> Ending {
    let Source::Request(_, mut body) = work.answer else {
        panic!("it is refused");
    };
    poll_fn(|_| match may_take.get() {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
    body.frame().await.unwrap().unwrap();
    pending().await
}

#[tokio::test]
async fn it_goes_on_when_an_answer_on_its_own_task_has_made_room() {
    let (_server, stream) = UnixStream::pair().unwrap();
    let mut open = Open::new(front(), stream, socket());
    let may_take = Cell::new(false);
    let mut here = pin!(None);
    let context = &mut Context::from_waker(Waker::noop());
    let mut bytes = begun(1, "1000000000");
    encode::stream(&mut bytes, RecordType::Stdin, 1, &[0; 256 * 1024]);
    encode::abort_request(&mut bytes, 1);
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let space = open.input.space();
        let (now, later) = rest.split_at(space.len().min(rest.len()));
        space[..now.len()].copy_from_slice(now);
        open.input.advance(now.len());
        rest = later;
        let polled = open.poll_traffic(context, here.as_mut(), |work| take(work, &may_take));
        assert!(polled.is_pending());
    }
    // The room is full, and what comes behind the body has not been looked at.
    assert!(!open.requests.have_room() && here.is_some());
    may_take.set(true);
    let _ = open.poll_traffic(context, here.as_mut(), |work| take(work, &may_take));
    assert!(here.is_none(), "the request goes on although it is aborted");
}
