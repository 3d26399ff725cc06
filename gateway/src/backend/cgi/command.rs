//! What a CGI program is started with: environment, arguments, folder.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use http::Method;
use percent_encoding::percent_decode;
use tokio::process::Command;

use crate::config;
use crate::error::Error;
use crate::os::{Group, os_str};
use crate::process::environment;
use crate::request::RequestHead;
use crate::site::{Target, variables};

/// PATH for programs when the gateway itself has none.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The command for one request, standard streams piped.
///
/// Nothing here takes std off its `posix_spawn` path (which is a vfork inside glibc, so that its cost does not grow
/// with the gateway's memory): a program with a slash in its name, a folder, a process group, an environment; no
/// user or group and no closure to run before exec.
///
/// # Errors
/// [`Error::BadRequest`] for a malformed Host.
pub fn build(
    pool: &config::Pool,
    program: &Path,
    head: &RequestHead,
    target: &Target,
) -> Result<Command, Error> {
    let mut command = Command::new(program);
    Group::lead(&mut command)
        .args(search_words(head))
        .env_clear()
        .envs(environment::essential())
        .env(
            "PATH",
            std::env::var_os("PATH").unwrap_or(DEFAULT_PATH.into()),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    variables::visit(head, target, &mut |name, value| {
        if passes(name, target) {
            command.env(os_str(name), os_str(value));
        }
    })?;
    command.envs(&pool.environment);
    if let Some(folder) = pool.working_directory.as_deref().or(program.parent()) {
        command.current_dir(folder);
    }
    Ok(command)
}

/// Whether a program gets this variable. Credentials that the gateway has not checked are kept from programs (RFC
/// 3875 §4.1.18), `HTTP_PROXY` would direct the program's own requests (httpoxy), and PATH_TRANSLATED has no meaning
/// without PATH_INFO (RFC 3875 §4.1.6; ISAPI differs).
fn passes(name: &[u8], target: &Target) -> bool {
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
fn search_words(head: &RequestHead) -> Vec<OsString> {
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
        harmless.then(|| os_str(&word).into_owned())
    });
    words.collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(method: Method, target: &str) -> Vec<OsString> {
        search_words(&RequestHead::sample(method, target))
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
