/* Section 4.2: URLs and what they stand for, codes 1001, 1012, 1023, 1024, 1033. The query is the URL. */
#include "conformance.h"

enum { ROOM = 700, UNTOUCHED_BYTE = 0xEE };

/* A URL from the query, in a buffer of which the rest can be told from what a code writes. */
static void fill(char *buffer, const char *url) {
    memset(buffer, UNTOUCHED_BYTE, ROOM);
    strcpy(buffer, url);
}

static DWORD widen(WCHAR *buffer, const char *url) {
    DWORD length = 0;
    memset(buffer, UNTOUCHED_BYTE, ROOM * sizeof *buffer);
    do
        buffer[length] = (BYTE)url[length];
    while (url[length++] != '\0');
    return length;
}

static size_t wide_length(const WCHAR *text) {
    size_t length = 0;
    while (text[length] != 0)
        length++;
    return length;
}

/* Units beyond ASCII as \u00e4. */
static void say_wide(Report *report, const WCHAR *text, size_t count) {
    say(report, "\"");
    for (; count-- > 0; text++)
        if (*text < ' ' || *text > '~')
            say(report, "\\u%04x", *text);
        else if (*text == '"' || *text == '\\')
            say(report, "\\%c", *text);
        else
            say(report, "%c", *text);
    say(report, "\"");
}

/* Calls code 1001 with the query's URL and says what came. */
static DWORD path(Block *block, Report *report) {
    char buffer[ROOM];
    DWORD size = ROOM;
    fill(buffer, block->lpszQueryString);
    if (TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_URL_TO_PATH, buffer, &size, NULL))) {
        say(report, " "), say_quoted(report, buffer, strlen(buffer));
        say(report, " and %u", (unsigned)(size - strlen(buffer)));
    }
    say(report, "\n");
    return ANSWER_REPORT;
}

/* A buffer of the size that is needed, and of one byte less. */
static DWORD path_room(Block *block, Report *report) {
    char buffer[ROOM], first[ROOM];
    DWORD size = ROOM, needed;
    fill(buffer, block->lpszQueryString);
    block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_URL_TO_PATH, buffer, &size, NULL);
    strcpy(first, buffer);
    needed = size;
    fill(buffer, block->lpszQueryString);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_URL_TO_PATH, buffer, &size, NULL));
    say(report, " %s, behind it %02x\n", strcmp(first, buffer) == 0 ? "the same" : "another", (BYTE)buffer[needed]);
    size = needed - 1;
    fill(buffer, block->lpszQueryString);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_URL_TO_PATH, buffer, &size, NULL));
    say(report, " size %s\n", size == needed ? "as needed" : "wrong");
    return ANSWER_REPORT;
}

static DWORD path_nulls(Block *block, Report *report) {
    char buffer[ROOM] = "/";
    DWORD size = ROOM;
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_URL_TO_PATH, NULL, &size, NULL)), say(report, "\n");
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_URL_TO_PATH, buffer, NULL, NULL)), say(report, "\n");
    return ANSWER_REPORT;
}

/* Code 1023 with the query's URL, in which ~ stands for a letter beyond ASCII. */
static DWORD wide_path(Block *block, Report *report) {
    WCHAR buffer[ROOM];
    DWORD size = sizeof buffer;
    widen(buffer, block->lpszQueryString);
    for (WCHAR *unit = buffer; *unit != 0; unit++)
        if (*unit == '~')
            *unit = 0xE4;
    if (TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_UNICODE_URL_TO_PATH, buffer, &size, NULL))) {
        say(report, " "), say_wide(report, buffer, wide_length(buffer));
        say(report, " and %u", (unsigned)(size - 2 * wide_length(buffer)));
    }
    say(report, "\n");
    return ANSWER_REPORT;
}

static DWORD wide_path_room(Block *block, Report *report) {
    WCHAR buffer[ROOM];
    DWORD size = sizeof buffer, needed;
    widen(buffer, block->lpszQueryString);
    block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_UNICODE_URL_TO_PATH, buffer, &size, NULL);
    needed = size;
    widen(buffer, block->lpszQueryString);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_UNICODE_URL_TO_PATH, buffer, &size, NULL));
    say(report, ", behind it %04x\n", buffer[needed / 2]);
    size = needed - 1;
    widen(buffer, block->lpszQueryString);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_UNICODE_URL_TO_PATH, buffer, &size, NULL));
    say(report, " size %s\n", size == needed ? "as needed" : "wrong");
    return ANSWER_REPORT;
}

static DWORD wide_path_nulls(Block *block, Report *report) {
    WCHAR buffer[ROOM] = {'/'};
    DWORD size = sizeof buffer;
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_UNICODE_URL_TO_PATH, NULL, &size, NULL));
    say(report, "\n");
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_UNICODE_URL_TO_PATH, buffer, NULL, NULL));
    say(report, "\n");
    return ANSWER_REPORT;
}

/* Code 1012 with the query's URL; the size is not looked at. */
static DWORD path_ex(Block *block, Report *report) {
    HSE_URL_MAPEX_INFO info;
    char buffer[ROOM];
    fill(buffer, block->lpszQueryString);
    memset(&info, UNTOUCHED_BYTE, sizeof info);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_URL_TO_PATH_EX, buffer, NULL, (LPDWORD)&info));
    say(report, " "), say_quoted(report, info.lpszPath, strlen(info.lpszPath));
    say(report, "\nflags %x, path begins ", (unsigned)info.dwFlags), say_quoted(report, info.lpszPath, info.cchMatchingPath);
    say(report, ", URL "), say_quoted(report, buffer, info.cchMatchingURL);
    say(report, "\n");
    return ANSWER_REPORT;
}

static DWORD wide_path_ex(Block *block, Report *report) {
    HSE_UNICODE_URL_MAPEX_INFO info;
    WCHAR buffer[ROOM];
    widen(buffer, block->lpszQueryString);
    memset(&info, UNTOUCHED_BYTE, sizeof info);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX, buffer, NULL, (LPDWORD)&info));
    say(report, " "), say_wide(report, info.lpszPath, wide_length(info.lpszPath));
    say(report, "\nflags %x, path begins ", (unsigned)info.dwFlags), say_wide(report, info.lpszPath, info.cchMatchingPath);
    say(report, ", URL "), say_wide(report, buffer, info.cchMatchingURL);
    say(report, "\n");
    return ANSWER_REPORT;
}

/* A path longer than MAX_PATH. */
static DWORD long_paths(Block *block, Report *report) {
    HSE_URL_MAPEX_INFO info;
    HSE_UNICODE_URL_MAPEX_INFO wide_info;
    char buffer[ROOM] = "/";
    WCHAR wide[ROOM];
    memset(buffer + 1, 'x', 300);
    widen(wide, buffer);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_URL_TO_PATH_EX, buffer, NULL, (LPDWORD)&info));
    say(report, " length %u\n", (unsigned)strlen(info.lpszPath));
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX, wide, NULL, (LPDWORD)&wide_info));
    say(report, " length %u\n", (unsigned)wide_length(wide_info.lpszPath));
    return ANSWER_REPORT;
}

/* Codes 1012 and 1024 without URL, and without structure. */
static DWORD path_ex_nulls(Block *block, Report *report) {
    HSE_UNICODE_URL_MAPEX_INFO info;
    WCHAR url[2] = {'/', 0};
    DWORD size = 1;
    const DWORD codes[] = {HSE_REQ_MAP_URL_TO_PATH_EX, HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX};
    for (int at = 0; at < 2; at++) {
        TRY(report, block->ServerSupportFunction(block->ConnID, codes[at], NULL, &size, (LPDWORD)&info)), say(report, "\n");
        TRY(report, block->ServerSupportFunction(block->ConnID, codes[at], url, &size, NULL)), say(report, "\n");
    }
    return ANSWER_REPORT;
}

/* Code 1033 with the query. */
static DWORD normalize(Block *block, Report *report) {
    char buffer[ROOM];
    fill(buffer, block->lpszQueryString);
    TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_NORMALIZE_URL, buffer, NULL, NULL));
    say(report, " "), say_quoted(report, buffer, strlen(buffer));
    say(report, ", behind it %02x\n", (BYTE)buffer[strlen(block->lpszQueryString) + 1]);
    return ANSWER_REPORT;
}

const Rule map_rules[] = {
    {"4.2/1001", path},
    {"4.2/1001-room", path_room},
    {"4.2/1001-nulls", path_nulls},
    {"4.2/1012", path_ex},
    {"4.2/1012-long", long_paths},
    {"4.2/1012-nulls", path_ex_nulls},
    {"4.2/1023", wide_path},
    {"4.2/1023-room", wide_path_room},
    {"4.2/1023-nulls", wide_path_nulls},
    {"4.2/1024", wide_path_ex},
    {"4.2/1033", normalize},
    {NULL, NULL},
};
