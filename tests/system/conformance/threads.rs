//! §3 and §7.3: several threads on one request, and the stack of the host's threads.

use super::rule::{Rule, pattern, rule};

pub fn rules() -> Vec<Rule> {
    let together = |function, sentence| {
        rule(function, sentence)
            .iis("no promise")
            .apache("no promise")
    };
    vec![
        together("3/two-write", "Two threads write at once: no byte is lost")
            .answers("200 OK", "content-length: 40000", "x".repeat(40_000))
            .observes("written\n"),
        together(
            "3/two-read",
            "Two threads read at once: each byte of the body comes once",
        )
        .post(pattern(150_000))
        .says("read 100848\n"),
        together(
            "3/two-call",
            "Two threads ask and write at once: no call fails",
        )
        .says("failures 0\n"),
        rule("7.3/stack", "HttpExtensionProc has 900 KB of stack")
            .says("used 921600\n")
            .iis("256 KB")
            .apache_unknown(),
        rule(
            "7.3/stack-of-completion",
            "A completion function has 900 KB of stack",
        )
        .says("TRUE\ncompleted 0 error 0\nused 921600\n")
        .iis("256 KB")
        .apache_unknown(),
    ]
}
