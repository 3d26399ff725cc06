//! TLS, certificates and the user: what the front has found out about them (ISAPI.md §5.2).

use base64ct::{Base64, Encoding as _};

use super::{Found, Variables, certificate, fixed, owned};

impl Variables {
    /// Variables of the TLS connection. The parameters have the names of Apache's mod_ssl; nginx's own names for the
    /// same are `$ssl_client_verify`, `$ssl_client_s_dn` and so on.
    pub(super) fn tls(&self, name: &str) -> Found<'_> {
        match name {
            "HTTPS" => fixed(if self.is_secure() { b"on" } else { b"off" }),
            "SERVER_PORT_SECURE" => fixed(if self.is_secure() { b"1" } else { b"0" }),
            "CERT_FLAGS" => fixed(match (self.is_secure(), self.certificate_flags()) {
                (false, _) => b"",
                (true, 0) => b"0",
                (true, 1) => b"1",
                (true, _) => b"3",
            }),
            "CERT_COOKIE" => owned(
                self.certificate()
                    .map(|der| certificate::cookie(&der))
                    .unwrap_or_default(),
            ),
            "CERT_SUBJECT" => self.known("SSL_CLIENT_S_DN"),
            "CERT_ISSUER" => self.known("SSL_CLIENT_I_DN"),
            "CERT_SERIALNUMBER" => self.or("SSL_CLIENT_M_SERIAL", self.param("SSL_CLIENT_SERIAL")),
            "CERT_KEYSIZE" | "HTTPS_KEYSIZE" => {
                self.or("SSL_CIPHER_USEKEYSIZE", key_size(self.param("SSL_CIPHER")))
            }
            "CERT_SECRETKEYSIZE" | "HTTPS_SECRETKEYSIZE" => self.known("HTTPS_SECRETKEYSIZE"),
            "CERT_SERVER_SUBJECT" | "HTTPS_SERVER_SUBJECT" => self.known("SSL_SERVER_S_DN"),
            "CERT_SERVER_ISSUER" | "HTTPS_SERVER_ISSUER" => self.known("SSL_SERVER_I_DN"),
            "CRYPT_CIPHER_ALG_ID"
            | "CRYPT_HASH_ALG_ID"
            | "CRYPT_KEYEXCHANGE_ALG_ID"
            | "CRYPT_PROTOCOL" => fixed(b""),
            _ => None,
        }
    }

    /// Who asks.
    pub(super) fn user(&self, name: &str) -> Found<'_> {
        match name {
            "AUTH_TYPE" => self.known("AUTH_TYPE"),
            "AUTH_USER" | "LOGON_USER" | "REMOTE_USER" | "UNMAPPED_REMOTE_USER" => {
                self.known("REMOTE_USER")
            }
            "AUTH_PASSWORD" => {
                owned(basic_password(self.param("HTTP_AUTHORIZATION")).unwrap_or_default())
            }
            _ => None,
        }
    }

    /// Whether the client's connection is TLS.
    pub fn is_secure(&self) -> bool {
        let https = self.param("HTTPS");
        https.eq_ignore_ascii_case(b"on")
            || https == b"1"
            || self.param("REQUEST_SCHEME") == b"https"
    }

    /// The client's certificate in DER, from SSL_CLIENT_CERT. `None`: there is none, or none that can be read.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        certificate::to_der(self.param("SSL_CLIENT_CERT"))
    }

    /// Bit 0: there is a client certificate; bit 1: its issuer is not trusted (ISAPI.md §5.2, CERT_FLAGS). A
    /// certificate that the front does not vouch for is not trusted.
    pub fn certificate_flags(&self) -> u32 {
        match self.param("SSL_CLIENT_VERIFY") {
            b"SUCCESS" => 1,
            b"NONE" => 0,
            b"" if self.param("SSL_CLIENT_CERT").is_empty() => 0,
            _ => 3,
        }
    }
}

/// Bits of the key that a cipher's name tells, as OpenSSL and as RFC 8446 write it.
fn key_size(cipher: &[u8]) -> &'static [u8] {
    let name = String::from_utf8_lossy(cipher).replace("SHA256", "");
    if name.contains("256") || name.contains("CHACHA20") {
        b"256"
    } else if name.contains("128") {
        b"128"
    } else {
        b""
    }
}

/// The password of `Basic` credentials (RFC 7617 §2).
fn basic_password(authorization: &[u8]) -> Option<Vec<u8>> {
    let (scheme, credentials) = authorization.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let mut pair = Base64::decode_vec(std::str::from_utf8(credentials.trim_ascii()).ok()?).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair.split_off(colon + 1))
}
