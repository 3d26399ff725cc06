/* The entry points, the table of all rules, and how a rule is chosen. */
#include "conformance.h"

static const Rule *const TABLE[] = {
    entry_rules,        block_rules,   get_server_variable_rules, write_client_rules, read_client_rules,
    support_rules,      map_rules,     server_rules,              asynchronous_rules, receive_rules,
    file_rules,         vector_rules,  exec_rules,                variable_rules,     status_rules,
    header_rules,       raw_rules,     thread_rules,
};

/* One rule runs at a time: the next, and who asks for the report, waits until the report of the last has ended. */
static Report last;
static BOOL running;
static CRITICAL_SECTION guard;

void start_entry_report(HSE_VERSION_INFO *version);
void first_request_seen(void);

static BOOL set_running(BOOL now) {
    BOOL before;
    EnterCriticalSection(&guard);
    before = running;
    running = now;
    LeaveCriticalSection(&guard);
    return before;
}

static BOOL begin_report(void) {
    for (int waited = 0; waited < 30000; waited++) {
        if (!set_running(TRUE))
            return TRUE;
        Sleep(1);
    }
    return FALSE;
}

void end_report(void) {
    set_running(FALSE);
}

static const Rule *find(const char *name) {
    for (size_t section = 0; section < sizeof TABLE / sizeof *TABLE; section++)
        for (const Rule *rule = TABLE[section]; rule->name != NULL; rule++)
            if (strcmp(rule->name, name) == 0)
                return rule;
    return NULL;
}

static DWORD refuse(Block *block, const char *status) {
    send_head(block, status, "Content-Length: 0\r\n\r\n");
    return HSE_STATUS_SUCCESS;
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *version) {
    start_entry_report(version);
    InitializeCriticalSection(&guard);
    version->dwExtensionVersion = HSE_VERSION;
    strcpy(version->lpszExtensionDesc, "conformance");
    return TRUE;
}

DWORD WINAPI HttpExtensionProc(Block *block) {
    char header[256] = "";
    DWORD size = sizeof header;
    const char *name = block->lpszPathInfo;
    const Rule *rule;
    DWORD status;
    first_request_seen();
    if (block->GetServerVariable(block->ConnID, "HTTP_X_RULE", header, &size))
        name = header;
    else if (*name == '/')
        name++;
    rule = find(name);
    if (rule == NULL && strcmp(name, "observed") != 0)
        return refuse(block, "404 No such rule");
    if (!begin_report())
        return refuse(block, "500 The last rule has not ended");
    if (rule == NULL) {
        status = ANSWER_REPORT;
    } else {
        last.length = 0;
        last.text[0] = '\0';
        status = rule->run(block, &last);
    }
    if (status == HSE_STATUS_PENDING || (status & HOLDS_REPORT) != 0)
        return status & ~HOLDS_REPORT;
    if (status == ANSWER_REPORT) {
        answer_report(block, &last);
        status = HSE_STATUS_SUCCESS;
    }
    end_report();
    return status;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    (void)flags;
    DeleteCriticalSection(&guard);
    return TRUE;
}
