/* Sections 6.1 and 6.2: the start of an answer and its status. Status strings come as the request's body. */
#include "conformance.h"

static const char *const FIVE = "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n";

static DWORD five(Block *block, Report *report) {
    say(report, " ");
    TRY(report, write_text(block, "12345"));
    say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

static DWORD status_3(Block *block, Report *report) {
    TRY(report, send_head(block, (char *)block->lpbData, FIVE));
    return five(block, report);
}

static DWORD status_null(Block *block, Report *report) {
    TRY(report, send_head(block, NULL, FIVE));
    return five(block, report);
}

/* Status and headers with lengths. */
static BOOL send_ex(Block *block, const char *status, DWORD status_length, const char *headers, DWORD headers_length, BOOL keep) {
    HSE_SEND_HEADER_EX_INFO info;
    info.pszStatus = status;
    info.pszHeader = headers;
    info.cchStatus = status_length;
    info.cchHeader = headers_length;
    info.fKeepConn = keep;
    return block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &info, NULL, NULL);
}

static DWORD status_1016(Block *block, Report *report) {
    TRY(report, send_ex(block, (char *)block->lpbData, block->cbAvailable, FIVE, (DWORD)strlen(FIVE), TRUE));
    return five(block, report);
}

static DWORD status_1016_null(Block *block, Report *report) {
    TRY(report, send_ex(block, NULL, 0, FIVE, (DWORD)strlen(FIVE), TRUE));
    return five(block, report);
}

static DWORD status_code_is_for_the_log(Block *block, Report *report) {
    block->dwHttpStatusCode = 404;
    TRY(report, send_head(block, "200 OK", FIVE));
    return five(block, report);
}

static DWORD continue_first(Block *block, Report *report) {
    TRY(report, send_head(block, "100 Continue", "\r\n"));
    say(report, " ");
    TRY(report, send_head(block, "200 OK", FIVE));
    return five(block, report);
}

static DWORD switching_protocols(Block *block, Report *report) {
    TRY(report, send_head(block, "101 Switching Protocols", "Upgrade: own\r\n\r\n"));
    say(report, " ");
    TRY(report, send_head(block, "200 OK", FIVE));
    return five(block, report);
}

static DWORD twice(Block *block, Report *report) {
    TRY(report, send_head(block, "200 OK", FIVE));
    say(report, " ");
    TRY(report, send_head(block, "404 Not Found", "X-Second: yes\r\n\r\n"));
    return five(block, report);
}

static DWORD twice_ex(Block *block, Report *report) {
    TRY(report, send_head(block, "200 OK", FIVE));
    say(report, " ");
    TRY(report, send_ex(block, "404 Not Found", 13, "X-Second: yes\r\n\r\n", 17, TRUE));
    return five(block, report);
}

static DWORD redirect(Block *block, Report *report, const char *url) {
    DWORD length = (DWORD)strlen(url);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_URL_REDIRECT_RESP, (LPVOID)url, &length, NULL));
    return HSE_STATUS_SUCCESS;
}

/* The query chooses the code, the body is the URL. */
static DWORD redirect_to_body(Block *block, Report *report) {
    DWORD code = (DWORD)strtoul(block->lpszQueryString, NULL, 10), length = block->cbAvailable;
    TRY(report, block->ServerSupportFunction(block->ConnID, code, block->lpbData, &length, NULL));
    say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

static DWORD redirect_after_head(Block *block, Report *report) {
    TRY(report, send_head(block, "200 OK", FIVE));
    say(report, " ");
    redirect(block, report, "http://example.org/");
    return five(block, report);
}

static DWORD head_after_redirect(Block *block, Report *report) {
    redirect(block, report, "http://example.org/");
    say(report, " ");
    TRY(report, send_head(block, "200 OK", FIVE));
    return five(block, report);
}

static DWORD head_after_body(Block *block, Report *report) {
    TRY(report, write_text(block, "no head at all\n"));
    say(report, " ");
    TRY(report, send_head(block, "404 Not Found", "X-Late: yes\r\n\r\n"));
    say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

static DWORD keep_connection(Block *block, Report *report) {
    TRY(report, send_ex(block, "200 OK", 6, FIVE, (DWORD)strlen(FIVE), 0x5A5A));
    return five(block, report);
}

static DWORD close_connection(Block *block, Report *report) {
    TRY(report, send_ex(block, "200 OK", 6, FIVE, (DWORD)strlen(FIVE), FALSE));
    return five(block, report);
}

static DWORD null_1016(Block *block, Report *report) {
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, NULL, NULL, NULL));
    say(report, " ");
    TRY(report, send_head(block, "200 OK", FIVE));
    return five(block, report);
}

const Rule status_rules[] = {
    {"6.1/twice", twice},
    {"6.1/twice-1016", twice_ex},
    {"4.2/redirect", redirect_to_body},
    {"6.1/redirect-after-head", redirect_after_head},
    {"6.1/head-after-redirect", head_after_redirect},
    {"6.1/head-after-body", head_after_body},
    {"6.2/status", status_3},
    {"6.2/null", status_null},
    {"6.2/status-1016", status_1016},
    {"6.2/null-1016", status_1016_null},
    {"6.2/for-the-log", status_code_is_for_the_log},
    {"6.2/continue-first", continue_first},
    {"6.2/switching-protocols", switching_protocols},
    {"6.6/keep", keep_connection},
    {"6.6/close", close_connection},
    {"6.1/null-structure", null_1016},
    {NULL, NULL},
};
