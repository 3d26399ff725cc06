/* Section 3.4: ServerSupportFunction as such; the codes have files of their own. */
#include "conformance.h"

/* Calls the code that the query names, with NULL for every argument. */
static DWORD code_with_nulls(Block *block, Report *report) {
    DWORD code = (DWORD)strtoul(block->lpszQueryString, NULL, 10);
    TRY(report, block->ServerSupportFunction(block->ConnID, code, NULL, NULL, NULL));
    say(report, "\n");
    return ANSWER_REPORT;
}

/* The same with pointers that nobody may follow. */
static DWORD code_with_garbage(Block *block, Report *report) {
    DWORD code = (DWORD)strtoul(block->lpszQueryString, NULL, 10);
    TRY(report, block->ServerSupportFunction(block->ConnID, code, (LPVOID)16, (LPDWORD)17, (LPDWORD)18));
    say(report, "\n");
    return ANSWER_REPORT;
}

/* S and T of 1008 and 1018, S of 3, T of 1 mean nothing. */
static DWORD unused_arguments(Block *block, Report *report) {
    BOOL answer = FALSE;
    LPDWORD garbage = (LPDWORD)16;
    say(report, "1008 "), TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_IS_KEEP_CONN, &answer, garbage, garbage));
    say(report, "\n1018 "), TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_IS_CONNECTED, &answer, garbage, garbage));
    say(report, "\n3 ");
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, "200 OK", garbage,
                                             (LPDWORD) "Content-Length: 0\r\n\r\n"));
    say(report, "\n");
    return HSE_STATUS_SUCCESS;
}

const Rule support_rules[] = {
    {"3.4/nulls", code_with_nulls},
    {"3.4/garbage", code_with_garbage},
    {"3.4/unused-arguments", unused_arguments},
    {NULL, NULL},
};
