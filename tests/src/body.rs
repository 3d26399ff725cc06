//! The body of an answer as a stream that knows whether it was cut.

use std::io::{self, BufRead, Read};

/// How the end of a body is told (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many more bytes.
    Length(u64),
    /// By a last chunk; so many more bytes are in the current one.
    Chunked(u64),
    /// By the end of the connection.
    Close,
    /// Its end has been read.
    Over,
}

/// Reads a body. A body that is cut off gives an error, [`io::ErrorKind::UnexpectedEof`] if the connection just ends.
pub struct Body<'a, R> {
    stream: &'a mut R,
    framing: Framing,
}

impl<'a, R: BufRead> Body<'a, R> {
    pub(crate) fn new(stream: &'a mut R, framing: Framing) -> Self {
        Self { stream, framing }
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let mut line = String::new();
        self.line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("chunk {line:?}")))?;
        if size > 0 {
            self.framing = Framing::Chunked(size);
            return Ok(());
        }
        while line != "\r\n" {
            line.clear();
            self.line(&mut line)?;
        }
        self.framing = Framing::Over;
        Ok(())
    }

    fn line(&mut self, line: &mut String) -> io::Result<()> {
        self.stream.read_line(line)?;
        match line.ends_with("\r\n") {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl<R: BufRead> Read for Body<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.framing == Framing::Chunked(0) {
            self.next_chunk()?;
        }
        let left = match self.framing {
            Framing::Length(0) | Framing::Over => return Ok(0),
            Framing::Length(left) | Framing::Chunked(left) => left,
            Framing::Close => u64::MAX,
        };
        let count = (&mut *self.stream).take(left).read(buffer)?;
        match (&mut self.framing, count) {
            (Framing::Close, 0) => self.framing = Framing::Over,
            _ if count == 0 && !buffer.is_empty() => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            (Framing::Length(left), _) => *left -= count as u64,
            (Framing::Chunked(left), _) => {
                *left -= count as u64;
                if *left == 0 {
                    let mut end = [0; 2];
                    self.stream.read_exact(&mut end)?;
                }
            }
            _ => {}
        }
        Ok(count)
    }
}
