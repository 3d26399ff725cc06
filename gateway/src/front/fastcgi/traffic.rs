//! What a connection's requests and the connection itself hand to each other: records on their way out, and bodies
//! that have come in. Both are bounded for the whole connection, since FastCGI has no credit: who sends too much waits
//! for room, and when too much lies unread the connection reads no more.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicU8, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use fastcgi_protocol::{ProtocolStatus, RecordType, encode};
use http_body::{Body, Frame};

use crate::body::BodyError;
use crate::outbox::{Outbox, SHARED};

/// Records that may gather while others are being written, bytes.
const OUT_LIMIT: usize = 128 * 1024;

/// Bytes of bodies that may wait for their backends before the connection reads no more.
const UNREAD_LIMIT: usize = 256 * 1024;

/// What is known of the connection's task: it runs, or will, and has looked at everything.
const RUNS: u8 = 0;

/// There is something to write, or room to read, that it may not have looked at.
const NEWS: u8 = 1;

/// It has nothing to do, and is to be woken when that changes.
const WAITS: u8 = 2;

/// Both directions of one connection.
#[derive(Default)]
pub struct Traffic {
    state: Mutex<State>,
    /// Bytes in `out` of the state.
    gathered: AtomicUsize,
    /// Bytes of bodies that wait for their backends.
    unread: AtomicUsize,
    /// [`RUNS`], [`NEWS`] or [`WAITS`]. What the task does itself does not wake it.
    task: AtomicU8,
}

#[derive(Default)]
struct State {
    out: Outbox,
    /// The last record in `out`, where it carries an answer: whose, and where it begins.
    last: Option<(u16, usize)>,
    /// Requests that wait until `out` has been taken.
    writers: Vec<Waker>,
    /// The connection's task.
    waker: Option<Waker>,
}

impl State {
    fn poll_room(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.out.len() < OUT_LIMIT {
            return Poll::Ready(());
        }
        let waker = context.waker();
        if !self.writers.iter().any(|known| known.will_wake(waker)) {
            self.writers.push(waker.clone());
        }
        Poll::Pending
    }
}

impl Traffic {
    /// Has the connection's task woken in that way.
    pub fn wake_by(&self, waker: Waker) {
        self.lock().waker = Some(waker);
    }

    /// The connection's task runs.
    pub fn awake(&self) {
        // News stay news until it looks at them.
        let _ = self.task.compare_exchange(WAITS, RUNS, AcqRel, Relaxed);
    }

    /// The connection's task is about to wait. `false` if there is something to write, or room to read, since it has
    /// looked last; else it is woken when there is.
    pub fn may_wait(&self) -> bool {
        let waits = self.task.compare_exchange(RUNS, WAITS, AcqRel, Relaxed);
        if waits.is_err() {
            self.task.swap(RUNS, AcqRel);
        }
        waits.is_ok()
    }

    /// Takes the records that have gathered into `writing`, which is empty.
    pub fn take(&self, writing: &mut Outbox) {
        if self.gathered.load(Relaxed) == 0 {
            return;
        }
        self.task.swap(RUNS, AcqRel);
        let mut state = self.lock();
        self.gathered.store(0, Relaxed);
        state.last = None;
        std::mem::swap(&mut state.out, writing);
        for writer in state.writers.drain(..) {
            writer.wake();
        }
    }

    /// Whether more of bodies may be read.
    pub fn has_room(&self) -> bool {
        self.unread.load(Relaxed) < UNREAD_LIMIT
    }

    /// Whether a record may be taken: there is room for bodies, and for the ends of requests, which wait for none. Those of
    /// aborts come as fast as these do.
    pub fn takes_records(&self) -> bool {
        self.has_room() && self.gathered.load(Relaxed) < 2 * OUT_LIMIT
    }

    /// Sends the head of an answer, which `write` appends, when there is room for it.
    pub async fn send_head(&self, id: u16, write: impl Fn(&mut Vec<u8>)) {
        poll_fn(|context| {
            let mut state = self.lock();
            ready!(state.poll_room(context));
            let records = state.out.records();
            let start = records.len();
            encode::stream_of(records, RecordType::Stdout, id, &write);
            // What is longer than this may be several records.
            let is_short = records.len() - start < SHARED;
            state.last = is_short.then_some((id, start));
            self.gathered(&state);
            Poll::Ready(())
        })
        .await;
    }

    /// Sends a part of an answer, when there is room for it.
    pub async fn send(&self, id: u16, bytes: Bytes) {
        // No bytes are no record, and none begins there.
        if !bytes.is_empty() {
            poll_fn(|context| self.poll_send(id, &bytes, context)).await;
        }
    }

    /// Sends the end of an answer.
    pub fn end(&self, id: u16) {
        let mut state = self.lock();
        state.last = None;
        let records = state.out.records();
        encode::end_stream(records, RecordType::Stdout, id);
        encode::end_request(records, id, 0, ProtocolStatus::RequestComplete);
        self.gathered.store(state.out.len(), Relaxed);
    }

    fn poll_send(&self, id: u16, bytes: &Bytes, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        ready!(state.poll_room(context));
        let State { out, last, .. } = &mut *state;
        if bytes.len() >= SHARED {
            out.stream(RecordType::Stdout, id, bytes);
            *last = None;
        } else {
            let records = out.records();
            // A short answer's head and body are one record.
            let lengthened =
                last.is_some_and(|(of, start)| of == id && encode::lengthen(records, start, bytes));
            if !lengthened {
                *last = Some((id, records.len()));
                encode::stream(records, RecordType::Stdout, id, bytes);
            }
        }
        self.gathered(&state);
        Poll::Ready(())
    }

    fn gathered(&self, state: &State) {
        self.gathered.store(state.out.len(), Relaxed);
        self.change(state);
    }

    fn arrived(&self, bytes: usize) {
        self.unread.fetch_add(bytes, Relaxed);
    }

    fn consumed(&self, bytes: usize) {
        let before = self.unread.fetch_sub(bytes, Relaxed);
        if before >= UNREAD_LIMIT {
            self.change(&self.lock());
        }
    }

    /// There is something to write, or room to read.
    fn change(&self, state: &State) {
        if self.task.swap(NEWS, AcqRel) == WAITS
            && let Some(waker) = &state.waker
        {
            waker.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
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
    use std::task::Wake;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
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
        assert_eq!(bell.0.load(Relaxed), 1);
        assert!(stdin.poll_ended(context).is_ready());
        assert!(stdin.poll_settled(context).is_ready());
    }

    #[test]
    fn an_answer_that_waits_for_room_waits_once() {
        let traffic = Traffic::default();
        let (bell, waker) = bell();
        let context = &mut Context::from_waker(&waker);
        let (long, short) = (Bytes::from(vec![0; SHARED]), Bytes::from_static(&[0]));
        while traffic.poll_send(1, &long, context).is_ready() {}
        assert!(traffic.poll_send(1, &short, context).is_pending());
        traffic.take(&mut Outbox::default());
        assert_eq!(bell.0.load(Relaxed), 1);
        assert!(traffic.poll_send(1, &short, context).is_ready());
    }
}
