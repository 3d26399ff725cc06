//! The client's certificate as fronts pass it in a parameter, made into DER. Pure.

use base64ct::{Base64, Encoding as _};
use sha2::{Digest as _, Sha256};

use crate::url;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// First byte of every certificate in DER: a SEQUENCE (X.690 §8.9).
const SEQUENCE: u8 = 0x30;

/// Reads the first certificate: PEM (RFC 7468) as Apache's SSL_CLIENT_CERT and nginx's `$ssl_client_raw_cert` have it,
/// with the tabs of `$ssl_client_cert`, with the escapes of `$ssl_client_escaped_cert`; or its Base64 alone.
///
/// `None`: the text is none of these.
pub fn to_der(text: &[u8]) -> Option<Vec<u8>> {
    let mut text = url::decode(text);
    if let Some(begin) = find(&text, BEGIN) {
        text.drain(..begin + BEGIN.len());
        text.truncate(find(&text, END)?);
    }
    text.retain(|byte| !byte.is_ascii_whitespace());
    let der = Base64::decode_vec(std::str::from_utf8(&text).ok()?).ok()?;
    (der.first() == Some(&SEQUENCE)).then_some(der)
}

/// The value of CERT_COOKIE: 32 hexadecimal digits that tell certificates apart, the first half of SHA-256.
pub fn cookie(der: &[u8]) -> String {
    Sha256::digest(der)[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pem(der: &[u8], line_end: &str) -> String {
        let base64 = Base64::encode_string(der);
        let lines: Vec<_> = base64
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN CERTIFICATE-----{line_end}{}{line_end}-----END CERTIFICATE-----{line_end}",
            lines.join(line_end)
        )
    }

    fn escaped(text: &str) -> String {
        text.replace('+', "%2B")
            .replace('\n', "%0A")
            .replace(' ', "%20")
            .replace('=', "%3D")
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let der = [SEQUENCE, 1, 2];
        for text in [
            "",
            "-----BEGIN CERTIFICATE-----",
            "CN=somebody",
            &pem(&[0x31, 0], "\n"),
            &pem(&der, "\n").replace("-----END", "-----OTHER"),
        ] {
            assert_eq!(to_der(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_first_of_a_chain_counts() {
        let chain = pem(&[SEQUENCE, 1], "\n") + &pem(&[SEQUENCE, 2], "\n");
        assert_eq!(to_der(chain.as_bytes()), Some(vec![SEQUENCE, 1]));
    }

    #[test]
    fn cookies_are_the_first_half_of_the_digest() {
        // FIPS 180-4, the digest of "abc".
        assert_eq!(cookie(b"abc"), "ba7816bf8f01cfea414140de5dae2223");
    }

    proptest! {
        #[test]
        fn every_form_gives_the_certificate(rest in proptest::collection::vec(any::<u8>(), 0..400)) {
            let der = [&[SEQUENCE][..], &rest].concat();
            for text in [
                pem(&der, "\n"),
                pem(&der, "\r\n"),
                pem(&der, "\n\t"),
                pem(&der, " "),
                escaped(&pem(&der, "\n")),
                Base64::encode_string(&der),
            ] {
                prop_assert_eq!(to_der(text.as_bytes()), Some(der.clone()), "{}", text);
            }
        }

        #[test]
        fn any_bytes_are_no_danger(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = to_der(&text);
            let _ = to_der(&[BEGIN, &text, END].concat());
        }
    }
}
