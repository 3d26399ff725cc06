/* Section 4.2: codes that ask about server and client, and codes without effect. */
#include "conformance.h"

#define CALL(code, buffer, size, type) TRY(report, block->ServerSupportFunction(block->ConnID, code, buffer, size, type))

static DWORD ends_line(Report *report) {
    say(report, "\n");
    return ANSWER_REPORT;
}

static DWORD log_parameter(Block *block, Report *report) {
    DWORD size = 4, long_size = 1000000;
    CALL(HSE_APPEND_LOG_PARAMETER, "text", &size, NULL), say(report, " ");
    CALL(HSE_APPEND_LOG_PARAMETER, "more", NULL, NULL), say(report, " ");
    CALL(HSE_APPEND_LOG_PARAMETER, "too long", &long_size, NULL), say(report, " ");
    CALL(HSE_APPEND_LOG_PARAMETER, NULL, &size, NULL);
    return ends_line(report);
}

static DWORD access_list(Block *block, Report *report) {
    DWORD size = 5;
    CALL(HSE_REQ_REFRESH_ISAPI_ACL, "x.dll", &size, NULL);
    return ends_line(report);
}

/* The answer is empty: a report would have to know whether the connection is kept. */
static DWORD keeps_connection(Block *block, Report *report) {
    BOOL keeps = 99;
    CALL(HSE_REQ_IS_KEEP_CONN, &keeps, NULL, NULL);
    say(report, " %d\n", (int)keeps);
    send_head(block, "200 OK", "Content-Length: 0\r\n\r\n");
    return HSE_STATUS_SUCCESS;
}

static DWORD token(Block *block, Report *report) {
    HANDLE token = NULL;
    CALL(HSE_REQ_GET_IMPERSONATION_TOKEN, &token, NULL, NULL);
    say(report, token == NULL ? " none\n" : " a token\n");
    return ANSWER_REPORT;
}

static DWORD abortive_close(Block *block, Report *report) {
    CALL(HSE_REQ_ABORTIVE_CLOSE, NULL, NULL, NULL);
    return ends_line(report);
}

static DWORD certificate(Block *block, Report *report) {
    BYTE der[100];
    CERT_CONTEXT_EX info;
    memset(&info, 0, sizeof info);
    info.CertContext.pbCertEncoded = der;
    info.cbAllocated = sizeof der;
    CALL(HSE_REQ_GET_CERT_INFO_EX, &info, NULL, NULL);
    return ends_line(report);
}

static DWORD connected(Block *block, Report *report) {
    BOOL is = 99;
    CALL(HSE_REQ_IS_CONNECTED, &is, NULL, NULL);
    say(report, " %d, without buffer ", (int)is);
    CALL(HSE_REQ_IS_CONNECTED, NULL, NULL, NULL);
    return ends_line(report);
}

static DWORD in_process(Block *block, Report *report) {
    DWORD where = 99;
    CALL(HSE_REQ_IS_IN_PROCESS, &where, NULL, NULL);
    say(report, " %u\n", (unsigned)where);
    return ANSWER_REPORT;
}

static DWORD cache_invalidation(Block *block, Report *report) {
    PFN_HSE_CACHE_INVALIDATION_CALLBACK callback = NULL;
    WCHAR url[] = {'/', 0};
    CALL(HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK, &callback, NULL, NULL);
    say(report, " %lx\n", callback == NULL ? -1L : (long)callback(url));
    return ANSWER_REPORT;
}

static DWORD trace_info(Block *block, Report *report) {
    HSE_TRACE_INFO info;
    const BYTE *bytes = (const BYTE *)&info;
    size_t zeros = 0;
    memset(&info, 0xEE, sizeof info);
    CALL(HSE_REQ_GET_TRACE_INFO, &info, NULL, NULL);
    while (zeros < sizeof info && bytes[zeros] == 0)
        zeros++;
    say(report, " %u zeros\n", (unsigned)zeros);
    return ANSWER_REPORT;
}

/* HTTP_TRACE_CONFIGURATION and HTTP_TRACE_EVENT: MinGW does not have their header. */
typedef struct TraceConfiguration {
    const GUID *provider;
    DWORD areas;
    DWORD verbosity;
    BOOL enabled;
} TraceConfiguration;

typedef struct TraceEvent {
    const GUID *provider;
    DWORD area;
    const GUID *area_id;
    DWORD event;
    LPCWSTR event_name;
    DWORD event_version, verbosity;
    const GUID *activity, *related_activity;
    DWORD time, flags, item_count;
    LPVOID items;
} TraceEvent;

static DWORD trace_configuration(Block *block, Report *report) {
    GUID provider = {0xA1C2040E, 0x8840, 0x4C31, {0xBA, 0x11, 0x98, 0x71, 0x03, 0x1A, 0x19, 0xEA}};
    TraceConfiguration info;
    memset(&info, 0xEE, sizeof info);
    info.provider = &provider;
    CALL(HSE_REQ_GET_TRACE_INFO_EX, &info, NULL, NULL);
    say(report, " enabled %d, provider %s\n", (int)info.enabled, info.provider == &provider ? "kept" : "changed");
    return ANSWER_REPORT;
}

static DWORD trace_event(Block *block, Report *report) {
    GUID provider = {0xA1C2040E, 0x8840, 0x4C31, {0xBA, 0x11, 0x98, 0x71, 0x03, 0x1A, 0x19, 0xEA}};
    TraceEvent event;
    memset(&event, 0, sizeof event);
    event.provider = &provider;
    event.area_id = &provider;
    CALL(HSE_REQ_RAISE_TRACE_EVENT, &event, NULL, NULL);
    return ends_line(report);
}

/* Every code after DONE_WITH_SESSION, before HttpExtensionProc returns. Buffers are such that most codes would do. */
static DWORD codes_after_done(Block *block, Report *report) {
    Block copy = *block;
    union {
        char text[600];
        ULONGLONG numbers[75];
    } buffer;
    DWORD size, other[200];
    unsigned refused = 0;
    send_head(block, "200 OK", "Content-Length: 0\r\n\r\n");
    copy.ServerSupportFunction(copy.ConnID, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
    for (DWORD code = 1; code <= 1051; code = code == 4 ? 1001 : code + 1) {
        memset(&buffer, 0, sizeof buffer);
        memset(other, 0, sizeof other);
        size = sizeof buffer;
        SetLastError(UNTOUCHED);
        if (copy.ServerSupportFunction(copy.ConnID, code, &buffer, &size, other) == FALSE && GetLastError() == 87)
            refused++;
        else
            say(report, "%u is not refused\n", (unsigned)code);
    }
    say(report, "refused %u\n", refused);
    return HSE_STATUS_SUCCESS;
}

const Rule server_rules[] = {
    {"4.2/1003", log_parameter},
    {"4.2/1007", access_list},
    {"4.2/1008", keeps_connection},
    {"4.2/1011", token},
    {"4.2/1014", abortive_close},
    {"4.2/1015", certificate},
    {"4.2/1018", connected},
    {"4.2/1030", in_process},
    {"4.2/1040", cache_invalidation},
    {"4.2/1042", trace_info},
    {"4.2/1044", trace_configuration},
    {"4.2/1045", trace_event},
    {"4.2/after-done", codes_after_done},
    {NULL, NULL},
};
