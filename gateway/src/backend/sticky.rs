//! What binds a client to one member of a pool: a cookie, or a header that it sends back. Pure.

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};

use crate::config::{self, Endpoint};
use crate::request::RequestHead;

/// Where the value that names a member is.
pub struct Sticky(config::Sticky);

impl Sticky {
    /// As configured.
    pub fn new(config: &config::Sticky) -> Self {
        Self(config.clone())
    }

    /// The value that the client has sent.
    pub fn value<'a>(&self, head: &'a RequestHead) -> Option<&'a [u8]> {
        match &self.0 {
            config::Sticky::Cookie(name) => cookie(&head.headers, name),
            config::Sticky::Header(name) => {
                let value = head.headers.get(name)?;
                Some(value.as_bytes().trim_ascii())
            }
        }
    }

    /// Has an answer tell the client its value from now on. `secure`: it came over TLS.
    pub fn bind(&self, headers: &mut HeaderMap, value: &str, secure: bool) {
        match &self.0 {
            config::Sticky::Cookie(name) => {
                let secure = if secure { "; Secure" } else { "" };
                let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}");
                if let Ok(cookie) = HeaderValue::try_from(cookie) {
                    headers.append(SET_COOKIE, cookie);
                }
            }
            config::Sticky::Header(name) => {
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.insert(HeaderName::clone(name), value);
                }
            }
        }
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut cookies = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    cookies.find_map(|cookie| {
        let value = cookie.trim_ascii().strip_prefix(name.as_bytes())?;
        value.strip_prefix(b"=")
    })
}

/// The value of each address: the same in every gateway and at every start.
pub fn values(addresses: &[Endpoint]) -> Vec<String> {
    let value = |address: &Endpoint| format!("{:016x}", fnv(address.to_string().as_bytes()));
    addresses.iter().map(value).collect()
}

/// FNV-1a: short, the same everywhere, and no address at first sight. It is no secret and keeps none.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::Method;

    use super::*;

    #[test]
    fn a_cookie_comes_back() {
        let sticky = Sticky::new(&config::Sticky::Cookie("ROUTE".into()));
        let mut head = RequestHead::sample(Method::GET, "/");
        assert_eq!(sticky.value(&head), None);
        for secure in [false, true] {
            let mut headers = HeaderMap::new();
            sticky.bind(&mut headers, "00ff", secure);
            let set = headers[SET_COOKIE].to_str().unwrap().to_owned();
            let attributes = "; Path=/; HttpOnly; SameSite=Lax";
            let expected = format!(
                "ROUTE=00ff{attributes}{}",
                if secure { "; Secure" } else { "" }
            );
            assert_eq!(set, expected);
            let pair = set.split(';').next().unwrap();
            let cookie = format!("a=b; XROUTE=1;{pair}; c");
            head.headers.insert(COOKIE, cookie.parse().unwrap());
            assert_eq!(sticky.value(&head), Some(&b"00ff"[..]));
        }
    }

    #[test]
    fn so_does_a_header() {
        let name = HeaderName::from_static("x-route");
        let sticky = Sticky::new(&config::Sticky::Header(name));
        let mut head = RequestHead::sample(Method::GET, "/");
        assert_eq!(sticky.value(&head), None);
        sticky.bind(&mut head.headers, "00ff", true);
        assert_eq!(sticky.value(&head), Some(&b"00ff"[..]));
    }

    #[test]
    fn addresses_have_different_values() {
        let values = values(&[9000, 9001].map(|port| Endpoint::Tcp("php".into(), port)));
        assert_ne!(values[0], values[1]);
        assert_eq!(values[0].len(), 16);
    }
}
