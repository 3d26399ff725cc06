/* Section 4.3: asynchronous operations as such, shown with WriteClient. */
#include "conformance.h"

/* A head for a body of so many bytes. */
static void head(Block *block, unsigned length) {
    char headers[64];
    snprintf(headers, sizeof headers, "Content-Length: %u\r\n\r\n", length);
    send_head(block, "200 OK", headers);
}

static DWORD write_once(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    head(block, 5);
    START(job, start_write(job, "hello", 5));
    return HSE_STATUS_PENDING;
}

static DWORD write_nothing(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    head(block, 0);
    START(job, start_write(job, NULL, 0));
    return HSE_STATUS_PENDING;
}

static BYTE many[4u << 20];

static DWORD write_many(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    for (size_t at = 0; at < sizeof many; at++)
        many[at] = (BYTE)(at % 251);
    head(block, sizeof many);
    START(job, start_write(job, many, sizeof many));
    return HSE_STATUS_PENDING;
}

/* HttpExtensionProc waits for the completion function: it must be on another thread. */
static DWORD proc_thread;
static LONG noted;

static void note_thread(Job *job, DWORD bytes, DWORD error) {
    (void)bytes, (void)error;
    say(job->report, "%s thread\n", GetCurrentThreadId() == proc_thread ? "the same" : "another");
    InterlockedIncrement(&noted);
}

static DWORD another_thread(Block *block, Report *report) {
    Job *job = begin_job(block, report, note_thread);
    proc_thread = GetCurrentThreadId();
    noted = 0;
    head(block, 5);
    START(job, start_write(job, "hello", 5));
    wait_until(&noted, 1);
    return HSE_STATUS_SUCCESS;
}

/* A chain: each completion function starts the next operation. None may run inside another. */
static LONG depth, deepest;
#ifdef _WIN32
static DWORD depth_slot = TLS_OUT_OF_INDEXES;
#else
static __thread LONG here;
#endif

static LONG enter(LONG step) {
#ifdef _WIN32
    LONG now = (LONG)(LONG_PTR)TlsGetValue(depth_slot) + step;
    TlsSetValue(depth_slot, (LPVOID)(LONG_PTR)now);
    return now;
#else
    return here += step;
#endif
}

enum { CHAIN = 20000 };

static void WINAPI chain(Block *block, PVOID context, DWORD bytes, DWORD error) {
    Job *job = context;
    static BYTE byte;
    LONG now = enter(1);
    (void)block;
    if (now > deepest)
        deepest = now;
    if (bytes != 1 || error != 0)
        say(job->report, "%u bytes, error %u\n", (unsigned)bytes, (unsigned)error);
    if (++job->offset < CHAIN) {
        byte = (BYTE)(job->offset % 251);
        if (!start_write(job, &byte, 1))
            say(job->report, "refused after %u\n", (unsigned)job->offset);
        enter(-1);
        return;
    }
    enter(-1);
    say(job->report, "completions %u, depth %d\n", (unsigned)job->offset, (int)deepest);
    end_job(job, 0, 0);
}

static DWORD long_chain(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    static BYTE first = 0;
    depth = deepest = 0;
#ifdef _WIN32
    if (depth_slot == TLS_OUT_OF_INDEXES)
        depth_slot = TlsAlloc();
#endif
    block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)chain, NULL, (LPDWORD)job);
    head(block, CHAIN);
    start_write(job, &first, 1);
    return HSE_STATUS_PENDING;
}

/* Calls that fail have no completion: only the last one, which does not fail, has. */
static void count_completions(Job *job, DWORD bytes, DWORD error) {
    say(job->report, "completions %d\n", (int)job->completions);
    end_job(job, bytes, error);
}

static DWORD failures_do_not_complete(Block *block, Report *report) {
    Job *job = begin_job(block, report, count_completions);
    head(block, 5);
    START(job, start_write(job, NULL, 5));
    START(job, block->WriteClient(block->ConnID, "hello", NULL, HSE_IO_ASYNC));
    START(job, start_write(job, "hello", 5));
    return HSE_STATUS_PENDING;
}

/* In a completion function every synchronous callback may be used. */
static void use_callbacks(Job *job, DWORD bytes, DWORD error) {
    Block *block = job->block;
    char method[16];
    DWORD size = sizeof method;
    BOOL connected = FALSE;
    TRY(job->report, block->GetServerVariable(block->ConnID, "REQUEST_METHOD", method, &size));
    say(job->report, " %s\n", method);
    size = 4;
    TRY(job->report, block->ReadClient(block->ConnID, job_buffer, &size));
    say(job->report, " count %u\n", (unsigned)size);
    TRY(job->report, block->ServerSupportFunction(block->ConnID, HSE_REQ_IS_CONNECTED, &connected, NULL, NULL));
    say(job->report, " %d\n", (int)connected);
    TRY(job->report, write_text(block, "world"));
    say(job->report, "\n");
    end_job(job, bytes, error);
}

static DWORD callbacks_in_completion(Block *block, Report *report) {
    Job *job = begin_job(block, report, use_callbacks);
    head(block, 10);
    START(job, start_write(job, "hello", 5));
    return HSE_STATUS_PENDING;
}

/* HttpExtensionProc returns success in spite of an operation. */
static void write_behind(Job *job, DWORD bytes, DWORD error) {
    (void)bytes, (void)error;
    TRY(job->report, write_text(job->block, "world"));
    say(job->report, "\n");
    end_report();
}

static DWORD success_in_spite(Block *block, Report *report) {
    Job *job = begin_job(block, report, write_behind);
    head(block, 10);
    START(job, start_write(job, "hello", 5));
    return HOLDS_REPORT | HSE_STATUS_SUCCESS;
}

/* DONE in spite of an operation, which is a read so that it is certainly outstanding. */
static void callbacks_fail(Job *job, DWORD bytes, DWORD error) {
    char method[16];
    DWORD size = sizeof method;
    (void)bytes, (void)error;
    TRY(job->report, job->block->GetServerVariable(job->block->ConnID, "REQUEST_METHOD", method, &size));
    say(job->report, "\n");
    end_report();
}

static DWORD done_in_spite(Block *block, Report *report) {
    Job *job = begin_job(block, report, callbacks_fail);
    head(block, 5);
    write_text(block, "hello");
    START(job, start_read(job, 100));
    block->ServerSupportFunction(block->ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
    return HSE_STATUS_PENDING;
}

/* Code 1005: the last one counts, and NULL removes it. */
static void WINAPI first_function(Block *block, PVOID context, DWORD bytes, DWORD error) {
    Job *job = context;
    (void)block;
    say(job->report, "the first function\n");
    end_job(job, bytes, error);
}

static DWORD last_registration(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)first_function, NULL, (LPDWORD)job);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)completed, NULL, (LPDWORD)job));
    say(report, "\n");
    head(block, 5);
    START(job, start_write(job, "hello", 5));
    return HSE_STATUS_PENDING;
}

static DWORD removed_registration(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, NULL, NULL, NULL));
    say(report, "\n");
    START(job, start_write(job, "hello", 5));
    return ANSWER_REPORT;
}

static DWORD unused_registration(Block *block, Report *report) {
    begin_job(block, report, end_job);
    say(report, "registered\n");
    return ANSWER_REPORT;
}

/* An operation that is started by a thread of the extension after HttpExtensionProc has returned. */
static void start_later(void *context) {
    Job *job = context;
    START(job, start_write(job, "hello", 5));
}

static void start_on_own_thread(Job *job, DWORD bytes, DWORD error) {
    (void)bytes, (void)error;
    job->then = end_job;
    on_another_thread(start_later, job);
}

static DWORD own_thread(Block *block, Report *report) {
    Job *job = begin_job(block, report, start_on_own_thread);
    head(block, 10);
    START(job, start_write(job, "hello", 5));
    return HSE_STATUS_PENDING;
}

/* Writes until the client has gone. It may go while a write is outstanding or between two. */
static void WINAPI write_until_error(Block *block, PVOID context, DWORD bytes, DWORD error) {
    Job *job = context;
    (void)block;
    if (error == 0 && start_write(job, many, sizeof many))
        return;
    if (error == 995 || (error == 0 && GetLastError() == 10054))
        say(job->report, "gone\n");
    else
        say(job->report, "error %u, last error %u\n", (unsigned)error, (unsigned)GetLastError());
    end_job(job, bytes, error);
}

static DWORD write_to_nobody(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)write_until_error, NULL, (LPDWORD)job);
    send_head(block, "200 OK", "Content-Type: text/plain\r\n\r\n");
    start_write(job, many, sizeof many);
    return HSE_STATUS_PENDING;
}

/* Code 1043: B is the BOOL itself. */
static DWORD flush_flag(Block *block, Report *report) {
    head(block, 3);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_SET_FLUSH_FLAG, (LPVOID)TRUE, NULL, NULL)), say(report, " ");
    TRY(report, write_text(block, "1")), say(report, " ");
    TRY(report, write_text(block, "2")), say(report, " ");
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_SET_FLUSH_FLAG, (LPVOID)FALSE, NULL, NULL)), say(report, " ");
    TRY(report, write_text(block, "3")), say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

/* Codes 1017 and 1049 with nothing outstanding. */
static DWORD close_idle(Block *block, Report *report) {
    BOOL connected = 99;
    head(block, 100);
    write_text(block, "begun");
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_CLOSE_CONNECTION, NULL, NULL, NULL)), say(report, " ");
    TRY(report, write_text(block, "more")), say(report, " ");
    block->ServerSupportFunction(block->ConnID, HSE_REQ_IS_CONNECTED, &connected, NULL, NULL);
    say(report, "connected %d\n", (int)connected);
    return HSE_STATUS_SUCCESS;
}

static DWORD cancel_nothing(Block *block, Report *report) {
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_CANCEL_IO, NULL, NULL, NULL)), say(report, "\n");
    return ANSWER_REPORT;
}

const Rule asynchronous_rules[] = {
    {"4.3/write", write_once},
    {"4.3/write-nothing", write_nothing},
    {"4.3/write-many", write_many},
    {"4.3/another-thread", another_thread},
    {"4.3/chain", long_chain},
    {"4.3/failures", failures_do_not_complete},
    {"4.3/callbacks", callbacks_in_completion},
    {"4.3/success-in-spite", success_in_spite},
    {"4.3/done-in-spite", done_in_spite},
    {"4.3/own-thread", own_thread},
    {"4.3/write-to-nobody", write_to_nobody},
    {"4.2/1005-last", last_registration},
    {"4.2/1005-removed", removed_registration},
    {"4.2/1005-unused", unused_registration},
    {"4.2/1017-idle", close_idle},
    {"4.2/1043", flush_flag},
    {"4.2/1049-idle", cancel_nothing},
    {NULL, NULL},
};
