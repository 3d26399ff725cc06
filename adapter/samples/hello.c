/* hello: thirteen bytes of text. */
#include "exchange.h"

#include <stdio.h>

int handle(struct exchange *exchange) {
    static const char text[] = "Hello, world!";
    char headers[128];
    snprintf(headers, sizeof headers, "Content-Type: text/plain\r\nContent-Length: %d\r\nX-Process: %lu\r\n\r\n",
             (int)(sizeof text - 1), exchange->process);
    return exchange->head(exchange, "200 OK", headers) && exchange->write(exchange, text, sizeof text - 1);
}
