/* redirect: sends the client to ?to=URL with HSE_REQ_SEND_URL_REDIRECT_RESP. */
#include "page.h"

#include <string.h>

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *block) {
    char url[2048];
    DWORD size;
    struct page page;

    if (!form_field(block->lpszQueryString, "to", url, sizeof url)) {
        strcpy(url, "/");
    }
    size = (DWORD)strlen(url);
    block->dwHttpStatusCode = 302;
    if (block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_URL_REDIRECT_RESP, url, &size, NULL)) {
        return HSE_STATUS_SUCCESS;
    }
    html_begin(&page, block, "400 Bad Request", "Not a URL to go to");
    page_text(&page, "<p>The server refused to redirect to <code>");
    page_escaped(&page, url);
    page_text(&page, "</code>.\n");
    return html_end(&page);
}
