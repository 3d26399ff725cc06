//! The cookie that binds a client to one of several addresses. Pure.

use http::header::{COOKIE, HeaderValue};

use crate::config::Endpoint;
use crate::request::RequestHead;

/// The cookie's name and the value that stands for each address.
pub struct Sticky {
    name: String,
    values: Vec<String>,
}

impl Sticky {
    /// A cookie of this name. An address has the same value in every gateway and at every start.
    pub fn new(name: &str, addresses: &[Endpoint]) -> Self {
        let value = |address: &Endpoint| format!("{:016x}", fnv(address.to_string().as_bytes()));
        Self {
            name: name.to_owned(),
            values: addresses.iter().map(value).collect(),
        }
    }

    /// The number of the address that the client's cookie names.
    pub fn member(&self, head: &RequestHead) -> Option<usize> {
        let mut cookies = head
            .headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
        let value = cookies.find_map(|cookie| {
            let value = cookie.trim_ascii().strip_prefix(self.name.as_bytes())?;
            value.strip_prefix(b"=")
        })?;
        self.values
            .iter()
            .position(|other| other.as_bytes() == value)
    }

    /// The Set-Cookie that names an address.
    pub fn cookie(&self, member: usize, secure: bool) -> Option<HeaderValue> {
        let (name, value) = (&self.name, self.values.get(member)?);
        let secure = if secure { "; Secure" } else { "" };
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(cookie).ok()
    }
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
    fn a_cookie_leads_back_to_its_address() {
        let addresses = [9000, 9001].map(|port| Endpoint::Tcp("php".into(), port));
        let sticky = Sticky::new("ROUTE", &addresses);
        let mut head = RequestHead::sample(Method::GET, "/");
        assert_eq!(sticky.member(&head), None);
        for member in [0, 1] {
            let set = sticky.cookie(member, false).unwrap();
            let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            let cookie = format!("a=b; XROUTE=1;{pair}; c");
            head.headers.insert(COOKIE, cookie.parse().unwrap());
            assert_eq!(sticky.member(&head), Some(member));
        }
        head.headers
            .insert(COOKIE, "ROUTE=0123456789abcdef".parse().unwrap());
        assert_eq!(sticky.member(&head), None);
        let secure = sticky.cookie(1, true).unwrap();
        assert!(secure.to_str().unwrap().ends_with("; Secure"));
        assert_eq!(sticky.cookie(2, true), None);
    }
}
