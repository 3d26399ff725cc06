//! Server variables of a request, from its FastCGI parameters (ISAPI.md §5). Pure.
//!
//! Single-byte values are the bytes that the front sent. Only paths are converted to the system's code page, because
//! extensions open them.

mod certificate;
mod headers;
mod security;
mod text;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use fastcgi_protocol::{IndexedParams, Params};

use crate::directories::{self, Mapped};
use crate::{os, path};

pub use text::to_utf16;

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Single-byte text, without its NUL.
    Bytes(Cow<'a, [u8]>),
    /// A `UNICODE_` variable: UTF-16 text, without its NUL.
    Wide(Vec<u16>),
}

/// The parameters of one request, read by the names of ISAPI.
#[derive(Debug)]
pub struct Variables {
    params: IndexedParams,
    /// What holds for all requests of the connection unless they have it otherwise.
    told: Arc<Params>,
    /// Length in decimal of a body that came without Content-Length.
    measured: OnceLock<String>,
}

/// A variable's value; empty where the request gives none. `None`: the name is unknown (1413).
type Found<'a> = Option<Cow<'a, [u8]>>;

impl Variables {
    /// Reads these parameters.
    pub fn new(params: Params) -> Self {
        Self::with(params.into(), Arc::default())
    }

    /// Reads these parameters, and what is `told` for all requests of the connection.
    pub fn with(params: IndexedParams, told: Arc<Params>) -> Self {
        Self {
            params,
            told,
            measured: OnceLock::new(),
        }
    }

    /// The whole body is there. If it came without Content-Length, variables say its length as if the client had
    /// (ISAPI.md §2.3).
    pub fn set_body_length(&self, length: usize) {
        if length > 0 && self.sent("CONTENT_LENGTH").is_none() {
            self.measured.get_or_init(|| length.to_string());
        }
    }

    /// A parameter as the front sent it; empty if it did not.
    #[inline]
    pub fn param(&self, name: &str) -> &[u8] {
        self.params.get(name.as_bytes()).unwrap_or_default()
    }

    /// A parameter that may hold for all requests of the connection; empty if there is none.
    pub fn of_pool(&self, name: &str) -> &[u8] {
        let own = self.params.get(name.as_bytes());
        own.or_else(|| self.told.get(name.as_bytes()))
            .unwrap_or_default()
    }

    /// The path of the URL as the client sent it, without what may be secret behind it.
    pub fn url_path(&self) -> &[u8] {
        let uri = self.param("REQUEST_URI");
        let end = memchr::memchr(b'?', uri);
        match &uri[..end.unwrap_or(uri.len())] {
            [] => self.param("SCRIPT_NAME"),
            path => path,
        }
    }

    /// A parameter that is a path, as the extension shall see it.
    pub fn physical(&self, name: &str) -> Cow<'_, [u8]> {
        os::to_code_page(self.native(name))
    }

    /// Where a URL path of the site lies (codes 1001 and 1012).
    pub fn map(&self, url: &[u8]) -> Mapped<'_> {
        let table = self.param("ISAPI_VIRTUAL_DIRECTORIES");
        directories::map(table, self.param("DOCUMENT_ROOT"), url)
    }

    /// Whether the front runs local redirects (RFC 3875 §6.2.2) and the operator wants them for code 2.
    pub fn wants_local_redirects(&self) -> bool {
        self.of_pool("ISAPI_SEND_URL") == b"internal"
    }

    /// Declared length of the body; `None` if the front gave none (ISAPI.md §2.3).
    pub fn content_length(&self) -> Option<u64> {
        std::str::from_utf8(self.param("CONTENT_LENGTH").trim_ascii())
            .ok()?
            .parse()
            .ok()
    }

    /// Whether the client's connection is to be kept (ISAPI.md §4.2, code 1008).
    pub fn wants_keep_alive(&self) -> bool {
        let has = |token: &[u8]| {
            self.param("HTTP_CONNECTION")
                .split(|byte| *byte == b',')
                .any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
        };
        match self.param("SERVER_PROTOCOL") {
            b"HTTP/1.0" | b"HTTP/0.9" => has(b"keep-alive"),
            _ => !has(b"close"),
        }
    }

    /// The value of a server variable. Names are compared without regard to case (ISAPI.md §3.1).
    pub fn get(&self, name: &[u8]) -> Option<Value<'_>> {
        let mut upper = Cow::Borrowed(name);
        if name.iter().any(u8::is_ascii_lowercase) {
            upper.to_mut().make_ascii_uppercase();
        }
        match upper.strip_prefix(b"UNICODE_") {
            Some(plain)
                if plain.starts_with(b"HTTP_") && !headers::is_special_http(plain)
                    || plain.starts_with(b"HEADER_") =>
            {
                None
            }
            Some(plain) => self.plain(plain).map(|value| Value::Wide(to_utf16(&value))),
            None => self.plain(&upper).map(|value| {
                Value::Bytes(if is_path(&upper) {
                    os::to_code_page(value)
                } else {
                    value
                })
            }),
        }
    }

    /// The value of a name in upper case; paths in UTF-8.
    fn plain(&self, upper: &[u8]) -> Found<'_> {
        let name = std::str::from_utf8(upper).ok()?;
        if let Some(header) = upper.strip_prefix(b"HEADER_") {
            return self.header_by_literal_name(header);
        }
        match name {
            _ if name.starts_with("HTTP_") => self.http(name),
            "ALL_HTTP" => owned(self.all_http()),
            "ALL_RAW" => owned(self.all_raw()),
            _ => self
                .connection(name)
                .or_else(|| self.url(name))
                .or_else(|| self.site(name))
                .or_else(|| self.tls(name))
                .or_else(|| self.user(name)),
        }
    }

    /// Client, server and protocol.
    fn connection(&self, name: &str) -> Found<'_> {
        match name {
            "REMOTE_ADDR" | "REMOTE_PORT" | "SERVER_PORT" | "SERVER_PROTOCOL"
            | "REQUEST_METHOD" | "CONTENT_TYPE" => self.known(name),
            "CONTENT_LENGTH" => self.length().or(fixed(b"0")),
            "REMOTE_HOST" => self.or("REMOTE_HOST", self.param("REMOTE_ADDR")),
            "LOCAL_ADDR" | "SERVER_ADDR" => self.known("SERVER_ADDR"),
            "SERVER_NAME" => Some(Cow::Borrowed(self.server_name())),
            "SERVER_SOFTWARE" => fixed(b"Microsoft-IIS/10.0"),
            "GATEWAY_INTERFACE" => self.or("GATEWAY_INTERFACE", b"CGI/1.1"),
            _ => None,
        }
    }

    /// What the URL says and maps to.
    fn url(&self, name: &str) -> Found<'_> {
        match name {
            "QUERY_STRING" | "SCRIPT_NAME" | "PATH_INFO" | "REQUEST_URI" => self.known(name),
            "UNENCODED_URL" => self.known("REQUEST_URI"),
            "PATH_TRANSLATED" | "SCRIPT_FILENAME" | "DOCUMENT_ROOT" => Some(self.native(name)),
            "REQUEST_FILENAME" => Some(self.native("SCRIPT_FILENAME")),
            "SCRIPT_TRANSLATED" => {
                owned([br"\\?\".as_slice(), &self.native("SCRIPT_FILENAME")].concat())
            }
            "URL" | "URL_PATH_INFO" => owned(self.whole_path()),
            "CACHE_URL" => owned(self.cache_url()),
            "FORWARDED_URL" => fixed(b""),
            "REQUEST_FLAGS" => fixed(b"0"),
            "SSI_EXEC_DISABLED" => fixed(b"1"),
            _ => None,
        }
    }

    /// Site, application and pool.
    fn site(&self, name: &str) -> Found<'_> {
        match name {
            "INSTANCE_ID" => Some(Cow::Borrowed(self.instance_id())),
            "INSTANCE_NAME" | "APP_POOL_ID" => self.known(name),
            "INSTANCE_META_PATH" => owned([b"/LM/W3SVC/", self.instance_id()].concat()),
            "APPL_MD_PATH" => self
                .sent(name)
                .or_else(|| owned([b"/LM/W3SVC/", self.instance_id(), b"/ROOT"].concat())),
            "APPL_PHYSICAL_PATH" => {
                let folder = self
                    .sent(name)
                    .unwrap_or(Cow::Borrowed(self.param("DOCUMENT_ROOT")));
                let folder = path::join(&folder, b"/");
                owned(os::native_path(&folder))
            }
            "APP_POOL_CONFIG" => fixed(b""),
            "MANAGED_PIPELINE_MODE" => fixed(b"Classic"),
            _ => None,
        }
    }

    /// Content-Length, as the client sent it or as it would have.
    fn length(&self) -> Found<'_> {
        let measured = || Some(Cow::Borrowed(self.measured.get()?.as_bytes()));
        self.sent("CONTENT_LENGTH").or_else(measured)
    }

    fn known(&self, name: &str) -> Found<'_> {
        Some(Cow::Borrowed(self.param(name)))
    }

    fn sent(&self, name: &str) -> Found<'_> {
        self.params
            .get(name.as_bytes())
            .filter(|value| !value.is_empty())
            .map(Cow::Borrowed)
    }

    fn or<'a>(&'a self, name: &str, otherwise: &'a [u8]) -> Found<'a> {
        self.sent(name).or(Some(Cow::Borrowed(otherwise)))
    }

    fn native(&self, name: &str) -> Cow<'_, [u8]> {
        os::native_path(self.param(name))
    }

    fn instance_id(&self) -> &[u8] {
        match self.param("INSTANCE_ID") {
            [] => b"1",
            id => id,
        }
    }

    /// The name that the client used, without port, rather than the front's idea of it (ISAPI.md §5.2).
    fn server_name(&self) -> &[u8] {
        let host = self.param("HTTP_HOST");
        let name = match (host.first(), host.iter().rposition(|byte| *byte == b':')) {
            (Some(b'['), _) => host
                .iter()
                .position(|byte| *byte == b']')
                .map_or(host, |end| &host[..=end]),
            (_, Some(colon)) => &host[..colon],
            _ => host,
        };
        if name.is_empty() {
            self.param("SERVER_NAME")
        } else {
            name
        }
    }

    /// SCRIPT_NAME and, where it is a part behind it, PATH_INFO.
    fn whole_path(&self) -> Vec<u8> {
        let (script, info) = (self.param("SCRIPT_NAME"), self.param("PATH_INFO"));
        if info.starts_with(script) && !script.is_empty() {
            info.to_vec()
        } else {
            [script, info].concat()
        }
    }

    fn cache_url(&self) -> Vec<u8> {
        let scheme: &[u8] = if self.is_secure() {
            b"https://"
        } else {
            b"http://"
        };
        [
            scheme,
            self.server_name(),
            b":",
            self.param("SERVER_PORT"),
            self.param("REQUEST_URI"),
        ]
        .concat()
    }
}

fn fixed(value: &'static [u8]) -> Found<'static> {
    Some(Cow::Borrowed(value))
}

fn owned<'a>(value: impl Into<Vec<u8>>) -> Found<'a> {
    Some(Cow::Owned(value.into()))
}

/// Variables that are paths of the file system.
fn is_path(name: &[u8]) -> bool {
    matches!(
        name,
        b"PATH_TRANSLATED"
            | b"SCRIPT_FILENAME"
            | b"DOCUMENT_ROOT"
            | b"REQUEST_FILENAME"
            | b"SCRIPT_TRANSLATED"
            | b"APPL_PHYSICAL_PATH"
    )
}

#[cfg(test)]
mod tests;
