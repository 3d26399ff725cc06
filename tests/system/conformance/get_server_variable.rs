//! §3.1: `GetServerVariable`.

use super::rule::{Rule, rule};

pub fn rules() -> Vec<Rule> {
    let mut rules = sizes();
    rules.extend(names());
    rules.extend(unicode());
    rules
}

/// Every request has this header.
fn probe(function: &'static str, sentence: &'static str) -> Rule {
    rule(function, sentence).header("X-Probe: ten bytes!")
}

const VALUE: &str = "TRUE size 11 \"ten bytes!\\x00\"\n";
const TOO_SMALL: &str = "FALSE 122 size 11\n";

fn sizes() -> Vec<Rule> {
    vec![
        probe(
            "3.1/null-buffer-size-0",
            "Size 0 and no buffer: 122, and the size with the NUL",
        )
        .says(TOO_SMALL),
        probe(
            "3.1/size-0",
            "Size 0 and a buffer: 122, and the size with the NUL",
        )
        .says(TOO_SMALL),
        probe("3.1/size-1", "Size 1: 122, and the size with the NUL").says(TOO_SMALL),
        probe(
            "3.1/exact",
            "A buffer of just the size is filled; the size counts the NUL",
        )
        .says(VALUE),
        probe(
            "3.1/exact-less-1",
            "One byte less: 122, and the size with the NUL",
        )
        .says(TOO_SMALL),
        probe(
            "3.1/fixed-buffer",
            "In a larger buffer only value and NUL are written; the size is theirs",
        )
        .says(VALUE),
        probe(
            "3.1/doubling",
            "A buffer that is doubled until the value fits comes to its end",
        )
        .says("FALSE 122 size 11\nFALSE 122 size 11\nFALSE 122 size 11\nTRUE size 11\n"),
        rule("3.1/long-value", "Values may be long")
            .header(format!("X-Long: {}", "l".repeat(30_000)))
            .says("FALSE 122 size 30001\nTRUE size 30001 characters 30000\n")
            .apache("up to 8190 bytes"),
        probe(
            "3.1/empty-value",
            "A known variable without value: TRUE and a lone NUL, size 1",
        )
        .says("TRUE size 1 \"\\x00\"\n")
        .apache("1413"),
        probe(
            "3.1/empty-size-0",
            "An empty value needs a byte too: size 0 gives 122 and 1",
        )
        .says("FALSE 122 size 1\n")
        .apache("1413"),
        probe(
            "3.1/null-buffer",
            "No buffer for a value that would fit: 87",
        )
        .says("FALSE 87\n")
        .iis_unknown()
        .apache("crashes"),
        probe("3.1/null-name", "No name: 87")
            .says("FALSE 87\n")
            .apache("crashes"),
        probe("3.1/null-size", "No size: 87")
            .says("FALSE 87\n")
            .apache("crashes"),
        probe(
            "3.1/another-thread",
            "Any thread may ask; the error is the calling thread's",
        )
        .says("TRUE size 11 \"ten bytes!\\x00\"\nFALSE 1413 size 64\n"),
    ]
}

fn names() -> Vec<Rule> {
    let unknown = "FALSE 1413 size 64\n";
    vec![
        probe("3.1/unknown", "An unknown name: 1413; the size stays").says(unknown),
        probe("3.1/unknown-size-0", "An unknown name and size 0: 1413")
            .says("FALSE 1413 size 0\n"),
        probe("3.1/no-name", "An empty name: 1413").says(unknown).iis_unknown(),
        probe("3.1/absent-header", "HTTP_ and a header that was not sent: 1413").says(unknown),
        probe("3.1/absent-literal", "HEADER_ and a header that was not sent: 1413")
            .says(unknown),
        probe("3.1/http-prefix-only", "HTTP_ and nothing: 1413").says(unknown).iis_unknown(),
        probe("3.1/letter-case", "Letter case of names and prefixes does not count")
            .says(
                "TRUE size 4 \"GET\\x00\"\nTRUE size 11 \"ten bytes!\\x00\"\nTRUE size 11 \"ten bytes!\\x00\"\n\
                 TRUE size 8 \"G\\x00E\\x00T\\x00\\x00\\x00\"\n",
            )
            .iis_unknown()
            .apache("counts"),
        rule("3.1/header-with-underscore", "HTTP_ stands for names with \"-\": a header with \"_\" is not found")
            .header("X_Under: value")
            .says(unknown),
        rule("3.1/literal-with-underscore", "HEADER_ finds a header with \"_\"")
            .header("X_Under: value")
            .says("TRUE size 6 \"value\\x00\"\n")
            .apache("no")
            .deviates("1413: such headers are dropped, since HTTP_ could not tell them from others"),
        probe("3.1/literal", "HEADER_ and the name as it was sent").says(VALUE).apache("no"),
        probe("3.1/literal-case", "HEADER_ finds headers in any letter case")
            .says(VALUE)
            .iis_unknown()
            .apache("no"),
        probe("3.1/literal-underscore", "HEADER_ does not take \"_\" for \"-\"").says(unknown).apache("no"),
        rule("3.1/special-names", "HTTP_METHOD, HTTP_URL and HTTP_VERSION are no headers")
            .query("q=%20")
            .header("Method: no")
            .header("URL: no")
            .header("Version: no")
            .says(
                "TRUE size 4 \"GET\\x00\"\nTRUE size 41 \"/conformance.dll/3.1/special-names?q=%20\\x00\"\n\
                 TRUE size 9 \"HTTP/1.1\\x00\"\n",
            )
            .apache("headers"),
        rule("3.1/joined", "Headers of one name are joined with \", \"")
            .header("X-Many: one")
            .header("X-Other: no")
            .header("X-Many: two, three")
            .says("TRUE size 16 \"one, two, three\\x00\"\n"),
    ]
}

fn unicode() -> Vec<Rule> {
    let get = "TRUE size 8 \"G\\x00E\\x00T\\x00\\x00\\x00\"\n";
    let unicode =
        |function, sentence, report: &str| probe(function, sentence).says(report).apache("no");
    vec![
        unicode(
            "3.1/unicode-exact",
            "UNICODE_ gives UTF-16 with a NUL of two bytes; sizes are in bytes",
            get,
        ),
        unicode(
            "3.1/unicode-short",
            "One byte less: 122",
            "FALSE 122 size 8\n",
        ),
        unicode("3.1/unicode-odd", "An odd size is large enough", get),
        unicode(
            "3.1/unicode-size-0",
            "Size 0: 122, and the size in bytes",
            "FALSE 122 size 8\n",
        ),
        unicode(
            "3.1/unicode-empty",
            "An empty value has two bytes",
            "TRUE size 2 \"\\x00\\x00\"\n",
        ),
        unicode(
            "3.1/unicode-http",
            "UNICODE_HTTP_: 1413",
            "FALSE 1413 size 64\n",
        ),
        unicode(
            "3.1/unicode-header",
            "UNICODE_HEADER_: 1413",
            "FALSE 1413 size 64\n",
        ),
        unicode(
            "3.1/unicode-unknown",
            "UNICODE_ and an unknown name: 1413",
            "FALSE 1413 size 64\n",
        ),
        rule(
            "3.1/unicode-path",
            "UNICODE_PATH_INFO has all characters of the URL",
        )
        .target("/conformance.dll/%E2%82%AC")
        .says("TRUE size 6 \"/\\x00\\xac \\x00\\x00\"\n")
        .apache("no"),
    ]
}
