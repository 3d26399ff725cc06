//! Server variables of a request, from its FastCGI parameters (ISAPI.md §5). Pure.

use std::borrow::Cow;

use fastcgi_protocol::Params;

use crate::{os, path};

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Single-byte text, without its NUL.
    Bytes(Cow<'a, [u8]>),
    /// A `UNICODE_` variable: UTF-16 text, without its NUL.
    Wide(Vec<u16>),
}

/// The parameters of one request, read by the names of ISAPI.
#[derive(Debug, Default)]
pub struct Variables {
    params: Params,
}

/// A variable's value; empty where the request gives none. `None`: the name is unknown (1413).
type Found<'a> = Option<Cow<'a, [u8]>>;

impl Variables {
    /// Reads these parameters.
    pub fn new(params: Params) -> Self {
        Self { params }
    }

    /// A parameter as the front sent it; empty if it did not.
    pub fn param(&self, name: &str) -> &[u8] {
        self.params.get(name.as_bytes()).unwrap_or_default()
    }

    /// The path of the URL as the client sent it, without what may be secret behind it.
    pub fn url_path(&self) -> &[u8] {
        let uri = self.param("REQUEST_URI");
        let end = uri.iter().position(|byte| *byte == b'?');
        match &uri[..end.unwrap_or(uri.len())] {
            [] => self.param("SCRIPT_NAME"),
            path => path,
        }
    }

    /// A parameter that is a path, as the extension shall see it.
    pub fn physical(&self, name: &str) -> Cow<'_, [u8]> {
        os::path_to_native(self.param(name))
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
        let upper = name.to_ascii_uppercase();
        match upper.strip_prefix(b"UNICODE_") {
            Some(plain)
                if plain.starts_with(b"HTTP_") && !is_special_http(plain)
                    || plain.starts_with(b"HEADER_") =>
            {
                None
            }
            Some(plain) => self
                .plain(plain, plain)
                .map(|value| Value::Wide(to_utf16(&value))),
            None => self.plain(&upper, name).map(Value::Bytes),
        }
    }

    fn plain(&self, upper: &[u8], literal: &[u8]) -> Found<'_> {
        let name = std::str::from_utf8(upper).ok()?;
        if let Some(header) = literal.get(7..).filter(|_| name.starts_with("HEADER_")) {
            return self.header_by_literal_name(header);
        }
        match name {
            "HTTP_METHOD" => self.known("REQUEST_METHOD"),
            "HTTP_URL" | "UNENCODED_URL" => self.known("REQUEST_URI"),
            "HTTP_VERSION" => self.known("SERVER_PROTOCOL"),
            "HTTP_CONTENT_TYPE" => self.sent("CONTENT_TYPE"),
            "HTTP_CONTENT_LENGTH" => self.sent("CONTENT_LENGTH"),
            _ if name.starts_with("HTTP_") => self
                .params
                .get(name.replace('-', "_").as_bytes())
                .map(Cow::Borrowed),
            "ALL_HTTP" => Some(Cow::Owned(self.all_http())),
            "ALL_RAW" => Some(Cow::Owned(self.all_raw())),
            _ => self
                .connection(name)
                .or_else(|| self.url(name))
                .or_else(|| self.site(name))
                .or_else(|| self.user(name)),
        }
    }

    /// Client, server and protocol.
    fn connection(&self, name: &str) -> Found<'_> {
        match name {
            "REMOTE_ADDR" | "REMOTE_PORT" | "SERVER_PORT" | "SERVER_PROTOCOL"
            | "REQUEST_METHOD" | "CONTENT_TYPE" => self.known(name),
            "CONTENT_LENGTH" => self.or("CONTENT_LENGTH", b"0"),
            "REMOTE_HOST" => self.or("REMOTE_HOST", self.param("REMOTE_ADDR")),
            "LOCAL_ADDR" | "SERVER_ADDR" => self.known("SERVER_ADDR"),
            "SERVER_NAME" => Some(Cow::Borrowed(self.server_name())),
            "SERVER_SOFTWARE" => fixed(b"Microsoft-IIS/10.0"),
            "GATEWAY_INTERFACE" => self.or("GATEWAY_INTERFACE", b"CGI/1.1"),
            "HTTPS" => fixed(if self.is_secure() { b"on" } else { b"off" }),
            "SERVER_PORT_SECURE" => fixed(if self.is_secure() { b"1" } else { b"0" }),
            "CERT_FLAGS" => fixed(match (self.is_secure(), self.param("SSL_CLIENT_VERIFY")) {
                (false, _) => b"",
                (true, b"SUCCESS") => b"1",
                (true, verify) if verify.starts_with(b"FAILED") => b"3",
                (true, _) => b"0",
            }),
            "CERT_SUBJECT" => self.known("SSL_CLIENT_S_DN"),
            "CERT_ISSUER" => self.known("SSL_CLIENT_I_DN"),
            "CERT_SERIALNUMBER" => self.known("SSL_CLIENT_M_SERIAL"),
            "CERT_KEYSIZE" | "HTTPS_KEYSIZE" => self.known("SSL_CIPHER_USEKEYSIZE"),
            "CERT_SERVER_SUBJECT" | "HTTPS_SERVER_SUBJECT" => self.known("SSL_SERVER_S_DN"),
            "CERT_SERVER_ISSUER" | "HTTPS_SERVER_ISSUER" => self.known("SSL_SERVER_I_DN"),
            "CERT_COOKIE"
            | "CERT_SECRETKEYSIZE"
            | "HTTPS_SECRETKEYSIZE"
            | "CRYPT_CIPHER_ALG_ID"
            | "CRYPT_HASH_ALG_ID"
            | "CRYPT_KEYEXCHANGE_ALG_ID"
            | "CRYPT_PROTOCOL" => fixed(b""),
            _ => None,
        }
    }

    /// What the URL says and maps to.
    fn url(&self, name: &str) -> Found<'_> {
        match name {
            "QUERY_STRING" | "SCRIPT_NAME" | "PATH_INFO" | "REQUEST_URI" => self.known(name),
            "PATH_TRANSLATED" | "SCRIPT_FILENAME" | "DOCUMENT_ROOT" => Some(self.physical(name)),
            "REQUEST_FILENAME" => Some(self.physical("SCRIPT_FILENAME")),
            "SCRIPT_TRANSLATED" => Some(Cow::Owned(
                [br"\\?\".as_slice(), &self.physical("SCRIPT_FILENAME")].concat(),
            )),
            "URL" | "URL_PATH_INFO" => Some(Cow::Owned(self.whole_path())),
            "CACHE_URL" => Some(Cow::Owned(self.cache_url())),
            "FORWARDED_URL" => fixed(b""),
            "REQUEST_FLAGS" => fixed(b"0"),
            "SSI_EXEC_DISABLED" => fixed(b"1"),
            _ => None,
        }
    }

    /// Site, application and pool.
    fn site(&self, name: &str) -> Found<'_> {
        match name {
            "INSTANCE_ID" => self.or("INSTANCE_ID", b"1"),
            "INSTANCE_NAME" | "APP_POOL_ID" => self.known(name),
            "INSTANCE_META_PATH" => Some(Cow::Owned([b"/LM/W3SVC/", self.instance_id()].concat())),
            "APPL_MD_PATH" => Some(Cow::Owned(
                [b"/LM/W3SVC/", self.instance_id(), b"/ROOT"].concat(),
            )),
            "APPL_PHYSICAL_PATH" => {
                let root = path::join(self.param("DOCUMENT_ROOT"), b"/");
                Some(Cow::Owned(os::path_to_native(&root).into_owned()))
            }
            "APP_POOL_CONFIG" => fixed(b""),
            "MANAGED_PIPELINE_MODE" => fixed(b"Classic"),
            _ => None,
        }
    }

    /// Who asks.
    fn user(&self, name: &str) -> Found<'_> {
        match name {
            "AUTH_TYPE" => self.known("AUTH_TYPE"),
            "AUTH_USER" | "LOGON_USER" | "REMOTE_USER" | "UNMAPPED_REMOTE_USER" => {
                self.known("REMOTE_USER")
            }
            "AUTH_PASSWORD" => fixed(b""),
            _ => None,
        }
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

    /// HEADER_xxx: the literal name, as far as parameters can tell it: "-" stands where they have "_" (ISAPI.md §5.2).
    fn header_by_literal_name(&self, header: &[u8]) -> Found<'_> {
        if header.contains(&b'_') {
            return None;
        }
        let variable: String = header
            .iter()
            .map(|byte| {
                if *byte == b'-' {
                    '_'
                } else {
                    char::from(byte.to_ascii_uppercase())
                }
            })
            .collect();
        match variable.as_str() {
            "CONTENT_TYPE" | "CONTENT_LENGTH" => self.sent(&variable),
            _ => self
                .params
                .get(format!("HTTP_{variable}").as_bytes())
                .map(Cow::Borrowed),
        }
    }

    fn is_secure(&self) -> bool {
        matches!(self.param("HTTPS"), b"on" | b"1" | b"ON")
            || self.param("REQUEST_SCHEME") == b"https"
    }

    fn instance_id(&self) -> &[u8] {
        self.params.get(b"INSTANCE_ID").unwrap_or(b"1")
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

    /// Name (`FOO_BAR`) and value of every request header.
    fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.params.iter().filter_map(|(name, value)| match name {
            b"CONTENT_TYPE" | b"CONTENT_LENGTH" => (!value.is_empty()).then_some((name, value)),
            _ => name.strip_prefix(b"HTTP_").map(|name| (name, value)),
        })
    }

    /// `HTTP_NAME:value` LF for every header (ISAPI.md §5.3).
    fn all_http(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, value) in self.headers() {
            text.extend_from_slice(&[b"HTTP_", name, b":", value, b"\n"].concat());
        }
        text
    }

    /// `Name: value` CRLF for every header, names rebuilt (ISAPI.md §5.3).
    fn all_raw(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, value) in self.headers() {
            text.extend_from_slice(
                &[&header_case(name), b": ".as_slice(), value, b"\r\n"].concat(),
            );
        }
        text
    }
}

fn fixed(value: &'static [u8]) -> Found<'static> {
    Some(Cow::Borrowed(value))
}

fn is_special_http(name: &[u8]) -> bool {
    matches!(name, b"HTTP_METHOD" | b"HTTP_URL" | b"HTTP_VERSION")
}

/// `FOO_BAR` → `Foo-Bar`; names that are written otherwise keep their usual spelling.
fn header_case(name: &[u8]) -> Vec<u8> {
    match name {
        b"TE" | b"DNT" => return name.to_vec(),
        b"WWW_AUTHENTICATE" => return b"WWW-Authenticate".to_vec(),
        _ => {}
    }
    let mut start = true;
    name.iter()
        .map(|byte| {
            let letter = if start {
                byte.to_ascii_uppercase()
            } else {
                byte.to_ascii_lowercase()
            };
            start = *byte == b'_';
            if start { b'-' } else { letter }
        })
        .collect()
}

/// UTF-8 to UTF-16; text that is not UTF-8 is taken for Windows-1252 (ISAPI.md §5.2).
pub fn to_utf16(bytes: &[u8]) -> Vec<u16> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.encode_utf16().collect(),
        Err(_) => bytes.iter().map(|byte| windows_1252(*byte)).collect(),
    }
}

fn windows_1252(byte: u8) -> u16 {
    const HIGH: [u16; 32] = [
        0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
        0x2039, 0x0152, 0x8d, 0x017d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013,
        0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178,
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte) - 0x80],
        _ => u16::from(byte),
    }
}

#[cfg(test)]
mod tests;
