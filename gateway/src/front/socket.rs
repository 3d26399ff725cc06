//! A client's socket, which can be closed so that nobody takes it for a clean end.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::os;

/// What clients send first that speak HTTP/2 (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What is known about a connection while it is served.
pub struct Condition {
    /// A whole request head has come.
    pub asked: AtomicBool,
    /// Something was cut short: the client must see the connection break.
    pub broken: AtomicBool,
    /// No more requests begin on it.
    pub draining: AtomicBool,
    /// A long answer is under way, the only one that there is, and more of it is to come.
    pub streams: AtomicBool,
    /// The client has sent its whole request and waits for the answer: what comes now is the next request, or its end.
    pub waits: AtomicBool,
    begun: Instant,
    /// When the last answer was over, milliseconds since the connection has begun; 0: one is being made.
    answered: AtomicU64,
    /// The next request is read since then.
    reads_next: AtomicBool,
}

impl Condition {
    /// Of a connection that begins now.
    pub fn new() -> Self {
        Self {
            asked: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            streams: AtomicBool::new(false),
            begun: Instant::now(),
            answered: AtomicU64::new(0),
            reads_next: AtomicBool::new(false),
        }
    }

    /// A request head has come.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.answered.store(0, Ordering::Relaxed);
        self.reads_next.store(false, Ordering::Relaxed);
    }

    /// Its answer is over, the only one that there was.
    pub fn answer(&self, now: Instant) {
        let since = now.saturating_duration_since(self.begun).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX).max(1);
        self.answered.store(since, Ordering::Relaxed);
    }

    /// Since when the next request head is waited for: since the last answer, where the connection goes on behind it.
    pub fn waits_for_head(&self) -> Option<Instant> {
        if !self.reads_next.load(Ordering::Relaxed) {
            return None;
        }
        let answered = Duration::from_millis(self.answered.load(Ordering::Relaxed));
        self.begun.checked_add(answered)
    }

    /// What comes is read.
    fn read(&self) {
        if self.answered.load(Ordering::Relaxed) != 0 {
            self.reads_next.store(true, Ordering::Relaxed);
        }
    }
}

/// The socket. Where the end of the connection is what marks the end of an answer (HTTP/1.0), an orderly end would make
/// a part of it look whole (docs/ARCHITECTURE.md, invariant 3): when the connection is broken, it ends with a reset instead.
pub struct Socket {
    stream: TcpStream,
    condition: Arc<Condition>,
    /// What does not fill a segment waits for more.
    corked: bool,
    /// What has been read to learn the protocol, and how much of it has been read again since.
    start: [u8; PREFACE.len()],
    filled: usize,
    taken: usize,
}

impl Socket {
    /// The socket of a connection in that condition.
    pub fn new(stream: TcpStream, condition: Arc<Condition>) -> Self {
        Self {
            stream,
            condition,
            corked: false,
            start: [0; _],
            filled: 0,
            taken: 0,
        }
    }

    /// Whether the client begins as HTTP/2 does. What has been read to learn it is there to be read again.
    ///
    /// # Errors
    /// When the socket cannot be read.
    pub async fn speaks_http2(&mut self) -> io::Result<bool> {
        loop {
            let (known, free) = self.start.split_at_mut(self.filled);
            if free.is_empty() || !PREFACE.starts_with(known) {
                return Ok(known == PREFACE);
            }
            match self.stream.read(free).await? {
                0 => return Ok(false),
                count => self.filled += count,
            }
        }
    }

    /// Before a write: has the system send whole segments only, while a long answer is under way. Each piece of it would
    /// otherwise end with a segment of some bytes, which costs as much as a long one and may wake the client once more.
    fn cork(&mut self) {
        if !self.corked && self.condition.streams.load(Ordering::Relaxed) {
            self.corked = true;
            os::cork(&self.stream, true);
        }
    }

    /// When all has been written: what is left over goes out with the end of the answer. Until then the system holds it
    /// for 0.2 s at most (tcp(7), `TCP_CORK`).
    fn uncork(&mut self) {
        if self.corked && !self.condition.streams.load(Ordering::Relaxed) {
            self.corked = false;
            os::cork(&self.stream, false);
        }
    }

    /// Fails when the client has gone that waits for an answer.
    fn look_for_end(&self, context: &mut Context<'_>) -> io::Result<()> {
        let mut byte = [0];
        match self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0)) => Err(ErrorKind::UnexpectedEof.into()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(_)) | Poll::Pending => Ok(()),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.condition.broken.load(Ordering::Relaxed) || std::thread::panicking() {
            // Without effect only when the connection has ended already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.condition.read();
        if self.taken < self.filled {
            let start = &self.start[self.taken..self.filled];
            let start = &start[..start.len().min(buffer.remaining())];
            buffer.put_slice(start);
            self.taken += start.len();
            // And what has come behind it: hyper doubles its buffer for a head that comes in pieces.
            if buffer.remaining() > 0 {
                let _ = Pin::new(&mut self.stream).poll_read(context, buffer)?;
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.cork();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    /// hyper asks for it whenever it has nothing more to do, and has written all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.condition.waits.load(Ordering::Relaxed) {
            self.look_for_end(context)?;
        }
        self.uncork();
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.cork();
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn what_fills_no_segment_waits_for_more_of_a_long_answer_and_goes_out_with_its_end() {
        use rustix::net::sockopt::tcp_cork;
        use tokio::io::AsyncWriteExt as _;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let condition = Arc::new(Condition::new());
        let mut socket = Socket::new(stream, Arc::clone(&condition));
        let waits = |socket: &Socket| tcp_cork(&socket.stream).unwrap();
        socket.write_all(b"head").await.unwrap();
        socket.flush().await.unwrap();
        assert!(!waits(&socket));
        condition.streams.store(true, Ordering::Relaxed);
        socket.write_all(&[b'x'; 1 << 16]).await.unwrap();
        socket.flush().await.unwrap();
        assert!(waits(&socket));
        condition.streams.store(false, Ordering::Relaxed);
        socket.write_all(b"end").await.unwrap();
        assert!(waits(&socket));
        socket.flush().await.unwrap();
        assert!(!waits(&socket));
        let mut received = vec![0; 4 + (1 << 16) + 3];
        client.read_exact(&mut received).await.unwrap();
        assert!(received.ends_with(b"xend"));
    }

    #[test]
    fn a_head_is_waited_for_when_the_connection_goes_on_behind_an_answer() {
        let condition = Condition::new();
        condition.read();
        assert_eq!(condition.waits_for_head(), None);
        for _ in 0..2 {
            condition.ask();
            condition.read();
            assert_eq!(condition.waits_for_head(), None);
            let now = Instant::now();
            condition.answer(now);
            assert_eq!(condition.waits_for_head(), None);
            condition.read();
            assert!(condition.waits_for_head() <= Some(now + Duration::from_millis(1)));
            assert!(condition.waits_for_head() >= Some(condition.begun));
        }
    }
}
