//! Memory wherever it is.

use std::ops::Deref;

/// A value that extensions get the address of, which is that of whatever the value is in.
pub struct Low<T>(T);

impl<T> Low<T> {
    /// Takes the value.
    pub fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Low<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
