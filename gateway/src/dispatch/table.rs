//! What requests are sent by, and how a new configuration takes its place while requests run.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::Dispatch;

/// The dispatch of the present configuration. A request keeps the one that it has begun with.
pub struct Table(ArcSwap<Dispatch>);

impl Table {
    /// Begins with that one.
    pub fn new(dispatch: Arc<Dispatch>) -> Self {
        Self(ArcSwap::new(dispatch))
    }

    /// For a request that begins now.
    pub fn current(&self) -> Arc<Dispatch> {
        self.0.load_full()
    }

    /// Requests go by this one from now on. Returns what tells when the last that has begun before is over.
    pub fn replace(&self, dispatch: Arc<Dispatch>) -> Released {
        let before = self.0.swap(dispatch);
        Released(before.used.subscribe())
    }
}

/// A dispatch that is no longer in the table.
#[derive(Clone)]
pub struct Released(watch::Receiver<()>);

impl Released {
    /// Waits until no request uses it any more.
    pub async fn wait(mut self) {
        // It sends nothing, and is dropped in the end.
        while self.0.changed().await.is_ok() {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use http::header::HOST;

    use super::*;
    use crate::alarms::timeout;
    use crate::dispatch::Origin;
    use crate::request::RequestHead;
    use crate::sample::Site;

    #[tokio::test]
    async fn a_request_keeps_what_it_has_begun_with() {
        let [old, new] = [(); 2].map(|()| Site::new(&[]));
        let table = Table::new(Arc::clone(&old.dispatch));
        drop(old);
        let mut head = RequestHead::sample(http::Method::GET, "/");
        head.headers
            .insert(HOST, HeaderValue::from_static("localhost"));
        let request = Origin::new(head, table.current());
        let released = table.replace(Arc::clone(&new.dispatch));
        assert!(Arc::ptr_eq(&table.current(), &new.dispatch));
        let mut waiting = Box::pin(released.clone().wait());
        let early = timeout(Duration::from_millis(1), &mut waiting).await;
        assert!(early.is_err());
        drop(request);
        waiting.await;
        // Whoever asks later hears it, too.
        released.wait().await;
    }
}
