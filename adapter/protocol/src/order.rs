//! An order to start a CGI program, from the gateway to the process that starts them for it.
//!
//! Texts that each end with a NUL: the folder, the program, its arguments; an empty one; `NAME=VALUE` of its
//! environment. Its standard streams come beside the bytes, as descriptors.

use std::ffi::CStr;

/// Writes an order, or reads what it has written.
#[derive(Clone, Debug)]
pub struct Order {
    bytes: Vec<u8>,
    has_nul: bool,
    has_environment: bool,
}

impl Order {
    /// An order for this program, to run in this folder.
    pub fn new(folder: &[u8], program: &[u8]) -> Self {
        let mut order = Self {
            bytes: Vec::with_capacity(2048),
            has_nul: false,
            has_environment: false,
        };
        order.push(&[folder]);
        order.push(&[program]);
        order
    }

    /// Adds an argument that is not empty. All of them come before the first variable.
    pub fn argument(&mut self, argument: &[u8]) {
        debug_assert!(!argument.is_empty() && !self.has_environment);
        self.push(&[argument]);
    }

    /// Adds a variable to the environment. There is no other one of this name in it.
    pub fn variable(&mut self, name: &[u8], value: &[u8]) {
        if !self.has_environment {
            self.has_environment = true;
            self.bytes.push(0);
        }
        self.push(&[name, b"=", value]);
    }

    /// The order as it is sent; `None` when a text of it has a NUL, which no program can be given.
    pub fn bytes(&self) -> Option<&[u8]> {
        (!self.has_nul).then_some(&self.bytes)
    }

    fn push(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.has_nul |= part.contains(&0);
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
    }
}

/// The parts of an order.
#[derive(Debug, PartialEq, Eq)]
pub struct Ordered<'a> {
    /// Folder to run in.
    pub folder: &'a CStr,
    /// The program, as the first, and its arguments.
    pub arguments: Vec<&'a CStr>,
    /// `NAME=VALUE`.
    pub environment: Vec<&'a CStr>,
}

impl<'a> Ordered<'a> {
    /// Reads an order; `None` if it names no program or does not end with a NUL.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.last() != Some(&0) {
            return None;
        }
        let mut texts = bytes.split_inclusive(|byte| *byte == 0);
        let mut next = || {
            texts
                .next()
                .and_then(|text| CStr::from_bytes_with_nul(text).ok())
        };
        let folder = next()?;
        let mut arguments = Vec::with_capacity(8);
        while let Some(text) = next().filter(|text| !text.is_empty()) {
            arguments.push(text);
        }
        let mut environment = Vec::with_capacity(64);
        while let Some(text) = next() {
            environment.push(text);
        }
        (!arguments.is_empty()).then_some(Self {
            folder,
            arguments,
            environment,
        })
    }

    /// The program.
    pub fn program(&self) -> &'a CStr {
        self.arguments.first().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let mut order = Order::new(b"/srv", b"/srv/program");
        order.argument(b"one");
        order.variable(b"A", b"b=c");
        order.variable(b"EMPTY", b"");
        let expected = Ordered {
            folder: c"/srv",
            arguments: vec![c"/srv/program", c"one"],
            environment: vec![c"A=b=c", c"EMPTY="],
        };
        assert_eq!(Ordered::parse(order.bytes().unwrap()), Some(expected));
        let order = Order::new(b"/", b"program");
        let bare = Ordered::parse(order.bytes().unwrap()).unwrap();
        assert_eq!((bare.folder, bare.program()), (c"/", c"program"));
        assert!(bare.environment.is_empty());
    }

    #[test]
    fn a_nul_makes_no_order() {
        assert_eq!(Order::new(b"/a\0b", b"program").bytes(), None);
        let mut order = Order::new(b"", b"program");
        order.variable(b"A", b"b\0C=d");
        assert_eq!(order.bytes(), None);
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for bytes in [
            &b""[..],
            b"\0",
            b"/srv\0",
            b"/srv\0\0A=b\0",
            b"/srv\0program",
        ] {
            assert_eq!(Ordered::parse(bytes), None, "{bytes:?}");
        }
    }
}
