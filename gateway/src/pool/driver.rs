//! The task that moves a lane's bytes: reads in bulk, and writes at once everything that has gathered.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use fastcgi_protocol::RecordBuffer;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::Sleep;

use super::lane::Lane;
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
        buffer: RecordBuffer::new(),
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
    buffer: RecordBuffer,
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
            let mut space = ReadBuf::new(self.buffer.space());
            let read = Pin::new(&mut self.stream).poll_read(context, &mut space);
            let count = space.filled().len();
            match read {
                Poll::Pending => return Poll::Pending,
                // A worker that died with unread bytes resets the connection; what it had sent comes first.
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Ready(Ok(())) if count == 0 => return Poll::Ready(None),
                Poll::Ready(Ok(())) => self.buffer.advance(count),
            }
            if let Err(fault) = self.take_records() {
                return Poll::Ready(Some(fault));
            }
        }
    }

    fn take_records(&mut self) -> Result<(), String> {
        let mut receiving = self.lane.receiving();
        while let Some(record) = self.buffer.next().map_err(|error| error.to_string())? {
            receiving.take(record)?;
        }
        Ok(())
    }

    fn poll_write(&mut self, context: &mut Context<'_>) {
        let stream = &mut self.stream;
        let end = self.lane.poll_write(context, |context, bytes| {
            Pin::new(&mut *stream).poll_write(context, bytes)
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
            self.alarm = next.map(|due| Box::pin(tokio::time::sleep_until(due.into())));
            if self.alarm.is_none() {
                return;
            }
        }
    }
}
