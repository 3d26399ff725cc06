//! Where a listener is and who may connect to it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port; 0 picks a free one.
    Tcp(SocketAddr),
}

impl FromStr for Address {
    type Err = &'static str;

    /// `unix:PATH` or `IP:PORT`; the error says how to write one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err("write the path of the socket: \"unix:/run/isapi-gateway.sock\""),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text
                .parse()
                .map(Self::Tcp)
                .map_err(|_| "write \"unix:/run/isapi-gateway.sock\" or \"127.0.0.1:9000\""),
        }
    }
}

impl fmt::Display for Address {
    /// As a URL.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "fastcgi+unix:{}", path.display()),
            Self::Tcp(address) => write!(formatter, "fastcgi://{address}"),
        }
    }
}

/// Addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether it has this address. An IPv4 address in the form of an IPv6 one is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(address) => (address.to_ipv6_mapped(), 96),
            IpAddr::V6(address) => (address, 0),
        };
        let ((own, offset), (other, _)) = (bits(self.address), bits(address));
        let kept = u32::from(self.prefix) + offset;
        let mask = u128::MAX.checked_shl(128 - kept).unwrap_or(0);
        let masked = |address: Ipv6Addr| address.to_bits() & mask;
        self.address.is_ipv4() == address.to_canonical().is_ipv4() && masked(own) == masked(other)
    }
}

impl FromStr for Network {
    type Err = &'static str;

    /// `ADDRESS` or `ADDRESS/BITS`; the error says how to write one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write \"192.0.2.7\", \"192.0.2.0/24\" or \"2001:db8::/32\"";
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| wrong)?.to_canonical();
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(bits) => bits.parse().map_err(|_| wrong)?,
            None => longest,
        };
        let network = Self { address, prefix };
        (prefix <= longest).then_some(network).ok_or(wrong)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_two_forms() {
        for (text, shown) in [
            ("unix:/run/x", "fastcgi+unix:/run/x"),
            ("127.0.0.1:9000", "fastcgi://127.0.0.1:9000"),
            ("[::1]:9", "fastcgi://[::1]:9"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for text in ["", "unix:", "/run/x", "localhost:9000", "127.0.0.1", "9000"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn networks_contain_what_begins_alike() {
        for (network, address, expected) in [
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("192.0.2.0/25", "192.0.2.127", true),
            ("192.0.2.0/25", "192.0.2.128", false),
            ("0.0.0.0/0", "255.0.0.1", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1", "::1", true),
        ] {
            let network: Network = network.parse().unwrap();
            let found = network.contains(address.parse().unwrap());
            assert_eq!(found, expected, "{network:?} {address}");
        }
        for text in [
            "",
            "x",
            "192.0.2.0/33",
            "::1/129",
            "192.0.2.0/",
            "192.0.2.0/-1",
            "/8",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
