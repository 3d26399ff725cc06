/* What the samples with pages share: gathered output, HTML, and the application/x-www-form-urlencoded syntax. */
#ifndef PAGE_H
#define PAGE_H

#include <windows.h>
#include <httpext.h>

/* An answer that is being written. After a failure nothing more is sent. */
struct page {
    EXTENSION_CONTROL_BLOCK *block;
    BOOL failed;
    DWORD used;
    char buffer[8 * 1024];
};

/* Sends the head: a status such as "200 OK", and header lines with the empty line. */
void page_head(struct page *page, EXTENSION_CONTROL_BLOCK *block, const char *status, const char *headers);
void page_bytes(struct page *page, const char *bytes, size_t size);
void page_text(struct page *page, const char *text);
/* As printf, at most 1023 characters. */
void page_format(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text with the characters of HTML made harmless. */
void page_escaped(struct page *page, const char *text);
/* Sends what is left; the result is that of HttpExtensionProc. */
DWORD page_end(struct page *page);

/* An HTML page with a title: the head and the beginning, then the end, which names the process that answered. */
void html_begin(struct page *page, EXTENSION_CONTROL_BLOCK *block, const char *status, const char *title);
DWORD html_end(struct page *page);

/* Decodes the escapes of a form field in place. */
void form_decode(char *text);
/* Copies the decoded field of that name; FALSE if there is none or it does not fit. */
BOOL form_field(const char *fields, const char *name, char *value, size_t size);
/* The field as a number from low to high, or the fallback. */
unsigned long form_number(const char *fields, const char *name, unsigned long low, unsigned long high,
                          unsigned long fallback);

#endif
