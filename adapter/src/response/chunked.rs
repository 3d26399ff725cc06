//! Decoder for the chunked coding that an extension writes itself (ISAPI.md §6.6, RFC 9112 §7.1).

/// Longest chunk-size line or trailer line that is accepted, bytes.
const LINE_LIMIT: usize = 8_192;

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    Nothing,
}

/// Incremental decoder.
#[derive(Debug)]
pub struct Chunked {
    expect: Expect,
    line: Vec<u8>,
}

/// The coding is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed chunked coding")]
pub struct Malformed;

impl Default for Chunked {
    fn default() -> Self {
        Self {
            expect: Expect::Size,
            line: Vec::new(),
        }
    }
}

impl Chunked {
    /// Whether the last chunk and the trailer have come.
    pub fn is_finished(&self) -> bool {
        self.expect == Expect::Nothing
    }

    /// Decodes `bytes`, appends the data to `out`. Bytes after the end are ignored.
    ///
    /// # Errors
    /// When the coding is malformed; nothing more can be decoded then.
    pub fn decode(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            match self.expect {
                Expect::Nothing => return Ok(()),
                Expect::Data(left) => {
                    let count =
                        usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    out.extend_from_slice(&bytes[..count]);
                    bytes = &bytes[count..];
                    let left = left - count as u64;
                    self.expect = if left == 0 {
                        Expect::DataEnd
                    } else {
                        Expect::Data(left)
                    };
                }
                Expect::Size | Expect::DataEnd | Expect::Trailer => {
                    let Some(rest) = self.take_line(bytes)? else {
                        return Ok(());
                    };
                    bytes = rest;
                    let line = std::mem::take(&mut self.line);
                    self.expect = self.after_line(line.strip_suffix(b"\r").unwrap_or(&line))?;
                }
            }
        }
        Ok(())
    }

    /// Moves bytes up to a line feed into `line`; the rest once the line is whole.
    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        if self.line.len() + part.len() > LINE_LIMIT {
            return Err(Malformed);
        }
        self.line.extend_from_slice(part);
        Ok(end.map(|end| &bytes[end + 1..]))
    }

    fn after_line(&self, line: &[u8]) -> Result<Expect, Malformed> {
        match self.expect {
            Expect::Size => match parse_size(line)? {
                0 => Ok(Expect::Trailer),
                size => Ok(Expect::Data(size)),
            },
            Expect::DataEnd if line.is_empty() => Ok(Expect::Size),
            Expect::Trailer if line.is_empty() => Ok(Expect::Nothing),
            Expect::Trailer => Ok(Expect::Trailer),
            _ => Err(Malformed),
        }
    }
}

fn parse_size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let text = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    if text.starts_with('+') {
        return Err(Malformed);
    }
    u64::from_str_radix(text, 16).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decodes_under_any_split(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..8), cut in 1usize..20) {
            let mut coded = Vec::new();
            for chunk in &chunks {
                coded.extend_from_slice(format!("{:x};x=1\r\n", chunk.len()).as_bytes());
                coded.extend_from_slice(chunk);
                coded.extend_from_slice(b"\r\n");
            }
            coded.extend_from_slice(b"0\r\nTrailer: 1\r\n\r\n");
            let (mut decoder, mut out) = (Chunked::default(), Vec::new());
            for part in coded.chunks(cut) {
                prop_assert!(!decoder.is_finished());
                decoder.decode(part, &mut out).unwrap();
            }
            prop_assert!(decoder.is_finished());
            prop_assert_eq!(out, chunks.concat());
        }

        #[test]
        fn any_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = Chunked::default().decode(&bytes, &mut Vec::new());
        }
    }

    #[test]
    fn malformed_codings_are_refused() {
        for coded in [
            &b"x\r\n"[..],
            b"+1\r\na\r\n",
            b"1\r\nab\r\n",
            b"\r\n",
            b"ffffffffffffffffff\r\n",
        ] {
            assert_eq!(
                Chunked::default().decode(coded, &mut Vec::new()),
                Err(Malformed),
                "{coded:?}"
            );
        }
    }
}
