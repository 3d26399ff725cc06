/*
 * Runs a handler as a FastCGI application with libfcgi: standard input is the listening socket, the argument tells the
 * number of threads. Each thread has one connection at a time, so there should be as many as the web server opens.
 */
#include <fcgiapp.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exchange.h"

#define MOST_THREADS 1024

static const char *text(struct exchange *exchange, const char *name) {
    const char *value = FCGX_GetParam(name, ((FCGX_Request *)exchange->server)->envp);
    return value ? value : "";
}

static int write_body(struct exchange *exchange, const void *data, size_t size) {
    return FCGX_PutStr(data, (int)size, ((FCGX_Request *)exchange->server)->out) == (int)size;
}

static int send_head(struct exchange *exchange, const char *status, const char *headers) {
    FCGX_Stream *out = ((FCGX_Request *)exchange->server)->out;
    return FCGX_PutS("Status: ", out) >= 0 && FCGX_PutS(status, out) >= 0 && FCGX_PutS("\r\n", out) >= 0 &&
           FCGX_PutS(headers, out) >= 0;
}

static long read_body(struct exchange *exchange, void *buffer, size_t size) {
    return FCGX_GetStr(buffer, (int)size, ((FCGX_Request *)exchange->server)->in);
}

static int variable(struct exchange *exchange, const char *name, char *value, size_t size) {
    const char *found = FCGX_GetParam(name, ((FCGX_Request *)exchange->server)->envp);
    if (found == NULL || strlen(found) >= size) {
        return 0;
    }
    memcpy(value, found, strlen(found) + 1);
    return 1;
}

static void serve(FCGX_Request *request) {
    struct exchange exchange = {
        .server = request,
        .process = (unsigned long)getpid(),
        .head = send_head,
        .write = write_body,
        .read = read_body,
        .variable = variable,
    };
    const char *length = text(&exchange, "CONTENT_LENGTH");
    char rest[1024];
    exchange.query = text(&exchange, "QUERY_STRING");
    exchange.content_type = text(&exchange, "CONTENT_TYPE");
    exchange.content_length = length[0] ? strtoll(length, NULL, 10) : 0;
    handle(&exchange);
    /* What is left unread, if only the end, would be taken for the next request's on a connection that is kept. */
    while (read_body(&exchange, rest, sizeof rest) > 0) {
    }
}

static void *run(void *unused) {
    FCGX_Request request;
    (void)unused;
    if (FCGX_InitRequest(&request, STDIN_FILENO, 0) != 0) {
        exit(EXIT_FAILURE);
    }
    /* No lock around it: it also waits for the next request of a connection that is kept. */
    while (FCGX_Accept_r(&request) >= 0) {
        serve(&request);
        FCGX_Finish_r(&request);
    }
    exit(EXIT_FAILURE);
}

int main(int count, char **arguments) {
    int threads = count > 1 ? atoi(arguments[1]) : 1, started;
    if (threads < 1 || threads > MOST_THREADS || FCGX_Init() != 0) {
        return EXIT_FAILURE;
    }
    for (started = 1; started < threads; started++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, NULL) != 0) {
            return EXIT_FAILURE;
        }
    }
    run(NULL);
}
