/*
 * The conformance extension: one function for each rule of ISAPI, chosen by path info (/3.1/exact) or, where the path
 * is the subject, by the header X-Rule.
 *
 * A function observes and reports, in lines of text. Most return ANSWER_REPORT: the report is the answer. A function
 * whose answer is itself the subject sends it and returns what it likes; its report is then had with /observed.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <windows.h>

#include <httpext.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A code that MinGW's header does not have. */
#ifndef HSE_REQ_EXTENSION_TRIGGER
#define HSE_REQ_EXTENSION_TRIGGER 1020
#endif

typedef EXTENSION_CONTROL_BLOCK Block;

/* What a rule observed. */
typedef struct Report {
    char text[64 * 1024];
    size_t length;
} Report;

/* What a rule's function returns for the shell to send the report; else what HttpExtensionProc shall return. */
#define ANSWER_REPORT 0xC0DEu
/* Added to what HttpExtensionProc shall return: the report ends later, with end_report. So it does with PENDING. */
#define HOLDS_REPORT 0x10000u

typedef struct Rule {
    const char *name; /* "3.1/exact" */
    DWORD (*run)(Block *block, Report *report);
} Rule;

/* The rules of each section; the last has no name. */
extern const Rule entry_rules[], block_rules[], get_server_variable_rules[], write_client_rules[], read_client_rules[],
    support_rules[], map_rules[], server_rules[], asynchronous_rules[], receive_rules[], file_rules[], vector_rules[], exec_rules[], thread_rules[], variable_rules[], status_rules[], header_rules[], raw_rules[];

/* Adds text to the report. */
__attribute__((format(gnu_printf, 2, 3))) void say(Report *report, const char *format, ...);
/* Adds bytes in quotation marks, those that are not printable as \r, \n or \x00. */
void say_quoted(Report *report, const void *bytes, size_t count);
/* Adds how a callback ended: TRUE with the last error untouched, or FALSE and the error. */
BOOL tried(Report *report, BOOL result);

/* Calls a callback and says how it ended. */
#define UNTOUCHED 4711
#define TRY(report, call) (SetLastError(UNTOUCHED), tried((report), (call)))

/* Sends the report as a whole answer. */
void answer_report(Block *block, Report *report);
/* Ends the report of a rule that goes on after its function has returned; before HSE_REQ_DONE_WITH_SESSION. */
void end_report(void);

/* Sends a head with code 3. */
BOOL send_head(Block *block, const char *status, const char *headers);
/* Sends text with WriteClient. */
BOOL write_text(Block *block, const char *text);

/* Runs a task on a thread of its own and waits for its end. */
void on_another_thread(void (*task)(void *context), void *context);
/* Runs a task on a thread of its own and on this one at the same time. */
void beside_another_thread(void (*task)(void *context), void *context);

/*
 * A rule about asynchronous operations. Rules run one at a time, so there is one job. Its completion function says how
 * an operation ended, when the call that started it has said how it began, and then goes on with `then`.
 */
typedef struct Job {
    Block *block;
    Report *report;
    void (*then)(struct Job *job, DWORD bytes, DWORD error);
    LONG started;     /* the starting call has returned and that is in the report */
    LONG completions; /* how many completion functions have been called */
    ULONGLONG offset; /* how far a rule is */
    HANDLE file;
} Job;

/* Begins a job, whose completion function is registered. */
Job *begin_job(Block *block, Report *report, void (*then)(Job *job, DWORD bytes, DWORD error));
/* The completion function: its context is the job. */
void WINAPI completed(Block *block, PVOID context, DWORD bytes, DWORD error);
/* Starts an operation and says how that went. */
#define START(job, call)                                                                                               \
    (InterlockedExchange(&(job)->started, 0), TRY((job)->report, (call)), say((job)->report, "\n"),                      \
     InterlockedExchange(&(job)->started, 1))
/* Ends the request: with the report as its answer, or with the answer that it has. */
void answer_job(Job *job, DWORD bytes, DWORD error);
void end_job(Job *job, DWORD bytes, DWORD error);
/* Waits until a number is at least so high. */
void wait_until(LONG *number, LONG least);

/* An asynchronous WriteClient. */
BOOL start_write(Job *job, const void *bytes, DWORD count);
/* An asynchronous read, code 1010, into the job's own buffer. */
BOOL start_read(Job *job, DWORD count);
extern BYTE job_buffer[64 * 1024];

/* Opens a file of the site by its URL, as TRANSMIT_FILE wants it. */
HANDLE open_file(Block *block, const char *url);
void close_file(HANDLE file);

/* Byte i of a body is i modulo 251. How many of these bytes are as they should be behind `offset` bytes? */
DWORD in_order(const BYTE *bytes, DWORD count, ULONGLONG offset);

#endif
