/* Section 4.2: child requests, codes 1025 to 1027, and error pages, code 1028. */
#include "conformance.h"

static const char *const OPEN = "Content-Type: text/plain\r\n\r\n";

/* Strings that a child request needs must be there until it is over. */
static HSE_EXEC_URL_INFO info;
static HSE_EXEC_URL_USER_INFO user;
static HSE_EXEC_URL_ENTITY_INFO entity;
static char url[256];
static WCHAR wide_url[256];

static BOOL exec(Job *job) {
    return job->block->ServerSupportFunction(job->block->ConnID, HSE_REQ_EXEC_URL, &info, NULL, NULL);
}

static void say_status(Block *block, Report *report) {
    HSE_EXEC_URL_STATUS status;
    memset(&status, 0xEE, sizeof status);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_GET_EXEC_URL_STATUS, &status, NULL, NULL));
    say(report, " %u.%u error %u\n", status.uHttpStatusCode, status.uHttpSubStatus, (unsigned)status.dwWin32Error);
}

static void status_and_end(Job *job, DWORD bytes, DWORD error) {
    say_status(job->block, job->report);
    end_job(job, bytes, error);
}

/* The query is the flags and, behind a comma, the child's URL. */
static Job *prepare(Block *block, Report *report) {
    const char *comma = strchr(block->lpszQueryString, ',');
    Job *job = begin_job(block, report, status_and_end);
    memset(&info, 0, sizeof info);
    info.dwExecUrlFlags = (DWORD)strtoul(block->lpszQueryString, NULL, 0);
    if (comma != NULL) {
        snprintf(url, sizeof url, "%s", comma + 1);
        info.pszUrl = url;
    }
    return job;
}

static DWORD child(Block *block, Report *report) {
    Job *job = prepare(block, report);
    START(job, exec(job));
    return HSE_STATUS_PENDING;
}

static DWORD child_behind_head(Block *block, Report *report) {
    Job *job = prepare(block, report);
    send_head(block, "200 OK", OPEN);
    write_text(block, "before|");
    START(job, exec(job));
    return HSE_STATUS_PENDING;
}

/* What the parent sends stands behind the child, and another child may follow. */
static void write_and_repeat(Job *job, DWORD bytes, DWORD error) {
    (void)bytes, (void)error;
    TRY(job->report, write_text(job->block, "|behind|")), say(job->report, "\n");
    job->then = status_and_end;
    START(job, exec(job));
}

static DWORD two_children(Block *block, Report *report) {
    Job *job = prepare(block, report);
    job->then = write_and_repeat;
    send_head(block, "200 OK", OPEN);
    START(job, exec(job));
    return HSE_STATUS_PENDING;
}

static DWORD wide_child(Block *block, Report *report) {
    Job *job = prepare(block, report);
    HSE_EXEC_UNICODE_URL_INFO wide;
    memset(&wide, 0, sizeof wide);
    for (size_t at = 0; at == 0 || url[at - 1] != '\0'; at++)
        wide_url[at] = (BYTE)url[at];
    wide.pszUrl = wide_url;
    send_head(block, "200 OK", OPEN);
    START(job, block->ServerSupportFunction(block->ConnID, HSE_REQ_EXEC_UNICODE_URL, &wide, NULL, NULL));
    return HSE_STATUS_PENDING;
}

static DWORD other_request(Block *block, Report *report) {
    Job *job = prepare(block, report);
    info.pszMethod = "PUT";
    info.pszChildHeaders = "X-Own: own\r\n\r\n";
    info.pUserInfo = &user;
    user.hImpersonationToken = NULL;
    user.pszCustomUserName = "anna";
    user.pszCustomAuthType = "Custom";
    info.pEntity = &entity;
    entity.lpbData = "entity";
    entity.cbAvailable = 6;
    START(job, exec(job));
    return HSE_STATUS_PENDING;
}

/* The rest of the body, of which ten bytes have been read. */
static DWORD rest_of_body(Block *block, Report *report) {
    Job *job = prepare(block, report);
    DWORD size = 10;
    block->ReadClient(block->ConnID, job_buffer, &size);
    START(job, exec(job));
    return HSE_STATUS_PENDING;
}

static DWORD wrong_calls(Block *block, Report *report) {
    Job *job = prepare(block, report);
    START(job, block->ServerSupportFunction(block->ConnID, HSE_REQ_EXEC_URL, NULL, NULL, NULL));
    block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, NULL, NULL, NULL);
    START(job, exec(job));
    return ANSWER_REPORT;
}

static DWORD status_before(Block *block, Report *report) {
    say_status(block, report);
    return ANSWER_REPORT;
}

/* Code 1028 with the query as status. */
static HSE_CUSTOM_ERROR_INFO page;
static char status_text[64];

static BOOL send_page(Block *block, USHORT sub_error, BOOL asynchronous) {
    snprintf(status_text, sizeof status_text, "%s", block->lpszQueryString);
    for (char *plus = status_text; *plus != '\0'; plus++)
        if (*plus == '+')
            *plus = ' ';
    page.pszStatus = status_text;
    page.uHttpSubError = sub_error;
    page.fAsync = asynchronous;
    return block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_CUSTOM_ERROR, &page, NULL, NULL);
}

static DWORD error_page(Block *block, Report *report) {
    TRY(report, send_page(block, 7, FALSE));
    say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

static DWORD error_page_later(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    START(job, send_page(block, 0, TRUE));
    return HSE_STATUS_PENDING;
}

static DWORD no_error_page(Block *block, Report *report) {
    TRY(report, send_page(block, 0, FALSE)), say(report, "\n");
    return ANSWER_REPORT;
}

static DWORD error_page_behind_head(Block *block, Report *report) {
    send_head(block, "200 OK", "Content-Length: 0\r\n\r\n");
    TRY(report, send_page(block, 0, FALSE)), say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

const Rule exec_rules[] = {
    {"4.2/1026", child},
    {"4.2/1026-behind-head", child_behind_head},
    {"4.2/1026-two", two_children},
    {"4.2/1026-request", other_request},
    {"4.2/1026-body", rest_of_body},
    {"4.2/1026-wrong", wrong_calls},
    {"4.2/1025", wide_child},
    {"4.2/1027-before", status_before},
    {"4.2/1028", error_page},
    {"4.2/1028-later", error_page_later},
    {"4.2/1028-none", no_error_page},
    {"4.2/1028-behind-head", error_page_behind_head},
    {NULL, NULL},
};
