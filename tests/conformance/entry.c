/* Section 1: the entry points and what HttpExtensionProc returns. */
#include "conformance.h"

static unsigned versions, requests, versions_before_requests;
static BOOL zeroed = TRUE;

/* Called by GetExtensionVersion. */
void start_entry_report(HSE_VERSION_INFO *version) {
    const BYTE *bytes = (const BYTE *)version;
    for (size_t at = 0; at < sizeof *version; at++)
        if (bytes[at] != 0)
            zeroed = FALSE;
    versions++;
}

/* Called by each HttpExtensionProc. Rules run one at a time. */
void first_request_seen(void) {
    if (requests++ == 0)
        versions_before_requests = versions;
}

static DWORD version_info(Block *block, Report *report) {
    (void)block;
    say(report, "size %u description %u zeroed %s\n", (unsigned)sizeof(HSE_VERSION_INFO),
        (unsigned)offsetof(HSE_VERSION_INFO, lpszExtensionDesc), zeroed ? "yes" : "no");
    return ANSWER_REPORT;
}

static DWORD version_once(Block *block, Report *report) {
    (void)block;
    say(report, "before the first request %u, until now %u\n", versions_before_requests, versions);
    return ANSWER_REPORT;
}

/* With output: a whole answer of five bytes. */
static DWORD whole_answer(Block *block, DWORD status) {
    send_head(block, "200 OK", "Content-Length: 5\r\n\r\n");
    write_text(block, "whole");
    return status;
}

static DWORD open_answer(Block *block, DWORD status) {
    send_head(block, "200 OK", "Content-Type: text/plain\r\n\r\n");
    write_text(block, "begun");
    return status;
}

#define RETURNS_WHOLE(number)                                                                                          \
    static DWORD whole_##number(Block *block, Report *report) {                                                        \
        (void)report;                                                                                                  \
        return whole_answer(block, number);                                                                            \
    }
#define RETURNS_NOTHING(number)                                                                                        \
    static DWORD nothing_##number(Block *block, Report *report) {                                                      \
        (void)block, (void)report;                                                                                     \
        return number;                                                                                                 \
    }
RETURNS_WHOLE(0)
RETURNS_WHOLE(1)
RETURNS_WHOLE(2)
RETURNS_NOTHING(0)
RETURNS_NOTHING(1)
RETURNS_NOTHING(2)
RETURNS_NOTHING(4)
RETURNS_NOTHING(5)

static DWORD open_1(Block *block, Report *report) {
    (void)report;
    return open_answer(block, HSE_STATUS_SUCCESS);
}

static DWORD open_4(Block *block, Report *report) {
    (void)report;
    return open_answer(block, HSE_STATUS_ERROR);
}

static DWORD open_5(Block *block, Report *report) {
    (void)report;
    return open_answer(block, 5);
}

static DWORD nothing_but_status(Block *block, Report *report) {
    (void)report;
    block->dwHttpStatusCode = 403;
    return HSE_STATUS_SUCCESS;
}

static DWORD nothing_but_good_status(Block *block, Report *report) {
    (void)report;
    block->dwHttpStatusCode = 302;
    return HSE_STATUS_SUCCESS;
}

static DWORD error_with_status(Block *block, Report *report) {
    (void)report;
    block->dwHttpStatusCode = 403;
    return HSE_STATUS_ERROR;
}

static void answer_and_finish(void *context) {
    Block *block = context;
    whole_answer(block, 0);
    end_report();
    block->ServerSupportFunction(block->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

/* The thread is done before HttpExtensionProc returns. */
static DWORD pending_done_first(Block *block, Report *report) {
    (void)report;
    on_another_thread(answer_and_finish, block);
    return HSE_STATUS_PENDING;
}

static DWORD done_then_success(Block *block, Report *report) {
    DWORD status = HSE_STATUS_SUCCESS;
    whole_answer(block, 0);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_DONE_WITH_SESSION, &status, NULL, NULL));
    return HSE_STATUS_SUCCESS;
}

static DWORD done_with_error(Block *block, Report *report) {
    DWORD status = HSE_STATUS_ERROR;
    (void)report;
    end_report();
    block->ServerSupportFunction(block->ConnID, HSE_REQ_DONE_WITH_SESSION, &status, NULL, NULL);
    return HSE_STATUS_PENDING;
}

/* After DONE: the ECB's pointer must not be used, so what is needed is copied before. */
static DWORD callbacks_after_done(Block *block, Report *report) {
    Block copy = *block;
    char buffer[64];
    DWORD size = sizeof buffer, count = 1;
    BOOL connected = FALSE;
    whole_answer(block, 0);
    copy.ServerSupportFunction(copy.ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
    say(report, "GetServerVariable "), TRY(report, copy.GetServerVariable(copy.ConnID, "URL", buffer, &size));
    say(report, "\nWriteClient "), TRY(report, copy.WriteClient(copy.ConnID, "x", &count, HSE_IO_SYNC));
    say(report, "\nReadClient "), TRY(report, copy.ReadClient(copy.ConnID, buffer, &size));
    say(report, "\nServerSupportFunction ");
    TRY(report, copy.ServerSupportFunction(copy.ConnID, HSE_REQ_IS_CONNECTED, &connected, NULL, NULL));
    say(report, "\nDONE ");
    TRY(report, copy.ServerSupportFunction(copy.ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL));
    say(report, "\n");
    end_report();
    return HSE_STATUS_PENDING;
}

const Rule entry_rules[] = {
    {"1.2/version-info", version_info},
    {"1.3/once", version_once},
    {"1.4/whole-0", whole_0},
    {"1.4/whole-1", whole_1},
    {"1.4/whole-2", whole_2},
    {"1.4/nothing-0", nothing_0},
    {"1.4/nothing-1", nothing_1},
    {"1.4/nothing-2", nothing_2},
    {"1.4/nothing-4", nothing_4},
    {"1.4/nothing-5", nothing_5},
    {"1.4/open-1", open_1},
    {"1.4/open-4", open_4},
    {"1.4/open-5", open_5},
    {"1.4/nothing-but-status", nothing_but_status},
    {"1.4/nothing-but-good-status", nothing_but_good_status},
    {"1.4/error-with-status", error_with_status},
    {"1.4/pending-done-first", pending_done_first},
    {"2.1/done-then-success", done_then_success},
    {"4.2/done-with-error", done_with_error},
    {"2.4/after-done", callbacks_after_done},
    {NULL, NULL},
};
