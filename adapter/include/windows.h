/*
 * The few Windows types and functions that ISAPI extension sources use, for building them as native shared objects.
 *
 * Put this folder on the include path (-I adapter/include) and nothing else changes: DWORD and LONG have 32 bits,
 * strings are single-byte, everything but the last error is inline and needs no library. What is not here is not
 * offered, and gives a compile error instead of a surprise.
 *
 * Include it before other headers when compiling with -std=c11 rather than -std=gnu11.
 */
#ifndef ISAPI_WINDOWS_H
#define ISAPI_WINDOWS_H

#ifdef _WIN32
#error "adapter/include is for native builds; a Windows compiler brings its own windows.h and httpext.h"
#endif
#if defined(UNICODE) || defined(_UNICODE)
#error "only the single-byte (A) functions are offered; build without UNICODE"
#endif

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Calling conventions and storage classes. The native convention is the only one. */

#define WINAPI
#define CALLBACK
#define APIENTRY
#define PASCAL
#define CONST const
#define IN
#define OUT
#define __cdecl
#define __stdcall
#define _cdecl
#define _stdcall
#define __forceinline inline __attribute__((always_inline))
#define __declspec(property) ISAPI_DECLSPEC_##property
#define ISAPI_DECLSPEC_dllexport __attribute__((visibility("default")))
#define ISAPI_DECLSPEC_dllimport
#define ISAPI_DECLSPEC_noinline __attribute__((noinline))
#define ISAPI_DECLSPEC_noreturn __attribute__((noreturn))
#define ISAPI_DECLSPEC_thread __thread
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))

/* Types. */

#define VOID void
typedef int BOOL;
typedef unsigned char BOOLEAN;
typedef uint8_t BYTE;
typedef char CHAR;
typedef unsigned char UCHAR;
typedef int16_t SHORT;
typedef uint16_t USHORT;
typedef uint16_t WORD;
typedef int INT;
typedef unsigned int UINT;
typedef int32_t LONG;
typedef uint32_t ULONG;
typedef uint32_t DWORD;
typedef int64_t LONGLONG;
typedef uint64_t ULONGLONG;
typedef uint64_t DWORDLONG;
typedef intptr_t INT_PTR;
typedef intptr_t LONG_PTR;
typedef uintptr_t UINT_PTR;
typedef uintptr_t ULONG_PTR;
typedef uintptr_t DWORD_PTR;
typedef size_t SIZE_T;
typedef int32_t HRESULT;
#define __int64 long long

/* A UTF-16 unit: write u"text" where Windows sources write L"text". */
#ifdef __cplusplus
typedef char16_t WCHAR;
#else
typedef uint16_t WCHAR;
#endif
typedef char TCHAR;
#define TEXT(text) text
#define _T(text) text

typedef void *PVOID, *LPVOID;
typedef const void *LPCVOID;
typedef BYTE *PBYTE, *LPBYTE;
typedef BOOL *PBOOL, *LPBOOL;
typedef WORD *PWORD, *LPWORD;
typedef LONG *PLONG, *LPLONG;
typedef DWORD *PDWORD, *LPDWORD;
typedef CHAR *PCHAR, *PSTR, *LPSTR;
typedef const CHAR *PCSTR, *LPCSTR;
typedef TCHAR *PTSTR, *LPTSTR;
typedef const TCHAR *PCTSTR, *LPCTSTR;
typedef WCHAR *PWCHAR, *PWSTR, *LPWSTR;
typedef const WCHAR *PCWSTR, *LPCWSTR;

/* A file's HANDLE is its descriptor's number: (HANDLE)(intptr_t)open(...). Descriptor 0 is NULL: no file. */
typedef void *HANDLE, *HINSTANCE, *HMODULE;
typedef HANDLE *PHANDLE, *LPHANDLE;

typedef struct _GUID {
    uint32_t Data1;
    uint16_t Data2;
    uint16_t Data3;
    uint8_t Data4[8];
} GUID;
typedef const GUID *LPCGUID;

#define FALSE 0
#define TRUE 1
#define MAX_PATH 260
#define INFINITE 0xFFFFFFFFu
#define INVALID_HANDLE_VALUE ((HANDLE)(intptr_t)-1)

#define MAKEWORD(low, high) ((WORD)((BYTE)(low) | (WORD)((WORD)(BYTE)(high) << 8)))
#define MAKELONG(low, high) ((LONG)((DWORD)(WORD)(low) | ((DWORD)(WORD)(high) << 16)))
#define LOWORD(number) ((WORD)((DWORD_PTR)(number) & 0xFFFFu))
#define HIWORD(number) ((WORD)(((DWORD_PTR)(number) >> 16) & 0xFFFFu))
#define LOBYTE(number) ((BYTE)((DWORD_PTR)(number) & 0xFFu))
#define HIBYTE(number) ((BYTE)(((DWORD_PTR)(number) >> 8) & 0xFFu))
#if !defined(__cplusplus) && !defined(NOMINMAX)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#endif

#include "winerror.h"

/*
 * The last error of the calling thread. The worker process that loads the extension defines both functions and sets
 * the error in its callbacks; the extension leaves them undefined and they are resolved when it is loaded.
 */
DWORD WINAPI GetLastError(void);
void WINAPI SetLastError(DWORD error);

/*
 * The entry point of the library, defined by the extension if it wants one. The worker calls it after loading, when
 * all static objects have been constructed, and before unloading; FALSE for DLL_PROCESS_ATTACH refuses to be loaded.
 * Threads are not announced: there is no DLL_THREAD_ATTACH.
 */
#define DLL_PROCESS_DETACH 0
#define DLL_PROCESS_ATTACH 1
#define DLL_THREAD_ATTACH 2
#define DLL_THREAD_DETACH 3
__attribute__((visibility("default"))) BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved);

/* Processes, threads and time. */

static inline DWORD GetCurrentProcessId(void) {
    return (DWORD)getpid();
}

static inline DWORD GetCurrentThreadId(void) {
    return (DWORD)syscall(SYS_gettid);
}

static inline void Sleep(DWORD milliseconds) {
    struct timespec left;
    left.tv_sec = (time_t)(milliseconds / 1000);
    left.tv_nsec = (long)(milliseconds % 1000) * 1000000L;
    do {
        while (nanosleep(&left, &left) != 0 && errno == EINTR) {
        }
    } while (milliseconds == INFINITE);
}

static inline ULONGLONG GetTickCount64(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (ULONGLONG)now.tv_sec * 1000u + (ULONGLONG)now.tv_nsec / 1000000u;
}

static inline DWORD GetTickCount(void) {
    return (DWORD)GetTickCount64();
}

static inline void OutputDebugStringA(LPCSTR text) {
    fputs(text, stderr);
}

/* Critical sections: recursive, as on Windows. */

typedef pthread_mutex_t CRITICAL_SECTION, *PCRITICAL_SECTION, *LPCRITICAL_SECTION;

static inline void InitializeCriticalSection(LPCRITICAL_SECTION section) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(section, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static inline BOOL InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION section, DWORD spins) {
    UNREFERENCED_PARAMETER(spins);
    InitializeCriticalSection(section);
    return TRUE;
}

static inline void EnterCriticalSection(LPCRITICAL_SECTION section) {
    pthread_mutex_lock(section);
}

static inline BOOL TryEnterCriticalSection(LPCRITICAL_SECTION section) {
    return pthread_mutex_trylock(section) == 0;
}

static inline void LeaveCriticalSection(LPCRITICAL_SECTION section) {
    pthread_mutex_unlock(section);
}

static inline void DeleteCriticalSection(LPCRITICAL_SECTION section) {
    pthread_mutex_destroy(section);
}

/* Interlocked operations: full barriers, as on Windows. */

static inline LONG InterlockedIncrement(LONG volatile *number) {
    return __atomic_add_fetch(number, 1, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedDecrement(LONG volatile *number) {
    return __atomic_sub_fetch(number, 1, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedExchange(LONG volatile *number, LONG value) {
    return __atomic_exchange_n(number, value, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedExchangeAdd(LONG volatile *number, LONG value) {
    return __atomic_fetch_add(number, value, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedCompareExchange(LONG volatile *number, LONG value, LONG expected) {
    __atomic_compare_exchange_n(number, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

/* Memory and strings. */

#define ZeroMemory(destination, length) memset((destination), 0, (length))
#define FillMemory(destination, length, fill) memset((destination), (fill), (length))
#define CopyMemory(destination, source, length) memcpy((destination), (source), (length))
#define MoveMemory(destination, source, length) memmove((destination), (source), (length))

static inline int lstrlenA(LPCSTR text) {
    return text == NULL ? 0 : (int)strlen(text);
}

static inline LPSTR lstrcpyA(LPSTR destination, LPCSTR source) {
    return strcpy(destination, source);
}

/* Copies at most length - 1 characters and always ends with a NUL. */
static inline LPSTR lstrcpynA(LPSTR destination, LPCSTR source, int length) {
    if (length > 0) {
        size_t copied = strnlen(source, (size_t)length - 1);
        memcpy(destination, source, copied);
        destination[copied] = '\0';
    }
    return destination;
}

static inline LPSTR lstrcatA(LPSTR destination, LPCSTR source) {
    return strcat(destination, source);
}

static inline int lstrcmpA(LPCSTR a, LPCSTR b) {
    return strcmp(a, b);
}

static inline int lstrcmpiA(LPCSTR a, LPCSTR b) {
    return strcasecmp(a, b);
}

/* Writes at most 1024 bytes, the NUL included, and returns the number of characters written. */
__attribute__((format(printf, 2, 3), unused)) static int wsprintfA(LPSTR destination, LPCSTR format, ...) {
    enum { LIMIT = 1024 };
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = vsnprintf(destination, LIMIT, format, arguments);
    va_end(arguments);
    return length < 0 ? 0 : length < LIMIT ? length : LIMIT - 1;
}

#define OutputDebugString OutputDebugStringA
#define lstrlen lstrlenA
#define lstrcpy lstrcpyA
#define lstrcpyn lstrcpynA
#define lstrcat lstrcatA
#define lstrcmp lstrcmpA
#define lstrcmpi lstrcmpiA
#define wsprintf wsprintfA
#define _stricmp strcasecmp
#define _strnicmp strncasecmp

#ifdef __cplusplus
}
#endif

#endif
