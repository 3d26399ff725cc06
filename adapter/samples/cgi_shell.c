/* Runs a handler as a CGI program (RFC 3875). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

#include "exchange.h"

#define PIECE ((size_t)1 << 30)

static int write_body(struct exchange *exchange, const void *data, size_t size) {
    const char *next = (const char *)data;
    (void)exchange;
    while (size > 0) {
        long written = (long)write(STDOUT_FILENO, next, size < PIECE ? size : PIECE);
        if (written > 0) {
            next += written;
            size -= (size_t)written;
        } else if (written == 0 || errno != EINTR) {
            return 0;
        }
    }
    return 1;
}

static int send_head(struct exchange *exchange, const char *status, const char *headers) {
    return write_body(exchange, "Status: ", 8) && write_body(exchange, status, strlen(status)) &&
           write_body(exchange, "\r\n", 2) && write_body(exchange, headers, strlen(headers));
}

static long read_body(struct exchange *exchange, void *buffer, size_t size) {
    long long *left = (long long *)exchange->server; /* -1: until the end of the file */
    long count;
    if (*left >= 0 && (unsigned long long)*left < size) {
        size = (size_t)*left;
    }
    if (size == 0) {
        return 0;
    }
    do {
        count = (long)read(STDIN_FILENO, buffer, size < PIECE ? size : PIECE);
    } while (count < 0 && errno == EINTR);
    if (*left >= 0) {
        if (count == 0) {
            return -1; /* shorter than it said */
        }
        *left -= count > 0 ? count : 0;
    }
    return count;
}

static const char *text(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static int variable(struct exchange *exchange, const char *name, char *value, size_t size) {
    const char *found = getenv(name);
    (void)exchange;
    if (found == NULL || strlen(found) >= size) {
        return 0;
    }
    memcpy(value, found, strlen(found) + 1);
    return 1;
}

/* CONTENT_LENGTH is absent if there is no body, or if the client sends it in chunks. */
static long long content_length(void) {
    const char *length = text("CONTENT_LENGTH");
    if (length[0]) {
        return strtoll(length, NULL, 10);
    }
    return text("HTTP_TRANSFER_ENCODING")[0] ? -1 : 0;
}

int main(void) {
    long long left = content_length();
    struct exchange exchange = {
        .server = &left,
        .process = (unsigned long)getpid(),
        .query = text("QUERY_STRING"),
        .content_type = text("CONTENT_TYPE"),
        .content_length = left,
        .head = send_head,
        .write = write_body,
        .read = read_body,
        .variable = variable,
    };
#ifdef _WIN32
    _setmode(STDIN_FILENO, _O_BINARY);
    _setmode(STDOUT_FILENO, _O_BINARY);
#endif
    return handle(&exchange) ? EXIT_SUCCESS : EXIT_FAILURE;
}
