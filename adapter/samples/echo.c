/* echo: the request's body comes back, piece by piece, never held as a whole. */
#include "exchange.h"

#include <stdio.h>

int handle(struct exchange *exchange) {
    const char *type = exchange->content_type[0] ? exchange->content_type : "application/octet-stream";
    char headers[1024], length[64] = "", piece[64 * 1024];
    long size;

    if (exchange->content_length >= 0) {
        snprintf(length, sizeof length, "Content-Length: %.0f\r\n", (double)exchange->content_length);
    }
    snprintf(headers, sizeof headers, "Content-Type: %.512s\r\n%sX-Process: %lu\r\n\r\n", type, length,
             exchange->process);
    if (!exchange->head(exchange, "200 OK", headers)) {
        return 0;
    }
    while ((size = exchange->read(exchange, piece, sizeof piece)) > 0) {
        if (!exchange->write(exchange, piece, (size_t)size)) {
            return 0;
        }
    }
    return size == 0;
}
