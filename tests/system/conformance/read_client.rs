//! §3.3: `ReadClient`.

use super::rule::{Client, Rule, pattern, rule};

pub fn rules() -> Vec<Rule> {
    let long = |function, sentence| rule(function, sentence).post(pattern(200_000));
    vec![
        long("3.3/fills-the-buffer", "A read fills the buffer if the body is long enough")
            .says("TRUE count 100000 in order\n")
            .iis("may return less"),
        long("3.3/whole-rest", "One read gives the whole rest, the next 0 bytes")
            .says("TRUE count 150848 in order\nTRUE count 0 in order\n")
            .iis("may return less"),
        long("3.3/larger-than-rest", "A read ends with the body; nothing is written behind it")
            .says("TRUE count 150848 in order\nbehind it untouched\n"),
        long("3.3/huge-size", "A size that nobody set is no harm: only the body is written")
            .says("TRUE count 150848 in order\n"),
        rule("3.3/single-bytes", "Reads of one byte")
            .post(pattern(50_152))
            .says("calls 1000 wrong 0\n"),
        long("3.3/zero-size", "A size of 0, with or without buffer: TRUE and 0")
            .says("TRUE count 0 in order\nTRUE count 0\nTRUE count 10 in order\n")
            .iis_unknown(),
        long("3.3/past-the-end", "Past the end: TRUE and 0, again and again")
            .says(
                "TRUE count 150848 in order\nTRUE count 0 in order\nTRUE count 0 in order\nTRUE count 0 in order\n",
            ),
        rule("3.3/past-the-end", "Without a body: TRUE and 0")
            .says("TRUE count 0 in order\nTRUE count 0 in order\nTRUE count 0 in order\n"),
        rule("3.3/past-the-end", "When all of it was there at the call: TRUE and 0")
            .post("short")
            .says("TRUE count 0 in order\nTRUE count 0 in order\nTRUE count 0 in order\n"),
        rule("3.3/past-the-end", "Behind the last chunk of a chunked body: TRUE and 0")
            .post_chunked(pattern(60_000), 5_000)
            .says(
                "TRUE count 10848 in order\nTRUE count 0 in order\nTRUE count 0 in order\nTRUE count 0 in order\n",
            )
            .apache("411"),
        long("3.3/nulls", "No buffer or no size: 87, and nothing of the body is lost")
            .says("FALSE 87\nFALSE 87\nTRUE count 10 in order\n")
            .iis_unknown()
            .apache("crashes"),
        long("3.3/another-thread", "Any thread may read")
            .says("TRUE count 1000 in order\nTRUE count 1000 in order\n"),
        long("3.3/read-and-write", "Reads and writes may take turns")
            .answers_pattern(
                "200 OK",
                "content-type: application/octet-stream\n{framing}",
                200_000,
            )
            .observes("read 200000\n"),
        rule("3.3/cut-body", "A body that ends early: what came, then 10054")
            .post_short(300_000, pattern(120_000))
            .client(Client::LeavesAfterHead)
            .observes("TRUE count 70848 in order\nFALSE 10054\n")
            .iis("TRUE and 0")
            .apache("30"),
    ]
}
