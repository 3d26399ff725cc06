//! §4.2: codes that ask about server and client, and codes without effect.

use super::rule::{Rule, Scope, rule};

pub fn rules() -> Vec<Rule> {
    let mut rules = answers();
    rules.extend(connections());
    rules.extend(nulls());
    rules.push(
        rule(
            "4.2/after-done",
            "After DONE_WITH_SESSION every code is refused: 87",
        )
        .answers("200 OK", "content-length: 0", "")
        .observes("refused 55\n")
        .of("4")
        .iis("undefined")
        .apache("undefined"),
    );
    rules
}

fn answers() -> Vec<Rule> {
    vec![
        rule(
            "4.2/1003",
            "1003: text up to its NUL or its length; NULL: 87",
        )
        .says("TRUE TRUE TRUE FALSE 87\n")
        .of("1003")
        .iis_unknown()
        .apache("crashes for NULL"),
        rule(
            "4.2/1007",
            "1007: TRUE without effect, there is no cached ACL",
        )
        .says("TRUE\n")
        .of("1007")
        .apache("87"),
        rule("4.2/1011", "1011: the worker's own token")
            .says("TRUE a token\n")
            .of("1011")
            .only(Scope::Windows)
            .iis("the user's")
            .apache("87"),
        rule("4.2/1011", "1011: without tokens of the system: 50")
            .says("FALSE 50 none\n")
            .refuses("1011")
            .only(Scope::Native)
            .iis("the user's")
            .apache("87"),
        rule("4.2/1014", "1014: TRUE without effect")
            .says("TRUE\n")
            .of("1014")
            .apache("87"),
        rule("4.2/1015", "1015 without TLS: 1168")
            .says("FALSE 1168\n")
            .of("1015")
            .iis_unknown()
            .apache("87"),
        rule(
            "4.2/1018",
            "1018: TRUE in the buffer; without buffer by the return value",
        )
        .says("TRUE 1, without buffer TRUE\n")
        .of("1018")
        .apache("crashes without buffer"),
        rule(
            "4.2/1030",
            "1030: 0, in process, as in every worker since IIS 6",
        )
        .says("TRUE 0\n")
        .of("1030")
        .apache("87"),
        rule("4.2/1040", "1040: a function that returns S_OK")
            .says("TRUE 0\n")
            .of("1040")
            .apache("87"),
        rule("4.2/1042", "1042: not traced; 28 bytes of zeros")
            .says("TRUE 28 zeros\n")
            .of("1042")
            .iis("traced if failed request tracing is on")
            .apache("87"),
        rule(
            "4.2/1044",
            "1044: the provider is not enabled, the pointer to it stays",
        )
        .says("TRUE enabled 0, provider kept\n")
        .of("1044")
        .iis("as configured")
        .apache("87"),
        rule("4.2/1045", "1045: TRUE, the event goes nowhere")
            .says("TRUE\n")
            .of("1045")
            .iis("traced")
            .apache("87"),
    ]
}

/// Code 1008.
fn connections() -> Vec<Rule> {
    let keeps = |sentence| rule("4.2/1008", sentence).of("1008");
    vec![
        keeps("1008: HTTP/1.1 keeps connections")
            .answers("200 OK", "content-length: 0", "")
            .observes("TRUE 1\n"),
        keeps("1008: HTTP/1.1 with Connection: close does not")
            .header("Connection: close")
            .answers("200 OK", "connection: close\ncontent-length: 0", "")
            .then_closes()
            .observes("TRUE 0\n"),
        keeps("1008: HTTP/1.0 does not")
            .old()
            .answers("200 OK", "content-length: 0", "")
            .then_closes()
            .observes("TRUE 0\n"),
        keeps("1008: HTTP/1.0 with Connection: keep-alive does")
            .old()
            .header("Connection: keep-alive")
            .answers("200 OK", "connection: keep-alive\ncontent-length: 0", "")
            .observes("TRUE 1\n"),
    ]
}

/// Codes that write to a buffer, or read it, when it is NULL.
fn nulls() -> Vec<Rule> {
    let fails = |code, part| {
        rule("3.4/nulls", "Codes whose buffer is missing: 87")
            .section("4.2")
            .query(code)
            .says("FALSE 87\n")
            .of(part)
            .iis_unknown()
            .apache("crashes, or 87 for what it does not know")
    };
    let mut rules: Vec<Rule> = [
        "1", "2", "1001", "1003", "1007", "1008", "1012", "1015", "1016", "1023", "1024", "1030",
        "1033", "1040", "1042", "1044", "1045",
    ]
    .map(|code| fails(code, code))
    .into();
    rules.push(
        rule("3.4/nulls", "1020, which no header explains: 87")
            .section("4.2")
            .query("1020")
            .says("FALSE 87\n")
            .refuses("1020")
            .iis_unknown(),
    );
    rules.extend(["1038", "1041"].map(|code| {
        rule("3.4/nulls", "Tokens for paths of the metabase: 50")
            .section("4.2")
            .query(code)
            .says("FALSE 50\n")
            .refuses(code)
            .iis("a token")
            .apache("87")
    }));
    rules
}
