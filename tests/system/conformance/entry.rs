//! §1: the entry points and what `HttpExtensionProc` returns.

use super::rule::{Rule, rule};

const WHOLE: (&str, &str) = ("200 OK", "content-length: 5");
const OPEN: (&str, &str) = ("200 OK", "content-type: text/plain\n{framing}");

pub fn rules() -> Vec<Rule> {
    vec![
        rule(
            "1.2/version-info",
            "HSE_VERSION_INFO has 260 bytes and is zeroed before the call",
        )
        .says("size 260 description 4 zeroed yes\n")
        .iis_unknown(),
        rule(
            "1.3/once",
            "GetExtensionVersion is called once, before the first request",
        )
        .says("before the first request 1, until now 1\n"),
        rule(
            "1.4/whole-1",
            "HSE_STATUS_SUCCESS ends a request; the connection is kept",
        )
        .answers(WHOLE.0, WHOLE.1, "whole"),
        rule(
            "1.4/whole-2",
            "HSE_STATUS_SUCCESS_AND_KEEP_CONN does the same",
        )
        .answers(WHOLE.0, WHOLE.1, "whole"),
        rule("1.4/whole-0", "0 is taken for success").answers(WHOLE.0, WHOLE.1, "whole"),
        rule(
            "1.4/open-1",
            "Success ends an answer without Content-Length",
        )
        .answers(OPEN.0, OPEN.1, "begun")
        .iis("closes the connection")
        .apache("as the client wants it"),
        rule(
            "1.4/open-4",
            "HSE_STATUS_ERROR behind a head breaks the answer off",
        )
        .breaks_off(OPEN.0, OPEN.1, "begun")
        .iis("may close")
        .apache_unknown(),
        rule(
            "1.4/open-5",
            "Unknown values are taken for HSE_STATUS_ERROR",
        )
        .breaks_off(OPEN.0, OPEN.1, "begun")
        .iis_unknown(),
        rule("1.4/nothing-0", "0 without an answer: 500")
            .answers_with_error(500)
            .iis_unknown()
            .apache("dwHttpStatusCode"),
        rule("1.4/nothing-1", "HSE_STATUS_SUCCESS without an answer: 500")
            .answers_with_error(500)
            .iis_unknown()
            .apache("dwHttpStatusCode"),
        rule(
            "1.4/nothing-2",
            "HSE_STATUS_SUCCESS_AND_KEEP_CONN without an answer: 500",
        )
        .answers_with_error(500)
        .iis_unknown()
        .apache("dwHttpStatusCode"),
        rule("1.4/nothing-4", "HSE_STATUS_ERROR without an answer: 500")
            .answers_with_error(500)
            .iis_unknown(),
        rule("1.4/nothing-5", "Unknown values without an answer: 500")
            .answers_with_error(500)
            .iis_unknown(),
        rule(
            "1.4/nothing-but-status",
            "Success without an answer but with dwHttpStatusCode from 400 on: that status",
        )
        .answers_with_error(403)
        .iis_unknown(),
        rule(
            "1.4/nothing-but-good-status",
            "Success without an answer and with dwHttpStatusCode below 400: 500",
        )
        .answers_with_error(500)
        .iis_unknown()
        .apache("dwHttpStatusCode"),
        rule(
            "1.4/error-with-status",
            "HSE_STATUS_ERROR without an answer: 500, whatever dwHttpStatusCode says",
        )
        .answers_with_error(500)
        .iis_unknown(),
        rule(
            "1.4/pending-done-first",
            "DONE_WITH_SESSION on another thread may come before HSE_STATUS_PENDING is returned",
        )
        .section("2.1")
        .of("4")
        .answers(WHOLE.0, WHOLE.1, "whole")
        .apache("with ISAPIFakeAsync"),
        rule(
            "2.1/done-then-success",
            "DONE_WITH_SESSION and then HSE_STATUS_SUCCESS ends the request once",
        )
        .of("4")
        .answers(WHOLE.0, WHOLE.1, "whole")
        .observes("TRUE")
        .iis_unknown()
        .apache("refused (87)"),
        rule(
            "4.2/done-with-error",
            "DONE_WITH_SESSION with HSE_STATUS_ERROR and no answer: 500",
        )
        .of("4")
        .answers_with_error(500)
        .iis_unknown()
        .apache("with ISAPIFakeAsync"),
        rule(
            "2.4/after-done",
            "After DONE_WITH_SESSION every callback fails with 87",
        )
        .answers(WHOLE.0, WHOLE.1, "whole")
        .observes(
            "GetServerVariable FALSE 87\nWriteClient FALSE 87\nReadClient FALSE 87\n\
                 ServerSupportFunction FALSE 87\nDONE FALSE 87\n",
        )
        .iis("undefined")
        .apache("undefined"),
    ]
}
