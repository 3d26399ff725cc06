/* Section 6.4: the head that the extension writes itself. What it writes comes as the request's body. */
#include "conformance.h"

static void put(Block *block, Report *report, DWORD from, DWORD count) {
    TRY(report, block->WriteClient(block->ConnID, block->lpbData + from, &count, HSE_IO_SYNC));
    say(report, "\n");
}

static DWORD at_once(Block *block, Report *report) {
    put(block, report, 0, block->cbAvailable);
    return HSE_STATUS_SUCCESS;
}

static DWORD in_two(Block *block, Report *report) {
    DWORD half = block->cbAvailable / 2;
    put(block, report, 0, half);
    put(block, report, half, block->cbAvailable - half);
    return HSE_STATUS_SUCCESS;
}

static DWORD in_bytes(Block *block, Report *report) {
    for (DWORD at = 0; at < block->cbAvailable; at++) {
        DWORD size = 1;
        block->WriteClient(block->ConnID, block->lpbData + at, &size, HSE_IO_SYNC);
    }
    say(report, "done\n");
    return HSE_STATUS_SUCCESS;
}

/* A head that never ends: header lines of 100 bytes until 80,000 bytes. */
static DWORD endless(Block *block, Report *report) {
    char line[101] = "X-Endless: ";
    memset(line + 11, 'x', 87);
    memcpy(line + 98, "\r\n", 3);
    for (int at = 0; at < 800; at++)
        write_text(block, line);
    say(report, "done\n");
    return HSE_STATUS_SUCCESS;
}

const Rule raw_rules[] = {
    {"6.4/at-once", at_once},
    {"6.4/in-two", in_two},
    {"6.4/in-bytes", in_bytes},
    {"6.4/endless", endless},
    {NULL, NULL},
};
