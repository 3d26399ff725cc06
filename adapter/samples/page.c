#include "page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void flush(struct page *page) {
    if (page->used > 0 && !page->failed) {
        DWORD size = page->used;
        page->failed = !page->block->WriteClient(page->block->ConnID, page->buffer, &size, HSE_IO_SYNC);
    }
    page->used = 0;
}

void page_head(struct page *page, EXTENSION_CONTROL_BLOCK *block, const char *status, const char *headers) {
    page->block = block;
    page->used = 0;
    block->dwHttpStatusCode = (DWORD)atoi(status);
    page->failed = !block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, (LPVOID)status, NULL,
                                                 (LPDWORD)headers);
}

void page_bytes(struct page *page, const char *bytes, size_t size) {
    while (size > 0 && !page->failed) {
        size_t room = sizeof page->buffer - page->used;
        size_t piece = size < room ? size : room;
        memcpy(page->buffer + page->used, bytes, piece);
        page->used += (DWORD)piece;
        bytes += piece;
        size -= piece;
        if (page->used == sizeof page->buffer) {
            flush(page);
        }
    }
}

void page_text(struct page *page, const char *text) {
    page_bytes(page, text, strlen(text));
}

void page_format(struct page *page, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    page_text(page, text);
}

void page_escaped(struct page *page, const char *text) {
    for (; *text; text++) {
        switch (*text) {
        case '&': page_text(page, "&amp;"); break;
        case '<': page_text(page, "&lt;"); break;
        case '>': page_text(page, "&gt;"); break;
        case '"': page_text(page, "&quot;"); break;
        case '\'': page_text(page, "&#39;"); break;
        default: page_bytes(page, text, 1);
        }
    }
}

DWORD page_end(struct page *page) {
    flush(page);
    return page->failed ? HSE_STATUS_ERROR : HSE_STATUS_SUCCESS;
}

void html_begin(struct page *page, EXTENSION_CONTROL_BLOCK *block, const char *status, const char *title) {
    page_head(page, block, status, "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\r\n");
    page_text(page, "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\">"
                    "<meta name=\"viewport\" content=\"width=device-width\"><title>");
    page_escaped(page, title);
    page_text(page, "</title><style>:root{color-scheme:light dark}"
                    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
                    "table{border-collapse:collapse}td,th{border-bottom:1px solid #8884;padding:.2rem .6rem;"
                    "text-align:left;vertical-align:top;overflow-wrap:anywhere;white-space:pre-wrap}"
                    "footer{margin-top:2rem;opacity:.7}</style><h1>");
    page_escaped(page, title);
    page_text(page, "</h1>\n");
}

DWORD html_end(struct page *page) {
    page_format(page, "<footer>Answered by process %lu, thread %lu. <a href=\"/\">Start page</a></footer></html>\n",
                (unsigned long)GetCurrentProcessId(), (unsigned long)GetCurrentThreadId());
    return page_end(page);
}

static int hex_digit(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

void form_decode(char *text) {
    char *to = text;
    for (; *text; text++) {
        if (*text == '+') {
            *to++ = ' ';
        } else if (*text == '%' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
            *to++ = (char)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
}

BOOL form_field(const char *fields, const char *name, char *value, size_t size) {
    size_t name_length = strlen(name);
    while (*fields) {
        size_t length = strcspn(fields, "&");
        if (length > name_length && fields[name_length] == '=' && memcmp(fields, name, name_length) == 0) {
            length -= name_length + 1;
            if (length >= size) {
                return FALSE;
            }
            memcpy(value, fields + name_length + 1, length);
            value[length] = '\0';
            form_decode(value);
            return TRUE;
        }
        fields += length + (fields[length] == '&');
    }
    return FALSE;
}

unsigned long form_number(const char *fields, const char *name, unsigned long low, unsigned long high,
                          unsigned long fallback) {
    char text[24], *end;
    unsigned long number;
    if (!form_field(fields, name, text, sizeof text) || text[0] < '0' || text[0] > '9') {
        return fallback;
    }
    number = strtoul(text, &end, 10);
    return *end || number < low || number > high ? fallback : number;
}
