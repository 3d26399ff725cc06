//! What a connection's requests and the connection itself hand to each other: records on their way out, and bodies
//! that have come in. Both are bounded for the whole connection, since FastCGI has no credit: who sends too much waits
//! for room, and when too much lies unread the connection reads no more.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use fastcgi_protocol::{ProtocolStatus, RecordType, encode};
use http_body::{Body, Frame};

use crate::body::BodyError;

/// Records that may gather while others are being written, bytes.
const OUT_LIMIT: usize = 128 * 1024;

/// Bytes of bodies that may wait for their backends before the connection reads no more.
const UNREAD_LIMIT: usize = 256 * 1024;

/// The most bytes of an answer in one record: as many as need no padding.
const PIECE: usize = 65_528;

/// Both directions of one connection.
#[derive(Default)]
pub struct Traffic(Mutex<State>);

#[derive(Default)]
struct State {
    out: Vec<u8>,
    /// The last record in `out`, where it carries an answer: whose, and where it begins.
    last: Option<(u16, usize)>,
    /// Requests that wait until `out` has been taken.
    writers: Vec<Waker>,
    unread: usize,
    /// There is something to write, or room to read, that the connection may not know of.
    changed: bool,
    /// The connection's own task, and whether it waits: what it does itself shall not wake it.
    connection: Option<Waker>,
    waits: bool,
}

impl State {
    fn change(&mut self) {
        self.changed = true;
        if std::mem::take(&mut self.waits)
            && let Some(connection) = &self.connection
        {
            connection.wake_by_ref();
        }
    }
}

impl Traffic {
    /// The connection's task runs.
    pub fn awake(&self, context: &Context<'_>) {
        let mut state = self.lock();
        state.waits = false;
        let waker = context.waker();
        let known = state.connection.as_ref();
        if !known.is_some_and(|known| known.will_wake(waker)) {
            state.connection = Some(waker.clone());
        }
    }

    /// The connection's task is about to wait. `false` if there is something to write, or room to read, since it has
    /// looked last; else it is woken when there is.
    pub fn may_wait(&self) -> bool {
        let mut state = self.lock();
        state.waits = !std::mem::take(&mut state.changed);
        state.waits
    }

    /// Takes the records that have gathered into `writing`, which is empty.
    pub fn take(&self, writing: &mut Vec<u8>) {
        let mut state = self.lock();
        state.changed = false;
        state.last = None;
        std::mem::swap(&mut state.out, writing);
        for writer in state.writers.drain(..) {
            writer.wake();
        }
    }

    /// Whether more of bodies may be read.
    pub fn has_room(&self) -> bool {
        self.lock().unread < UNREAD_LIMIT
    }

    /// Whether a record may be taken: there is room for bodies, and for the ends of requests, which wait for none. Those of
    /// aborts come as fast as these do.
    pub fn takes_records(&self) -> bool {
        let state = self.lock();
        state.unread < UNREAD_LIMIT && state.out.len() < 2 * OUT_LIMIT
    }

    /// Sends a part of an answer, as room for it becomes free.
    pub async fn send(&self, id: u16, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            poll_fn(|context| self.poll_send(id, piece, context)).await;
        }
    }

    /// Sends the end of an answer.
    pub fn end(&self, id: u16) {
        let State { out, last, .. } = &mut *self.lock();
        *last = None;
        encode::end_stream(out, RecordType::Stdout, id);
        encode::end_request(out, id, 0, ProtocolStatus::RequestComplete);
    }

    fn poll_send(&self, id: u16, piece: &[u8], context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.out.len() >= OUT_LIMIT {
            let waker = context.waker();
            if !state.writers.iter().any(|known| known.will_wake(waker)) {
                state.writers.push(waker.clone());
            }
            return Poll::Pending;
        }
        let State { out, last, .. } = &mut *state;
        // A short answer's head and body are one record.
        if !last.is_some_and(|(of, start)| of == id && encode::lengthen(out, start, piece)) {
            *last = Some((id, out.len()));
            encode::record(out, RecordType::Stdout, id, piece);
        }
        state.change();
        Poll::Ready(())
    }

    fn arrived(&self, bytes: usize) {
        self.lock().unread += bytes;
    }

    fn consumed(&self, bytes: usize) {
        let mut state = self.lock();
        let was_full = state.unread >= UNREAD_LIMIT;
        state.unread -= bytes;
        if was_full {
            state.change();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

/// The body of one request, as far as it has come.
pub struct Stdin {
    traffic: Arc<Traffic>,
    state: Mutex<Waiting>,
}

struct Waiting {
    data: BytesMut,
    /// Bytes that are to come by CONTENT_LENGTH; more are cut off.
    left: Option<u64>,
    end: Option<End>,
    /// Nobody reads it any more.
    abandoned: bool,
    reader: Option<Waker>,
    /// The answer, which waits for the end.
    answer: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The web server has said so.
    Regular,
    /// The connection or the request is over.
    Broken,
}

impl Stdin {
    /// A body of that length, or of any.
    pub fn new(traffic: Arc<Traffic>, length: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            traffic,
            state: Mutex::new(Waiting {
                data: BytesMut::new(),
                left: length,
                end: None,
                abandoned: false,
                reader: None,
                answer: None,
            }),
        })
    }

    /// More of it has come.
    pub fn push(&self, mut data: &[u8]) {
        let mut state = lock(&self.state);
        if state.abandoned || state.end.is_some() {
            return;
        }
        if let Some(left) = &mut state.left {
            data = &data[..data.len().min(usize::try_from(*left).unwrap_or(usize::MAX))];
            *left -= data.len() as u64;
        }
        state.data.extend_from_slice(data);
        self.traffic.arrived(data.len());
        state.wake();
    }

    /// The room for bodies is full, whoever has filled it: an answer that waits for this one looks at it again.
    pub fn filled(&self) {
        lock(&self.state).wake_answer();
    }

    /// It has come to its end.
    pub fn end(&self) {
        self.end_with(End::Regular);
    }

    /// It will not come to its end.
    pub fn break_off(&self) {
        self.end_with(End::Broken);
    }

    /// Waits until all of it has come, or nobody reads it any more.
    pub fn poll_ended(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.has_ended() {
            return Poll::Ready(());
        }
        state.answer = Some(context.waker().clone());
        Poll::Pending
    }

    /// Waits for that too, or until no more is read before the backends take what has come.
    pub fn poll_settled(&self, context: &mut Context<'_>) -> Poll<()> {
        let ended = self.poll_ended(context);
        if ended.is_ready() || self.traffic.has_room() {
            return ended;
        }
        Poll::Ready(())
    }

    fn end_with(&self, end: End) {
        let mut state = lock(&self.state);
        state.end.get_or_insert(end);
        state.wake();
    }
}

impl Waiting {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        if self.has_ended() {
            self.wake_answer();
        }
    }

    /// Whether no answer need wait for it.
    fn has_ended(&self) -> bool {
        self.left == Some(0) || self.end.is_some() || self.abandoned
    }

    fn wake_answer(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer.wake();
        }
    }
}

/// The reader's end of a body.
pub struct StdinReader(pub Arc<Stdin>);

impl Body for StdinReader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = lock(&self.0.state);
        if !state.data.is_empty() {
            let data = state.data.split().freeze();
            drop(state);
            self.0.traffic.consumed(data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let why = match (state.left, state.end) {
            (Some(0), _) | (None, Some(End::Regular)) => return Poll::Ready(None),
            (Some(left), Some(End::Regular)) => format!("{left} bytes are missing from it"),
            (_, Some(End::Broken)) => "its connection or request is over".to_owned(),
            (_, None) => {
                state.reader = Some(context.waker().clone());
                return Poll::Pending;
            }
        };
        Poll::Ready(Some(Err(BodyError::Client(why))))
    }

    fn is_end_stream(&self) -> bool {
        let state = lock(&self.0.state);
        let is_over = matches!(
            (state.left, state.end),
            (Some(0), _) | (None, Some(End::Regular))
        );
        is_over && state.data.is_empty()
    }
}

impl Drop for StdinReader {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.abandoned = true;
        let unread = std::mem::take(&mut state.data).len();
        state.wake_answer();
        drop(state);
        self.0.traffic.consumed(unread);
    }
}

/// Locks, also after a panic of another holder: what is guarded is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn bell() -> (Arc<Bell>, Waker) {
        let bell = Arc::new(Bell::default());
        (Arc::clone(&bell), Waker::from(bell))
    }

    #[test]
    fn an_answer_waits_until_the_body_has_come_or_fills_its_room() {
        let context = &mut Context::from_waker(Waker::noop());
        let whole = Stdin::new(Arc::default(), Some(2));
        whole.push(b"a");
        assert!(whole.poll_settled(context).is_pending());
        whole.push(b"b");
        assert!(whole.poll_settled(context).is_ready());
        let long = Stdin::new(Arc::default(), None);
        long.push(&[0; UNREAD_LIMIT - 1]);
        assert!(long.poll_settled(context).is_pending());
        long.push(&[0]);
        assert!(long.poll_settled(context).is_ready());
        assert!(long.poll_ended(context).is_pending());
    }

    #[test]
    fn an_answer_waits_for_no_body_that_nobody_reads() {
        let stdin = Stdin::new(Arc::default(), Some(2));
        let reader = StdinReader(Arc::clone(&stdin));
        let (bell, waker) = bell();
        let context = &mut Context::from_waker(&waker);
        assert!(stdin.poll_ended(context).is_pending());
        drop(reader);
        assert_eq!(bell.0.load(Ordering::Relaxed), 1);
        assert!(stdin.poll_ended(context).is_ready());
        assert!(stdin.poll_settled(context).is_ready());
    }

    #[test]
    fn an_answer_that_waits_for_room_waits_once() {
        let traffic = Traffic::default();
        let (bell, waker) = bell();
        let context = &mut Context::from_waker(&waker);
        while traffic.poll_send(1, &[0; PIECE], context).is_ready() {}
        assert!(traffic.poll_send(1, &[0], context).is_pending());
        traffic.take(&mut Vec::new());
        assert_eq!(bell.0.load(Ordering::Relaxed), 1);
        assert!(traffic.poll_send(1, &[0], context).is_ready());
    }
}
