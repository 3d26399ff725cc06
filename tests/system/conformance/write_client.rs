//! §3.2: `WriteClient`.

use super::rule::{Client, Rule, rule};

const OPEN: &str = "content-type: text/plain\n{framing}";
const TWELVE: &str = "TRUE count 12\n";

pub fn rules() -> Vec<Rule> {
    let twelve = |function, sentence| {
        rule(function, sentence)
            .answers("200 OK", OPEN, "twelve bytes")
            .observes(TWELVE)
    };
    let after = |function, sentence, report: &str| {
        rule(function, sentence)
            .answers("200 OK", OPEN, "after")
            .observes(report)
    };
    vec![
        twelve(
            "3.2/no-flag",
            "Without flag a write is synchronous; the count stays what was sent",
        ),
        twelve("3.2/sync-flag", "HSE_IO_SYNC is the same").of("SYNC"),
        twelve("3.2/nodelay-flag", "HSE_IO_NODELAY is taken")
            .of("NODELAY")
            .apache("ignored"),
        twelve(
            "3.2/disconnect-flag",
            "HSE_IO_DISCONNECT_AFTER_SEND has no effect here",
        )
        .of("DISCONNECT")
        .iis_unknown(),
        rule(
            "3.2/async-without-completion",
            "HSE_IO_ASYNC without a completion function: 87",
        )
        .answers("200 OK", OPEN, "")
        .observes("FALSE 87 count 12\n")
        .iis_unknown(),
        after(
            "3.2/zero-bytes",
            "No bytes: TRUE, with or without a buffer",
            "TRUE count 0\nTRUE count 0\nTRUE count 5\n",
        )
        .iis_unknown(),
        after(
            "3.2/zero-bytes-first",
            "No bytes before the head: the head can still be sent",
            "TRUE count 0\nTRUE count 5\n",
        )
        .iis_unknown(),
        after(
            "3.2/null-buffer",
            "No buffer but a count: 87",
            "FALSE 87 count 5\nTRUE count 5\n",
        )
        .apache("crashes"),
        after("3.2/null-count", "No count: 87", "FALSE 87\nTRUE count 5\n").apache("crashes"),
        rule(
            "3.2/many-single-bytes",
            "100,000 single bytes arrive in order",
        )
        .answers_pattern("200 OK", OPEN, 100_000)
        .observes("written 100000\n"),
        rule("3.2/large", "100 MiB in one call")
            .answers_pattern("200 OK", OPEN, 100 << 20)
            .observes("TRUE count 104857600\n"),
        rule(
            "3.2/buffer-is-free",
            "The buffer is the extension's again when the call returns",
        )
        .answers("200 OK", OPEN, "0 line\n1 line\n2 line\n3 line\n4 line\n")
        .observes(&"TRUE count 7\n".repeat(5)),
        rule("3.2/every-byte", "Every byte passes unchanged")
            .answers("200 OK", OPEN, (0..=255).collect::<Vec<u8>>())
            .observes("TRUE count 256\n"),
        rule("3.2/another-thread", "Any thread may write")
            .answers("200 OK", OPEN, "from a thread of my own")
            .observes("TRUE count 23\n"),
        rule(
            "3.2/client-gone",
            "When the client has gone: 10054, also again; 1018 tells it",
        )
        .client(Client::LeavesAfterHead)
        .observes("FALSE 10054, again FALSE 10054, 1018 TRUE 0\n")
        .iis("10054, 64, 1229, 995 or 1236")
        .apache("29"),
    ]
}
