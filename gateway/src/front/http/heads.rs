//! hyper's timer for the heads of requests.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use crate::front::socket::Condition;

/// Notes until when a head must have come, for the connection's one alarm to look at: a timer for each head would cost
/// more than reading it.
pub struct Heads(pub Arc<Condition>);

impl Timer for Heads {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.0.await_head(Some(deadline));
        Box::pin(Waiting(Arc::clone(&self.0)))
    }

    fn reset(&self, _: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        self.0.await_head(Some(deadline));
    }
}

/// A head is waited for as long as there is this. It is never over: the alarm ends the connection.
struct Waiting(Arc<Condition>);

impl Future for Waiting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Waiting {}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.await_head(None);
    }
}
