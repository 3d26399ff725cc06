/* Section 4.2: TRANSMIT_FILE, code 1006. "/pattern" is a file of 100,000 bytes, "/empty" one without any. */
#include "conformance.h"

static const char *const OPEN = "Content-Type: text/plain\r\n\r\n";

static BOOL transmit(Job *job, const HSE_TF_INFO *info) {
    return job->block->ServerSupportFunction(job->block->ConnID, HSE_REQ_TRANSMIT_FILE, (LPVOID)info, NULL, NULL);
}

static void close_and_end(Job *job, DWORD bytes, DWORD error) {
    close_file(job->file);
    end_job(job, bytes, error);
}

static HSE_TF_INFO plain(Job *job, const char *url) {
    HSE_TF_INFO info;
    memset(&info, 0, sizeof info);
    /* Its status must not be looked at. */
    info.pszStatusCode = (LPCSTR)16;
    info.hFile = job->file = open_file(job->block, url);
    info.dwFlags = HSE_IO_ASYNC;
    return info;
}

/* Behind an open head: the file as `change` wants it. */
static DWORD behind_head(Block *block, Report *report, const char *url, void (*change)(HSE_TF_INFO *info)) {
    Job *job = begin_job(block, report, close_and_end);
    HSE_TF_INFO info = plain(job, url);
    if (change != NULL)
        change(&info);
    send_head(block, "200 OK", OPEN);
    START(job, transmit(job, &info));
    return HSE_STATUS_PENDING;
}

static DWORD whole(Block *block, Report *report) {
    return behind_head(block, report, "/pattern", NULL);
}

static DWORD empty(Block *block, Report *report) {
    return behind_head(block, report, "/empty", NULL);
}

static void take_part(HSE_TF_INFO *info) {
    info->Offset = 251 * 2;
    info->BytesToWrite = 1000;
}

static DWORD part(Block *block, Report *report) {
    return behind_head(block, report, "/pattern", take_part);
}

static void take_rest(HSE_TF_INFO *info) {
    info->Offset = 251 * 100;
}

static DWORD rest(Block *block, Report *report) {
    return behind_head(block, report, "/pattern", take_rest);
}

static void take_end(HSE_TF_INFO *info) {
    info->Offset = 100000;
}

static DWORD at_end(Block *block, Report *report) {
    return behind_head(block, report, "/pattern", take_end);
}

static void add_head_and_tail(HSE_TF_INFO *info) {
    info->BytesToWrite = 5;
    info->pHead = "<", info->HeadLength = 1;
    info->pTail = "\0>", info->TailLength = 2;
}

static DWORD head_and_tail(Block *block, Report *report) {
    return behind_head(block, report, "/text", add_head_and_tail);
}

static void without_flags(HSE_TF_INFO *info) {
    info->dwFlags = 0;
}

static DWORD no_flags(Block *block, Report *report) {
    return behind_head(block, report, "/text", without_flags);
}

static void with_nodelay(HSE_TF_INFO *info) {
    info->dwFlags |= HSE_IO_NODELAY;
}

static DWORD nodelay(Block *block, Report *report) {
    return behind_head(block, report, "/text", with_nodelay);
}

/* SEND_HEADERS: status and headers are the structure's. */
static DWORD with_headers(Block *block, Report *report) {
    static const char headers[] = "Content-Type: text/x-own\r\nContent-Length: 7\r\n\r\n";
    Job *job = begin_job(block, report, close_and_end);
    HSE_TF_INFO info = plain(job, "/text");
    info.dwFlags |= HSE_IO_SEND_HEADERS;
    info.pszStatusCode = "203 Own";
    info.pHead = (LPVOID)headers, info.HeadLength = sizeof headers - 1;
    info.pTail = ".\n", info.TailLength = 2;
    START(job, transmit(job, &info));
    return HSE_STATUS_PENDING;
}

static DWORD headers_twice(Block *block, Report *report) {
    Job *job = begin_job(block, report, close_and_end);
    HSE_TF_INFO info = plain(job, "/text");
    info.dwFlags |= HSE_IO_SEND_HEADERS;
    info.pszStatusCode = "203 Own";
    info.pHead = (LPVOID)OPEN, info.HeadLength = (DWORD)strlen(OPEN);
    send_head(block, "200 OK", "Content-Length: 0\r\n\r\n");
    START(job, transmit(job, &info));
    close_file(job->file);
    return HSE_STATUS_SUCCESS;
}

/* Head and tail alone. */
static DWORD no_file(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    HSE_TF_INFO info;
    memset(&info, 0, sizeof info);
    info.dwFlags = HSE_IO_ASYNC;
    info.pHead = "head,", info.HeadLength = 5;
    info.pTail = "tail", info.TailLength = 4;
    send_head(block, "200 OK", OPEN);
    START(job, transmit(job, &info));
    return HSE_STATUS_PENDING;
}

/* The structure's own completion function goes before the registered one, with its own context. */
static void WINAPI own_function(Block *block, PVOID context, DWORD bytes, DWORD error) {
    Job *job = context;
    (void)block;
    wait_until(&job->started, 1);
    say(job->report, "its own %u error %u\n", (unsigned)bytes, (unsigned)error);
    close_and_end(job, bytes, error);
}

static DWORD own_completion(Block *block, Report *report) {
    Job *job = begin_job(block, report, close_and_end);
    HSE_TF_INFO info = plain(job, "/text");
    info.pfnHseIO = own_function;
    info.pContext = job;
    send_head(block, "200 OK", OPEN);
    START(job, transmit(job, &info));
    return HSE_STATUS_PENDING;
}

static DWORD own_completion_alone(Block *block, Report *report) {
    Job *job = begin_job(block, report, close_and_end);
    HSE_TF_INFO info = plain(job, "/text");
    block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, NULL, NULL, NULL);
    info.pfnHseIO = own_function;
    info.pContext = job;
    send_head(block, "200 OK", OPEN);
    START(job, transmit(job, &info));
    return HSE_STATUS_PENDING;
}

/* One handle, which is overlapped on Windows, for one transmission after another. */
static void transmit_again(Job *job, DWORD bytes, DWORD error) {
    HSE_TF_INFO info;
    (void)bytes, (void)error;
    memset(&info, 0, sizeof info);
    info.hFile = job->file;
    info.dwFlags = HSE_IO_ASYNC;
    if (++job->offset == 3)
        job->then = close_and_end;
    START(job, transmit(job, &info));
}

static DWORD same_handle(Block *block, Report *report) {
    Job *job = begin_job(block, report, transmit_again);
    HSE_TF_INFO info = plain(job, "/text");
    send_head(block, "200 OK", OPEN);
    job->offset = 1;
    START(job, transmit(job, &info));
    return HSE_STATUS_PENDING;
}

/* The answer ends behind the file; DONE must still be called. */
static void write_late(Job *job, DWORD bytes, DWORD error) {
    TRY(job->report, write_text(job->block, "late"));
    say(job->report, "\n");
    close_and_end(job, bytes, error);
}

static DWORD disconnect(Block *block, Report *report) {
    Job *job = begin_job(block, report, write_late);
    HSE_TF_INFO info = plain(job, "/text");
    info.dwFlags |= HSE_IO_DISCONNECT_AFTER_SEND;
    send_head(block, "200 OK", OPEN);
    START(job, transmit(job, &info));
    return HSE_STATUS_PENDING;
}

/* What is wrong with a call; none of them completes, and a head can still be sent. */
static DWORD wrong_calls(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    HSE_TF_INFO info = plain(job, "/pattern"), wrong;
    START(job, transmit(job, NULL));
    wrong = info, wrong.Offset = 100001;
    START(job, transmit(job, &wrong));
    wrong = info, wrong.Offset = 99999, wrong.BytesToWrite = 2;
    START(job, transmit(job, &wrong));
    wrong = info, wrong.hFile = INVALID_HANDLE_VALUE;
    START(job, transmit(job, &wrong));
    wrong = info, wrong.pHead = NULL, wrong.HeadLength = 5;
    START(job, transmit(job, &wrong));
    wrong = info, wrong.pTail = NULL, wrong.TailLength = 5;
    START(job, transmit(job, &wrong));
    block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, NULL, NULL, NULL);
    START(job, transmit(job, &info));
    close_file(job->file);
    return ANSWER_REPORT;
}

const Rule file_rules[] = {
    {"4.2/1006", whole},
    {"4.2/1006-empty", empty},
    {"4.2/1006-part", part},
    {"4.2/1006-rest", rest},
    {"4.2/1006-at-end", at_end},
    {"4.2/1006-head-and-tail", head_and_tail},
    {"4.2/1006-no-flags", no_flags},
    {"4.2/1006-nodelay", nodelay},
    {"4.2/1006-headers", with_headers},
    {"4.2/1006-headers-twice", headers_twice},
    {"4.2/1006-no-file", no_file},
    {"4.2/1006-own-completion", own_completion},
    {"4.2/1006-own-completion-alone", own_completion_alone},
    {"4.2/1006-same-handle", same_handle},
    {"4.2/1006-disconnect", disconnect},
    {"4.2/1006-wrong", wrong_calls},
    {NULL, NULL},
};
