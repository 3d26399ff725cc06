/* Sections 6.3, 6.6 and 6.7: header strings, framing and special requests. Header strings come as the request's body. */
#include "conformance.h"

static DWORD ok(Report *report) {
    say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

/* Code 3 with these headers; nothing else. */
static DWORD headers_3(Block *block, Report *report) {
    TRY(report, send_head(block, "200 OK", (char *)block->lpbData));
    return ok(report);
}

/* The same and then a body. */
static DWORD headers_and_body(Block *block, Report *report) {
    TRY(report, send_head(block, "200 OK", (char *)block->lpbData));
    say(report, " ");
    TRY(report, write_text(block, "body\n"));
    return ok(report);
}

static DWORD headers_null(Block *block, Report *report) {
    TRY(report, send_head(block, "200 OK", NULL));
    say(report, " ");
    TRY(report, write_text(block, "body\n"));
    return ok(report);
}

/* Code 1016: the query is added to the length of the header string, or is the length if it begins with "=". */
static DWORD headers_1016(Block *block, Report *report) {
    const char *query = block->lpszQueryString;
    HSE_SEND_HEADER_EX_INFO info;
    info.pszStatus = "200 OK";
    info.cchStatus = 6;
    info.pszHeader = (char *)block->lpbData;
    info.cchHeader = *query == '=' ? (DWORD)strtoul(query + 1, NULL, 10) : block->cbAvailable + (DWORD)strtoul(query, NULL, 10);
    info.fKeepConn = TRUE;
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &info, NULL, NULL));
    return ok(report);
}

/* A header call with the lines of the first half, and its end by WriteClient. */
static DWORD end_by_write(Block *block, Report *report) {
    TRY(report, send_head(block, "200 OK", "Content-Type: text/plain\r\n"));
    say(report, " ");
    TRY(report, write_text(block, "\r\nbody\n"));
    return ok(report);
}

/* The answer's body is what the request's body is; the query is the status, path info says nothing. */
static void begin(Block *block, const char *headers) {
    send_head(block, *block->lpszQueryString ? block->lpszQueryString : "200 OK", headers);
}

static DWORD length_5_body(Block *block, Report *report) {
    DWORD size = block->cbAvailable;
    begin(block, "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n");
    TRY(report, block->WriteClient(block->ConnID, block->lpbData, &size, HSE_IO_SYNC));
    say(report, " count %u", (unsigned)size);
    return ok(report);
}

static DWORD length_5_nothing(Block *block, Report *report) {
    begin(block, "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n");
    return ok(report);
}

static DWORD open_body(Block *block, Report *report) {
    DWORD size = block->cbAvailable;
    begin(block, "Content-Type: text/plain\r\n\r\n");
    TRY(report, block->WriteClient(block->ConnID, block->lpbData, &size, HSE_IO_SYNC));
    return ok(report);
}

static DWORD chunked_body(Block *block, Report *report) {
    DWORD size = block->cbAvailable;
    begin(block, "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
    TRY(report, block->WriteClient(block->ConnID, block->lpbData, &size, HSE_IO_SYNC));
    return ok(report);
}

/* A byte at a time. */
static DWORD chunked_in_bytes(Block *block, Report *report) {
    begin(block, "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (DWORD at = 0; at < block->cbAvailable; at++) {
        DWORD size = 1;
        block->WriteClient(block->ConnID, block->lpbData + at, &size, HSE_IO_SYNC);
    }
    return ok(report);
}

static DWORD chunked_and_length(Block *block, Report *report) {
    DWORD size = block->cbAvailable;
    begin(block, "Content-Type: text/plain\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n");
    TRY(report, block->WriteClient(block->ConnID, block->lpbData, &size, HSE_IO_SYNC));
    return ok(report);
}

/* For HEAD: as GET would be answered. */
static DWORD page(Block *block, Report *report) {
    begin(block, "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n");
    TRY(report, write_text(block, "12345"));
    return ok(report);
}

static DWORD page_without_length(Block *block, Report *report) {
    begin(block, "Content-Type: text/plain\r\n\r\n");
    TRY(report, write_text(block, "12345"));
    return ok(report);
}

const Rule header_rules[] = {
    {"6.3/headers", headers_3},
    {"6.3/headers-and-body", headers_and_body},
    {"6.3/null", headers_null},
    {"6.3/headers-1016", headers_1016},
    {"6.3/end-by-write", end_by_write},
    {"6.6/length-5", length_5_body},
    {"6.6/length-5-nothing", length_5_nothing},
    {"6.6/open", open_body},
    {"6.6/chunked", chunked_body},
    {"6.6/chunked-in-bytes", chunked_in_bytes},
    {"6.6/chunked-and-length", chunked_and_length},
    {"6.7/page", page},
    {"6.7/page-without-length", page_without_length},
    {NULL, NULL},
};
