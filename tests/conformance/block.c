/* Section 2: the extension control block. */
#include "conformance.h"

#define FIELD(name) say(report, #name " %u\n", (unsigned)offsetof(Block, name))

static DWORD layout(Block *block, Report *report) {
    (void)block;
    say(report, "size %u\n", (unsigned)sizeof(Block));
    FIELD(cbSize);
    FIELD(dwVersion);
    FIELD(ConnID);
    FIELD(dwHttpStatusCode);
    FIELD(lpszLogData);
    FIELD(lpszMethod);
    FIELD(lpszQueryString);
    FIELD(lpszPathInfo);
    FIELD(lpszPathTranslated);
    FIELD(cbTotalBytes);
    FIELD(cbAvailable);
    FIELD(lpbData);
    FIELD(lpszContentType);
    FIELD(GetServerVariable);
    FIELD(WriteClient);
    FIELD(ReadClient);
    FIELD(ServerSupportFunction);
    return ANSWER_REPORT;
}

static DWORD initial(Block *block, Report *report) {
    size_t zeros = 0;
    while (zeros < HSE_LOG_BUFFER_LEN && block->lpszLogData[zeros] == 0)
        zeros++;
    say(report, "cbSize %s\n", block->cbSize == sizeof(Block) ? "is the structure's" : "is wrong");
    say(report, "dwVersion %08x\n", (unsigned)block->dwVersion);
    say(report, "dwHttpStatusCode %u\n", (unsigned)block->dwHttpStatusCode);
    say(report, "lpszLogData %u zeros\n", (unsigned)zeros);
    return ANSWER_REPORT;
}

static void say_text(Report *report, const char *name, const char *text) {
    say(report, "%s ", name);
    if (text == NULL)
        say(report, "NULL");
    else
        say_quoted(report, text, strlen(text));
    say(report, "\n");
}

static DWORD strings(Block *block, Report *report) {
    say_text(report, "lpszMethod", block->lpszMethod);
    say_text(report, "lpszQueryString", block->lpszQueryString);
    say_text(report, "lpszPathInfo", block->lpszPathInfo);
    say_text(report, "lpszPathTranslated", block->lpszPathTranslated);
    say_text(report, "lpszContentType", block->lpszContentType);
    return ANSWER_REPORT;
}

static DWORD copies(Block *block, Report *report) {
    const struct {
        char *name;
        const char *text;
    } pairs[] = {{"REQUEST_METHOD", block->lpszMethod},
                 {"QUERY_STRING", block->lpszQueryString},
                 {"PATH_INFO", block->lpszPathInfo},
                 {"PATH_TRANSLATED", block->lpszPathTranslated},
                 {"CONTENT_TYPE", block->lpszContentType}};
    for (size_t at = 0; at < sizeof pairs / sizeof *pairs; at++) {
        char value[1024];
        DWORD size = sizeof value;
        BOOL equal = block->GetServerVariable(block->ConnID, pairs[at].name, value, &size) && strcmp(value, pairs[at].text) == 0;
        say(report, "%s %s\n", pairs[at].name, equal ? "equal" : "differs");
    }
    return ANSWER_REPORT;
}

/* As strtok does: a NUL into the middle, and then all of it. */
static void scribble(char *text) {
    memset(text, '#', strlen(text));
}

static DWORD writable(Block *block, Report *report) {
    char value[256];
    DWORD size = sizeof value;
    scribble(block->lpszMethod);
    scribble(block->lpszQueryString);
    scribble(block->lpszPathInfo);
    scribble(block->lpszPathTranslated);
    scribble(block->lpszContentType);
    memset(block->lpbData, '#', block->cbAvailable);
    say(report, "%s ", block->lpszQueryString);
    TRY(report, block->GetServerVariable(block->ConnID, "QUERY_STRING", value, &size));
    say(report, " %s\n", value);
    return ANSWER_REPORT;
}

static DWORD log_overrun(Block *block, Report *report) {
    memset(block->lpszLogData, 'L', HSE_LOG_BUFFER_LEN);
    say(report, "written\n");
    return ANSWER_REPORT;
}

/* The first part of the body, and the NUL behind it. */
static DWORD body(Block *block, Report *report) {
    say(report, "cbTotalBytes %u cbAvailable %u\n", (unsigned)block->cbTotalBytes, (unsigned)block->cbAvailable);
    if (block->lpbData == NULL)
        say(report, "lpbData NULL\n");
    else
        say(report, "in order %u, then %02x\n", (unsigned)in_order(block->lpbData, block->cbAvailable, 0),
            block->lpbData[block->cbAvailable]);
    return ANSWER_REPORT;
}

/* The same, then all the rest, and what variables say of the length. */
static DWORD whole_body(Block *block, Report *report) {
    static BYTE buffer[100000];
    ULONGLONG total = block->cbAvailable;
    ULONGLONG ordered = in_order(block->lpbData, block->cbAvailable, 0);
    DWORD size;
    char length[32] = "none", coding[32] = "none";
    say(report, "cbTotalBytes %u cbAvailable %u\n", (unsigned)block->cbTotalBytes, (unsigned)block->cbAvailable);
    for (size = sizeof buffer; block->ReadClient(block->ConnID, buffer, &size) && size > 0; size = sizeof buffer) {
        ordered += in_order(buffer, size, total);
        total += size;
    }
    say(report, "read %u in order %u last %u\n", (unsigned)total, (unsigned)ordered, (unsigned)size);
    size = sizeof length;
    block->GetServerVariable(block->ConnID, "CONTENT_LENGTH", length, &size);
    size = sizeof coding;
    block->GetServerVariable(block->ConnID, "HTTP_TRANSFER_ENCODING", coding, &size);
    say(report, "CONTENT_LENGTH %s HTTP_TRANSFER_ENCODING %s\n", length, coding);
    return ANSWER_REPORT;
}

/* Only the numbers: the body may never come. */
static DWORD sizes(Block *block, Report *report) {
    char length[32] = "none", header[32] = "none";
    DWORD size = sizeof length;
    block->GetServerVariable(block->ConnID, "CONTENT_LENGTH", length, &size);
    size = sizeof header;
    block->GetServerVariable(block->ConnID, "HTTP_CONTENT_LENGTH", header, &size);
    say(report, "cbTotalBytes %08x cbAvailable %u\n", (unsigned)block->cbTotalBytes, (unsigned)block->cbAvailable);
    say(report, "CONTENT_LENGTH %s HTTP_CONTENT_LENGTH %s\n", length, header);
    return ANSWER_REPORT;
}

static void try_connection(Block *block, Report *report, HCONN connection) {
    char buffer[64];
    DWORD size = sizeof buffer, count = 1;
    BOOL connected = FALSE;
    TRY(report, block->GetServerVariable(connection, "URL", buffer, &size)), say(report, ", ");
    TRY(report, block->WriteClient(connection, "x", &count, HSE_IO_SYNC)), say(report, ", ");
    size = sizeof buffer;
    TRY(report, block->ReadClient(connection, buffer, &size)), say(report, ", ");
    TRY(report, block->ServerSupportFunction(connection, HSE_REQ_IS_CONNECTED, &connected, NULL, NULL));
    say(report, "\n");
}

static DWORD other_connections(Block *block, Report *report) {
    try_connection(block, report, NULL);
    try_connection(block, report, (HCONN)(INT_PTR)-1);
    try_connection(block, report, (HCONN)((UINT_PTR)block->ConnID ^ 1));
    return ANSWER_REPORT;
}

/* Extensions that pass the block instead. */
static DWORD block_as_connection(Block *block, Report *report) {
    try_connection(block, report, (HCONN)block);
    return HSE_STATUS_SUCCESS;
}

const Rule block_rules[] = {
    {"2/layout", layout},
    {"2/initial", initial},
    {"2/strings", strings},
    {"2/log-overrun", log_overrun},
    {"2.1/copies", copies},
    {"2.1/writable", writable},
    {"2.2/body", body},
    {"2.3/whole-body", whole_body},
    {"2.3/sizes", sizes},
    {"2.4/other-connections", other_connections},
    {"2.4/block-as-connection", block_as_connection},
    {NULL, NULL},
};
