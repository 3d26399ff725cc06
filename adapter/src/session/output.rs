//! How the output of a request reaches its link: gathered, in order, as credit allows.

use std::sync::MutexGuard;

use isapi_abi::error::{ERROR_INVALID_PARAMETER, WSAECONNRESET};

use super::{GATHER, Session, State, Win32};
use crate::life::Life;
use crate::response::{Ending, Refused, Response};

impl Session {
    /// Sends what has gathered since the tick before, if it needs no waiting. Called a few times a second for requests
    /// that are inside the extension, so that slow writers are seen.
    pub fn tick(&self) {
        let Ok(mut state) = self.state.try_lock() else {
            return;
        };
        let allowed = state
            .credit
            .as_ref()
            .is_none_or(|credit| credit.stdout.available() >= state.gathered.len());
        if state.gathered.is_empty()
            || state.sending
            || state.gone
            || !allowed
            || !self.link.is_ready()
        {
            return;
        }
        if state.stale {
            state.stale = false;
            let _ = self.send(state, &[]);
        } else {
            state.stale = true;
        }
    }

    pub(super) fn flush(&self) -> Result<(), Win32> {
        let state = self.lock();
        if state.gathered.is_empty() || !state.life.is_open() {
            return Ok(());
        }
        match self.send(self.wait_turn(state), &[]) {
            // A client that has gone may still have sent a body that is worth reading.
            Err(Win32(WSAECONNRESET)) => Ok(()),
            other => other,
        }
    }

    pub(super) fn respond_in<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        call: impl FnOnce(&mut Response, &mut Vec<u8>) -> Result<(), Refused>,
    ) -> Result<(), Win32> {
        let State {
            response, gathered, ..
        } = &mut *state;
        call(response, gathered).map_err(|_| Win32(ERROR_INVALID_PARAMETER))?;
        state.stale = false;
        if state.gathered.len() >= GATHER || state.life == Life::Pending {
            self.send(state, &[])
        } else {
            Ok(())
        }
    }

    pub(super) fn finish<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        status: u32,
        http_status: u32,
    ) {
        let State {
            response, gathered, ..
        } = &mut *state;
        let ending = response.finish(status, http_status, gathered);
        if let Ending::Cut(reason) | Ending::Failed(reason) = ending
            && !state.gone
        {
            self.link.report(self.id, reason);
        }
        let fits = state
            .credit
            .as_ref()
            .is_none_or(|credit| credit.stdout.available() >= state.gathered.len());
        if !fits && !state.gone {
            // Whether it went out or the client left meanwhile, the request ends below.
            let _ = self.send(state, &[]);
            state = self.lock();
        }
        let last = if state.gone {
            Vec::new()
        } else {
            std::mem::take(&mut state.gathered)
        };
        let log = std::mem::take(&mut state.log);
        drop(state);
        self.changed.ring();
        self.link.finish(self.id, &last, ending, &log);
    }

    /// Hands what has gathered, and then `more`, to the link as credit allows.
    pub(super) fn send<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        more: &[u8],
    ) -> Result<(), Win32> {
        state.sending = true;
        let mut gathered = std::mem::take(&mut state.gathered);
        for mut part in [&gathered[..], more] {
            while !part.is_empty() && !state.gone {
                let allowed = match &mut state.credit {
                    None => part.len(),
                    Some(credit) => {
                        let allowed = credit.stdout.available().min(part.len());
                        credit.stdout.take(allowed);
                        allowed
                    }
                };
                if allowed == 0 {
                    state = self.changed.wait(state);
                    continue;
                }
                let (now, later) = part.split_at(allowed);
                drop(state);
                let result = self.link.stdout(self.id, now);
                state = self.lock();
                state.gone |= result.is_err();
                part = later;
            }
        }
        gathered.clear();
        state.gathered = gathered;
        state.sending = false;
        self.changed.ring();
        if state.gone {
            Err(Win32(WSAECONNRESET))
        } else {
            Ok(())
        }
    }
}
