//! The table behind real web servers: the same rules, but for what is the web server's own affair.

use system_tests::Head;

use super::rule::{Body, Client, Rule};
use super::run::{Outcome, run};
use super::stage::{Server, Stage};
use super::{broken, rules};
use crate::fronts::server::Kind::{self, Apache, Caddy, Haproxy, Lighttpd, Nginx};

/// Headers that the connection between client and web server needs, or that web servers add to every answer.
const OF_THE_WEB_SERVER: [&str; 9] = [
    "accept-ranges",
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    // Caddy passes the application's on.
    "status",
    "transfer-encoding",
    "vary",
];

/// A rule that these web servers keep in their own way, by its function and the beginning of its words.
struct Own(&'static str, &'static str, &'static [Kind]);

const ALL: &[Kind] = &[Nginx, Apache, Lighttpd, Haproxy, Caddy];
const BUT_NGINX: &[Kind] = &[Apache, Lighttpd, Haproxy, Caddy];
const LHC: &[Kind] = &[Lighttpd, Haproxy, Caddy];

const OWN: &[Own] = &[
    // No header may be that long.
    Own("3.1/long-value", "", ALL),
    // Resolved before we see it; 404; decoded, in the query too.
    Own("5.4/paths", "A segment ..", &[Nginx, Apache, Lighttpd]),
    Own("5.4/paths", "A NUL in the path", &[Apache]),
    Own("5.2/values", "QUERY_STRING: not", &[Lighttpd]),
    Own("4.2/1001", "A URL with a backslash", &[Lighttpd]),
    Own("4.2/1033", "The query stays", &[Lighttpd]),
    // Refused: 400 and 501.
    Own("4.2/1033", "An escaped NUL", &[Lighttpd]),
    Own("2/strings", "lpszQueryString is", &[Lighttpd]),
    Own("2/strings", "lpszMethod is", &[Lighttpd]),
    // Chunked bodies get a length; those beyond its buffer are refused.
    Own("2.3/whole-body", "An empty chunked body", BUT_NGINX),
    Own("2.3/whole-body", "A chunked body", LHC),
    Own("2.3/whole-body", "Of a longer chunked body", LHC),
    Own("2.3/sizes", "Of a chunked body", LHC),
    Own("3.3/past-the-end", "Behind the last chunk", &[Haproxy]),
    Own("4.2/1010-body", "1010: the same for a chunked", &[Haproxy]),
    // Headers of its own; `X_Y` as if it were `X-Y`; the port of the Host header.
    Own("5.2/values", "HTTP_CONTENT_LENGTH and", LHC),
    Own("5.2/values", "ALL_HTTP: ", LHC),
    Own("5.2/values", "ALL_RAW: ", LHC),
    Own("5.2/values", "ALL_HTTP has", &[Caddy]),
    Own("3.1/header-with-underscore", "", &[Lighttpd, Caddy]),
    Own("5.2/values", "SERVER_NAME: the host", &[Apache, Caddy]),
    // What the client says of its connection is not passed on, or closes it.
    Own("4.2/1008", "1008: HTTP/1.", &[Haproxy, Caddy]),
    Own("6.7/page", "Expect: 100-continue", &[Apache]),
    // What is cut before any of it has gone out is 503.
    Own("6.6/length-5-nothing", "", &[Apache]),
    Own("6.6/chunked", "A malformed coding", &[Apache]),
    // No Content-Type without a body; ranges of every answer.
    Own("6.7/page", "204: no body", &[Apache]),
    Own("6.7/page", "304: no body", &[Apache, Caddy]),
    Own("6.7/page", "Ranges are", &[Lighttpd]),
];

/// What a worker alone has not, by the beginnings of functions and words: it needs the gateway (docs/fronts).
const WITHOUT_GATEWAY: &[(&str, &str)] = &[
    ("4.2/1001", "A URL in a virtual directory"),
    ("4.2/1025", ""),
    ("4.2/1026", ""),
    ("4.2/1028", ""),
    ("5.2/values", "APP_POOL_ID"),
    ("5.2/environment", "APP_POOL_ID"),
    // The file of the extension is where the URL says; script maps are not known.
    ("5.2/values", "REQUEST_FILENAME"),
    ("5.4/paths", "A: "),
    ("5.4/paths", "A0: "),
    ("5.4/paths", "B: "),
    ("5.4/paths", "C: "),
    ("5.4/paths", "Escapes are decoded"),
    ("5.4/paths", "The first segment of the script map"),
];

/// Fails with a list of all rules that are not kept behind this web server.
pub fn keeps_all(kind: Kind, stage: Stage) {
    let mut rules = rules();
    for Own(function, words, _) in OWN {
        let is_it = |rule: &Rule| rule.function == *function && rule.sentence.starts_with(words);
        assert!(rules.iter().any(is_it), "no rule {function} {words}");
    }
    rules.retain(|rule| makes_sense(rule, kind));
    if matches!(stage.server, Server::Worker(_)) {
        rules.retain(|rule| {
            let begins = |(function, words): &(&str, &str)| {
                rule.function.starts_with(function) && rule.sentence.starts_with(words)
            };
            !WITHOUT_GATEWAY.iter().any(begins)
        });
    }
    let outcomes: Vec<Outcome> = rules.iter().map(|rule| run(rule, &stage)).collect();
    let broken = broken(&rules, &outcomes);
    // What still runs when this fails shows its log.
    assert!(broken.is_empty(), "{kind:?}: {broken}");
    stage.stop();
}

fn makes_sense(rule: &Rule, kind: Kind) -> bool {
    // Answers that begin before the whole body has come wait for it, up to 64 KiB of them (docs/fronts).
    let needs_early_answer = matches!(rule.request.client, Client::HoldsBack(_))
        || matches!(rule.request.body, Body::Short(..));
    // HAProxy sees that a client has gone when it cannot send to it.
    let is_unnoticed = rule.request.client == Client::LeavesAfterHead && kind == Haproxy;
    let is_unseen = rule.answer.is_cut_without_length() && !kind.shows_short_cuts();
    let is_own = |Own(function, words, kinds): &Own| {
        rule.function == *function && rule.sentence.starts_with(words) && kinds.contains(&kind)
    };
    rule.alone.is_none()
        && !needs_early_answer
        && !is_unnoticed
        && !is_unseen
        && !OWN.iter().any(is_own)
}

/// Compares status, reason and headers: the order of different headers and the case of their names are the web server's.
pub fn compare_head(expected: &str, got: &Head, kind: Kind) -> Result<(), String> {
    let mut lines = expected.lines();
    let (_, status) = lines.next().and_then(|line| line.split_once(' ')).unwrap();
    let expected = lines.filter_map(|line| line.split_once(": "));
    let expected = sorted(expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut found = sorted(got.headers.iter().cloned());
    // Caddy guesses a type where there is none.
    found.retain(|(name, _)| {
        name != "content-type" || expected.iter().any(|(other, _)| other == name)
    });
    let told = format!("{} {}", got.status, got.reason);
    let is_same = match kind.passes_reasons() {
        true => told.trim() == status.trim(),
        false => told[..3] == status[..3],
    };
    if is_same && found == expected {
        Ok(())
    } else {
        Err(format!(
            "head\n      expected {status} {expected:?}\n      got      {told} {found:?}"
        ))
    }
}

/// Headers that are the application's, by name; those of one name stay in order.
fn sorted(headers: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut own: Vec<_> = headers
        .filter(|(name, _)| !OF_THE_WEB_SERVER.contains(&name.as_str()))
        .collect();
    own.sort_by(|(one, _), (other, _)| one.cmp(other));
    own
}
