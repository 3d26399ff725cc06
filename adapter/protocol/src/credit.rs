//! Flow control per request and direction, which FastCGI lacks and multiplexing needs.
//!
//! A sender may have as many bytes of a request's stream on their way as its [`Window`] allows; the receiver keeps a
//! [`Grant`] and returns credit as the bytes are consumed. So one request whose reader is slow never blocks the others
//! of the connection, and never costs more memory than its window.

use crate::ProtocolError;

/// The largest window, in bytes.
pub const MAX_WINDOW: u32 = 1 << 31;

/// The sender's side: how many bytes may be sent now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    size: u32,
    available: u32,
}

impl Window {
    /// A window with this much credit, in bytes; no more than [`MAX_WINDOW`] is used.
    #[must_use]
    pub fn new(initial: u32) -> Self {
        let size = initial.min(MAX_WINDOW);
        Self {
            size,
            available: size,
        }
    }

    /// The credit that it began with, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }

    /// Bytes that may be sent now.
    #[must_use]
    #[inline]
    pub fn available(&self) -> usize {
        usize::try_from(self.available).unwrap_or(usize::MAX)
    }

    /// `n` bytes are being sent; the caller sends no more than [`available`](Self::available).
    #[inline]
    pub fn take(&mut self, n: usize) {
        debug_assert!(n <= self.available(), "more bytes sent than credit allows");
        self.available = self.available.saturating_sub(saturate(n));
    }

    /// The peer has granted `n` more bytes.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::CreditOverflow`] when that makes more than [`MAX_WINDOW`]; the window stays as it was.
    #[inline]
    pub fn add(&mut self, n: u32) -> Result<(), ProtocolError> {
        self.available = self
            .available
            .checked_add(n)
            .filter(|&sum| sum <= MAX_WINDOW)
            .ok_or(ProtocolError::CreditOverflow)?;
        Ok(())
    }
}

/// The receiver's side: what the peer may still send, and what has been consumed but not granted anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    window: u32,
    credit: u32,
    consumed: u32,
}

impl Grant {
    /// The peer begins with credit for `window` bytes.
    #[must_use]
    pub fn new(window: u32) -> Self {
        let window = window.min(MAX_WINDOW);
        Self {
            window,
            credit: window,
            consumed: 0,
        }
    }

    /// `n` bytes have arrived.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::CreditExceeded`] when the peer had no credit for them.
    #[inline]
    pub fn received(&mut self, n: usize) -> Result<(), ProtocolError> {
        self.credit = u32::try_from(n)
            .ok()
            .and_then(|n| self.credit.checked_sub(n))
            .ok_or(ProtocolError::CreditExceeded {
                len: n,
                credit: self.credit,
            })?;
        Ok(())
    }

    /// `n` bytes that had arrived have been passed on. Returns the credit to send to the peer, in bytes, once at least
    /// half the window waits to be granted anew: few records, and the sender never comes to a stop.
    #[inline]
    pub fn consumed(&mut self, n: usize) -> Option<u32> {
        let arrived = self.window - self.credit - self.consumed;
        debug_assert!(
            n <= usize::try_from(arrived).unwrap_or(usize::MAX),
            "more bytes consumed than arrived"
        );
        self.consumed += saturate(n).min(arrived);
        if self.consumed == 0 || self.consumed < self.window.div_ceil(2) {
            return None;
        }
        let credit = std::mem::take(&mut self.consumed);
        self.credit += credit;
        Some(credit)
    }
}

fn saturate(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
