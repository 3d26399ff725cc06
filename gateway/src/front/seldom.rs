//! What a task waits for beside its work, and what seldom happens.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is polled only when it has been woken itself, not each time that its task runs.
pub struct Seldom<F> {
    future: F,
    /// The bell, and the waker that rings it.
    bell: Option<(Arc<Bell>, Waker)>,
}

/// Tells that the future has been woken.
struct Bell {
    rung: AtomicBool,
    task: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl<F: Future + Unpin> Seldom<F> {
    /// Of that future.
    pub fn new(future: F) -> Self {
        Self { future, bell: None }
    }

    /// The future, to be changed: it is polled then as if it had been woken.
    pub fn change(&mut self) -> &mut F {
        if let Some((bell, _)) = &self.bell {
            bell.rung.store(true, Ordering::Relaxed);
        }
        &mut self.future
    }

    /// As [`Future::poll`].
    pub fn poll(&mut self, context: &Context<'_>) -> Poll<F::Output> {
        let knows = |(bell, _): &(Arc<Bell>, _)| bell.task.will_wake(context.waker());
        if !self.bell.as_ref().is_some_and(knows) {
            let bell = Arc::new(Bell {
                rung: AtomicBool::new(true),
                task: context.waker().clone(),
            });
            let waker = Waker::from(Arc::clone(&bell));
            self.bell = Some((bell, waker));
        }
        let Some((bell, waker)) = &self.bell else {
            return Poll::Pending;
        };
        while bell.rung.load(Ordering::Relaxed) && bell.rung.swap(false, Ordering::AcqRel) {
            if let Poll::Ready(output) =
                Pin::new(&mut self.future).poll(&mut Context::from_waker(waker))
            {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn it_is_polled_when_it_has_been_woken_or_changed_or_has_another_task() {
        let wakers = Mutex::new(Vec::new());
        let mut seldom = Seldom::new(poll_fn(|context| {
            wakers.lock().unwrap().push(context.waker().clone());
            Poll::<()>::Pending
        }));
        let polls = || wakers.lock().unwrap().len();
        let mut poll = |waker: &Waker| seldom.poll(&Context::from_waker(waker));
        let [task, other] = [(); 2].map(|()| {
            Waker::from(Arc::new(Bell {
                rung: AtomicBool::new(false),
                task: Waker::noop().clone(),
            }))
        });
        for _ in 0..3 {
            assert!(poll(&task).is_pending());
        }
        assert_eq!(polls(), 1);
        wakers.lock().unwrap()[0].wake_by_ref();
        for _ in 0..3 {
            assert!(poll(&task).is_pending());
        }
        assert_eq!(polls(), 2);
        assert!(poll(&other).is_pending());
        assert_eq!(polls(), 3);
        seldom.change();
        for _ in 0..3 {
            assert!(seldom.poll(&Context::from_waker(&other)).is_pending());
        }
        assert_eq!(polls(), 4);
    }
}
