/* Runs a handler as an ISAPI extension. */
#include <windows.h>
#include <httpext.h>

#include <stdlib.h>
#include <string.h>

#include "exchange.h"

#define UNKNOWN 0xFFFFFFFFu /* cbTotalBytes of a body that is chunked, or too long for 32 bits */

struct request {
    EXTENSION_CONTROL_BLOCK *block;
    DWORD taken; /* bytes of the body handed out; not counted beyond lpbData if the length is unknown */
};

static int send_head(struct exchange *exchange, const char *status, const char *headers) {
    EXTENSION_CONTROL_BLOCK *block = ((struct request *)exchange->server)->block;
    HSE_SEND_HEADER_EX_INFO info;
    info.pszStatus = status;
    info.cchStatus = (DWORD)strlen(status);
    info.pszHeader = headers;
    info.cchHeader = (DWORD)strlen(headers);
    /* Without a length only the end of the connection ends the answer. */
    info.fKeepConn = strstr(headers, "Content-Length:") != NULL;
    block->dwHttpStatusCode = (DWORD)atoi(status);
    return block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &info, NULL, NULL);
}

static int write_body(struct exchange *exchange, const void *data, size_t size) {
    EXTENSION_CONTROL_BLOCK *block = ((struct request *)exchange->server)->block;
    const char *next = (const char *)data;
    while (size > 0) {
        DWORD piece = size < 1u << 30 ? (DWORD)size : 1u << 30;
        if (!block->WriteClient(block->ConnID, (LPVOID)next, &piece, HSE_IO_SYNC) || piece == 0) {
            return 0;
        }
        next += piece;
        size -= piece;
    }
    return 1;
}

static long read_body(struct exchange *exchange, void *buffer, size_t size) {
    struct request *request = (struct request *)exchange->server;
    EXTENSION_CONTROL_BLOCK *block = request->block;
    DWORD piece = size < 1u << 30 ? (DWORD)size : 1u << 30;

    if (request->taken < block->cbAvailable) { /* what the server has read already */
        DWORD left = block->cbAvailable - request->taken;
        piece = piece < left ? piece : left;
        memcpy(buffer, block->lpbData + request->taken, piece);
    } else if (block->cbTotalBytes == UNKNOWN) {
        return block->ReadClient(block->ConnID, buffer, &piece) ? (long)piece : -1;
    } else if (request->taken < block->cbTotalBytes) {
        DWORD left = block->cbTotalBytes - request->taken;
        piece = piece < left ? piece : left;
        if (!block->ReadClient(block->ConnID, buffer, &piece) || piece == 0) {
            return -1;
        }
    } else {
        return 0;
    }
    request->taken += piece;
    return (long)piece;
}

static int variable(struct exchange *exchange, const char *name, char *value, size_t size) {
    EXTENSION_CONTROL_BLOCK *block = ((struct request *)exchange->server)->block;
    DWORD room = (DWORD)size;
    return block->GetServerVariable(block->ConnID, (LPSTR)name, value, &room);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *block) {
    struct request request = {block, 0};
    struct exchange exchange = {
        .server = &request,
        .process = GetCurrentProcessId(),
        .query = block->lpszQueryString,
        .content_type = block->lpszContentType,
        .content_length = block->cbTotalBytes == UNKNOWN ? -1 : (long long)block->cbTotalBytes,
        .head = send_head,
        .write = write_body,
        .read = read_body,
        .variable = variable,
    };
    return handle(&exchange) ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}
