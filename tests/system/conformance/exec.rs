//! §4.2: child requests, codes 1025 to 1027, and error pages, code 1028. `/cgi` says how it was asked.

use super::rule::{Rule, pattern, rule};

const OPEN: &str = "content-type: text/plain\n{framing}";
const CHILD: &str = "content-type: text/plain\nx-child: yes\n{framing}";
const GOOD: &str = "TRUE\ncompleted 0 error 0\nTRUE 200.0 error 0\n";
const MISSING: &str = "TRUE\ncompleted 0 error 2\nTRUE 404.0 error 2\n";

pub fn rules() -> Vec<Rule> {
    let mut rules = children();
    rules.extend(requests());
    rules.extend(flags());
    rules.extend(error_pages());
    rules
}

fn child(function: &'static str, sentence: &'static str) -> Rule {
    rule(function, sentence)
        .observes(GOOD)
        .of("1026")
        .apache("87")
}

fn children() -> Vec<Rule> {
    vec![
        child(
            "4.2/1026-behind-head",
            "1026: the child's body stands in the answer; the completion has 0 bytes",
        )
        .query("0,/text")
        .answers("200 OK", OPEN, "before|text\n"),
        child(
            "4.2/1026",
            "1026 without a head of the parent: the child's head is the answer's",
        )
        .query("0,/cgi?q")
        .answers("200 OK", CHILD, "GET q  ||"),
        child(
            "4.2/1026-two",
            "1026: the parent may send more behind a child, and another child",
        )
        .query("0,/text")
        .answers("200 OK", OPEN, "text\n|behind|text\n")
        .observes(&format!("TRUE\ncompleted 0 error 0\nTRUE\n{GOOD}")),
        child(
            "4.2/1026-behind-head",
            "1026: a child that fails gives its error page, the completion an error",
        )
        .query("0,/none")
        .answers("200 OK", OPEN, "before|nothing here\n")
        .observes(MISSING)
        .iis("which error: unknown"),
        child(
            "4.2/1026-behind-head",
            "1026: a URL of another server completes with 87, and nothing is sent",
        )
        .query("0,http://example.org/")
        .answers("200 OK", OPEN, "before|")
        .observes("TRUE\ncompleted 0 error 87\nTRUE 0.0 error 87\n")
        .iis_unknown(),
        rule(
            "4.2/1026-wrong",
            "1026 without structure, and without completion function: 87",
        )
        .query("0,/text")
        .says("FALSE 87\nFALSE 87\n")
        .of("1026")
        .apache("87"),
        child("4.2/1025", "1025: the same in UTF-16")
            .query("0,/text")
            .answers("200 OK", OPEN, "text\n")
            .of("1025"),
        rule("4.2/1027-before", "1027 before any child: zeros")
            .says("TRUE 0.0 error 0\n")
            .of("1027")
            .iis_unknown()
            .apache("87"),
    ]
}

fn requests() -> Vec<Rule> {
    vec![
        child(
            "4.2/1026-request",
            "1026: method, headers, user and entity are those of the structure",
        )
        .query("0,/cgi?q")
        .header("X-Own: lost")
        .answers("200 OK", CHILD, "PUT q anna Custom|own|entity"),
        child(
            "4.2/1026",
            "1026: where the structure has none they are the parent's",
        )
        .query("0,/cgi")
        .header("X-Own: kept")
        .post("all of it")
        .answers("200 OK", CHILD, "POST   |kept|all of it"),
        child(
            "4.2/1026-body",
            "1026: of the body the child gets what has not been read",
        )
        .query("0,/cgi")
        .post([pattern(49_152), b"0123456789rest".to_vec()].concat())
        .answers("200 OK", CHILD, "POST   ||rest"),
    ]
}

fn flags() -> Vec<Rule> {
    let flag = |name, flags, sentence| child(name, sentence).query(flags);
    let own_page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>404 Not Found</title></head>\n\
                    <body><h1>404 Not Found</h1></body>\n</html>\n";
    vec![
        flag(
            "4.2/1026",
            "2,/cgi?q",
            "HSE_EXEC_URL_NO_HEADERS: the child's head is not sent",
        )
        .answers("200 OK", "{framing}", "GET q  ||")
        .of("0x02"),
        flag(
            "4.2/1026-behind-head",
            "4",
            "HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR: the current URL again, past this handler",
        )
        .target("/wild/text?4")
        .answers("200 OK", OPEN, "before|wild\n")
        .of("0x04"),
        flag(
            "4.2/1026-behind-head",
            "0,/text",
            "Without flag the child gets Range as it is",
        )
        .header("Range: bytes=1-2")
        .answers("200 OK", OPEN, "before|ex")
        .observes("TRUE\ncompleted 0 error 0\nTRUE 206.0 error 0\n")
        .of("0x10"),
        flag(
            "4.2/1026-behind-head",
            "0x10,/text",
            "HSE_EXEC_URL_IGNORE_VALIDATION_AND_RANGE: the child is answered whole",
        )
        .header("Range: bytes=1-2")
        .answers("200 OK", OPEN, "before|text\n")
        .of("0x10"),
        flag(
            "4.2/1026-behind-head",
            "0x20,/none",
            "HSE_EXEC_URL_DISABLE_CUSTOM_ERROR: no page of the configuration",
        )
        .answers("200 OK", OPEN, format!("before|{own_page}"))
        .observes(MISSING)
        .of("0x20"),
        flag(
            "4.2/1026-behind-head",
            "0x40,/text",
            "HSE_EXEC_URL_SSI_CMD is taken",
        )
        .answers("200 OK", OPEN, "before|text\n")
        .of("0x40")
        .iis_unknown(),
        flag(
            "4.2/1026-behind-head",
            "0x80,/text",
            "HSE_EXEC_URL_HTTP_CACHE_ELIGIBLE is taken; there is no cache",
        )
        .answers("200 OK", OPEN, "before|text\n")
        .of("0x80"),
    ]
}

fn error_pages() -> Vec<Rule> {
    let page = |function, sentence| rule(function, sentence).of("1028").apache("87");
    let head = "cache-control: no-store\ncontent-length: 13\ncontent-type: text/html";
    vec![
        page(
            "4.2/1028",
            "1028: the configuration's page for status and sub-error, or for the status alone",
        )
        .query("404+Not+Here")
        .answers("404 Not Here", head, "nothing here\n")
        .observes("TRUE\n"),
        page(
            "4.2/1028-later",
            "1028 with fAsync: the same, and a completion",
        )
        .query("404+Not+Here")
        .answers("404 Not Here", head, "nothing here\n")
        .observes("TRUE\ncompleted 0 error 0\n"),
        page(
            "4.2/1028-none",
            "1028 without such a page: 2, and the extension can send its own",
        )
        .query("418+Teapot")
        .says("FALSE 2\n")
        .iis_unknown(),
        page("4.2/1028-behind-head", "1028 behind a head: 87")
            .query("404+Not+Here")
            .answers("200 OK", "content-length: 0", "")
            .observes("FALSE 87\n")
            .iis_unknown(),
    ]
}
