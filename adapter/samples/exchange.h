/*
 * One request and its answer, as a handler sees them that does not care who the server is: the same handler runs as
 * an ISAPI extension (isapi_shell.c), as a CGI program (cgi_shell.c) and as a FastCGI application (fcgi_shell.c).
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stddef.h>

struct exchange {
    void *server;             /* the shell's own */
    unsigned long process;    /* the process that answers */
    const char *query;        /* the query string, "" if there is none */
    const char *content_type; /* media type of the request's body, "" if it has none */
    long long content_length; /* bytes of the request's body; -1: unknown, read to the end */

    /* Sends the head: a status such as "200 OK", and header lines with the empty line. 0: failed. */
    int (*head)(struct exchange *exchange, const char *status, const char *headers);
    /* Sends all of the bytes. 0: failed, the client has gone. */
    int (*write)(struct exchange *exchange, const void *data, size_t size);
    /* Reads up to size bytes of the request's body. 0: its end, -1: failed. */
    long (*read)(struct exchange *exchange, void *buffer, size_t size);
    /* Copies the value of a CGI variable. 0: there is none, or it does not fit. */
    int (*variable)(struct exchange *exchange, const char *name, char *value, size_t size);
};

/* Answers one request; 0: failed. */
int handle(struct exchange *exchange);

#endif
