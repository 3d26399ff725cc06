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

typedef struct Rule {
    const char *name; /* "3.1/exact" */
    DWORD (*run)(Block *block, Report *report);
} Rule;

/* The rules of each section; the last has no name. */
extern const Rule entry_rules[], block_rules[], get_server_variable_rules[], write_client_rules[], read_client_rules[],
    support_rules[], map_rules[], server_rules[], variable_rules[], status_rules[], header_rules[], raw_rules[];

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
/* Ends the report of a rule that returned HSE_STATUS_PENDING; before HSE_REQ_DONE_WITH_SESSION. */
void end_report(void);

/* Sends a head with code 3. */
BOOL send_head(Block *block, const char *status, const char *headers);
/* Sends text with WriteClient. */
BOOL write_text(Block *block, const char *text);

/* Runs a task on a thread of its own and waits for its end. */
void on_another_thread(void (*task)(void *context), void *context);

/* Byte i of a body is i modulo 251. How many of these bytes are as they should be behind `offset` bytes? */
DWORD in_order(const BYTE *bytes, DWORD count, ULONGLONG offset);

#endif
