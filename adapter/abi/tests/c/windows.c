/* What the functions of adapter/include/windows.h promise; ends with 0 if they keep it. C and C++. */
#include <windows.h>
#include <httpext.h>

#include <stdlib.h>

static __thread DWORD last_error; /* the worker's part, played by this program */

DWORD WINAPI GetLastError(void) {
    return last_error;
}

void WINAPI SetLastError(DWORD error) {
    last_error = error;
}

/* The forms in which sources write their entry points. */
BOOL APIENTRY DllMain(HANDLE module, DWORD reason, LPVOID reserved) {
    UNREFERENCED_PARAMETER(reserved);
    return module != NULL || reason == DLL_PROCESS_ATTACH;
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *version) {
    version->dwExtensionVersion = MAKELONG(HSE_VERSION_MINOR, HSE_VERSION_MAJOR);
    lstrcpyn(version->lpszExtensionDesc, "test", HSE_MAX_EXT_DLL_NAME_LEN);
    return TRUE;
}

__declspec(dllexport) DWORD __stdcall HttpExtensionProc(LPEXTENSION_CONTROL_BLOCK block) {
    CHAR text[] = "text";
    DWORD size = sizeof(text) - 1;
    return block->WriteClient(block->ConnID, text, &size, HSE_IO_SYNC) ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}

static void expect(int condition, int line) {
    if (!condition) {
        fprintf(stderr, "line %d\n", line);
        exit(1);
    }
}
#define EXPECT(condition) expect((condition), __LINE__)

static CRITICAL_SECTION section;
static LONG volatile counter;

static void *other_thread(void *entered) {
    SetLastError(ERROR_NO_DATA);
    *(BOOL *)entered = TryEnterCriticalSection(&section);
    if (*(BOOL *)entered) {
        LeaveCriticalSection(&section);
    }
    return NULL;
}

static BOOL can_other_thread_enter(void) {
    pthread_t thread;
    BOOL entered = FALSE;
    EXPECT(pthread_create(&thread, NULL, other_thread, &entered) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    return entered;
}

int main(void) {
    CHAR buffer[2048], small[4];
    HSE_VERSION_INFO version;
    static CHAR long_text[2000];
    ULONGLONG before;

    EXPECT(GetExtensionVersion(&version) && HIWORD(version.dwExtensionVersion) == 8);
    EXPECT(DllMain(NULL, DLL_PROCESS_ATTACH, NULL));

    InitializeCriticalSection(&section);
    SetLastError(ERROR_INVALID_INDEX);
    EnterCriticalSection(&section);
    EnterCriticalSection(&section);
    LeaveCriticalSection(&section);
    EXPECT(!can_other_thread_enter());
    LeaveCriticalSection(&section);
    EXPECT(can_other_thread_enter());
    EXPECT(GetLastError() == ERROR_INVALID_INDEX);
    DeleteCriticalSection(&section);

    EXPECT(InterlockedIncrement(&counter) == 1);
    EXPECT(InterlockedExchangeAdd(&counter, 5) == 1);
    EXPECT(InterlockedCompareExchange(&counter, 9, 7) == 6 && counter == 6);
    EXPECT(InterlockedCompareExchange(&counter, 9, 6) == 6 && counter == 9);
    EXPECT(InterlockedExchange(&counter, 2) == 9);
    EXPECT(InterlockedDecrement(&counter) == 1);

    EXPECT(lstrlen(NULL) == 0 && lstrlen("four") == 4);
    EXPECT(lstrcmpi(lstrcat(lstrcpy(buffer, "Con"), "tent"), "CONTENT") == 0 && lstrcmp("a", "b") < 0);
    EXPECT(lstrcmp(lstrcpyn(small, "longer", sizeof(small)), "lon") == 0);
    FillMemory(long_text, sizeof(long_text) - 1, 'x');
    EXPECT(wsprintf(buffer, "%s", long_text) == 1023 && lstrlen(buffer) == 1023);
    EXPECT(wsprintf(buffer, "%u %s", (DWORD)4294967295u, "all") == 14);
    ZeroMemory(buffer, sizeof(buffer));
    EXPECT(buffer[0] == 0);

    EXPECT(MAKELONG(0, 8) == 0x00080000 && LOWORD(0x12345678) == 0x5678 && HIBYTE(0x1234) == 0x12);
    EXPECT(MAKEWORD(0x34, 0x12) == 0x1234);
    EXPECT(HRESULT_FROM_WIN32(ERROR_NETNAME_DELETED) == (HRESULT)0x80070040 && FAILED(E_FAIL) && SUCCEEDED(S_OK));
    EXPECT(GetCurrentProcessId() == GetCurrentThreadId()); /* of the first thread */
    before = GetTickCount64();
    Sleep(2);
    EXPECT(GetTickCount64() >= before + 1);
    return 0;
}
