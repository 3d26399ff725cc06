/* Sections 3 and 7.3: several threads on one request, and the stack of the host's threads. */
#include "conformance.h"

#ifdef _WIN32
#include <malloc.h>
#else
#include <alloca.h>
#endif

enum { WRITES = 20000 };

/* Writes so many single bytes. */
static void write_bytes(void *context) {
    Block *block = context;
    for (int count = 0; count < WRITES; count++)
        write_text(block, "x");
}

static DWORD two_write(Block *block, Report *report) {
    char headers[64];
    snprintf(headers, sizeof headers, "Content-Length: %d\r\n\r\n", 2 * WRITES);
    send_head(block, "200 OK", headers);
    beside_another_thread(write_bytes, block);
    say(report, "written\n");
    return HSE_STATUS_SUCCESS;
}

static LONG bytes_read;

static void read_bytes(void *context) {
    Block *block = context;
    BYTE bytes[100];
    for (;;) {
        DWORD size = sizeof bytes;
        if (!block->ReadClient(block->ConnID, bytes, &size) || size == 0)
            return;
        InterlockedExchangeAdd(&bytes_read, (LONG)size);
    }
}

static DWORD two_read(Block *block, Report *report) {
    bytes_read = 0;
    beside_another_thread(read_bytes, block);
    say(report, "read %d\n", (int)bytes_read);
    return ANSWER_REPORT;
}

/* Every callback at once. */
static LONG failures;

static void call_all(void *context) {
    Block *block = context;
    for (int count = 0; count < 2000; count++) {
        char value[256];
        DWORD size = sizeof value;
        BOOL is;
        if (!block->GetServerVariable(block->ConnID, "ALL_HTTP", value, &size) ||
            !block->ServerSupportFunction(block->ConnID, HSE_REQ_IS_CONNECTED, &is, NULL, NULL) || !write_text(block, ""))
            InterlockedIncrement(&failures);
    }
}

static DWORD two_call(Block *block, Report *report) {
    failures = 0;
    beside_another_thread(call_all, block);
    say(report, "failures %d\n", (int)failures);
    return ANSWER_REPORT;
}

/* Uses so much of the stack. */
static void use_stack(Report *report) {
    enum { SIZE = 900 * 1024 };
    volatile BYTE *bytes = alloca(SIZE);
    for (size_t at = 0; at < SIZE; at += 1024)
        bytes[SIZE - 1 - at] = 1;
    say(report, "used %d\n", bytes[SIZE - 1] * SIZE);
}

static DWORD stack(Block *block, Report *report) {
    (void)block;
    use_stack(report);
    return ANSWER_REPORT;
}

static void use_stack_later(Job *job, DWORD bytes, DWORD error) {
    use_stack(job->report);
    answer_job(job, bytes, error);
}

static DWORD stack_of_completion(Block *block, Report *report) {
    Job *job = begin_job(block, report, use_stack_later);
    START(job, start_read(job, 1));
    return HSE_STATUS_PENDING;
}

const Rule thread_rules[] = {
    {"3/two-write", two_write},
    {"3/two-read", two_read},
    {"3/two-call", two_call},
    {"7.3/stack", stack},
    {"7.3/stack-of-completion", stack_of_completion},
    {NULL, NULL},
};
