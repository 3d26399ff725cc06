//! Signals: those that stop the gateway, and none that is an order.

use std::io;

use tokio::signal::windows;

/// The signals that stop the gateway, caught from the moment of creation.
pub struct StopSignals {
    interrupt: windows::CtrlC,
    stop: windows::CtrlBreak,
    close: windows::CtrlClose,
    shutdown: windows::CtrlShutdown,
}

impl StopSignals {
    /// Catches the signals; must be called inside a runtime.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: windows::ctrl_c()?,
            stop: windows::ctrl_break()?,
            close: windows::ctrl_close()?,
            shutdown: windows::ctrl_shutdown()?,
        })
    }

    /// Waits for the next one; returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl+C",
            _ = self.stop.recv() => "Ctrl+Break",
            _ = self.close.recv() => "closing of the console",
            _ = self.shutdown.recv() => "shutdown of the system",
        }
    }
}

/// A signal that is an order: Windows has none.
pub struct OrderSignal;

impl OrderSignal {
    /// Nothing to catch.
    ///
    /// # Errors
    /// Never.
    pub fn reopen() -> io::Result<Self> {
        Ok(Self)
    }

    /// Nothing to catch.
    ///
    /// # Errors
    /// Never.
    pub fn reload() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for ever.
    pub async fn next(&mut self) {
        std::future::pending().await
    }
}
