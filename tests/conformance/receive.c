/* Sections 4.2 and 4.3: asynchronous reads, code 1010, and what happens while one is outstanding. */
#include "conformance.h"

/* Reads on until the end, or an error, in pieces of the query's size. */
static DWORD piece;
static unsigned wrong;

static void read_on(Job *job, DWORD bytes, DWORD error);

static void WINAPI received(Block *block, PVOID context, DWORD bytes, DWORD error) {
    (void)block;
    read_on(context, bytes, error);
}

static void read_on(Job *job, DWORD bytes, DWORD error) {
    if (bytes > piece || in_order(job_buffer, bytes, job->offset) != bytes)
        wrong++;
    job->offset += bytes;
    job->completions++;
    if (bytes > 0 && error == 0) {
        if (!start_read(job, piece))
            wrong++;
        return;
    }
    say(job->report, "read %u, wrong %u, then %u error %u\n", (unsigned)job->offset, wrong, (unsigned)bytes, (unsigned)error);
    answer_job(job, 0, 0);
}

static DWORD whole_body(Block *block, Report *report) {
    Job *job = begin_job(block, report, read_on);
    piece = (DWORD)strtoul(block->lpszQueryString, NULL, 10);
    wrong = 0;
    job->offset = block->cbAvailable;
    block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)received, NULL, (LPDWORD)job);
    if (!start_read(job, piece))
        return ANSWER_REPORT;
    return HSE_STATUS_PENDING;
}

static DWORD room_of_zero(Block *block, Report *report) {
    Job *job = begin_job(block, report, answer_job);
    START(job, start_read(job, 0));
    return HSE_STATUS_PENDING;
}

/* What is wrong with a call of code 1010. */
static DWORD wrong_calls(Block *block, Report *report) {
    Job *job = begin_job(block, report, answer_job);
    DWORD size = 10, flags = HSE_IO_ASYNC, no_flags = 0;
#define READ(buffer, size, flags)                                                                                      \
    START(job, block->ServerSupportFunction(block->ConnID, HSE_REQ_ASYNC_READ_CLIENT, buffer, size, flags))
    READ(NULL, &size, &flags);
    READ(job_buffer, NULL, &flags);
    READ(job_buffer, &size, NULL);
    READ(job_buffer, &size, &no_flags);
    block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, NULL, NULL, NULL);
    READ(job_buffer, &size, &flags);
    return ANSWER_REPORT;
}

/* The rest of the body comes when the client has the head of the answer: until that is sent a read is outstanding. */
static void head(Block *block) {
    send_head(block, "200 OK", "Content-Type: text/plain\r\n\r\n");
}

static void say_order(Job *job, DWORD bytes, DWORD error) {
    say(job->report, "%s\n", in_order(job_buffer, bytes, job->block->cbAvailable) == bytes ? "in order" : "WRONG BYTES");
    end_job(job, bytes, error);
}

static DWORD second_operation(Block *block, Report *report) {
    Job *job = begin_job(block, report, say_order);
    HSE_TF_INFO info;
    HSE_RESPONSE_VECTOR vector;
    BYTE other[10];
    DWORD size = 10, flags = HSE_IO_ASYNC;
    memset(&info, 0, sizeof info);
    info.pHead = "x", info.HeadLength = 1, info.dwFlags = HSE_IO_ASYNC;
    memset(&vector, 0, sizeof vector);
    vector.dwFlags = HSE_IO_ASYNC;
    START(job, start_read(job, 1000));
    InterlockedExchange(&job->started, 0);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_ASYNC_READ_CLIENT, other, &size, &flags)), say(report, " ");
    TRY(report, start_write(job, "x", 1)), say(report, " ");
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_TRANSMIT_FILE, &info, NULL, NULL)), say(report, " ");
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_VECTOR_SEND, &vector, NULL, NULL)), say(report, " ");
    TRY(report, block->ReadClient(block->ConnID, other, &size)), say(report, "\n");
    head(block);
    InterlockedExchange(&job->started, 1);
    return HSE_STATUS_PENDING;
}

/* Synchronous writes may go on while a read waits. */
static DWORD write_while_reading(Block *block, Report *report) {
    Job *job = begin_job(block, report, say_order);
    START(job, start_read(job, 1000));
    InterlockedExchange(&job->started, 0);
    head(block);
    TRY(report, write_text(block, "meanwhile")), say(report, "\n");
    InterlockedExchange(&job->started, 1);
    return HSE_STATUS_PENDING;
}

/* The read waits until the client leaves. */
static DWORD until_gone(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    head(block);
    START(job, start_read(job, 1000));
    return HSE_STATUS_PENDING;
}

/* The read waits until this code is called. */
static DWORD until_code(Block *block, Report *report, DWORD code) {
    Job *job = begin_job(block, report, end_job);
    head(block);
    write_text(block, "begun");
    START(job, start_read(job, 1000));
    InterlockedExchange(&job->started, 0);
    TRY(report, block->ServerSupportFunction(block->ConnID, code, NULL, NULL, NULL)), say(report, "\n");
    InterlockedExchange(&job->started, 1);
    return HSE_STATUS_PENDING;
}

static DWORD until_closed(Block *block, Report *report) {
    return until_code(block, report, HSE_REQ_CLOSE_CONNECTION);
}

static DWORD until_cancelled(Block *block, Report *report) {
    return until_code(block, report, HSE_REQ_CANCEL_IO);
}

const Rule receive_rules[] = {
    {"4.2/1010-body", whole_body},
    {"4.2/1010-zero", room_of_zero},
    {"4.2/1010-wrong", wrong_calls},
    {"4.3/second", second_operation},
    {"4.3/write-while-reading", write_while_reading},
    {"4.3/until-gone", until_gone},
    {"4.2/1017", until_closed},
    {"4.2/1049", until_cancelled},
    {NULL, NULL},
};
