#include <windows.h>
#include <httpext.h>

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *version) {
    version->dwExtensionVersion = HSE_VERSION;
    return TRUE;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *request) {
    char text[] = "My first extension.\n", head[] = "Content-Type: text/plain\r\n\r\n";
    DWORD size = sizeof text - 1;
    request->ServerSupportFunction(request->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, "200 OK", NULL, (LPDWORD)head);
    return request->WriteClient(request->ConnID, text, &size, 0) ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}
