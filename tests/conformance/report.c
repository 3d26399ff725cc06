/* Reports, and what rules have in common. */
#include "conformance.h"

#include <stdarg.h>
#ifndef _WIN32
#include <pthread.h>
#endif

void say(Report *report, const char *format, ...) {
    size_t room = sizeof report->text - report->length;
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = vsnprintf(report->text + report->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        report->length += (size_t)length < room ? (size_t)length : room - 1;
}

void say_quoted(Report *report, const void *bytes, size_t count) {
    const BYTE *byte = bytes;
    say(report, "\"");
    for (; count-- > 0; byte++) {
        if (*byte == '\r')
            say(report, "\\r");
        else if (*byte == '\n')
            say(report, "\\n");
        else if (*byte == '"' || *byte == '\\')
            say(report, "\\%c", *byte);
        else if (*byte < ' ' || *byte > '~')
            say(report, "\\x%02x", *byte);
        else
            say(report, "%c", *byte);
    }
    say(report, "\"");
}

BOOL tried(Report *report, BOOL result) {
    DWORD error = GetLastError();
    if (result == FALSE)
        say(report, "FALSE %u", (unsigned)error);
    else if (result != TRUE)
        say(report, "BOOL %d", (int)result);
    else if (error != UNTOUCHED)
        say(report, "TRUE but error %u", (unsigned)error);
    else
        say(report, "TRUE");
    return result;
}

void answer_report(Block *block, Report *report) {
    char headers[128];
    DWORD size = (DWORD)report->length;
    snprintf(headers, sizeof headers, "Content-Type: text/plain\r\nContent-Length: %u\r\n\r\n", (unsigned)size);
    send_head(block, "200 OK", headers);
    block->WriteClient(block->ConnID, report->text, &size, HSE_IO_SYNC);
}

BOOL send_head(Block *block, const char *status, const char *headers) {
    return block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, (LPVOID)status, NULL, (LPDWORD)headers);
}

BOOL write_text(Block *block, const char *text) {
    DWORD size = (DWORD)strlen(text);
    return block->WriteClient(block->ConnID, (LPVOID)text, &size, HSE_IO_SYNC);
}

typedef struct Work {
    void (*task)(void *context);
    void *context;
} Work;

#ifdef _WIN32
static DWORD WINAPI work(LPVOID argument) {
    ((Work *)argument)->task(((Work *)argument)->context);
    return 0;
}
#else
static void *work(void *argument) {
    ((Work *)argument)->task(((Work *)argument)->context);
    return NULL;
}
#endif

static void nothing(void *context) {
    (void)context;
}

/* Runs a task on a thread of its own, and `here` on this one meanwhile. */
static void run_both(void (*task)(void *context), void (*here)(void *context), void *context) {
    Work argument = {task, context};
#ifdef _WIN32
    HANDLE thread = CreateThread(NULL, 0, work, &argument, 0, NULL);
    here(context);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
#else
    pthread_t thread;
    pthread_create(&thread, NULL, work, &argument);
    here(context);
    pthread_join(thread, NULL);
#endif
}

void on_another_thread(void (*task)(void *context), void *context) {
    run_both(task, nothing, context);
}

void beside_another_thread(void (*task)(void *context), void *context) {
    run_both(task, task, context);
}

DWORD in_order(const BYTE *bytes, DWORD count, ULONGLONG offset) {
    DWORD at = 0;
    while (at < count && bytes[at] == (BYTE)((offset + at) % 251))
        at++;
    return at;
}
