//! What workers say on standard error, line by line in the log.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longer lines are broken here.
const LINE_LIMIT: usize = 4096;

/// Logs everything that comes, until its end.
pub async fn log(mut stderr: impl AsyncRead + Unpin, pool: String, pid: u32) {
    let mut lines = Lines::new(&pool, pid);
    let mut buffer = [0; LINE_LIMIT];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        lines.push(&buffer[..count]);
    }
    lines.finish();
}

/// Cuts text into lines for the log.
pub struct Lines<'a> {
    pool: &'a str,
    pid: u32,
    partial: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// Lines of worker `pid`.
    pub fn new(pool: &'a str, pid: u32) -> Self {
        Self {
            pool,
            pid,
            partial: Vec::new(),
        }
    }

    /// Logs the lines that are whole with these bytes, or too long.
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for part in piece.chunks(LINE_LIMIT) {
                if self.partial.len() + part.len() > LINE_LIMIT {
                    self.flush();
                }
                self.partial.extend_from_slice(part);
            }
            if piece.ends_with(b"\n") {
                self.flush();
            }
        }
    }

    /// Logs what is left.
    pub fn finish(mut self) {
        self.flush();
    }

    fn flush(&mut self) {
        let line = self.partial.trim_ascii_end();
        if !line.is_empty() {
            let (pool, pid, line) = (self.pool, self.pid, String::from_utf8_lossy(line));
            tracing::warn!(pool, pid, "{line}");
        }
        self.partial.clear();
    }
}
