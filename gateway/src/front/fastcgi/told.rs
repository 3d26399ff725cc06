//! What a web server says of a request, found in its parameters in one pass. Pure.

use bytes::Bytes;
use fastcgi_protocol::pairs;

use crate::error::Error;

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
    pub server_address: &'a [u8],
    pub server_port: &'a [u8],
    pub client_address: &'a [u8],
    pub client_port: &'a [u8],
    pub https: &'a [u8],
    pub scheme: &'a [u8],
    pub document_root: &'a [u8],
    pub user: &'a [u8],
    pub auth_type: &'a [u8],
}

impl<'a> Told<'a> {
    /// What these parameters say. `further` gets those that are none of these.
    ///
    /// # Errors
    /// Those of `further`.
    pub fn by(
        params: &'a Bytes,
        mut further: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut told = Self::default();
        for (name, value) in pairs(params) {
            *match name {
                b"REQUEST_METHOD" => &mut told.method,
                b"SERVER_PROTOCOL" => &mut told.protocol,
                b"REQUEST_URI" => {
                    told.request_uri = params.slice_ref(value);
                    continue;
                }
                b"SCRIPT_NAME" => &mut told.script_name,
                b"PATH_INFO" => &mut told.path_info,
                b"QUERY_STRING" => told.query.insert(value),
                b"HTTP_HOST" => told.host.insert(value),
                b"CONTENT_TYPE" => &mut told.content_type,
                b"CONTENT_LENGTH" => &mut told.content_length,
                b"SERVER_NAME" => &mut told.server_name,
                b"SERVER_ADDR" => &mut told.server_address,
                b"SERVER_PORT" => &mut told.server_port,
                b"REMOTE_ADDR" => &mut told.client_address,
                b"REMOTE_PORT" => &mut told.client_port,
                b"HTTPS" => &mut told.https,
                b"REQUEST_SCHEME" => &mut told.scheme,
                b"DOCUMENT_ROOT" => &mut told.document_root,
                b"REMOTE_USER" => &mut told.user,
                b"AUTH_TYPE" => &mut told.auth_type,
                _ => {
                    further(name, value)?;
                    continue;
                }
            } = value;
        }
        Ok(told)
    }
}
