//! §4.2 and §4.3: asynchronous reads, code 1010, and what happens while one is outstanding.

use super::rule::{Client, Rule, pattern, rule};

const OPEN: &str = "content-type: text/plain\n{framing}";

pub fn rules() -> Vec<Rule> {
    let mut rules = reads();
    rules.extend(outstanding());
    rules
}

fn reads() -> Vec<Rule> {
    let whole = |sentence, piece, report: &str| {
        rule("4.2/1010-body", sentence)
            .query(piece)
            .says(report)
            .of("1010")
            .apache("with ISAPIFakeAsync")
    };
    let all = "1010: reads, each started by the completion of the one before, get the rest of the body in order and then 0 bytes";
    vec![
        whole(all, "10000", "read 200000, wrong 0, then 0 error 0\n").post(pattern(200_000)),
        whole(all, "1", "read 50000, wrong 0, then 0 error 0\n").post(pattern(50_000)),
        whole(
            "1010: the same for a chunked body",
            "60000",
            "read 60000, wrong 0, then 0 error 0\n",
        )
        .post_chunked(pattern(60_000), 5_000)
        .apache("411"),
        whole(
            "1010 without body: 0 bytes and no error",
            "10",
            "read 0, wrong 0, then 0 error 0\n",
        ),
        whole(
            "1010 for a body that was there at the call: 0 bytes and no error",
            "10",
            "read 1000, wrong 0, then 0 error 0\n",
        )
        .post(pattern(1_000)),
        rule("4.2/1010-zero", "1010 for 0 bytes completes at once")
            .post(pattern(50_000))
            .says("TRUE\ncompleted 0 error 0\n")
            .of("1010")
            .iis_unknown(),
        rule(
            "4.2/1010-wrong",
            "1010 without buffer, size, flag, with flag 0 or without completion function: 87",
        )
        .post(pattern(50_000))
        .says(&"FALSE 87\n".repeat(5))
        .of("1010")
        .iis_unknown(),
    ]
}

/// The last 848 bytes of the body are sent when the head of the answer has come.
fn held_back(function: &'static str, sentence: &'static str) -> Rule {
    rule(function, sentence)
        .post(pattern(50_000))
        .client(Client::HoldsBack(848))
        .apache("waits inside the call")
}

/// So many bytes are never sent.
fn short(function: &'static str, sentence: &'static str) -> Rule {
    rule(function, sentence)
        .post_short(50_000, pattern(49_152))
        .apache("waits inside the call")
}

fn outstanding() -> Vec<Rule> {
    vec![
        held_back(
            "4.3/second",
            "While a read is outstanding a second operation is refused with 87, of any kind, and so is ReadClient; the first goes on",
        )
        .answers("200 OK", OPEN, "")
        .observes("TRUE\nFALSE 87 FALSE 87 FALSE 87 FALSE 87 FALSE 87\ncompleted 848 error 0\nin order\n")
        .iis("undefined"),
        held_back(
            "4.3/write-while-reading",
            "Synchronous writes may go on while a read is outstanding",
        )
        .answers("200 OK", OPEN, "meanwhile")
        .observes("TRUE\nTRUE\ncompleted 848 error 0\nin order\n")
        .iis_unknown(),
        short(
            "4.3/until-gone",
            "When the client goes, an outstanding read completes with 995",
        )
        .client(Client::LeavesAfterHead)
        .observes("TRUE\ncompleted 0 error 995\n"),
        short(
            "4.2/1017",
            "1017: an outstanding read completes with 64, and the connection is closed",
        )
        .answers("200 OK", OPEN, "begun")
        .then_closes()
        .observes("TRUE\nTRUE\ncompleted 0 error 64\n")
        .of("1017")
        .apache("87"),
        short("4.2/1049", "1049: an outstanding read completes with 995")
            .answers("200 OK", OPEN, "begun")
            .then_closes()
            .observes("TRUE\nTRUE\ncompleted 0 error 995\n")
            .of("1049")
            .iis_unknown()
            .apache("87"),
    ]
}
