/*
 * dumpvars: every server variable and the control block, as an HTML page, or with ?format=text as lines NAME=VALUE.
 *
 * In the lines a backslash, CR and LF are written \\, \r and \n; a variable that the server refuses is a line
 * "# NAME: error NUMBER". &var=NAME shows that variable too, for example HTTP_X_MINE or HEADER_X-Mine.
 */
#include "page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_LIMIT (1024u * 1024)

static const char *const VARIABLES[] = {
    "ALL_HTTP", "ALL_RAW", "APP_POOL_CONFIG", "APP_POOL_ID", "APPL_MD_PATH", "APPL_PHYSICAL_PATH", "AUTH_PASSWORD",
    "AUTH_TYPE", "AUTH_USER", "CACHE_URL", "CERT_COOKIE", "CERT_FLAGS", "CERT_ISSUER", "CERT_KEYSIZE",
    "CERT_SECRETKEYSIZE", "CERT_SERIALNUMBER", "CERT_SERVER_ISSUER", "CERT_SERVER_SUBJECT", "CERT_SUBJECT",
    "CONTENT_LENGTH", "CONTENT_TYPE", "CRYPT_CIPHER_ALG_ID", "CRYPT_HASH_ALG_ID", "CRYPT_KEYEXCHANGE_ALG_ID",
    "CRYPT_PROTOCOL", "DOCUMENT_ROOT", "FORWARDED_URL", "GATEWAY_INTERFACE", "HTTP_METHOD", "HTTP_URL",
    "HTTP_VERSION", "HTTPS", "HTTPS_KEYSIZE", "HTTPS_SECRETKEYSIZE", "HTTPS_SERVER_ISSUER", "HTTPS_SERVER_SUBJECT",
    "INSTANCE_ID", "INSTANCE_META_PATH", "INSTANCE_NAME", "LOCAL_ADDR", "LOGON_USER", "MANAGED_PIPELINE_MODE",
    "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT", "REMOTE_USER",
    "REQUEST_FILENAME", "REQUEST_FLAGS", "REQUEST_METHOD", "REQUEST_URI", "SCRIPT_FILENAME", "SCRIPT_NAME",
    "SCRIPT_TRANSLATED", "SERVER_ADDR", "SERVER_NAME", "SERVER_PORT", "SERVER_PORT_SECURE", "SERVER_PROTOCOL",
    "SERVER_SOFTWARE", "SSI_EXEC_DISABLED", "UNENCODED_URL", "UNMAPPED_REMOTE_USER", "URL", "URL_PATH_INFO",
};

/* One of the two forms of the answer. */
struct dump {
    struct page page;
    BOOL text;
};

static void show(struct dump *dump, const char *name, const char *value) {
    struct page *page = &dump->page;
    if (!dump->text) {
        page_text(page, "<tr><td>");
        page_escaped(page, name);
        page_text(page, "<td>");
        page_escaped(page, value);
        page_text(page, "\n");
        return;
    }
    page_text(page, name);
    page_text(page, "=");
    for (; *value; value++) {
        switch (*value) {
        case '\\': page_text(page, "\\\\"); break;
        case '\r': page_text(page, "\\r"); break;
        case '\n': page_text(page, "\\n"); break;
        default: page_bytes(page, value, 1);
        }
    }
    page_text(page, "\n");
}

static void show_number(struct dump *dump, const char *name, unsigned long number) {
    char text[24];
    snprintf(text, sizeof text, "%lu", number);
    show(dump, name, text);
}

static void show_refused(struct dump *dump, const char *name, DWORD error) {
    if (dump->text) {
        page_format(&dump->page, "# %s: error %lu\n", name, (unsigned long)error);
    } else {
        page_text(&dump->page, "<tr><td>");
        page_escaped(&dump->page, name);
        page_format(&dump->page, "<td><em>error %lu</em>\n", (unsigned long)error);
    }
}

/* Asks with a buffer that grows to the size that the server wants. */
static void show_variable(struct dump *dump, const char *name) {
    EXTENSION_CONTROL_BLOCK *block = dump->page.block;
    DWORD size = 256, error = ERROR_NOT_ENOUGH_MEMORY;
    char *value = NULL;

    while (size <= VALUE_LIMIT) {
        DWORD wanted = size;
        char *grown = realloc(value, size);
        if (grown == NULL) {
            break;
        }
        value = grown;
        if (block->GetServerVariable(block->ConnID, (LPSTR)name, value, &wanted)) {
            show(dump, name, value);
            free(value);
            return;
        }
        error = GetLastError();
        if (error != ERROR_INSUFFICIENT_BUFFER) {
            break;
        }
        size = wanted > size ? wanted : size * 2;
    }
    free(value);
    show_refused(dump, name, error);
}

static void show_block(struct dump *dump) {
    EXTENSION_CONTROL_BLOCK *block = dump->page.block;
    show_number(dump, "ECB.cbSize", block->cbSize);
    show_number(dump, "ECB.dwVersion", block->dwVersion);
    show_number(dump, "ECB.dwHttpStatusCode", block->dwHttpStatusCode);
    show(dump, "ECB.lpszMethod", block->lpszMethod);
    show(dump, "ECB.lpszQueryString", block->lpszQueryString);
    show(dump, "ECB.lpszPathInfo", block->lpszPathInfo);
    show(dump, "ECB.lpszPathTranslated", block->lpszPathTranslated);
    show_number(dump, "ECB.cbTotalBytes", block->cbTotalBytes);
    show_number(dump, "ECB.cbAvailable", block->cbAvailable);
    show(dump, "ECB.lpszContentType", block->lpszContentType);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *block) {
    char wanted[128];
    struct dump dump;
    size_t i;

    dump.text = form_field(block->lpszQueryString, "format", wanted, sizeof wanted) && strcmp(wanted, "text") == 0;
    if (dump.text) {
        page_head(&dump.page, block, "200 OK", "Content-Type: text/plain; charset=utf-8\r\n\r\n");
        page_format(&dump.page, "# process %lu, thread %lu\n", (unsigned long)GetCurrentProcessId(),
                    (unsigned long)GetCurrentThreadId());
    } else {
        html_begin(&dump.page, block, "200 OK", "Server variables");
        page_text(&dump.page, "<table><tr><th>Name<th>Value\n");
    }
    show_block(&dump);
    for (i = 0; i < sizeof VARIABLES / sizeof VARIABLES[0]; i++) {
        show_variable(&dump, VARIABLES[i]);
    }
    if (form_field(block->lpszQueryString, "var", wanted, sizeof wanted)) {
        show_variable(&dump, wanted);
    }
    if (dump.text) {
        return page_end(&dump.page);
    }
    page_text(&dump.page, "</table>\n");
    return html_end(&dump.page);
}
