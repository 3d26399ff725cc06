//! §4.3 with `WriteClient`, and the codes that steer it: 1005, 1017, 1043, 1049.

use super::rule::{Client, Rule, pattern, rule};

const FAKED: &str = "with ISAPIFakeAsync, inside the call";

pub fn rules() -> Vec<Rule> {
    let mut rules = operations();
    rules.extend(endings());
    rules.extend(codes());
    rules
}

fn hello(function: &'static str, sentence: &'static str) -> Rule {
    rule(function, sentence)
        .answers("200 OK", "content-length: 5", "hello")
        .apache(FAKED)
}

fn operations() -> Vec<Rule> {
    vec![
        hello(
            "4.3/write",
            "TRUE: one completion follows, with the number of bytes and error 0; DONE in it ends the request",
        )
        .observes("TRUE\ncompleted 5 error 0\n")
        .of("ASYNC"),
        rule("4.3/write-nothing", "No bytes: a completion with 0 bytes")
            .answers("200 OK", "content-length: 0", "")
            .observes("TRUE\ncompleted 0 error 0\n")
            .of("ASYNC")
            .iis_unknown()
            .apache(FAKED),
        rule("4.3/write-many", "A write of any size is one operation")
            .answers_pattern("200 OK", "content-length: 4194304", 4 << 20)
            .observes("TRUE\ncompleted 4194304 error 0\n")
            .of("ASYNC")
            .apache(FAKED),
        hello(
            "4.3/another-thread",
            "The completion function runs on another thread, also while HttpExtensionProc waits for it",
        )
        .observes("TRUE\ncompleted 5 error 0\nanother thread\n")
        .apache("inside the call"),
        rule(
            "4.3/chain",
            "20,000 operations, each started by the completion of the one before: none runs inside another",
        )
        .answers_pattern("200 OK", "content-length: 20000", 20_000)
        .observes("completions 20000, depth 1\n")
        .apache("recursive"),
        hello("4.3/failures", "FALSE: no completion follows, and the next operation may start")
            .observes("FALSE 87\nFALSE 87\nTRUE\ncompleted 5 error 0\ncompletions 1\n")
            .apache(FAKED),
        rule(
            "4.3/callbacks",
            "In a completion function every synchronous callback works",
        )
        .post([pattern(49_152), b"more".to_vec()].concat())
        .answers("200 OK", "content-length: 10", "helloworld")
        .observes("TRUE\ncompleted 5 error 0\nTRUE POST\nTRUE count 4\nTRUE 1\nTRUE\n")
        .apache(FAKED),
        rule(
            "4.3/own-thread",
            "A thread of the extension may start an operation after HttpExtensionProc has returned",
        )
        .answers("200 OK", "content-length: 10", "hellohello")
        .observes("TRUE\ncompleted 5 error 0\nTRUE\ncompleted 5 error 0\n")
        .apache(FAKED),
    ]
}

fn endings() -> Vec<Rule> {
    vec![
        rule(
            "4.3/success-in-spite",
            "HSE_STATUS_SUCCESS with an operation outstanding: its completion function is called, then the request ends",
        )
        .answers("200 OK", "content-length: 10", "helloworld")
        .observes("TRUE\ncompleted 5 error 0\nTRUE\n")
        .iis("undefined")
        .apache(FAKED),
        hello(
            "4.3/done-in-spite",
            "DONE_WITH_SESSION with a read outstanding: it completes with 995, where callbacks fail with 87",
        )
        .post_short(50_000, pattern(49_152))
        .answers("200 OK", "content-length: 5", "hello")
        .then_closes()
        .observes("TRUE\ncompleted 0 error 995\nFALSE 87\n")
        .iis("undefined")
        .apache("does not wait for bodies"),
        rule(
            "4.3/write-to-nobody",
            "When the client goes, an outstanding write completes with 995; one that starts later fails with 10054",
        )
        .client(Client::LeavesAfterHead)
        .observes("gone\n")
        .of("ASYNC")
        .apache("29"),
    ]
}

fn codes() -> Vec<Rule> {
    vec![
        hello("4.2/1005-last", "1005: the function that was registered last is called")
            .observes("TRUE\nTRUE\ncompleted 5 error 0\n")
            .of("1005"),
        rule("4.2/1005-removed", "1005: NULL removes the function; operations then fail with 87")
            .says("TRUE\nFALSE 87\n")
            .of("1005")
            .iis_unknown()
            .apache("with ISAPIFakeAsync"),
        rule("4.2/1005-unused", "1005 alone changes nothing")
            .says("registered\n")
            .of("1005")
            .apache("with ISAPIFakeAsync"),
        rule(
            "4.2/1017-idle",
            "1017: the connection is closed at once; writes then fail with 10054, and 1018 tells it",
        )
        .breaks_off("200 OK", "content-length: 100", "begun")
        .observes("TRUE FALSE 10054 connected 0\n")
        .of("1017")
        .apache("87"),
        rule("4.2/1043", "1043: the buffer's pointer is the flag itself")
            .answers("200 OK", "content-length: 3", "123")
            .observes("TRUE TRUE TRUE TRUE TRUE\n")
            .of("1043")
            .apache("87"),
        rule("4.2/1049-idle", "1049 with nothing outstanding: TRUE")
            .says("TRUE\n")
            .of("1049")
            .iis_unknown()
            .apache("87"),
    ]
}
