/* Section 3.3: ReadClient. Bodies are longer than the part that is there at the beginning. */
#include "conformance.h"

static BYTE buffer[8u << 20];

/* Reads, and says result, count, and whether these bytes of the body came. */
static DWORD take(Block *block, Report *report, DWORD size, ULONGLONG *offset) {
    BOOL read = TRY(report, block->ReadClient(block->ConnID, buffer, &size));
    if (!read) {
        say(report, "\n");
        return 0;
    }
    say(report, " count %u %s\n", (unsigned)size, in_order(buffer, size, *offset) == size ? "in order" : "WRONG BYTES");
    *offset += size;
    return size;
}

static DWORD fills_the_buffer(Block *block, Report *report) {
    ULONGLONG offset = block->cbAvailable;
    take(block, report, 100000, &offset);
    return ANSWER_REPORT;
}

static DWORD whole_rest(Block *block, Report *report) {
    ULONGLONG offset = block->cbAvailable;
    take(block, report, block->cbTotalBytes - block->cbAvailable, &offset);
    take(block, report, 100, &offset);
    return ANSWER_REPORT;
}

static DWORD larger_than_rest(Block *block, Report *report) {
    ULONGLONG offset = block->cbAvailable;
    memset(buffer, 0xEE, sizeof buffer);
    take(block, report, sizeof buffer, &offset);
    say(report, "behind it %s\n", buffer[offset - block->cbAvailable] == 0xEE ? "untouched" : "touched");
    return ANSWER_REPORT;
}

static DWORD single_bytes(Block *block, Report *report) {
    ULONGLONG offset = block->cbAvailable;
    unsigned calls = 0, wrong = 0;
    for (;;) {
        DWORD size = 1;
        if (!block->ReadClient(block->ConnID, buffer, &size) || size == 0)
            break;
        calls++;
        wrong += buffer[0] != offset++ % 251;
    }
    say(report, "calls %u wrong %u\n", calls, wrong);
    return ANSWER_REPORT;
}

static DWORD zero_size(Block *block, Report *report) {
    ULONGLONG offset = block->cbAvailable;
    DWORD size = 0;
    take(block, report, 0, &offset);
    TRY(report, block->ReadClient(block->ConnID, NULL, &size));
    say(report, " count %u\n", (unsigned)size);
    take(block, report, 10, &offset);
    return ANSWER_REPORT;
}

static DWORD past_the_end(Block *block, Report *report) {
    ULONGLONG offset = block->cbAvailable;
    while (take(block, report, 500000, &offset) > 0) {
    }
    take(block, report, 10, &offset);
    take(block, report, 1, &offset);
    return ANSWER_REPORT;
}

static DWORD nulls(Block *block, Report *report) {
    ULONGLONG offset = block->cbAvailable;
    DWORD size = 10;
    TRY(report, block->ReadClient(block->ConnID, NULL, &size)), say(report, "\n");
    TRY(report, block->ReadClient(block->ConnID, buffer, NULL)), say(report, "\n");
    take(block, report, 10, &offset);
    return ANSWER_REPORT;
}

/* An extension that forgot to set the size: any number may be there. */
static DWORD huge_size(Block *block, Report *report) {
    DWORD size = 0xFFFFFFFF;
    TRY(report, block->ReadClient(block->ConnID, buffer, &size));
    say(report, " count %u %s\n", (unsigned)size, in_order(buffer, size, block->cbAvailable) == size ? "in order" : "WRONG BYTES");
    return ANSWER_REPORT;
}

typedef struct Reader {
    Block *block;
    Report *report;
    ULONGLONG offset;
} Reader;

static void read_there(void *context) {
    Reader *reader = context;
    take(reader->block, reader->report, 1000, &reader->offset);
}

static DWORD another_thread(Block *block, Report *report) {
    Reader reader = {block, report, block->cbAvailable};
    on_another_thread(read_there, &reader);
    take(block, report, 1000, &reader.offset);
    return ANSWER_REPORT;
}

/* What has been read comes back before the next is read. */
static DWORD read_and_write(Block *block, Report *report) {
    ULONGLONG offset = block->cbAvailable;
    DWORD size = block->cbAvailable;
    send_head(block, "200 OK", "Content-Type: application/octet-stream\r\n\r\n");
    block->WriteClient(block->ConnID, block->lpbData, &size, HSE_IO_SYNC);
    for (;;) {
        size = 10000;
        if (!block->ReadClient(block->ConnID, buffer, &size) || size == 0)
            break;
        offset += size;
        block->WriteClient(block->ConnID, buffer, &size, HSE_IO_SYNC);
    }
    say(report, "read %u\n", (unsigned)offset);
    return HSE_STATUS_SUCCESS;
}

/* The client goes away in the middle, when it has the head: the first read sends it. */
static DWORD cut_body(Block *block, Report *report) {
    ULONGLONG offset = block->cbAvailable;
    send_head(block, "200 OK", "Content-Type: text/plain\r\n\r\n");
    while (take(block, report, 100000, &offset) > 0) {
    }
    return HSE_STATUS_SUCCESS;
}

const Rule read_client_rules[] = {
    {"3.3/fills-the-buffer", fills_the_buffer},
    {"3.3/whole-rest", whole_rest},
    {"3.3/larger-than-rest", larger_than_rest},
    {"3.3/single-bytes", single_bytes},
    {"3.3/zero-size", zero_size},
    {"3.3/past-the-end", past_the_end},
    {"3.3/nulls", nulls},
    {"3.3/huge-size", huge_size},
    {"3.3/another-thread", another_thread},
    {"3.3/read-and-write", read_and_write},
    {"3.3/cut-body", cut_body},
    {NULL, NULL},
};
