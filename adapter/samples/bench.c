/*
 * bench: what `isapi-gateway bench` asks for, the same under every model. ?load=
 *   hello      thirteen bytes
 *   variables  twenty-four server variables, one a line
 *   echo       the request's body
 *   stream     64 MiB of lines, in pieces of 64 KiB
 *   stream-1g  1 GiB of them
 *   card       checks the check digits of a thousand card numbers
 *   sleep      answers after a second
 */
#include "exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <unistd.h>
#endif

#define LINE "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-\n"
#define LINE_LENGTH (sizeof LINE - 1)
#define PIECE ((size_t)64 * 1024)
#define MIB (1024ull * 1024)
#define LONGEST_ECHO (4 * 1024 * 1024)
#define NUMBERS 1000
#define DIGITS 16

static const char *const VARIABLES[] = {
    "AUTH_TYPE",     "CONTENT_LENGTH", "CONTENT_TYPE",   "GATEWAY_INTERFACE", "HTTP_ACCEPT",     "HTTP_ACCEPT_LANGUAGE",
    "HTTP_COOKIE",   "HTTP_HOST",      "HTTP_REFERER",   "HTTP_USER_AGENT",   "PATH_INFO",       "PATH_TRANSLATED",
    "QUERY_STRING",  "REMOTE_ADDR",    "REMOTE_HOST",    "REMOTE_PORT",       "REMOTE_USER",     "REQUEST_METHOD",
    "SCRIPT_NAME",   "SERVER_NAME",    "SERVER_PORT",    "SERVER_PROTOCOL",   "SERVER_SOFTWARE", "HTTPS",
};

static int send_head(struct exchange *exchange, const char *type, size_t length) {
    char headers[1024];
    snprintf(headers, sizeof headers, "Content-Type: %.512s\r\nContent-Length: %lu\r\n\r\n", type,
             (unsigned long)length);
    return exchange->head(exchange, "200 OK", headers);
}

static int send_text(struct exchange *exchange, const char *text, size_t size) {
    return send_head(exchange, "text/plain", size) && exchange->write(exchange, text, size);
}

static int variables(struct exchange *exchange) {
    char page[32 * 1024], value[1024];
    size_t used = 0, i;
    for (i = 0; i < sizeof VARIABLES / sizeof VARIABLES[0]; i++) {
        if (!exchange->variable(exchange, VARIABLES[i], value, sizeof value)) {
            value[0] = '\0';
        }
        used += (size_t)snprintf(page + used, sizeof page - used, "%s=%s\n", VARIABLES[i], value);
    }
    return send_text(exchange, page, used);
}

/* The whole body first: nginx sends nothing more of it once it has the head of the answer. */
static int echo(struct exchange *exchange) {
    size_t length = (size_t)exchange->content_length, used = 0;
    char *body;
    long size;
    int sent;
    if (exchange->content_length < 0 || exchange->content_length > LONGEST_ECHO || !(body = malloc(length + 1))) {
        return 0;
    }
    while (used < length && (size = exchange->read(exchange, body + used, length - used)) > 0) {
        used += (size_t)size;
    }
    sent = used == length && send_text(exchange, body, length);
    free(body);
    return sent;
}

static int lines(struct exchange *exchange, unsigned long long size) {
    char piece[PIECE];
    unsigned long long sent;
    size_t i;
    for (i = 0; i < PIECE; i++) {
        piece[i] = LINE[i % LINE_LENGTH];
    }
    if (!send_head(exchange, "text/plain", (size_t)size)) {
        return 0;
    }
    for (sent = 0; sent < size; sent += PIECE) {
        if (!exchange->write(exchange, piece, PIECE)) {
            return 0;
        }
    }
    return 1;
}

static int stream(struct exchange *exchange) {
    return lines(exchange, 64 * MIB);
}

static int stream_1g(struct exchange *exchange) {
    return lines(exchange, 1024 * MIB);
}

static int doze(struct exchange *exchange) {
#ifdef _WIN32
    Sleep(1000);
#else
    sleep(1);
#endif
    return send_text(exchange, "slept\n", 6);
}

/* ISO/IEC 7812-1: every second digit from the right is doubled, its digits added; the sum is a multiple of ten. */
static int is_valid(const char *number) {
    int sum = 0, i;
    for (i = 0; i < DIGITS; i++) {
        int digit = number[DIGITS - 1 - i] - '0';
        if (i % 2 == 1) {
            digit = digit < 5 ? digit * 2 : digit * 2 - 9;
        }
        sum += digit;
    }
    return sum % 10 == 0;
}

static int card(struct exchange *exchange) {
    unsigned long long seed = 20; /* a linear congruential generator: the same thousand numbers every time */
    char number[DIGITS], text[64];
    int valid = 0, i, digit;
    for (i = 0; i < NUMBERS; i++) {
        for (digit = 0; digit < DIGITS; digit++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            number[digit] = (char)('0' + (seed >> 33) % 10);
        }
        valid += is_valid(number);
    }
    return send_text(exchange, text, (size_t)snprintf(text, sizeof text, "%d of %d are valid\n", valid, NUMBERS));
}

int handle(struct exchange *exchange) {
    static const char hello[] = "Hello, world!";
    static const struct {
        const char *query;
        int (*run)(struct exchange *);
    } LOADS[] = {{"load=variables", variables},   {"load=echo", echo}, {"load=stream", stream},
                 {"load=stream-1g", stream_1g}, {"load=card", card}, {"load=sleep", doze}};
    size_t i;
    for (i = 0; i < sizeof LOADS / sizeof LOADS[0]; i++) {
        if (strcmp(exchange->query, LOADS[i].query) == 0) {
            return LOADS[i].run(exchange);
        }
    }
    return send_text(exchange, hello, sizeof hello - 1);
}
