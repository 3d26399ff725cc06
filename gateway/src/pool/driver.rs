//! The task that moves a lane's bytes: reads in bulk, and writes at once everything that has gathered.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::time::Sleep;

use super::lane::{Incoming, Lane};
use crate::alarms::sleep_until;
use crate::os::{self, Connection};

/// Drives the lane over this connection until the worker's end of it is closed and everything has been read. Returns how
/// the worker broke the protocol, if it did.
pub async fn drive(
    lane: Arc<Lane>,
    stream: os::Unregistered,
    request_timeout: Option<Duration>,
) -> Option<String> {
    let stream = match os::register(stream) {
        Ok(stream) => stream,
        Err(error) => {
            lane.end();
            return Some(format!("its connection cannot be used: {error}"));
        }
    };
    let mut driver = Driver {
        lane,
        stream,
        incoming: Incoming::default(),
        write_ended: false,
        request_timeout,
        alarm: None,
    };
    let fault = poll_fn(|context| driver.poll(context)).await;
    driver.lane.end();
    fault
}

struct Driver {
    lane: Arc<Lane>,
    stream: Connection,
    incoming: Incoming,
    write_ended: bool,
    request_timeout: Option<Duration>,
    /// Rings when the oldest request may have run too long; `None` while there is none.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Driver {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<String>> {
        let ended = self.poll_read(context);
        self.poll_alarm(context);
        self.poll_write(context);
        ended
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Option<String>> {
        loop {
            // What has been read when this is dropped is in the buffer.
            let read = pin!(self.stream.read_buf(self.incoming.space())).poll(context);
            match read {
                Poll::Pending => return Poll::Pending,
                // A worker that died with unread bytes resets the connection; what it had sent comes first.
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
                Poll::Ready(Ok(_)) => {}
            }
            let mut receiving = self.lane.receiving();
            let taken = self
                .incoming
                .take(|record, whole| receiving.take(record, whole));
            if let Err(fault) = taken {
                return Poll::Ready(Some(fault));
            }
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) {
        let stream = &mut self.stream;
        let end = self.lane.poll_write(context, |context, slices| {
            let stream = Pin::new(&mut *stream);
            match slices {
                // The system takes a buffer sooner than a list of one.
                [records] => stream.poll_write(context, records),
                slices => stream.poll_write_vectored(context, slices),
            }
        });
        if end && !self.write_ended {
            // This is done at once; an error means that the other end has gone already.
            let _ = Pin::new(stream).poll_shutdown(context);
            self.write_ended = true;
        }
    }

    fn poll_alarm(&mut self, context: &mut Context<'_>) {
        let Some(limit) = self.request_timeout else {
            return;
        };
        loop {
            if let Some(alarm) = &mut self.alarm
                && alarm.as_mut().poll(context).is_pending()
            {
                return;
            }
            let next = self.lane.expire(Instant::now(), limit);
            self.alarm = next.map(|due| Box::pin(sleep_until(due.into())));
            if self.alarm.is_none() {
                return;
            }
        }
    }
}
