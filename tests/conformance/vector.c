/* Section 4.2: VECTOR_SEND, code 1037. */
#include "conformance.h"

static char OPEN[] = "Content-Type: text/plain\r\n\r\n";

static BOOL send_vector(Block *block, const HSE_RESPONSE_VECTOR *vector) {
    return block->ServerSupportFunction(block->ConnID, HSE_REQ_VECTOR_SEND, (LPVOID)vector, NULL, NULL);
}

/* The elements of a job must be there until its completion. */
static HSE_VECTOR_ELEMENT elements[4];

static void memory(int at, const void *bytes, ULONGLONG offset, ULONGLONG size) {
    elements[at].ElementType = HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER;
    elements[at].pvContext = (PVOID)bytes;
    elements[at].cbOffset = offset;
    elements[at].cbSize = size;
}

static void file(int at, HANDLE handle, ULONGLONG offset, ULONGLONG size) {
    elements[at].ElementType = HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE;
    elements[at].pvContext = handle;
    elements[at].cbOffset = offset;
    elements[at].cbSize = size;
}

static HSE_RESPONSE_VECTOR vector_of(DWORD count, DWORD flags) {
    HSE_RESPONSE_VECTOR vector;
    memset(&vector, 0, sizeof vector);
    vector.dwFlags = flags;
    vector.nElementCount = count;
    vector.lpElementArray = elements;
    return vector;
}

/* Behind an open head, at once. */
static DWORD at_once(Block *block, Report *report, DWORD count, DWORD flags) {
    HSE_RESPONSE_VECTOR vector = vector_of(count, flags);
    send_head(block, "200 OK", OPEN);
    TRY(report, send_vector(block, &vector));
    say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

/* The query is the flags. */
static DWORD buffers(Block *block, Report *report) {
    memory(0, "one, ", 0, 5);
    memory(1, "xxtwo, xx", 2, 5);
    memory(2, "three\n", 0, 6);
    return at_once(block, report, 3, (DWORD)strtoul(block->lpszQueryString, NULL, 0));
}

static DWORD files(Block *block, Report *report) {
    HANDLE text = open_file(block, "/text");
    DWORD result;
    file(0, text, 0, 0);
    file(1, text, 1, 3);
    memory(2, "|", 0, 1);
    file(3, text, 4, 0);
    result = at_once(block, report, 4, HSE_IO_SYNC);
    close_file(text);
    return result;
}

static DWORD headers(Block *block, Report *report) {
    HSE_RESPONSE_VECTOR vector = vector_of(1, HSE_IO_SYNC | HSE_IO_SEND_HEADERS);
    memory(0, "12345", 0, 5);
    vector.pszStatus = "203 Own";
    vector.pszHeaders = "Content-Type: text/x-own\r\nContent-Length: 5\r\n\r\n";
    TRY(report, send_vector(block, &vector));
    say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

static DWORD headers_alone(Block *block, Report *report) {
    HSE_RESPONSE_VECTOR vector = vector_of(0, HSE_IO_SYNC | HSE_IO_SEND_HEADERS);
    vector.pszStatus = "200 OK";
    vector.pszHeaders = "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n";
    vector.lpElementArray = NULL;
    TRY(report, send_vector(block, &vector)), say(report, " ");
    TRY(report, write_text(block, "12345")), say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

static DWORD nothing(Block *block, Report *report) {
    HSE_RESPONSE_VECTOR vector = vector_of(0, HSE_IO_SYNC);
    send_head(block, "200 OK", "Content-Length: 0\r\n\r\n");
    TRY(report, send_vector(block, &vector)), say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

/* The answer is complete before the request is. */
static DWORD final(Block *block, Report *report) {
    HSE_RESPONSE_VECTOR vector = vector_of(1, HSE_IO_SYNC | HSE_IO_FINAL_SEND);
    memory(0, "12345", 0, 5);
    send_head(block, "200 OK", OPEN);
    TRY(report, send_vector(block, &vector)), say(report, " ");
    TRY(report, write_text(block, "late")), say(report, " ");
    TRY(report, send_vector(block, &vector)), say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

static DWORD disconnect(Block *block, Report *report) {
    HSE_RESPONSE_VECTOR vector = vector_of(1, HSE_IO_SYNC | HSE_IO_DISCONNECT_AFTER_SEND);
    memory(0, "12345", 0, 5);
    send_head(block, "200 OK", OPEN);
    TRY(report, send_vector(block, &vector)), say(report, " ");
    TRY(report, write_text(block, "late")), say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

static void close_and_end(Job *job, DWORD bytes, DWORD error) {
    close_file(job->file);
    end_job(job, bytes, error);
}

static DWORD asynchronous(Block *block, Report *report) {
    Job *job = begin_job(block, report, close_and_end);
    HSE_RESPONSE_VECTOR vector = vector_of(2, HSE_IO_ASYNC | HSE_IO_SEND_HEADERS);
    job->file = open_file(block, "/pattern");
    file(0, job->file, 0, 0);
    file(1, job->file, 100000 % 251, 1000);
    vector.pszStatus = "200 OK";
    vector.pszHeaders = OPEN;
    START(job, send_vector(block, &vector));
    return HSE_STATUS_PENDING;
}

static DWORD final_asynchronous(Block *block, Report *report) {
    Job *job = begin_job(block, report, end_job);
    HSE_RESPONSE_VECTOR vector = vector_of(1, HSE_IO_ASYNC | HSE_IO_FINAL_SEND);
    memory(0, "12345", 0, 5);
    send_head(block, "200 OK", OPEN);
    START(job, send_vector(block, &vector));
    return HSE_STATUS_PENDING;
}

/* What is wrong with a call; nothing of it is sent. */
static DWORD wrong_calls(Block *block, Report *report) {
    HANDLE text = open_file(block, "/text");
    HSE_RESPONSE_VECTOR vector;
#define WRONG(what)                                                                                                    \
    say(report, "%s ", what), TRY(report, send_vector(block, &vector)), say(report, "\n")
    memory(0, "good", 0, 4);
    TRY(report, send_vector(block, NULL)), say(report, "\n");
    vector = vector_of(1, HSE_IO_SYNC | HSE_IO_SEND_HEADERS);
    WRONG("flag without strings");
    vector.pszStatus = "200 OK";
    WRONG("flag without headers");
    vector = vector_of(1, HSE_IO_SYNC);
    vector.pszStatus = "200 OK", vector.pszHeaders = OPEN;
    WRONG("strings without flag");
    vector = vector_of(1, HSE_IO_SYNC);
    vector.lpElementArray = NULL;
    WRONG("no elements");
    vector = vector_of(1, HSE_IO_SYNC | HSE_IO_ASYNC);
    WRONG("both flags");
    vector = vector_of(1, HSE_IO_ASYNC);
    WRONG("no completion function");
    vector = vector_of(2, HSE_IO_SYNC);
    memory(1, "empty", 0, 0);
    WRONG("empty buffer");
    memory(1, NULL, 0, 4);
    WRONG("no buffer");
    elements[1].ElementType = 2;
    WRONG("unknown type");
    file(1, INVALID_HANDLE_VALUE, 0, 0);
    WRONG("no file");
    file(1, text, 6, 0);
    WRONG("behind the file");
    file(1, text, 0, 6);
    WRONG("more than the file");
    close_file(text);
    return ANSWER_REPORT;
}

const Rule vector_rules[] = {
    {"4.2/1037-buffers", buffers},
    {"4.2/1037-files", files},
    {"4.2/1037-headers", headers},
    {"4.2/1037-headers-alone", headers_alone},
    {"4.2/1037-nothing", nothing},
    {"4.2/1037-final", final},
    {"4.2/1037-disconnect", disconnect},
    {"4.2/1037-async", asynchronous},
    {"4.2/1037-final-async", final_asynchronous},
    {"4.2/1037-wrong", wrong_calls},
    {NULL, NULL},
};
