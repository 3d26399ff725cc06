/* form: shows a form, and what was entered in it. */
#include "page.h"

#include <string.h>

#define BODY_LIMIT (16 * 1024)

/* Reads the whole body as a string; FALSE if it is longer than the limit, of unknown length, or cut off. */
static BOOL read_body(EXTENSION_CONTROL_BLOCK *block, char *body) {
    DWORD used = block->cbAvailable;
    if (block->cbTotalBytes > BODY_LIMIT || used > block->cbTotalBytes) {
        return FALSE;
    }
    memcpy(body, block->lpbData, used);
    while (used < block->cbTotalBytes) {
        DWORD piece = block->cbTotalBytes - used;
        if (!block->ReadClient(block->ConnID, body + used, &piece) || piece == 0) {
            return FALSE;
        }
        used += piece;
    }
    body[used] = '\0';
    return TRUE;
}

static void show_fields(struct page *page, char *fields) {
    page_text(page, "<table><tr><th>Field<th>Value\n");
    while (*fields) {
        size_t length = strcspn(fields, "&");
        char *next = fields + length + (fields[length] == '&');
        char *value;
        fields[length] = '\0';
        value = fields + strcspn(fields, "=");
        if (*value) {
            *value++ = '\0';
        }
        form_decode(fields);
        form_decode(value);
        page_text(page, "<tr><td>");
        page_escaped(page, fields);
        page_text(page, "<td>");
        page_escaped(page, value);
        page_text(page, "\n");
        fields = next;
    }
    page_text(page, "</table>\n");
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *block) {
    static const char type[] = "application/x-www-form-urlencoded";
    char body[BODY_LIMIT + 1];
    struct page page;

    if (strcmp(block->lpszMethod, "POST") != 0) {
        html_begin(&page, block, "200 OK", "A form");
        page_text(&page, "<form method=\"post\"><p><label>Name <input name=\"name\"></label>"
                         "<p><label>Text <textarea name=\"text\"></textarea></label><p><button>Send</button></form>\n");
    } else if (strncmp(block->lpszContentType, type, sizeof type - 1) != 0) {
        html_begin(&page, block, "415 Unsupported Media Type", "Not a form");
        page_format(&page, "<p>The body must be <code>%s</code>.\n", type);
    } else if (!read_body(block, body)) {
        html_begin(&page, block, "413 Content Too Large", "Too long");
        page_format(&page, "<p>The body must have a known length of at most %d bytes.\n", BODY_LIMIT);
    } else {
        html_begin(&page, block, "200 OK", "What was entered");
        show_fields(&page, body);
    }
    return html_end(&page);
}
