//! §3.4: `ServerSupportFunction` as such.

use super::rule::{Rule, rule};

pub fn rules() -> Vec<Rule> {
    let unknown = [
        "0",
        "5",
        "1000",
        "1004",
        "1009",
        "1013",
        "1019",
        "1021",
        "1022",
        "1029",
        "1031",
        "1039",
        "1051",
        "4294967295",
    ];
    let mut rules: Vec<Rule> = unknown
        .into_iter()
        .map(|code| {
            rule("3.4/nulls", "A code that ISAPI does not know: 87")
                .query(code)
                .says("FALSE 87\n")
                .iis_unknown()
        })
        .collect();
    rules.push(
        rule(
            "3.4/garbage",
            "An unknown code does not look at its arguments",
        )
        .query("1004")
        .says("FALSE 87\n")
        .iis_unknown(),
    );
    rules.extend(
        [
            "1002", "1034", "1035", "1036", "1046", "1047", "1048", "1050",
        ]
        .map(|code| {
            rule(
                "3.4/garbage",
                "A code that cannot be had out of process: 50, without a look at its arguments",
            )
            .query(code)
            .says("FALSE 50\n")
            .refuses(code)
            .iis("as documented for it")
            .apache("87")
        }),
    );
    rules.push(
        rule(
            "3.4/unused-arguments",
            "Arguments that a code does not define are not looked at",
        )
        .answers("200 OK", "content-length: 0", "")
        .observes("1008 TRUE\n1018 TRUE\n3 TRUE\n"),
    );
    rules
}
