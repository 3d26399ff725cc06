/*
 * An extension for rules about loading, dying and ending. It does what it was compiled for:
 *
 *   -DVERSION=NUMBER        dwExtensionVersion
 *   -DLONG_DESCRIPTION      a description without NUL
 *   -DLOADS=BOOL            what GetExtensionVersion returns; with -DVERSION_DOES=CALL it does this before
 *   -DATTACHES=BOOL         what DllMain returns when the library is loaded
 *   -DTERMINATES=BOOL       what TerminateExtension returns; with -DTERMINATION_DOES=CALL it does this before
 *   -DWITHOUT_VERSION, -DWITHOUT_PROC, -DWITHOUT_TERMINATION   without this entry point
 *   -DEXPORTED=             a .def file says what is exported
 *   -DNEEDS_LIBRARY         it needs a library, which is this file compiled with -DIS_LIBRARY
 *
 * and what the query of a request says. Without query it answers "alive".
 */
#include <windows.h>

#include <httpext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef IS_LIBRARY

__declspec(dllexport) int needed(void);

int needed(void) {
    return 1;
}

#else

#ifndef VERSION
#define VERSION HSE_VERSION
#endif
#ifndef LOADS
#define LOADS TRUE
#endif
#ifndef VERSION_DOES
#define VERSION_DOES (void)0
#endif
#ifndef TERMINATES
#define TERMINATES TRUE
#endif
#ifndef TERMINATION_DOES
#define TERMINATION_DOES (void)0
#endif
#ifndef EXPORTED
#define EXPORTED __declspec(dllexport)
#endif

EXPORTED BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *version);
EXPORTED DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *block);
EXPORTED BOOL WINAPI TerminateExtension(DWORD flags);

__attribute__((unused)) static LONG ready, open_requests, terminations;

__attribute__((unused)) static void crash(void) {
    volatile int *volatile nowhere = (volatile int *)16;
    *nowhere = 1;
}

__attribute__((unused)) static void hang(void) {
    Sleep(INFINITE);
}

__attribute__((unused, noinline)) static int overflow(int depth) {
    volatile char frame[4096];
    frame[0] = (char)depth;
    return depth == 0 ? 0 : overflow(depth + 1) + frame[0];
}

#ifdef ATTACHES
BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved) {
    (void)instance, (void)reserved;
    return reason == DLL_PROCESS_ATTACH ? ATTACHES : TRUE;
}
#endif

#ifdef NEEDS_LIBRARY
#ifdef _WIN32
__declspec(dllimport)
#endif
int needed(void);
#else
#define needed() 1
#endif

#ifndef WITHOUT_VERSION
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *version) {
    version->dwExtensionVersion = VERSION;
#ifdef LONG_DESCRIPTION
    memset(version->lpszExtensionDesc, 'x', sizeof version->lpszExtensionDesc);
#else
    strcpy(version->lpszExtensionDesc, "alone");
#endif
    VERSION_DOES;
    InterlockedExchange(&ready, needed());
    SetLastError(4711);
    return LOADS;
}
#endif

#ifndef WITHOUT_PROC
/* Not a function, whatever the processor makes of it. */
static const char data[] = "\0\0\0\0\0\0\0\0";

static DWORD answer(EXTENSION_CONTROL_BLOCK *block, const char *text) {
    DWORD size = (DWORD)strlen(text);
    block->ServerSupportFunction(block->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, "200 OK", NULL, (LPDWORD) "\r\n");
    block->WriteClient(block->ConnID, (LPVOID)text, &size, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}

static DWORD serve(EXTENSION_CONTROL_BLOCK *block) {
    const char *query = block->lpszQueryString;
    DWORD size = 1;
    if (strcmp(query, "crash") == 0)
        crash();
    if (strcmp(query, "exit") == 0)
        exit(3);
    if (strcmp(query, "overflow") == 0)
        return (DWORD)overflow(1);
    if (strcmp(query, "hang") == 0)
        hang();
    if (strcmp(query, "unhealthy") == 0 &&
        !(block->ServerSupportFunction(block->ConnID, HSE_REQ_REPORT_UNHEALTHY, "it leaks", NULL, NULL) &&
          block->ServerSupportFunction(block->ConnID, HSE_REQ_REPORT_UNHEALTHY, NULL, NULL, NULL)))
        return answer(block, "refused");
    if (strcmp(query, "pending") == 0)
        return HSE_STATUS_PENDING;
    if (strcmp(query, "data") == 0) {
        block->ServerSupportFunction(block->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)data, NULL, NULL);
        block->WriteClient(block->ConnID, "x", &size, HSE_IO_ASYNC);
        return HSE_STATUS_PENDING;
    }
    return answer(block, ready ? "alive" : "GetExtensionVersion has not returned");
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *block) {
    DWORD status;
    InterlockedIncrement(&open_requests);
    status = serve(block);
    InterlockedDecrement(&open_requests);
    return status;
}
#endif

#ifndef WITHOUT_TERMINATION
BOOL WINAPI TerminateExtension(DWORD flags) {
    fprintf(stderr, "terminated with %u, call %d, open requests %d\n", (unsigned)flags, (int)InterlockedIncrement(&terminations),
            (int)open_requests);
    fflush(stderr);
    TERMINATION_DOES;
    return TERMINATES;
}
#endif

#endif
