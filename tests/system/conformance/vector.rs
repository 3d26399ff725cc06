//! §4.2: VECTOR_SEND, code 1037.

use super::rule::{Rule, rule};

const OPEN: &str = "content-type: text/plain\n{framing}";

pub fn rules() -> Vec<Rule> {
    let mut rules = elements();
    rules.extend(flags());
    rules.extend(heads());
    rules
}

fn vector(function: &'static str, sentence: &'static str) -> Rule {
    rule(function, sentence).of("1037").apache("87")
}

fn elements() -> Vec<Rule> {
    vec![
        vector("4.2/1037-files", "1037: files, whole, in part or from cbOffset on, between memory")
            .answers("200 OK", OPEN, "text\next|\n")
            .observes("TRUE\n")
            .iis("cbSize 0 with an offset: unknown"),
        vector("4.2/1037-nothing", "1037 without elements and head: TRUE")
            .answers("200 OK", "content-length: 0", "")
            .observes("TRUE\n")
            .iis_unknown(),
        vector(
            "4.2/1037-wrong",
            "1037 with anything wrong: 87, for a file that is none 6, behind its end 10022, more than it has 38; nothing is sent",
        )
        .says(
            "FALSE 87\nflag without strings FALSE 87\nflag without headers FALSE 87\nstrings without flag FALSE 87\n\
             no elements FALSE 87\nboth flags FALSE 87\nno completion function FALSE 87\nempty buffer FALSE 87\n\
             no buffer FALSE 87\nunknown type FALSE 87\nno file FALSE 6\nbehind the file FALSE 10022\n\
             more than the file FALSE 38\n",
        )
        .iis("files: unknown"),
    ]
}

/// Synchronous, with what else may stand beside it.
fn flags() -> Vec<Rule> {
    let buffers = |sentence, flags, part| {
        vector("4.2/1037-buffers", sentence)
            .query(flags)
            .answers("200 OK", OPEN, "one, two, three\n")
            .observes("TRUE\n")
            .of(part)
    };
    vec![
        buffers("1037: buffers, each from cbOffset on", "1", "1037"),
        buffers("1037 without flag is synchronous", "0", "SYNC of 1037"),
        buffers("1037 with HSE_IO_SYNC", "1", "SYNC of 1037"),
        buffers("HSE_IO_NODELAY is taken", "0x1001", "NODELAY of 1037"),
        buffers(
            "HSE_IO_CACHE_RESPONSE is taken; there is no cache",
            "0x31",
            "CACHE of 1037",
        ),
        buffers(
            "HSE_IO_TRY_SKIP_CUSTOM_ERRORS is taken; answers are not replaced",
            "0x41",
            "SKIP of 1037",
        ),
        vector(
            "4.2/1037-final",
            "1037 with HSE_IO_FINAL_SEND: the answer is whole; more output fails with 87",
        )
        .answers("200 OK", OPEN, "12345")
        .observes("TRUE FALSE 87 FALSE 87\n")
        .of("FINAL of 1037")
        .iis_unknown(),
        vector(
            "4.2/1037-disconnect",
            "1037 with HSE_IO_DISCONNECT_AFTER_SEND: the answer ends; later writes fail with 10054",
        )
        .answers("200 OK", OPEN, "12345")
        .observes("TRUE FALSE 10054\n")
        .of("DISCONNECT of 1037")
        .iis("closes the connection"),
        vector(
            "4.2/1037-async",
            "1037 with HSE_IO_ASYNC: one completion with all bytes, the head's too",
        )
        .answers_pattern("200 OK", OPEN, 101_000)
        .observes("TRUE\ncompleted 101028 error 0\n")
        .of("ASYNC of 1037")
        .iis("whether the head counts is unknown"),
        vector(
            "4.2/1037-final-async",
            "1037 with HSE_IO_ASYNC and HSE_IO_FINAL_SEND",
        )
        .answers("200 OK", OPEN, "12345")
        .observes("TRUE\ncompleted 5 error 0\n")
        .of("FINAL of 1037"),
    ]
}

fn heads() -> Vec<Rule> {
    vec![
        vector(
            "4.2/1037-headers",
            "1037 with HSE_IO_SEND_HEADERS: pszStatus and pszHeaders are the head",
        )
        .answers(
            "203 Own",
            "content-type: text/x-own\ncontent-length: 5",
            "12345",
        )
        .observes("TRUE\n")
        .of("HEADERS of 1037"),
        vector(
            "4.2/1037-headers-alone",
            "1037 with HSE_IO_SEND_HEADERS and no elements: the head alone",
        )
        .answers(
            "200 OK",
            "content-type: text/plain\ncontent-length: 5",
            "12345",
        )
        .observes("TRUE TRUE\n")
        .of("HEADERS of 1037"),
    ]
}
