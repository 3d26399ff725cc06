//! What requests send by their connection, as records.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastcgi_protocol::{Params, ProtocolStatus, RecordType, encode};
use shared_buffers::Share;

use super::{Connection, Peer};
use crate::link::{Before, Gone, Link, Stream};
use crate::log;
use crate::outgoing::Wait;
use crate::response::Ending;
use crate::session::{ErrorPage, Session};
use crate::trace;

impl Link for Connection {
    fn lane(&self) -> Option<u16> {
        match self.peer {
            Peer::Gateway { lane } => Some(lane),
            Peer::WebServer => None,
        }
    }

    fn wants_body_first(&self) -> bool {
        !self.peer.is_gateway()
    }

    fn send(&self, id: u16, stream: Stream, bytes: &[u8]) -> Result<(), Gone> {
        if stream == Stream::Stdout {
            return self.send_behind(id, Before::Body(&[]), bytes);
        }
        self.outgoing
            .send_stream(self.patience(), stream.into(), id, bytes)
    }

    fn send_behind(&self, id: u16, before: Before<'_>, bytes: &[u8]) -> Result<(), Gone> {
        let kind = RecordType::Stdout;
        let (head, body) = match before {
            Before::Head(head) => (head, &[][..]),
            Before::Body(body) => (&[][..], body),
        };
        let (mut places, mut parts) = (Vec::new(), [body, bytes]);
        if let Some(share) = &self.share {
            parts = share.put(parts, |buffer, length| {
                encode::shared(&mut places, id, buffer, length);
            });
        }
        let [body, bytes] = parts;
        if head.len() + places.len() + body.len() > 0 {
            self.outgoing.append(|out| {
                encode::stream(out, kind, id, head);
                out.append(&mut places);
                encode::stream(out, kind, id, body);
            })?;
        }
        self.outgoing.send_stream(self.patience(), kind, id, bytes)
    }

    fn end_stream(&self, id: u16, stream: Stream) {
        // A connection that cannot be written shows by its end.
        let _ = self.outgoing.send(self.patience(), |out| {
            encode::end_stream(out, stream.into(), id);
        });
    }

    fn error_page(&self, id: u16, page: &ErrorPage) {
        let _ = self.outgoing.send(self.patience(), |out| {
            encode::error_page(out, id, page.status, page.sub_status, &page.reason);
        });
    }

    fn unhealthy(&self, id: u16, reason: &[u8]) {
        match self.peer {
            Peer::Gateway { .. } => {
                let _ = self
                    .outgoing
                    .send(Wait::No, |out| encode::unhealthy(out, reason));
            }
            Peer::WebServer => {
                let reason = String::from_utf8_lossy(reason);
                self.report(
                    id,
                    &format!("the extension says that it is unhealthy: {reason}"),
                );
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.peer.is_gateway() || self.outgoing.is_ready()
    }

    fn finish(&self, id: u16, last: &[u8], ending: Ending, log: &[u8]) {
        let mut state = self.lock();
        let session = state.sessions.remove(id);
        state.application.finish(id);
        let close = state.application.must_close();
        let cut_mark = state.application.cut_mark();
        drop(state);
        // If the next request brings the process down, this one runs again. Any other answer would be lost.
        let wait = match session {
            Some(session) if self.peer.is_gateway() && session.may_run_again() => Wait::Held,
            _ => self.patience(),
        };
        if self.peer == Peer::WebServer {
            *self.reporting() = None;
        }
        let cut = if let Ending::Cut(reason) = ending {
            Some(reason)
        } else {
            None
        };
        let result = self.outgoing.send(wait, |out| {
            self.give_back(out);
            if ending == Ending::Complete && log.is_empty() && self.peer.is_gateway() {
                return encode::answer(out, id, last);
            }
            encode::stream(out, RecordType::Stdout, id, last);
            match (cut, self.peer) {
                (Some(_), Peer::WebServer) => return out.extend_from_slice(cut_mark),
                (Some(reason), Peer::Gateway { .. }) => encode::cut(out, id, reason),
                (None, _) => {}
            }
            if !log.is_empty() && self.peer.is_gateway() {
                encode::log_parameter(out, id, log);
            }
            encode::end_stream(out, RecordType::Stdout, id);
            let app_status = u32::from(ending != Ending::Complete);
            encode::end_request(out, id, app_status, ProtocolStatus::RequestComplete);
        });
        if close || result.is_err() || (cut.is_some() && self.peer == Peer::WebServer) {
            self.close();
        }
    }

    fn trace(&self, id: u16, event: &trace::Event) {
        if self.peer == Peer::WebServer {
            return self.report(id, &format!("trace: {event}"));
        }
        let mut pairs = Params::new();
        event.pairs(&mut |name, text| pairs.push(name.as_bytes(), text.as_bytes()));
        // Waiting bounds what gathers.
        let _ = self
            .outgoing
            .send(Wait::Written, |out| encode::trace(out, id, pairs.iter()));
    }

    fn report(&self, id: u16, text: &str) {
        let open = (self.peer == Peer::WebServer).then(|| self.reporting());
        if open.as_ref().is_some_and(|open| **open != Some(id)) {
            log::line(text);
            return;
        }
        // Only for the log: a connection that cannot be written shows elsewhere.
        let _ = self.outgoing.send(self.patience(), |out| {
            let line = format!("{text}\n");
            encode::stream(out, RecordType::Stderr, id, line.as_bytes());
        });
    }

    fn grant(&self, id: u16, bytes: u32) {
        let _ = self.outgoing.send(Wait::No, |out| {
            self.give_back(out);
            encode::credit(out, id, bytes);
        });
    }

    fn resume(&self, session: Arc<Session>) {
        self.threads.resume(session);
    }

    fn is_read_here(&self) -> bool {
        self.threads.has_connection(self)
    }

    fn expect(&self) -> bool {
        self.threads.expect()
    }

    fn leave(&self) {
        // Elsewhere who is left it could not wait here for a limited time.
        self.left.store(cfg!(unix), Ordering::Relaxed);
    }

    fn read_on(&self, patience: Duration) {
        self.threads.read_on(self, patience);
    }
}

impl Connection {
    /// Says which buffers of the gateway's have been read. It needs no message of its own: a gateway that has no buffers sends
    /// bodies without.
    fn give_back(&self, out: &mut Vec<u8>) {
        let done = self.share.as_ref().map_or(0, Share::take_done);
        if done != 0 {
            encode::released(out, done);
        }
    }
}
