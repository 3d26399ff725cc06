//! What a call sends in several pieces: memory and files of the extension (ISAPI.md §4.2, codes 1006 and 1037).

use std::sync::Arc;

use isapi_abi::error::ERROR_HANDLE_EOF;

use super::{Last, Session, Win32};
use crate::response::{Refused, Response};

/// Bytes that are passed on at a time, and bytes of a file that are in memory.
const CHUNK: usize = 64 * 1024;

/// A part of the answer.
pub struct Sending {
    pieces: Vec<Piece>,
    head: usize,
    last: Option<Last>,
    /// Pieces that have been passed on, and bytes of the one after them.
    done: (usize, u64),
    /// The header line by which the web server would send the pieces, which are one whole file.
    offer: Option<Vec<u8>>,
    /// It has taken them.
    left: bool,
}

/// A piece of an answer.
pub enum Piece {
    /// Memory of the extension.
    Memory(Box<dyn AsRef<[u8]> + Send>),
    /// Bytes of a file.
    File {
        /// The file.
        file: Box<dyn ReadAt + Send>,
        /// Where they begin.
        offset: u64,
        /// How many.
        length: u64,
    },
}

/// A file of the extension.
pub trait ReadAt {
    /// Reads bytes at an offset; zero at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Win32>;
}

impl Sending {
    /// These pieces in this order, and the end of the answer behind them if `last` says so. `head` bytes of headers go
    /// before them, which count as sent.
    pub fn new(pieces: Vec<Piece>, head: usize, last: Option<Last>) -> Self {
        Self {
            pieces,
            head,
            last,
            done: (0, 0),
            offer: None,
            left: false,
        }
    }

    /// These pieces are one whole file, which the web server would send if it got this header line.
    pub fn offering(mut self, line: Option<Vec<u8>>) -> Self {
        self.offer = line;
        self
    }

    /// Leaves the pieces to the web server if it takes them and they are all of the answer's body. `gathered` is what
    /// has not been sent of the answer. Returns how many bytes it is to send.
    pub(super) fn leave_to_front(
        &mut self,
        response: &mut Response,
        gathered: &mut Vec<u8>,
    ) -> u64 {
        let Some(line) = self.offer.take() else {
            return 0;
        };
        let size = self.pieces.iter().map(Piece::length).sum();
        if !response.leave_to_front(size, self.last.is_some(), &line, gathered) {
            return 0;
        }
        self.pieces.clear();
        self.left = true;
        size
    }

    /// Whether the web server sends the pieces.
    pub(super) fn is_left_to_front(&self) -> bool {
        self.left
    }

    pub(super) fn head(&self) -> usize {
        self.head
    }

    pub(super) fn last(&self) -> Option<Last> {
        self.last
    }

    /// The next bytes, in memory or read into `buffer`. `None` at the end.
    ///
    /// # Errors
    /// Those of the file; 38 when it has become too short.
    pub(super) fn next<'a>(
        &'a mut self,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, Win32> {
        let (mut index, mut from) = self.done;
        while self
            .pieces
            .get(index)
            .is_some_and(|piece| piece.length() <= from)
        {
            (index, from) = (index + 1, 0);
        }
        self.done = (index, from);
        let Some(piece) = self.pieces.get(index) else {
            return Ok(None);
        };
        let left = piece.length() - from;
        let count = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let chunk = match piece {
            Piece::Memory(bytes) => {
                let start = usize::try_from(from).unwrap_or(usize::MAX);
                &(**bytes).as_ref()[start..][..count]
            }
            Piece::File { file, offset, .. } => {
                buffer.resize(CHUNK, 0);
                match file.read_at(offset + from, &mut buffer[..count])? {
                    0 => return Err(Win32(ERROR_HANDLE_EOF)),
                    count => &buffer[..count],
                }
            }
        };
        self.done.1 += chunk.len() as u64;
        Ok(Some(chunk))
    }
}

impl Piece {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.length() == 0
    }

    fn length(&self) -> u64 {
        match self {
            Piece::Memory(bytes) => (**bytes).as_ref().len() as u64,
            Piece::File { length, .. } => *length,
        }
    }
}

impl Session {
    /// Sends a part of the answer and returns when it has been handed over or gathered. `head` may begin the answer
    /// before it.
    ///
    /// # Errors
    /// Those of [`Session::respond`] and [`Session::write`], and those of reading the files.
    pub fn send_pieces(
        self: &Arc<Self>,
        head: impl FnOnce(&mut Response, &mut Vec<u8>) -> Result<(), Refused>,
        sending: &mut Sending,
    ) -> Result<(), Win32> {
        self.respond(head)?;
        let mut buffer = Vec::new();
        while let Some(chunk) = sending.next(&mut buffer)? {
            self.write(chunk)?;
        }
        sending.last.map_or(Ok(()), |last| self.finish_early(last))
    }
}
