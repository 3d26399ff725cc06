/* Section 3.1: GetServerVariable. The header X-Probe has the value "ten bytes!". */
#include "conformance.h"

#define FILL 0xEE

/* Asks, and says result, size and the bytes that came. */
static void ask(Block *block, Report *report, const char *name, DWORD size) {
    BYTE buffer[4096];
    memset(buffer, FILL, sizeof buffer);
    if (TRY(report, block->GetServerVariable(block->ConnID, (LPSTR)name, buffer, &size))) {
        say(report, " size %u ", (unsigned)size);
        say_quoted(report, buffer, size);
        say(report, buffer[size] == FILL ? "\n" : " and more\n");
    } else {
        say(report, " size %u\n", (unsigned)size);
    }
}

#define ASKS(function, name, size)                                                                                     \
    static DWORD function(Block *block, Report *report) {                                                              \
        ask(block, report, name, size);                                                                                \
        return ANSWER_REPORT;                                                                                          \
    }

ASKS(size_0, "HTTP_X_PROBE", 0)
ASKS(size_1, "HTTP_X_PROBE", 1)
ASKS(exact, "HTTP_X_PROBE", 11)
ASKS(exact_less_1, "HTTP_X_PROBE", 10)
ASKS(fixed_buffer, "HTTP_X_PROBE", 4095)
ASKS(empty_value, "REMOTE_USER", 64)
ASKS(empty_size_0, "REMOTE_USER", 0)
ASKS(unknown, "NO_SUCH_NAME", 64)
ASKS(unknown_size_0, "NO_SUCH_NAME", 0)
ASKS(no_name, "", 64)
ASKS(absent_header, "HTTP_X_ABSENT", 64)
ASKS(absent_literal, "HEADER_X-Absent", 64)
ASKS(http_prefix_only, "HTTP_", 64)
ASKS(header_with_underscore, "HTTP_X_UNDER", 64)
ASKS(literal, "HEADER_X-Probe", 64)
ASKS(literal_case, "header_x-PROBE", 64)
ASKS(literal_underscore, "HEADER_X_Probe", 64)
ASKS(literal_with_underscore, "HEADER_X_Under", 64)
ASKS(joined, "HTTP_X_MANY", 64)
ASKS(unicode_exact, "UNICODE_REQUEST_METHOD", 8)
ASKS(unicode_short, "UNICODE_REQUEST_METHOD", 7)
ASKS(unicode_odd, "UNICODE_REQUEST_METHOD", 9)
ASKS(unicode_size_0, "UNICODE_REQUEST_METHOD", 0)
ASKS(unicode_empty, "UNICODE_REMOTE_USER", 64)
ASKS(unicode_http, "UNICODE_HTTP_X_PROBE", 64)
ASKS(unicode_header, "UNICODE_HEADER_X-Probe", 64)
ASKS(unicode_unknown, "UNICODE_NO_SUCH_NAME", 64)
ASKS(unicode_path, "UNICODE_PATH_INFO", 256)

static DWORD null_buffer_size_0(Block *block, Report *report) {
    DWORD size = 0;
    TRY(report, block->GetServerVariable(block->ConnID, "HTTP_X_PROBE", NULL, &size));
    say(report, " size %u\n", (unsigned)size);
    return ANSWER_REPORT;
}

static DWORD null_buffer(Block *block, Report *report) {
    DWORD size = 64;
    TRY(report, block->GetServerVariable(block->ConnID, "HTTP_X_PROBE", NULL, &size));
    say(report, "\n");
    return ANSWER_REPORT;
}

static DWORD null_name(Block *block, Report *report) {
    char buffer[64];
    DWORD size = sizeof buffer;
    TRY(report, block->GetServerVariable(block->ConnID, NULL, buffer, &size));
    say(report, "\n");
    return ANSWER_REPORT;
}

static DWORD null_size(Block *block, Report *report) {
    char buffer[64];
    TRY(report, block->GetServerVariable(block->ConnID, "HTTP_X_PROBE", buffer, NULL));
    say(report, "\n");
    return ANSWER_REPORT;
}

/* Starts with two bytes and doubles until it fits. */
static DWORD doubling(Block *block, Report *report) {
    for (DWORD room = 2; room <= 64; room *= 2) {
        char buffer[64];
        DWORD size = room;
        BOOL done = TRY(report, block->GetServerVariable(block->ConnID, "HTTP_X_PROBE", buffer, &size));
        say(report, " size %u\n", (unsigned)size);
        if (done)
            break;
    }
    return ANSWER_REPORT;
}

static DWORD letter_case(Block *block, Report *report) {
    ask(block, report, "request_method", 64);
    ask(block, report, "Http_X_Probe", 64);
    ask(block, report, "HTTP_x_probe", 64);
    ask(block, report, "Unicode_Request_Method", 64);
    return ANSWER_REPORT;
}

static DWORD special_names(Block *block, Report *report) {
    ask(block, report, "HTTP_METHOD", 64);
    ask(block, report, "HTTP_URL", 64);
    ask(block, report, "HTTP_VERSION", 64);
    return ANSWER_REPORT;
}

typedef struct Asked {
    Block *block;
    Report *report;
} Asked;

static void ask_there(void *context) {
    Asked *asked = context;
    ask(asked->block, asked->report, "HTTP_X_PROBE", 64);
    ask(asked->block, asked->report, "NO_SUCH_NAME", 64);
}

static DWORD another_thread(Block *block, Report *report) {
    Asked asked = {block, report};
    on_another_thread(ask_there, &asked);
    return ANSWER_REPORT;
}

static DWORD long_value(Block *block, Report *report) {
    static char buffer[40000];
    DWORD size = 0;
    TRY(report, block->GetServerVariable(block->ConnID, "HTTP_X_LONG", NULL, &size));
    say(report, " size %u\n", (unsigned)size);
    size = sizeof buffer;
    TRY(report, block->GetServerVariable(block->ConnID, "HTTP_X_LONG", buffer, &size));
    say(report, " size %u characters %u\n", (unsigned)size, (unsigned)strspn(buffer, "l"));
    return ANSWER_REPORT;
}

const Rule get_server_variable_rules[] = {
    {"3.1/null-buffer-size-0", null_buffer_size_0},
    {"3.1/size-0", size_0},
    {"3.1/size-1", size_1},
    {"3.1/exact", exact},
    {"3.1/exact-less-1", exact_less_1},
    {"3.1/fixed-buffer", fixed_buffer},
    {"3.1/doubling", doubling},
    {"3.1/long-value", long_value},
    {"3.1/empty-value", empty_value},
    {"3.1/empty-size-0", empty_size_0},
    {"3.1/unknown", unknown},
    {"3.1/unknown-size-0", unknown_size_0},
    {"3.1/no-name", no_name},
    {"3.1/absent-header", absent_header},
    {"3.1/absent-literal", absent_literal},
    {"3.1/http-prefix-only", http_prefix_only},
    {"3.1/null-name", null_name},
    {"3.1/null-size", null_size},
    {"3.1/null-buffer", null_buffer},
    {"3.1/letter-case", letter_case},
    {"3.1/header-with-underscore", header_with_underscore},
    {"3.1/literal", literal},
    {"3.1/literal-case", literal_case},
    {"3.1/literal-underscore", literal_underscore},
    {"3.1/literal-with-underscore", literal_with_underscore},
    {"3.1/special-names", special_names},
    {"3.1/joined", joined},
    {"3.1/unicode-exact", unicode_exact},
    {"3.1/unicode-short", unicode_short},
    {"3.1/unicode-odd", unicode_odd},
    {"3.1/unicode-size-0", unicode_size_0},
    {"3.1/unicode-empty", unicode_empty},
    {"3.1/unicode-http", unicode_http},
    {"3.1/unicode-header", unicode_header},
    {"3.1/unicode-unknown", unicode_unknown},
    {"3.1/unicode-path", unicode_path},
    {"3.1/another-thread", another_thread},
    {NULL, NULL},
};
