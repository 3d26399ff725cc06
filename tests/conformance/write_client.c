/* Section 3.2: WriteClient. Answers have the head of `begin`, what they report is had with /observed. */
#include "conformance.h"

static void begin(Block *block) {
    send_head(block, "200 OK", "Content-Type: text/plain\r\n\r\n");
}

/* Writes, and says result and count. */
static BOOL put(Block *block, Report *report, const void *bytes, DWORD count, DWORD flags) {
    BOOL written = TRY(report, block->WriteClient(block->ConnID, (LPVOID)bytes, &count, flags));
    say(report, " count %u\n", (unsigned)count);
    return written;
}

#define PUTS(function, flags)                                                                                          \
    static DWORD function(Block *block, Report *report) {                                                              \
        begin(block);                                                                                                  \
        put(block, report, "twelve bytes", 12, flags);                                                                 \
        return HSE_STATUS_SUCCESS;                                                                                     \
    }

PUTS(no_flag, 0)
PUTS(sync_flag, HSE_IO_SYNC)
PUTS(nodelay_flag, HSE_IO_SYNC | HSE_IO_NODELAY)
PUTS(disconnect_flag, HSE_IO_SYNC | HSE_IO_DISCONNECT_AFTER_SEND)
PUTS(async_without_completion, HSE_IO_ASYNC)

static DWORD zero_bytes(Block *block, Report *report) {
    begin(block);
    put(block, report, "", 0, HSE_IO_SYNC);
    put(block, report, NULL, 0, HSE_IO_SYNC);
    put(block, report, "after", 5, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}

static DWORD zero_bytes_first(Block *block, Report *report) {
    put(block, report, "", 0, HSE_IO_SYNC);
    begin(block);
    put(block, report, "after", 5, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}

static DWORD null_buffer(Block *block, Report *report) {
    begin(block);
    put(block, report, NULL, 5, HSE_IO_SYNC);
    put(block, report, "after", 5, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}

static DWORD null_count(Block *block, Report *report) {
    begin(block);
    TRY(report, block->WriteClient(block->ConnID, "never", NULL, HSE_IO_SYNC));
    say(report, "\n");
    put(block, report, "after", 5, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}

static DWORD many_single_bytes(Block *block, Report *report) {
    DWORD written = 0;
    begin(block);
    for (DWORD at = 0; at < 100000; at++) {
        BYTE byte = (BYTE)(at % 251);
        DWORD count = 1;
        if (block->WriteClient(block->ConnID, &byte, &count, HSE_IO_SYNC) && count == 1)
            written++;
    }
    say(report, "written %u\n", (unsigned)written);
    return HSE_STATUS_SUCCESS;
}

static DWORD large(Block *block, Report *report) {
    const DWORD size = 100u << 20;
    BYTE *bytes = malloc(size);
    if (bytes == NULL)
        return HSE_STATUS_ERROR;
    for (DWORD at = 0; at < size; at++)
        bytes[at] = (BYTE)(at % 251);
    begin(block);
    put(block, report, bytes, size, HSE_IO_SYNC);
    free(bytes);
    return HSE_STATUS_SUCCESS;
}

/* The buffer may change as soon as the call has returned. */
static DWORD buffer_is_free(Block *block, Report *report) {
    char line[] = "0 line\n";
    begin(block);
    for (int at = 0; at < 5; at++) {
        line[0] = (char)('0' + at);
        put(block, report, line, sizeof line - 1, HSE_IO_SYNC);
        memset(line, '#', 1);
    }
    return HSE_STATUS_SUCCESS;
}

/* All 256 bytes. */
static DWORD every_byte(Block *block, Report *report) {
    BYTE bytes[256];
    for (int at = 0; at < 256; at++)
        bytes[at] = (BYTE)at;
    begin(block);
    put(block, report, bytes, sizeof bytes, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}

typedef struct Writer {
    Block *block;
    Report *report;
} Writer;

static void write_there(void *context) {
    Writer *writer = context;
    put(writer->block, writer->report, "from a thread of my own", 23, HSE_IO_SYNC);
}

static DWORD another_thread(Block *block, Report *report) {
    Writer writer = {block, report};
    begin(block);
    on_another_thread(write_there, &writer);
    return HSE_STATUS_SUCCESS;
}

/* Writes until it fails; the client goes away. */
static DWORD client_gone(Block *block, Report *report) {
    static BYTE piece[64 * 1024];
    BOOL connected = TRUE;
    DWORD count = sizeof piece;
    unsigned at = 0;
    begin(block);
    while (at++ < 100000 && (SetLastError(UNTOUCHED), block->WriteClient(block->ConnID, piece, &count, HSE_IO_SYNC)))
        count = sizeof piece;
    tried(report, at >= 100000);
    count = sizeof piece;
    say(report, ", again "), TRY(report, block->WriteClient(block->ConnID, piece, &count, HSE_IO_SYNC));
    say(report, ", 1018 "), TRY(report, block->ServerSupportFunction(block->ConnID, HSE_REQ_IS_CONNECTED, &connected, NULL, NULL));
    say(report, " %d\n", (int)connected);
    return HSE_STATUS_SUCCESS;
}

const Rule write_client_rules[] = {
    {"3.2/no-flag", no_flag},
    {"3.2/sync-flag", sync_flag},
    {"3.2/nodelay-flag", nodelay_flag},
    {"3.2/disconnect-flag", disconnect_flag},
    {"3.2/async-without-completion", async_without_completion},
    {"3.2/zero-bytes", zero_bytes},
    {"3.2/zero-bytes-first", zero_bytes_first},
    {"3.2/null-buffer", null_buffer},
    {"3.2/null-count", null_count},
    {"3.2/many-single-bytes", many_single_bytes},
    {"3.2/large", large},
    {"3.2/buffer-is-free", buffer_is_free},
    {"3.2/every-byte", every_byte},
    {"3.2/another-thread", another_thread},
    {"3.2/client-gone", client_gone},
    {NULL, NULL},
};
