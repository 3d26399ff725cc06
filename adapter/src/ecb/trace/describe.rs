//! What a callback's pointers say, as text. Reads no more than the callback itself does.

use isapi_abi::requests as code;
use isapi_abi::{io, status};

use super::Callback;
use crate::call::Call;
use crate::ecb::arguments::{bytes, text};
use crate::ecb::{Arguments, Element};
use crate::session::Piece;
use crate::trace::{Event, Level, SHOWN, shown};

/// Bytes of a name or URL that are told at most.
const NAME: usize = 128;

/// Buffers of one call that are told at most.
const BUFFERS: usize = 8;

/// The arguments of a call, and the beginning of its buffers at [`Level::Data`].
#[derive(Default)]
pub(super) struct Description {
    arguments: String,
    data: Option<String>,
    with_data: bool,
}

impl Description {
    /// Describes what was passed. Only while the callback runs, and before it is carried out or after it has failed.
    pub(super) fn of(callback: Callback, level: Level) -> Self {
        let mut description = Self {
            with_data: level == Level::Data,
            ..Self::default()
        };
        description.describe(callback);
        description
    }

    /// Adds what a call has given that has succeeded and was not asynchronous.
    pub(super) fn add_outcome(&mut self, callback: Callback) {
        match callback {
            Callback::GetServerVariable { buffer, size, .. }
            | Callback::ReadClient { buffer, size } => {
                // SAFETY: the call has succeeded, so `size` is valid and says how many bytes are in the buffer.
                let bytes = unsafe {
                    let count = size.read_unaligned();
                    bytes(buffer.cast_const().cast(), count).unwrap_or_default()
                };
                self.gives(&bytes.len().to_string());
                self.buffer(bytes);
            }
            Callback::WriteClient { .. } => {}
            Callback::ServerSupportFunction { code, .. } => {
                if let Some(arguments) = arguments(callback) {
                    self.support_outcome(code, &arguments);
                }
            }
        }
    }

    /// As an event of this call.
    pub(super) fn into_event(self, call: Call) -> Event {
        Event {
            call: call.to_string(),
            arguments: self.arguments,
            data: self.data,
            ..Event::default()
        }
    }

    fn describe(&mut self, callback: Callback) {
        match callback {
            Callback::GetServerVariable { name, .. } => {
                // SAFETY: NUL-terminated or NULL, by the contract of the callback.
                self.name(unsafe { text(name) });
                self.count(callback.size());
            }
            Callback::WriteClient { buffer, flags, .. } => {
                let count = callback.size();
                self.count(count);
                self.flags(flags);
                // SAFETY: the extension says that there are so many bytes.
                let bytes = unsafe { bytes(buffer.cast_const().cast(), count.unwrap_or(0)) };
                self.buffer(bytes.unwrap_or_default());
            }
            Callback::ReadClient { .. } => self.count(callback.size()),
            Callback::ServerSupportFunction { code, .. } => {
                if let Some(arguments) = arguments(callback) {
                    self.support(code, &arguments);
                }
            }
        }
    }

    fn support(&mut self, request: u32, arguments: &Arguments) {
        match request {
            code::HSE_REQ_SEND_URL_REDIRECT_RESP
            | code::HSE_REQ_SEND_URL
            | code::HSE_REQ_MAP_URL_TO_PATH_EX
            | code::HSE_REQ_NORMALIZE_URL => self.url(arguments.text_in_buffer()),
            code::HSE_REQ_MAP_URL_TO_PATH => {
                self.url(arguments.text_in_buffer());
                self.count(arguments.size());
            }
            code::HSE_REQ_MAP_UNICODE_URL_TO_PATH => {
                self.wide_url(arguments);
                self.count(arguments.size());
            }
            code::HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX => self.wide_url(arguments),
            code::HSE_REQ_SEND_RESPONSE_HEADER => {
                self.name(arguments.text_in_buffer());
                self.headers(arguments.text_in_data_type().unwrap_or_default());
            }
            code::HSE_REQ_SEND_RESPONSE_HEADER_EX => {
                if let Ok(info) = arguments.header_ex() {
                    self.name(Some(info.status));
                    self.headers(info.headers);
                    self.word(if info.keep { "keep" } else { "close" });
                }
            }
            code::HSE_REQ_DONE_WITH_SESSION => {
                let status = arguments.dword_in_buffer();
                self.word(match status {
                    None => "NULL",
                    Some(number) => status::name(number).unwrap_or("unknown status"),
                });
            }
            code::HSE_APPEND_LOG_PARAMETER | code::HSE_REQ_REPORT_UNHEALTHY => {
                self.name(arguments.text_in_buffer());
            }
            code::HSE_REQ_IO_COMPLETION => {
                let (function, context) = (arguments.buffer, arguments.data_type);
                self.word(&format!("function {function:p}, context {context:p}"));
            }
            code::HSE_REQ_TRANSMIT_FILE => self.transmit_file(arguments),
            code::HSE_REQ_ASYNC_READ_CLIENT => {
                self.count(arguments.size());
                self.flags(arguments.dword_in_data_type().unwrap_or(0));
            }
            code::HSE_REQ_EXEC_URL => self.exec_url(arguments, false),
            code::HSE_REQ_EXEC_UNICODE_URL => self.exec_url(arguments, true),
            code::HSE_REQ_SEND_CUSTOM_ERROR => {
                if let Ok((status, sub_status, _)) = arguments.custom_error() {
                    self.name(status);
                    self.word(&format!("sub-status {sub_status}"));
                }
            }
            code::HSE_REQ_VECTOR_SEND => self.vector(arguments),
            code::HSE_REQ_SET_FLUSH_FLAG => self.bool(arguments.has_buffer()),
            _ => {}
        }
    }

    fn support_outcome(&mut self, request: u32, arguments: &Arguments) {
        match request {
            code::HSE_REQ_MAP_URL_TO_PATH => {
                self.gives(&shown(arguments.text_in_buffer().unwrap_or_default(), NAME));
            }
            code::HSE_REQ_NORMALIZE_URL => {
                let url = arguments.text_in_buffer().unwrap_or_default();
                self.gives(&url_shown(url, self.with_data));
            }
            code::HSE_REQ_MAP_UNICODE_URL_TO_PATH => {
                let path = arguments.wide_text_in_buffer().unwrap_or_default();
                self.gives(&shown(String::from_utf16_lossy(&path).as_bytes(), NAME));
            }
            code::HSE_REQ_IS_KEEP_CONN
            | code::HSE_REQ_IS_CONNECTED
            | code::HSE_REQ_IS_IN_PROCESS => {
                if let Some(number) = arguments.dword_in_buffer() {
                    self.gives(&number.to_string());
                }
            }
            _ => {}
        }
    }

    fn transmit_file(&mut self, arguments: &Arguments) {
        let Some(info) = arguments.transmit_file() else {
            return;
        };
        if let Some((status, headers)) = info.headers {
            self.name(Some(status));
            self.headers(headers);
        }
        self.flags(info.flags);
        self.piece("head", &info.head);
        if info.file.is_some() {
            self.file(info.offset, info.length);
        }
        self.piece("tail", &info.tail);
    }

    fn vector(&mut self, arguments: &Arguments) {
        let Some(vector) = arguments.vector() else {
            return;
        };
        if let Some(status) = vector.status {
            self.name(Some(status));
            self.headers(vector.headers.unwrap_or_default());
        }
        self.flags(vector.flags);
        self.word(&format!("{} elements", vector.elements.len()));
        for element in vector.elements.iter().take(BUFFERS) {
            match element {
                Element::Memory(piece) => self.piece("memory", piece),
                Element::File { offset, length, .. } => self.file(*offset, *length),
            }
        }
    }

    fn exec_url(&mut self, arguments: &Arguments, wide: bool) {
        let Ok(exec) = arguments.exec_url(wide) else {
            return;
        };
        let child = &exec.child;
        self.url(child.url.as_deref());
        if let Some(method) = &child.method {
            self.name(Some(method));
        }
        self.headers(child.headers.as_deref().unwrap_or_default());
        self.word(&format!("flags {:#x}", child.flags));
        if let Some(entity) = &exec.entity {
            let entity = (**entity).as_ref();
            self.word(&format!("entity of {} bytes", entity.len()));
            self.buffer(entity);
        }
    }

    /// A part of the arguments.
    fn word(&mut self, text: &str) {
        if !self.arguments.is_empty() {
            self.arguments.push_str(", ");
        }
        self.arguments.push_str(text);
    }

    /// What the call has given.
    fn gives(&mut self, text: &str) {
        if !self.arguments.is_empty() {
            self.arguments.push(' ');
        }
        self.arguments.push_str("→ ");
        self.arguments.push_str(text);
    }

    fn name(&mut self, name: Option<&[u8]>) {
        match name {
            Some(name) => self.word(&shown(name, NAME)),
            None => self.word("NULL"),
        }
    }

    fn url(&mut self, url: Option<&[u8]>) {
        match url {
            Some(url) => self.word(&url_shown(url, self.with_data)),
            None => self.word("NULL"),
        }
    }

    fn wide_url(&mut self, arguments: &Arguments) {
        let url = arguments.wide_text_in_buffer();
        let url = url.map(|url| String::from_utf16_lossy(&url));
        self.url(url.as_deref().map(str::as_bytes));
    }

    fn count(&mut self, count: Option<u32>) {
        match count {
            Some(count) => self.word(&format!("{count} bytes")),
            None => self.word("NULL"),
        }
    }

    fn bool(&mut self, value: bool) {
        self.word(if value { super::TRUE } else { super::FALSE });
    }

    /// A set of `HSE_IO_*`.
    fn flags(&mut self, flags: u32) {
        let names = io::ALL.iter().filter(|(flag, _)| flags & flag != 0);
        let names: Vec<_> = names.map(|(_, name)| *name).collect();
        if !names.is_empty() {
            self.word(&names.join("|"));
        }
    }

    /// Header text, which may hold cookies and credentials.
    fn headers(&mut self, headers: &[u8]) {
        self.word(&format!("{} bytes of headers", headers.len()));
        self.buffer(headers);
    }

    fn piece(&mut self, name: &str, piece: &Piece) {
        if let Piece::Memory(memory) = piece {
            let memory = (**memory).as_ref();
            if !memory.is_empty() {
                self.word(&format!("{name} of {} bytes", memory.len()));
                self.buffer(memory);
            }
        }
    }

    fn file(&mut self, offset: u64, length: u64) {
        match length {
            0 => self.word(&format!("file from {offset} on")),
            _ => self.word(&format!("{length} bytes of a file from {offset} on")),
        }
    }

    /// A buffer, whose bytes are told at [`Level::Data`] only.
    fn buffer(&mut self, bytes: &[u8]) {
        if self.with_data && !bytes.is_empty() {
            let data = self.data.get_or_insert_default();
            if !data.is_empty() {
                data.push_str(", ");
            }
            data.push_str(&shown(bytes, SHOWN));
        }
    }
}

/// A URL, whose query may be secret.
fn url_shown(url: &[u8], with_query: bool) -> String {
    match url.iter().position(|byte| *byte == b'?') {
        Some(query) if !with_query => format!("{}?…", shown(&url[..query], NAME)),
        _ => shown(url, NAME),
    }
}

/// The pointers of ServerSupportFunction.
fn arguments(callback: Callback) -> Option<Arguments> {
    match callback {
        Callback::ServerSupportFunction {
            buffer,
            size,
            data_type,
            ..
        } => {
            // SAFETY: the extension passes what ISAPI defines for the code, and only that is read.
            Some(unsafe { Arguments::new(buffer, size, data_type) })
        }
        _ => None,
    }
}
