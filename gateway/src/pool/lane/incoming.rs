//! What is read from a worker: whole records, and of a long one of an answer what there is of it. Pure.

use bytes::{Bytes, BytesMut};
use fastcgi_protocol::{Header, Record, RecordType, parse};

use crate::outbox::SHARED;

/// Bytes that one read may take: as many as a worker sends at once, with the headers of their records and the answer's head.
const SPACE: usize = 65 * 1024;
/// Space that is left in a buffer for another read.
const LEAST: usize = 16 * 1024;

/// The bytes that have been read and not taken yet.
#[derive(Default)]
pub struct Incoming {
    buffer: BytesMut,
    /// A record whose content has come only in part, with the lengths of what is still to come.
    open: Option<Header>,
}

impl Incoming {
    /// The buffer, with space for a read at its end.
    pub fn space(&mut self) -> &mut BytesMut {
        let length = self.buffer.len();
        if self.buffer.capacity() - length < LEAST {
            self.buffer.reserve(SPACE.saturating_sub(length).max(LEAST));
        }
        &mut self.buffer
    }

    /// Gives away all records that have come, with the bytes that they are in. A long record of an answer may come in
    /// several parts, each a record of its own.
    ///
    /// # Errors
    /// Those of [`parse`] and of `each`.
    pub fn take(
        &mut self,
        mut each: impl FnMut(Record<'_>, &Bytes) -> Result<(), String>,
    ) -> Result<(), String> {
        let whole = std::mem::take(&mut self.buffer).freeze();
        let mut rest = &whole[..];
        loop {
            if let Some(open) = &mut self.open {
                let (content, behind) = rest.split_at(open.content.min(rest.len()));
                if !content.is_empty() {
                    let (kind, id) = (open.kind, open.id);
                    each(Record { kind, id, content }, &whole)?;
                    open.content -= content.len();
                }
                let padding = open.padding.min(behind.len());
                open.padding -= padding;
                rest = &behind[padding..];
                if open.content + open.padding > 0 {
                    break;
                }
                self.open = None;
            }
            if let Some((record, used)) = parse(rest).map_err(|error| error.to_string())? {
                each(record, &whole)?;
                rest = &rest[used..];
            } else if let Ok(Some((header, content))) = Header::parse(rest)
                // It may be given away in parts, and there is enough of it.
                && header.kind == RecordType::Stdout
                && content.len() >= SHARED
            {
                self.open = Some(header);
                rest = content;
            } else {
                break;
            }
        }
        let taken = whole.len() - rest.len();
        match whole.try_into_mut() {
            Ok(mut buffer) => {
                let length = buffer.len();
                buffer.copy_within(taken..length, 0);
                buffer.truncate(length - taken);
                self.buffer = buffer;
            }
            // An answer has some of it.
            Err(whole) => self.buffer.extend_from_slice(&whole[taken..]),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use fastcgi_protocol::encode;
    use proptest::prelude::*;

    use super::*;

    /// What has come of requests' streams, by type and request, and the records that are no stream's.
    type Seen = (Vec<(RecordType, u16, Vec<u8>)>, Vec<u32>);

    fn note(seen: &mut Seen, record: Record<'_>, whole: &Bytes) {
        assert!(record.content.is_empty() || whole.slice_ref(record.content) == record.content);
        match (record.kind, seen.0.last_mut()) {
            (RecordType::Credit, _) => {
                let bytes = record.content.try_into().unwrap();
                seen.1.push(u32::from_be_bytes(bytes));
            }
            (kind, Some((last, id, bytes))) if (*last, *id) == (kind, record.id) => {
                bytes.extend_from_slice(record.content);
            }
            (kind, _) => seen.0.push((kind, record.id, record.content.to_vec())),
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_however_it_is_cut(
            records in prop::collection::vec((0_usize..4, 0_usize..70_000), 1..12),
            cuts in prop::collection::vec(1_usize..70_000, 1..20),
        ) {
            let mut bytes = Vec::new();
            for (number, (kind, length)) in records.iter().enumerate() {
                let id = u16::try_from(number / 2 + 1).unwrap();
                let content: Vec<u8> = (0..=250).cycle().skip(number).take(*length).collect();
                match kind {
                    0 | 1 => encode::stream(&mut bytes, RecordType::Stdout, id, &content),
                    2 => encode::stream(&mut bytes, RecordType::ExecStdin, id, &content),
                    _ => encode::credit(&mut bytes, id, u32::try_from(*length).unwrap()),
                }
            }
            let mut expected = Seen::default();
            let whole = Bytes::from(bytes.clone());
            let mut rest = &whole[..];
            while let Some((record, used)) = parse(rest).unwrap() {
                note(&mut expected, record, &whole);
                rest = &rest[used..];
            }
            let (mut incoming, mut seen, mut cuts) = (Incoming::default(), Seen::default(), cuts.iter().cycle());
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let space = incoming.space();
                let room = space.capacity() - space.len();
                prop_assert!(room >= LEAST);
                let (now, later) = rest.split_at((*cuts.next().unwrap()).min(room).min(rest.len()));
                space.extend_from_slice(now);
                rest = later;
                incoming.take(|record, whole| {
                    note(&mut seen, record, whole);
                    Ok(())
                }).unwrap();
            }
            prop_assert!(seen == expected);
            prop_assert!(incoming.buffer.is_empty() && incoming.open.is_none());
        }
    }

    #[test]
    fn the_buffer_is_used_again_when_nobody_holds_its_bytes() {
        let mut incoming = Incoming::default();
        let mut record = Vec::new();
        encode::stream(&mut record, RecordType::Stdout, 1, &[b'x'; 1000]);
        let mut places = std::collections::HashSet::new();
        for _ in 0..1000 {
            let space = incoming.space();
            places.insert(space.as_ptr());
            space.extend_from_slice(&record);
            incoming.take(|_, _| Ok(())).unwrap();
        }
        assert_eq!(places.len(), 1);
    }
}
