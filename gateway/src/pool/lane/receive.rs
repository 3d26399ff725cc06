//! What the worker's records mean to the requests of a lane.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use fastcgi_protocol::{Hello, Params, ProtocolError, ProtocolStatus, Record, ServerEvent, encode};
use http::StatusCode;

use super::{Buffers, Entry, Lane, STDIN_WINDOW, STDOUT_WINDOW, Table};
use crate::pool::exchange::{Ending, ErrorPage, Part};
use crate::pool::lock;
use crate::pool::state::Event;

/// The lane, locked while the driver gives it the records of one read.
pub struct Receiving<'a> {
    lane: &'a Lane,
    table: MutexGuard<'a, Table>,
}

impl Lane {
    /// Locks the lane for a number of records.
    pub fn receiving(&self) -> Receiving<'_> {
        Receiving {
            lane: self,
            table: lock(&self.table),
        }
    }
}

impl Receiving<'_> {
    /// Takes one record of the worker, a part of `whole`.
    ///
    /// # Errors
    /// How the worker broke the protocol.
    pub fn take(&mut self, record: Record<'_>, whole: &Bytes) -> Result<(), String> {
        let table = &mut *self.table;
        let broken = |error: ProtocolError| error.to_string();
        let Some(event) = table.server.receive(record).map_err(broken)? else {
            return Ok(());
        };
        match event {
            ServerEvent::Hello(hello) => self.greet(*hello)?,
            ServerEvent::Stdout { id, data } => {
                if let Some(entry) = table.entries.get(id)
                    && let Some(bytes) = entry.exchange.receive(data, whole).map_err(broken)?
                {
                    encode::credit(table.out.records(), id, bytes);
                }
            }
            ServerEvent::Shared { id, buffer, length } => {
                if let Some(entry) = table.entries.get(id) {
                    let buffers = table.buffers.as_mut().ok_or(ProtocolError::BadBuffer);
                    let take =
                        |buffers: &mut Buffers| buffers.take(buffer, length, &entry.exchange);
                    let piece = buffers.and_then(take).map_err(broken)?;
                    entry.exchange.receive_shared(piece).map_err(broken)?;
                }
            }
            ServerEvent::Released(released) => {
                let buffers = table.buffers.as_ref().ok_or(ProtocolError::BadBuffer);
                let come_back = |buffers: &Buffers| buffers.come_back(released);
                buffers.and_then(come_back).map_err(broken)?;
            }
            ServerEvent::ExecParams { id, len } => {
                if let Some(entry) = table.entries.get(id)
                    && let Some(bytes) = entry.exchange.receive_params(len).map_err(broken)?
                {
                    encode::credit(table.out.records(), id, bytes);
                }
            }
            ServerEvent::Exec { id, child } => {
                if let Some(entry) = table.entries.get(id) {
                    entry.exchange.receive_part(Part::Child(child));
                }
            }
            ServerEvent::ExecStdin { id, data } => {
                if let Some(entry) = table.entries.get(id)
                    && let Some(bytes) = entry.exchange.receive_entity(data).map_err(broken)?
                {
                    encode::credit(table.out.records(), id, bytes);
                }
            }
            ServerEvent::ExecStdinEnd { id } => {
                if let Some(entry) = table.entries.get(id) {
                    entry.exchange.end_entity();
                }
            }
            ServerEvent::ErrorPage {
                id,
                status,
                sub_status,
                reason,
            } => {
                let page = error_page(status, sub_status, reason)?;
                if let Some(entry) = table.entries.get(id) {
                    entry.exchange.receive_part(Part::ErrorPage(page));
                }
            }
            ServerEvent::Credit { id, bytes } => {
                if let Some(entry) = table.entries.get(id) {
                    entry.exchange.widen(bytes).map_err(broken)?;
                }
            }
            ServerEvent::Cut { id, reason } => {
                if let Some(entry) = table.entries.get(id) {
                    let reason = String::from_utf8_lossy(reason).into_owned();
                    entry.exchange.end(Ending::Cut(reason));
                }
            }
            ServerEvent::Answer { id, data } => {
                if let Some(entry) = table.entries.remove(id) {
                    entry.exchange.complete(data, whole).map_err(broken)?;
                    finish(entry, true);
                }
            }
            ServerEvent::End { id, status, .. } => {
                if let Some(entry) = table.entries.remove(id) {
                    entry.exchange.end(match status {
                        ProtocolStatus::RequestComplete => Ending::Complete,
                        ProtocolStatus::Overloaded => Ending::Refused,
                        other => Ending::Cut(format!("the worker refused the request: {other:?}")),
                    });
                    finish(entry, status == ProtocolStatus::RequestComplete);
                }
            }
            ServerEvent::Stderr { data, .. } => self.log_error(data),
            ServerEvent::LogParameter { id, data } => {
                if let Some(entry) = table.entries.get(id) {
                    let (pool, pid, uri) = (&self.lane.pool.name, self.lane.pid, &entry.uri);
                    tracing::info!(pool, pid, %uri, "log parameter: {}", data.escape_ascii());
                    entry.exchange.log_parameter(data);
                }
            }
            ServerEvent::Trace { id, event } => {
                let entry = table.entries.get(id);
                let request = entry.map(|entry| {
                    entry.last_call = last_call(&event);
                    entry.describe()
                });
                self.log_call(request.as_deref(), &event);
            }
            ServerEvent::Unhealthy(reason) => {
                self.lane.pool.report(Event::Unhealthy {
                    worker: self.lane.worker,
                    reason: String::from_utf8_lossy(reason).into_owned(),
                });
            }
            ServerEvent::Values(_) => table.ponged = true,
            ServerEvent::StdoutEnd { .. } | ServerEvent::UnknownType(_) => {}
        }
        Ok(())
    }

    fn log_error(&self, text: &[u8]) {
        let (pool, pid) = (&self.lane.pool.name, self.lane.pid);
        for line in text
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii_end)
        {
            if !line.is_empty() {
                tracing::warn!(pool, pid, "{}", String::from_utf8_lossy(line));
            }
        }
    }

    /// One call of the extension or by it, for the trace. Of a request whose answer is over the event itself tells which.
    fn log_call(&self, request: Option<&str>, event: &Params) {
        let (pool, pid) = (&self.lane.pool.name, self.lane.pid);
        let field = |name: &str| {
            let value = event.get(name.as_bytes())?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        let number = |name| field(name)?.parse::<u64>().ok();
        let request = request.map_or_else(|| field("request"), |known| Some(known.to_owned()));
        tracing::info!(
            target: "isapi_trace",
            pool,
            pid,
            request,
            call = field("call"),
            arguments = field("arguments"),
            result = field("result"),
            error = field("error"),
            micros = number("micros"),
            duration = number("duration"),
            data = field("data"),
            "trace"
        );
    }

    fn greet(&mut self, hello: Hello) -> Result<(), String> {
        let answer = match hello.error() {
            Some(error) => Err(String::from_utf8_lossy(error).into_owned()),
            None if hello.stdin_window > STDIN_WINDOW || hello.stdout_window > STDOUT_WINDOW => {
                return Err("its greeting exceeds the gateway's offer".into());
            }
            None => {
                self.table.stdin_window = hello.stdin_window;
                self.table.stdout_window = hello.stdout_window;
                self.lane.open.store(true, SeqCst);
                Ok(hello)
            }
        };
        if let Some(greeting) = self.table.greeting.take() {
            // Nobody waits for it once the worker has been given up.
            let _ = greeting.send(answer);
        }
        Ok(())
    }
}

/// The worker has dealt with a request, or has refused it.
fn finish(entry: Entry, is_complete: bool) {
    if let Some(trial) = entry.trial
        && is_complete
        && !entry.aborted
    {
        trial.pass();
    }
    entry.slot.finish();
}

/// What was called and what it came to, bounded, for the status.
fn last_call(event: &Params) -> Option<String> {
    /// The most characters of it.
    const SHOWN: usize = 200;
    let field = |name: &[u8]| Some(String::from_utf8_lossy(event.get(name)?));
    let mut text = field(b"call")?.into_owned();
    if let Some(arguments) = field(b"arguments") {
        text.push_str(&format!("({arguments})"));
    }
    if let Some(result) = field(b"result") {
        text.push_str(&format!(" = {result}"));
    }
    Some(text.chars().take(SHOWN).collect())
}

fn error_page(status: u16, sub_status: u16, reason: &[u8]) -> Result<ErrorPage, String> {
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| status.is_client_error() || status.is_server_error())
        .ok_or_else(|| format!("it asks for the error page of status {status}"))?;
    let usual = status.canonical_reason().unwrap_or_default().as_bytes();
    let own =
        !reason.is_empty() && reason != usual && !reason.iter().any(|byte| byte.is_ascii_control());
    Ok(ErrorPage {
        status,
        sub_status,
        reason: own.then(|| Bytes::copy_from_slice(reason)),
    })
}
