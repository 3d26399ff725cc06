//! What a web server says of a request, found in its parameters in one pass. Pure.

use bytes::Bytes;
use fastcgi_protocol::{Pair, pairs};

/// Values of parameters, the last one of those that are there twice: what nginx is told with a second `fastcgi_param`,
/// as in php-fpm. Empty where there is none.
#[derive(Debug, Default)]
pub struct Told<'a> {
    pub method: &'a [u8],
    pub protocol: &'a [u8],
    pub request_uri: Bytes,
    pub script_name: &'a [u8],
    pub path_info: &'a [u8],
    /// `None` where there is none.
    pub query: Option<&'a [u8]>,
    /// The header, `None` where there is none.
    pub host: Option<&'a [u8]>,
    pub content_type: &'a [u8],
    pub content_length: &'a [u8],
    pub server_name: &'a [u8],
    /// SERVER_ADDR, SERVER_PORT, REMOTE_ADDR, REMOTE_PORT: no pairs where there are none.
    pub addresses: [Pair<'a>; 4],
    pub https: &'a [u8],
    pub scheme: &'a [u8],
    pub document_root: &'a [u8],
    pub user: &'a [u8],
    pub auth_type: &'a [u8],
}

impl<'a> Told<'a> {
    /// Adds what these parameters say. `further` gets those that are none of these, and the headers.
    pub fn read(&mut self, params: &'a Bytes, mut further: impl FnMut(Pair<'a>)) {
        let [server, server_port, client, client_port] = &mut self.addresses;
        for pair in pairs(params) {
            let value = pair.value;
            match pair.name {
                b"REQUEST_METHOD" => self.method = value,
                b"SERVER_PROTOCOL" => self.protocol = value,
                b"REQUEST_URI" => self.request_uri = params.slice_ref(value),
                b"SCRIPT_NAME" => self.script_name = value,
                b"PATH_INFO" => self.path_info = value,
                b"QUERY_STRING" => self.query = Some(value),
                b"HTTP_HOST" => {
                    self.host = Some(value);
                    further(pair);
                }
                b"CONTENT_TYPE" => self.content_type = known(value),
                b"CONTENT_LENGTH" => self.content_length = known(value),
                b"SERVER_NAME" => self.server_name = value,
                b"SERVER_ADDR" => *server = pair,
                b"SERVER_PORT" => *server_port = pair,
                b"REMOTE_ADDR" => *client = pair,
                b"REMOTE_PORT" => *client_port = pair,
                b"HTTPS" => self.https = value,
                b"REQUEST_SCHEME" => self.scheme = value,
                b"DOCUMENT_ROOT" => self.document_root = value,
                b"REMOTE_USER" => self.user = value,
                b"AUTH_TYPE" => self.auth_type = value,
                _ => further(pair),
            }
        }
    }
}

/// Caddy says -1 where it does not know the length.
fn known(value: &[u8]) -> &[u8] {
    match value {
        b"-1" => b"",
        value => value,
    }
}
