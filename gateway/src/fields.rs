//! Header fields that stay as they came until somebody looks for one of them. Most only pass through the gateway, from one
//! form of CGI into another, and to make a map of them takes longer than all else that is done with them.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use http::HeaderMap;

/// Header fields, names in lower case.
#[derive(Clone, Debug)]
pub struct Fields<U> {
    /// Empty while they are unread.
    map: HeaderMap,
    unread: Option<U>,
    /// What `unread` says, as soon as a field has been looked for.
    read: OnceLock<Box<HeaderMap>>,
}

/// What header fields can be read from.
pub trait Readable {
    /// The fields.
    fn read(&self) -> HeaderMap;
}

impl<U> Fields<U> {
    /// Fields that are read when one is looked for.
    pub fn of(fields: U) -> Self {
        Self {
            unread: Some(fields),
            ..Self::default()
        }
    }

    /// What they came as, if that is still all that they are.
    pub fn unread(&self) -> Option<&U> {
        self.unread.as_ref()
    }
}

impl<U: Readable> Fields<U> {
    /// The map of them.
    pub fn into_map(self) -> HeaderMap {
        match self.unread {
            Some(unread) => self
                .read
                .into_inner()
                .map_or_else(|| unread.read(), |map| *map),
            None => self.map,
        }
    }
}

impl<U> Default for Fields<U> {
    fn default() -> Self {
        Self::from(HeaderMap::new())
    }
}

impl<U> From<HeaderMap> for Fields<U> {
    fn from(map: HeaderMap) -> Self {
        Self {
            map,
            unread: None,
            read: OnceLock::new(),
        }
    }
}

impl<U: Readable> Deref for Fields<U> {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        match &self.unread {
            Some(unread) => self.read.get_or_init(|| Box::new(unread.read())),
            None => &self.map,
        }
    }
}

/// Who changes them may change any.
impl<U: Readable> DerefMut for Fields<U> {
    fn deref_mut(&mut self) -> &mut HeaderMap {
        if let Some(unread) = self.unread.take() {
            let read = self.read.take().map(|read| *read);
            self.map = read.unwrap_or_else(|| unread.read());
        }
        &mut self.map
    }
}

impl<U: Readable> PartialEq for Fields<U> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// Whether a header field can have this value.
pub fn is_value(value: &[u8]) -> bool {
    let fits = |byte: &u8| matches!(byte, b'\t' | b' '..=0x7e | 0x80..);
    let (words, rest) = value.as_chunks();
    let is_plain = words.iter().all(|word| is_plain(*word)) && rest.iter().all(fits);
    is_plain || value.iter().all(fits)
}

/// Whether there are no control characters among these bytes.
fn is_plain(bytes: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let word = u64::from_ne_bytes(bytes);
    let delete = word ^ (ONES * 0x7f);
    // The high bit of each byte that is less than a blank, and of each that is zero where DEL was.
    let low = word.wrapping_sub(ONES * 0x20) & !word;
    let zero = delete.wrapping_sub(ONES) & !delete;
    (low | zero) & HIGH == 0
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn values_have_no_control_characters() {
        for byte in 0..=u8::MAX {
            let expected = HeaderValue::from_bytes(&[byte]).is_ok();
            for length in [1, 7, 8, 9, 20] {
                for place in 0..length {
                    let mut value = vec![b'x'; length];
                    value[place] = byte;
                    assert_eq!(is_value(&value), expected, "{value:?}");
                }
            }
        }
        assert!(is_value(b""));
    }
}
