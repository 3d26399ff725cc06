/* crash: ?how=WAY fails in that way, to show that nobody else is hurt. */
#include "page.h"

#include <stdlib.h>
#include <string.h>

#define TEN_MINUTES (10 * 60 * 1000)

static void segfault(void) {
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
}

/* Uses up the stack. The compiler cannot know that depth never gets negative, nor drop the frames. */
static int overflow(volatile int *depth) {
    volatile char frame[4096];
    frame[0] = (char)++*depth;
    return *depth < 0 ? 0 : overflow(depth) + frame[0];
}

static void hang(void) {
    for (;;) {
        Sleep(1000);
    }
}

static DWORD late(EXTENSION_CONTROL_BLOCK *block) {
    struct page page;
    page_head(&page, block, "200 OK", "Content-Type: text/plain\r\n\r\n");
    /* More than a server gathers before it sends, so that a part of the answer is out when the end comes. */
    for (int line = 0; line < 4000; line++) {
        page_text(&page, "These bytes were sent. The rest never comes.\n");
    }
    page_end(&page);
    segfault();
    return HSE_STATUS_SUCCESS;
}

static DWORD slept(EXTENSION_CONTROL_BLOCK *block) {
    unsigned long milliseconds = form_number(block->lpszQueryString, "ms", 0, TEN_MINUTES, 1000);
    struct page page;
    Sleep((DWORD)milliseconds);
    html_begin(&page, block, "200 OK", "Slept");
    page_format(&page, "<p>for %lu milliseconds.\n", milliseconds);
    return html_end(&page);
}

static DWORD choice(EXTENSION_CONTROL_BLOCK *block) {
    struct page page;
    html_begin(&page, block, "200 OK", "Ways to fail");
    page_text(&page, "<ul><li><a href=\"?how=segfault\">segfault</a>: writes to address 0"
                     "<li><a href=\"?how=abort\">abort</a>: calls abort()"
                     "<li><a href=\"?how=exit\">exit</a>: ends the process with exit(3)"
                     "<li><a href=\"?how=overflow\">overflow</a>: recurses until the stack is used up"
                     "<li><a href=\"?how=hang\">hang</a>: never returns"
                     "<li><a href=\"?how=late\">late</a>: segfaults when a part of the answer has been sent"
                     "<li><a href=\"?how=sleep&amp;ms=2000\">sleep</a>: answers after two seconds</ul>\n");
    return html_end(&page);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *block) {
    char how[16];
    if (!form_field(block->lpszQueryString, "how", how, sizeof how)) {
        how[0] = '\0';
    }
    if (strcmp(how, "segfault") == 0) {
        segfault();
    } else if (strcmp(how, "abort") == 0) {
        abort();
    } else if (strcmp(how, "exit") == 0) {
        exit(3);
    } else if (strcmp(how, "overflow") == 0) {
        volatile int depth = 0;
        overflow(&depth);
    } else if (strcmp(how, "hang") == 0) {
        hang();
    } else if (strcmp(how, "late") == 0) {
        return late(block);
    } else if (strcmp(how, "sleep") == 0) {
        return slept(block);
    }
    return choice(block);
}
