/*
 * stream: ?mib=N&chunk=BYTES sends N MiB (1) of text in writes of that many bytes (8192).
 *
 * The byte at offset i is LINE[i % 64]; a client that goes away ends the sending and is named in the log.
 */
#include "page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-\n"
#define LINE_LENGTH (sizeof LINE - 1)
#define MIB (1024ull * 1024)

static DWORD send_lines(EXTENSION_CONTROL_BLOCK *block, unsigned long long total, DWORD chunk) {
    unsigned long long sent = 0;
    DWORD status = HSE_STATUS_SUCCESS;
    size_t size = chunk + LINE_LENGTH, i;
    char *lines = malloc(size); /* from any offset within its first line a whole chunk */

    if (lines == NULL) {
        return HSE_STATUS_ERROR;
    }
    for (i = 0; i < size; i++) {
        lines[i] = LINE[i % LINE_LENGTH];
    }
    while (sent < total && status == HSE_STATUS_SUCCESS) {
        DWORD piece = total - sent < chunk ? (DWORD)(total - sent) : chunk;
        if (block->WriteClient(block->ConnID, lines + sent % LINE_LENGTH, &piece, HSE_IO_SYNC) && piece > 0) {
            sent += piece;
        } else {
            snprintf(block->lpszLogData, HSE_LOG_BUFFER_LEN, "client gone after %.0f bytes", (double)sent);
            status = HSE_STATUS_ERROR;
        }
    }
    free(lines);
    return status;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *block) {
    unsigned long long total = form_number(block->lpszQueryString, "mib", 0, 1024 * 1024, 1) * MIB;
    DWORD chunk = (DWORD)form_number(block->lpszQueryString, "chunk", 1, MIB, 8192);
    char headers[160];
    struct page page;

    snprintf(headers, sizeof headers, "Content-Type: text/plain\r\nContent-Length: %.0f\r\nX-Process: %lu\r\n\r\n",
             (double)total, (unsigned long)GetCurrentProcessId());
    page_head(&page, block, "200 OK", headers);
    if (page.failed || strcmp(block->lpszMethod, "HEAD") == 0) {
        return page_end(&page);
    }
    return send_lines(block, total, chunk);
}
