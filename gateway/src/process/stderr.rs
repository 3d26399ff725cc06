//! What a program or worker writes to its standard error, line by line into the log.

use std::fmt::Display;
use std::sync::Arc;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, BufReader};

/// Longest piece of a line that is held and logged at once, bytes; a longer line is logged in pieces.
const LINE_LIMIT: usize = 8 * 1024;

/// Logs every line of `stream` until it ends.
pub async fn log_lines(stream: impl AsyncRead + Unpin, pool: Arc<str>, pid: impl Display) {
    let mut reader = BufReader::with_capacity(1024, stream);
    let mut line = Vec::new();
    while next_line(&mut reader, &mut line).await {
        if !line.is_empty() {
            tracing::info!(%pool, %pid, "{}", String::from_utf8_lossy(&line));
        }
    }
}

/// Reads the next line, or [`LINE_LIMIT`] bytes of it, without the line end. False at the end of the stream.
async fn next_line(reader: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> bool {
    line.clear();
    let mut any = false;
    while let Ok(bytes) = reader.fill_buf().await
        && !bytes.is_empty()
    {
        any = true;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let room = LINE_LIMIT - line.len();
        let taken = end.unwrap_or(bytes.len()).min(room);
        line.extend_from_slice(&bytes[..taken]);
        let at_line_end = end == Some(taken);
        reader.consume(taken + usize::from(at_line_end));
        if at_line_end {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            break;
        }
        if line.len() == LINE_LIMIT {
            break;
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_split_and_bounded() {
        let long = "x".repeat(LINE_LIMIT + 1);
        let text = format!("one\r\n\ntwo\n{long}\nend");
        let mut reader = BufReader::with_capacity(7, text.as_bytes());
        let mut lines = Vec::new();
        let mut line = Vec::new();
        while next_line(&mut reader, &mut line).await {
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        assert_eq!(lines, ["one", "", "two", &long[1..], "x", "end"]);
    }
}
