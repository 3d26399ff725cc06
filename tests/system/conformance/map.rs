//! §4.2: URLs and what they stand for, codes 1001, 1012, 1023, 1024, 1033. The site's root is `{path:}`.

use super::rule::{Rule, rule};

pub fn rules() -> Vec<Rule> {
    let mut rules = paths();
    rules.extend(structures());
    rules.extend(normal_urls());
    rules
}

fn paths() -> Vec<Rule> {
    let path = |sentence, url, report: &str| {
        rule("4.2/1001", sentence)
            .query(url)
            .says(report)
            .of("1001")
    };
    let wide = |sentence, url, report: &str| {
        rule("4.2/1023", sentence)
            .query(url)
            .says(report)
            .of("1023")
            .apache("87")
    };
    let below =
        "A URL maps below the site's root, whether the file exists or not; the size counts the NUL";
    let wide_below = "The same in UTF-16; the size counts bytes";
    vec![
        path(below, "/a/b.txt", "TRUE \"{path:/a/b.txt}\" and 1\n")
            .iis_unknown()
            .apache("size without NUL"),
        path(below, "/file", "TRUE \"{path:/file}\" and 1\n")
            .iis_unknown()
            .apache("size without NUL"),
        path(
            "A URL in a virtual directory maps below its folder",
            "/app/a",
            "TRUE \"{app:/a}\" and 1\n",
        ),
        path(
            "The site's own URL maps to its root",
            "/",
            "TRUE \"{path:/}\" and 1\n",
        )
        .iis_unknown(),
        path(
            "A URL that leaves its folder is refused: 87",
            "/a/../../b",
            "FALSE 87\n",
        )
        .iis_unknown()
        .apache("maps within the site"),
        path(
            "A URL with a backslash is refused: 87",
            "/a\\b",
            "FALSE 87\n",
        )
        .iis_unknown()
        .apache_unknown(),
        rule(
            "4.2/1001-room",
            "A buffer that is too small: 122 and the size that is needed",
        )
        .query("/a/b.txt")
        .says("TRUE the same, behind it ee\nFALSE 122 size as needed\n")
        .of("1001")
        .apache("TRUE, truncated"),
        rule(
            "4.2/1001-nulls",
            "Code 1001 without URL or without size: 87",
        )
        .says("FALSE 87\nFALSE 87\n")
        .of("1001")
        .iis_unknown()
        .apache("crashes"),
        wide(wide_below, "/a/b.txt", "TRUE \"{path:/a/b.txt}\" and 2\n").iis_unknown(),
        wide(
            "Letters beyond ASCII are units of UTF-16",
            "/~",
            "TRUE \"{path:/}\\u00e4\" and 2\n",
        ),
        wide(
            "A URL that leaves its folder is refused in UTF-16 too: 87",
            "/../b",
            "FALSE 87\n",
        )
        .iis_unknown(),
        rule(
            "4.2/1023-room",
            "A buffer that is too small, in UTF-16: 122 and the size that is needed",
        )
        .query("/a/b.txt")
        .says("TRUE, behind it eeee\nFALSE 122 size as needed\n")
        .of("1023")
        .apache("87"),
        rule(
            "4.2/1023-nulls",
            "Code 1023 without URL or without size: 87",
        )
        .says("FALSE 87\nFALSE 87\n")
        .of("1023")
        .iis_unknown(),
    ]
}

fn structures() -> Vec<Rule> {
    let structure = |sentence, url, path: &str, matching: &str| {
        let report = format!(
            "TRUE \"{{path:{path}}}\"\nflags 205, path begins \"{{path:}}\", URL \"{matching}\"\n"
        );
        [("4.2/1012", "1012"), ("4.2/1024", "1024")].map(|(function, part)| {
            let mut rule = rule(function, sentence).query(url).says(&report).of(part);
            rule = rule.iis_unknown();
            if part == "1012" {
                rule.apache("flags from the file's permissions")
            } else {
                rule.apache("87")
            }
        })
    };
    let mut rules = Vec::new();
    rules.extend(structure(
        "Codes 1012 and 1024: the path, what the directory permits (read, execute, script), and how much of URL and path is the directory's",
        "/a/b.txt",
        "/a/b.txt",
        "/",
    ));
    rules.extend(structure("The site's own URL", "/", "/", "/"));
    rules.extend([
        rule(
            "4.2/1012-long",
            "A path of more than 259 characters: truncated, and 122",
        )
        .says("FALSE 122 length 259\nFALSE 122 length 259\n")
        .of("1012")
        .iis("IIS 5.1: TRUE")
        .apache("TRUE, truncated"),
        rule(
            "4.2/1012-nulls",
            "Codes 1012 and 1024 without URL or without structure: 87",
        )
        .says(&"FALSE 87\n".repeat(4))
        .of("1012")
        .iis_unknown()
        .apache("crashes"),
    ]);
    rules
}

fn normal_urls() -> Vec<Rule> {
    let normal = |sentence, url, expected: &str| {
        rule("4.2/1033", sentence)
            .query(url)
            .says(&format!("TRUE \"{expected}\", behind it ee\n"))
            .of("1033")
            .apache("87")
    };
    vec![
        normal("Escapes are resolved", "/%61%20b", "/a b"),
        normal("What is no escape stays", "/100%/%zz", "/100%/%zz"),
        normal("Escapes are resolved once", "/%2541", "/%41").iis_unknown(),
        normal("\"/./\" and \"/../\" go", "/a/./b/../c", "/a/c"),
        normal("Escaped dots are dots", "/a/%2e%2E/c", "/c"),
        normal(
            "\"/../\" does not lead above the first slash",
            "/../../a",
            "/a",
        )
        .iis_unknown(),
        normal("Doubled slashes are one", "//a///b", "/a/b"),
        normal("The query stays", "/a/../b?x=/../%41", "/b?x=/../%41").iis_unknown(),
        normal("Scheme and host stay", "http://h:1//a", "http://h:1/a").iis_unknown(),
        rule("4.2/1033", "An escaped NUL: 87, and the URL stays")
            .query("/a%00b")
            .says("FALSE 87 \"/a%00b\", behind it ee\n")
            .of("1033")
            .iis_unknown(),
    ]
}
