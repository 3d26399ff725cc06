//! What a CGI program is started with: environment, arguments, folder.

use std::path::Path;

use fastcgi_protocol::Order;
use http::Method;
use percent_encoding::percent_decode;

use crate::config;
use crate::process::environment;
use crate::request::RequestHead;
use crate::site::{Target, variables};

/// PATH for programs when the gateway itself has none.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What is to be started for one request.
pub fn build(
    pool: &config::Pool,
    program: &Path,
    head: &RequestHead,
    target: &Target<'_>,
) -> Order {
    let folder = pool.working_directory.as_deref().or(program.parent());
    let mut order = Order::new(
        folder.unwrap_or(program).as_os_str().as_encoded_bytes(),
        program.as_os_str().as_encoded_bytes(),
    );
    for word in search_words(head) {
        order.argument(&word);
    }
    let own = &pool.environment;
    let mut add = |name: &[u8], value: &[u8]| {
        // Whatever the configuration sets counts.
        let is_own = str::from_utf8(name).is_ok_and(|name| own.contains_key(name));
        if !is_own {
            order.variable(name, value);
        }
    };
    for (name, value) in environment::essential() {
        add(name.as_encoded_bytes(), value.as_encoded_bytes());
    }
    let path = std::env::var_os("PATH").unwrap_or(DEFAULT_PATH.into());
    add(b"PATH", path.as_encoded_bytes());
    variables::visit(head, target, &mut |name, value| {
        if passes(name, target) {
            add(name, value);
        }
    });
    for (name, value) in own {
        order.variable(name.as_bytes(), value.as_bytes());
    }
    order
}

/// Whether a program gets this variable. Credentials that the gateway has not checked are kept from programs (RFC
/// 3875 §4.1.18), `HTTP_PROXY` would direct the program's own requests (httpoxy), and PATH_TRANSLATED has no meaning
/// without PATH_INFO (RFC 3875 §4.1.6; ISAPI differs).
fn passes(name: &[u8], target: &Target<'_>) -> bool {
    match name {
        b"HTTP_AUTHORIZATION" | b"HTTP_PROXY_AUTHORIZATION" | b"HTTP_PROXY" => false,
        b"PATH_TRANSLATED" => !target.script.path_info.is_empty(),
        _ => true,
    }
}

/// The arguments of an "indexed" query (RFC 3875 §4.4): for GET and HEAD, a query without an unencoded `=` is a list
/// of words with `+` between them.
///
/// A word that a program could take for an option (a `-` in front, CVE-2012-1823), an empty one, or one with control
/// characters makes the query no list of words at all: the program then finds it in QUERY_STRING alone.
fn search_words(head: &RequestHead) -> Vec<Vec<u8>> {
    let query = head.uri.query().unwrap_or_default();
    let indexed = head.method == Method::GET || head.method == Method::HEAD;
    if !indexed || query.contains('=') {
        return Vec::new();
    }
    let words = query.split('+').map(|word| {
        let word: Vec<u8> = percent_decode(word.as_bytes()).collect();
        let option = word
            .trim_ascii_start()
            .first()
            .is_none_or(|first| *first == b'-');
        let harmless = !option && !word.iter().any(u8::is_ascii_control);
        harmless.then_some(word)
    });
    words.collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn words(method: Method, target: &str) -> Vec<String> {
        let words = search_words(&RequestHead::sample(method, target));
        words
            .into_iter()
            .map(|word| String::from_utf8(word).unwrap())
            .collect()
    }

    #[test]
    fn a_query_without_equals_sign_is_a_list_of_words() {
        assert_eq!(words(Method::GET, "/x?one+t%77o+%3D"), ["one", "two", "="]);
        assert_eq!(words(Method::HEAD, "/x?one"), ["one"]);
    }

    #[test]
    fn other_queries_give_no_arguments() {
        for target in [
            "/x", "/x?", "/x?a=b", "/x?a+b=c", "/x?-s", "/x?a+-d", "/x?%2Ds", "/x?%20-s",
            "/x?a++b", "/x?a%00b", "/x?a%0Ab",
        ] {
            assert!(words(Method::GET, target).is_empty(), "{target}");
        }
        assert!(words(Method::POST, "/x?one").is_empty());
    }
}
