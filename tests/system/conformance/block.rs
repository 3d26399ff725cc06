//! §2: the extension control block.

use super::rule::{Rule, pattern, rule};

const LAYOUT: &str = "size {144/192}\ncbSize 0\ndwVersion 4\nConnID 8\ndwHttpStatusCode {12/16}\n\
    lpszLogData {16/20}\nlpszMethod {96/104}\nlpszQueryString {100/112}\nlpszPathInfo {104/120}\n\
    lpszPathTranslated {108/128}\ncbTotalBytes {112/136}\ncbAvailable {116/140}\nlpbData {120/144}\n\
    lpszContentType {124/152}\nGetServerVariable {128/160}\nWriteClient {132/168}\nReadClient {136/176}\n\
    ServerSupportFunction {140/184}\n";

pub fn rules() -> Vec<Rule> {
    let mut rules = fields();
    rules.extend(first_bytes());
    rules.extend(lengths());
    rules.extend(connection());
    rules
}

fn fields() -> Vec<Rule> {
    vec![
        rule("2/layout", "The structure has the documented size and offsets")
            .says(LAYOUT),
        rule("2/initial", "cbSize is the structure's size, dwVersion 8.0, dwHttpStatusCode 200, lpszLogData zeroed")
            .says("cbSize is the structure's\ndwVersion 00080000\ndwHttpStatusCode 200\nlpszLogData 80 zeros\n")
            .iis_unknown()
        .apache("dwVersion 0x00000500, dwHttpStatusCode 0"),
        rule("2/strings", "Strings are never NULL: empty without query and Content-Type")
            .says(
                "lpszMethod \"GET\"\nlpszQueryString \"\"\nlpszPathInfo \"/2/strings\"\n\
                 lpszPathTranslated \"{path:/2/strings}\"\nlpszContentType \"\"\n",
            )
            .iis_unknown()
            .apache("NULL"),
        rule("2/strings", "Without path info: lpszPathInfo is empty, lpszPathTranslated the site's root")
            .target("/conformance.dll")
            .says(
                "lpszMethod \"GET\"\nlpszQueryString \"\"\nlpszPathInfo \"\"\n\
                 lpszPathTranslated \"{path:}\"\nlpszContentType \"\"\n",
            )
            .apache("NULL"),
        rule("2/strings", "lpszMethod is the method as sent, lpszContentType the header as sent")
            .post("x")
            .method("X-OWN")
            .header("Content-Type: text/X-Own; a=\"b\"")
            .says(
                "lpszMethod \"X-OWN\"\nlpszQueryString \"\"\nlpszPathInfo \"/2/strings\"\n\
                 lpszPathTranslated \"{path:/2/strings}\"\nlpszContentType \"text/X-Own; a=\\\"b\\\"\"\n",
            ),
        rule("2/strings", "lpszQueryString is not decoded")
            .query("a=%41+b&%00c??")
            .says(
                "lpszMethod \"GET\"\nlpszQueryString \"a=%41+b&%00c??\"\nlpszPathInfo \"/2/strings\"\n\
                 lpszPathTranslated \"{path:/2/strings}\"\nlpszContentType \"\"\n",
            ),
        rule("2/strings", "lpszPathInfo is decoded")
            .target("/conformance.dll/a%20b/%C3%A9")
            .says(
                "lpszMethod \"GET\"\nlpszQueryString \"\"\nlpszPathInfo \"/a b/\\xc3\\xa9\"\n\
                 lpszPathTranslated \"{path:/a b/é}\"\nlpszContentType \"\"\n",
            )
            .iis_unknown(),
        rule("2.1/copies", "The fields are copies of REQUEST_METHOD, QUERY_STRING, PATH_INFO, PATH_TRANSLATED, CONTENT_TYPE")
            .section("2")
            .query("q=1")
            .post("x")
            .header("Content-Type: text/plain")
            .says("REQUEST_METHOD equal\nQUERY_STRING equal\nPATH_INFO equal\nPATH_TRANSLATED equal\nCONTENT_TYPE equal\n"),
        rule("2.1/writable", "Strings and lpbData may be written; variables stay as they are")
            .query("q=1")
            .post("body")
            .says("### TRUE q=1\n")
            .apache("variables change"),
        rule("2/log-overrun", "lpszLogData without a NUL is not followed past its 80 bytes")
            .says("written\n"),
    ]
}

fn first_bytes() -> Vec<Rule> {
    let there = |size: usize, text: &'static str, available: usize| {
        rule("2.2/body", text).post(pattern(size)).says(&format!(
            "cbTotalBytes {size} cbAvailable {available}\nin order {available}, then 00\n"
        ))
    };
    vec![
        rule("2.2/body", "Without a body lpbData points to a NUL")
            .says("cbTotalBytes 0 cbAvailable 0\nin order 0, then 00\n")
            .iis_unknown()
            .apache("NULL"),
        there(0, "Content-Length: 0 is no body", 0),
        there(
            1,
            "A body of 1 byte is there at the call, with a NUL behind it",
            1,
        ),
        there(
            49_151,
            "A body of 49,151 bytes is there at the call",
            49_151,
        ),
        there(
            49_152,
            "A body of 49,152 bytes is there at the call",
            49_152,
        ),
        there(49_153, "Of 49,153 bytes 49,152 are there", 49_152),
        there(5_000_000, "Of 5 MB 49,152 bytes are there", 49_152),
    ]
}

fn lengths() -> Vec<Rule> {
    let unknown = "cbTotalBytes ffffffff cbAvailable 49152\n";
    let announced = |length: u64, text: &'static str, total: &str| {
        rule("2.3/sizes", text)
            .post_short(length, pattern(49_152))
            .says(&format!(
                "cbTotalBytes {total} cbAvailable 49152\nCONTENT_LENGTH {length} HTTP_CONTENT_LENGTH {length}\n"
            ))
    };
    vec![
        rule("2.3/whole-body", "What is not in lpbData comes from ReadClient")
            .post(pattern(300_000))
            .says(
                "cbTotalBytes 300000 cbAvailable 49152\nread 300000 in order 300000 last 0\n\
                 CONTENT_LENGTH 300000 HTTP_TRANSFER_ENCODING none\n",
            ),
        rule("2.3/whole-body", "A chunked body that fits is there at the call: cbTotalBytes = cbAvailable")
            .post_chunked(pattern(20_000), 777)
            .says(
                "cbTotalBytes 20000 cbAvailable 20000\nread 20000 in order 20000 last 0\n\
                 CONTENT_LENGTH 20000 HTTP_TRANSFER_ENCODING chunked\n",
            )
        .apache("411"),
        rule("2.3/whole-body", "An empty chunked body is no body")
            .post_chunked("", 1)
            .says(
                "cbTotalBytes 0 cbAvailable 0\nread 0 in order 0 last 0\n\
                 CONTENT_LENGTH 0 HTTP_TRANSFER_ENCODING chunked\n",
            )
            .apache("411"),
        rule("2.3/whole-body", "Of a longer chunked body cbTotalBytes is 0xFFFFFFFF; it is read up to 0 bytes, without the chunks' framing")
            .post_chunked(pattern(300_000), 7_777)
            .says(
                "cbTotalBytes 4294967295 cbAvailable 49152\nread 300000 in order 300000 last 0\n\
                 CONTENT_LENGTH 0 HTTP_TRANSFER_ENCODING chunked\n",
            )
            .apache("411"),
        announced(4_294_967_294, "4 GiB − 2 bytes fit into cbTotalBytes", "fffffffe"),
        announced(4_294_967_295, "4 GiB − 1 bytes: cbTotalBytes is 0xFFFFFFFF, as for unknown", "ffffffff"),
        announced(5_000_000_000, "4 GiB and more: cbTotalBytes is 0xFFFFFFFF, CONTENT_LENGTH tells the length", "ffffffff"),
        rule("2.3/sizes", "Of a chunked body that is not at its end yet cbTotalBytes is 0xFFFFFFFF")
            .post_chunked(pattern(60_000), 60_000)
            .says(&format!("{unknown}CONTENT_LENGTH 0 HTTP_CONTENT_LENGTH none\n"))
            .apache("411"),
    ]
}

fn connection() -> Vec<Rule> {
    vec![
        rule(
            "2.4/other-connections",
            "A ConnID that is none fails with 87 in every callback",
        )
        .says(
            "FALSE 87, FALSE 87, FALSE 87, FALSE 87\nFALSE 87, FALSE 87, FALSE 87, FALSE 87\n\
                 FALSE 87, FALSE 87, FALSE 87, FALSE 87\n",
        )
        .iis_unknown()
        .apache("crashes"),
        rule(
            "2.4/block-as-connection",
            "The block's address does for ConnID",
        )
        .answers("200 OK", "content-type: text/html\n{framing}", "x")
        .observes("TRUE, TRUE, TRUE, TRUE\n")
        .iis_unknown()
        .apache("crashes"),
    ]
}
