//! §4.2: TRANSMIT_FILE, code 1006.

use super::rule::{Rule, rule};

const OPEN: &str = "content-type: text/plain\n{framing}";

pub fn rules() -> Vec<Rule> {
    let mut rules = files();
    rules.extend(heads());
    rules.extend(ways());
    rules
}

fn file(function: &'static str, sentence: &'static str, count: u64) -> Rule {
    rule(function, sentence)
        .observes(&format!("TRUE\ncompleted {count} error 0\n"))
        .of("1006")
        .apache("also inside the call")
}

fn files() -> Vec<Rule> {
    vec![
        file("4.2/1006", "1006: a whole file; pszStatusCode is not looked at without HSE_IO_SEND_HEADERS", 100_000)
            .answers_pattern("200 OK", OPEN, 100_000),
        file("4.2/1006-empty", "1006: an empty file", 0).answers("200 OK", OPEN, ""),
        file("4.2/1006-part", "1006: BytesToWrite from Offset on", 1_000).answers_pattern("200 OK", OPEN, 1_000),
        file("4.2/1006-rest", "1006: BytesToWrite 0 is the rest of the file", 74_900).answers_pattern("200 OK", OPEN, 74_900),
        file("4.2/1006-at-end", "1006: Offset at the end of the file: nothing of it", 0)
            .answers("200 OK", OPEN, "")
            .iis_unknown(),
        file("4.2/1006-no-file", "1006 without file: head and tail alone", 9)
            .answers("200 OK", OPEN, "head,tail")
            .iis_unknown()
            .apache("87"),
        rule(
            "4.2/1006-wrong",
            "1006, and nothing is sent: no structure 87; Offset behind the file 10022; more bytes than it has 38; no file 6; head or tail without buffer 87; no completion function 87",
        )
        .says("FALSE 87\nFALSE 10022\nFALSE 38\nFALSE 6\nFALSE 87\nFALSE 87\nFALSE 87\n")
        .of("1006")
        .iis("38, head, tail: unknown")
        .apache("87 or TRUE"),
    ]
}

fn heads() -> Vec<Rule> {
    vec![
        file(
            "4.2/1006-head-and-tail",
            "1006: pHead before, pTail behind the file; all bytes count",
            8,
        )
        .answers("200 OK", OPEN, b"<text\n\0>".to_vec()),
        file(
            "4.2/1006-headers",
            "1006 with HSE_IO_SEND_HEADERS: pszStatusCode and pHead are the head, and count",
            7 + 47,
        )
        .answers(
            "203 Own",
            "content-type: text/x-own\ncontent-length: 7",
            "text\n.\n",
        )
        .of("HEADERS of 1006")
        .iis("whether they count is unknown"),
        rule(
            "4.2/1006-headers-twice",
            "1006 with HSE_IO_SEND_HEADERS behind a head: 87, and nothing is sent",
        )
        .answers("200 OK", "content-length: 0", "")
        .observes("FALSE 87\n")
        .of("HEADERS of 1006")
        .iis_unknown()
        .apache_unknown(),
    ]
}

fn ways() -> Vec<Rule> {
    let own = "TRUE\nits own 5 error 0\n";
    vec![
        file("4.2/1006-no-flags", "1006 is asynchronous without HSE_IO_ASYNC, too", 5)
            .answers("200 OK", OPEN, "text\n")
            .apache("synchronous"),
        file("4.2/1006-nodelay", "HSE_IO_NODELAY is taken", 5).answers("200 OK", OPEN, "text\n").of("NODELAY of 1006"),
        file("4.2/1006-own-completion", "1006: pfnHseIO goes before the function of code 1005", 5)
            .answers("200 OK", OPEN, "text\n")
            .observes(own)
            .apache("bytes and error exchanged"),
        file("4.2/1006-own-completion-alone", "1006: pfnHseIO will do without code 1005", 5)
            .answers("200 OK", OPEN, "text\n")
            .observes(own)
            .apache("bytes and error exchanged"),
        file("4.2/1006-same-handle", "1006: one overlapped handle will do again and again", 5)
            .answers("200 OK", OPEN, "text\ntext\ntext\n")
            .observes(&"TRUE\ncompleted 5 error 0\n".repeat(3)),
        file(
            "4.2/1006-disconnect",
            "1006 with HSE_IO_DISCONNECT_AFTER_SEND: the answer ends, later writes fail with 10054, DONE is still due",
            5,
        )
        .answers("200 OK", OPEN, "text\n")
        .observes("TRUE\ncompleted 5 error 0\nFALSE 10054\n")
        .of("DISCONNECT of 1006")
        .iis("closes the connection")
        .apache("ignored"),
    ]
}
