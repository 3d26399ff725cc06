/*
 * The interface of ISAPI extensions: what the server tells an extension, and what the extension may ask of it.
 *
 * "In" fields are written by the server and read by the extension, "out" fields the other way round. Every callback
 * returns FALSE on failure and says why through GetLastError. Strings are single-byte and end with a NUL unless the
 * type says WCHAR.
 */
#ifndef ISAPI_HTTPEXT_H
#define ISAPI_HTTPEXT_H

#include "windows.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Version, major number in the high word. */
#define HSE_VERSION_MAJOR 8
#define HSE_VERSION_MINOR 0
#define HSE_VERSION MAKELONG(HSE_VERSION_MINOR, HSE_VERSION_MAJOR)

#define HSE_LOG_BUFFER_LEN 80
#define HSE_MAX_EXT_DLL_NAME_LEN 256

/* What HttpExtensionProc returns. */
#define HSE_STATUS_SUCCESS 1
#define HSE_STATUS_SUCCESS_AND_KEEP_CONN 2
#define HSE_STATUS_PENDING 3
#define HSE_STATUS_ERROR 4

/* What TerminateExtension is told. */
#define HSE_TERM_ADVISORY_UNLOAD 0x00000001
#define HSE_TERM_MUST_UNLOAD 0x00000002

/* Flags of WriteClient, HSE_REQ_TRANSMIT_FILE and HSE_REQ_VECTOR_SEND. */
#define HSE_IO_SYNC 0x00000001
#define HSE_IO_ASYNC 0x00000002
#define HSE_IO_DISCONNECT_AFTER_SEND 0x00000004
#define HSE_IO_SEND_HEADERS 0x00000008
#define HSE_IO_FINAL_SEND 0x00000010
#define HSE_IO_CACHE_RESPONSE 0x00000020
#define HSE_IO_TRY_SKIP_CUSTOM_ERRORS 0x00000040
#define HSE_IO_NODELAY 0x00001000

/* Codes of ServerSupportFunction. */
#define HSE_REQ_BASE 0
#define HSE_REQ_SEND_URL_REDIRECT_RESP 1
#define HSE_REQ_SEND_URL 2
#define HSE_REQ_SEND_RESPONSE_HEADER 3
#define HSE_REQ_DONE_WITH_SESSION 4
#define HSE_REQ_END_RESERVED 1000
#define HSE_REQ_MAP_URL_TO_PATH 1001
#define HSE_REQ_GET_SSPI_INFO 1002
#define HSE_APPEND_LOG_PARAMETER 1003
#define HSE_REQ_IO_COMPLETION 1005
#define HSE_REQ_TRANSMIT_FILE 1006
#define HSE_REQ_REFRESH_ISAPI_ACL 1007
#define HSE_REQ_IS_KEEP_CONN 1008
#define HSE_REQ_ASYNC_READ_CLIENT 1010
#define HSE_REQ_GET_IMPERSONATION_TOKEN 1011
#define HSE_REQ_MAP_URL_TO_PATH_EX 1012
#define HSE_REQ_ABORTIVE_CLOSE 1014
#define HSE_REQ_GET_CERT_INFO_EX 1015
#define HSE_REQ_SEND_RESPONSE_HEADER_EX 1016
#define HSE_REQ_CLOSE_CONNECTION 1017
#define HSE_REQ_IS_CONNECTED 1018
#define HSE_REQ_MAP_UNICODE_URL_TO_PATH 1023
#define HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX 1024
#define HSE_REQ_EXEC_UNICODE_URL 1025
#define HSE_REQ_EXEC_URL 1026
#define HSE_REQ_GET_EXEC_URL_STATUS 1027
#define HSE_REQ_SEND_CUSTOM_ERROR 1028
#define HSE_REQ_IS_IN_PROCESS 1030
#define HSE_REQ_REPORT_UNHEALTHY 1032
#define HSE_REQ_NORMALIZE_URL 1033
#define HSE_REQ_VECTOR_SEND 1037
#define HSE_REQ_GET_ANONYMOUS_TOKEN 1038
#define HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK 1040
#define HSE_REQ_GET_UNICODE_ANONYMOUS_TOKEN 1041
#define HSE_REQ_GET_TRACE_INFO 1042
#define HSE_REQ_SET_FLUSH_FLAG 1043
#define HSE_REQ_GET_TRACE_INFO_EX 1044
#define HSE_REQ_RAISE_TRACE_EVENT 1045
#define HSE_REQ_GET_CONFIG_OBJECT 1046
#define HSE_REQ_GET_WORKER_PROCESS_SETTINGS 1047
#define HSE_REQ_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK 1048
#define HSE_REQ_CANCEL_IO 1049
#define HSE_REQ_GET_CHANNEL_BINDING_TOKEN 1050

/* HSE_URL_MAPEX_INFO.dwFlags: what the directory of the URL permits. */
#define HSE_URL_FLAGS_READ 0x00000001
#define HSE_URL_FLAGS_WRITE 0x00000002
#define HSE_URL_FLAGS_EXECUTE 0x00000004
#define HSE_URL_FLAGS_SSL 0x00000008
#define HSE_URL_FLAGS_DONT_CACHE 0x00000010
#define HSE_URL_FLAGS_NEGO_CERT 0x00000020
#define HSE_URL_FLAGS_REQUIRE_CERT 0x00000040
#define HSE_URL_FLAGS_MAP_CERT 0x00000080
#define HSE_URL_FLAGS_SSL128 0x00000100
#define HSE_URL_FLAGS_SCRIPT 0x00000200
#define HSE_URL_FLAGS_MASK 0x000003FF

/* HSE_EXEC_URL_INFO.dwExecUrlFlags. */
#define HSE_EXEC_URL_NO_HEADERS 0x02
#define HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR 0x04
#define HSE_EXEC_URL_IGNORE_VALIDATION_AND_RANGE 0x10
#define HSE_EXEC_URL_DISABLE_CUSTOM_ERROR 0x20
#define HSE_EXEC_URL_SSI_CMD 0x40
#define HSE_EXEC_URL_HTTP_CACHE_ELIGIBLE 0x80

/* Answers of HSE_REQ_IS_IN_PROCESS. */
#define HSE_APP_FLAG_IN_PROCESS 0
#define HSE_APP_FLAG_ISOLATED_OOP 1
#define HSE_APP_FLAG_POOLED_OOP 2

/* HSE_VECTOR_ELEMENT.ElementType. */
#define HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER 0
#define HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE 1

/* Identifies a request; opaque. */
typedef LPVOID HCONN;

/* What the extension tells about itself in GetExtensionVersion. */
typedef struct _HSE_VERSION_INFO {
    DWORD dwExtensionVersion;                   /* out: HSE_VERSION */
    CHAR lpszExtensionDesc[HSE_MAX_EXT_DLL_NAME_LEN]; /* out: a description */
} HSE_VERSION_INFO, *LPHSE_VERSION_INFO;

/* One request. Valid until HttpExtensionProc returns, or until HSE_REQ_DONE_WITH_SESSION if it returned PENDING. */
typedef struct _EXTENSION_CONTROL_BLOCK {
    DWORD cbSize;                         /* in: size of this structure */
    DWORD dwVersion;                      /* in: version of the server's interface */
    HCONN ConnID;                         /* in: first argument of every callback */
    DWORD dwHttpStatusCode;               /* out: status of the answer, for the log */
    CHAR lpszLogData[HSE_LOG_BUFFER_LEN]; /* out: text for the log */
    LPSTR lpszMethod;                     /* in: REQUEST_METHOD */
    LPSTR lpszQueryString;                /* in: QUERY_STRING, not decoded */
    LPSTR lpszPathInfo;                   /* in: PATH_INFO, decoded */
    LPSTR lpszPathTranslated;             /* in: PATH_TRANSLATED */
    DWORD cbTotalBytes;                   /* in: size of the body; 0xFFFFFFFF: unknown, or 4 GiB and more */
    DWORD cbAvailable;                    /* in: bytes at lpbData */
    LPBYTE lpbData;                       /* in: the first bytes of the body */
    LPSTR lpszContentType;                /* in: CONTENT_TYPE */

    /* Copies a server variable. *size: buffer size in, size of the value with its NUL out. */
    BOOL(WINAPI *GetServerVariable)(HCONN connection, LPSTR name, LPVOID buffer, LPDWORD size);
    /* Sends bytes. *size: number of bytes in, number of bytes sent out. */
    BOOL(WINAPI *WriteClient)(HCONN connection, LPVOID buffer, LPDWORD size, DWORD flags);
    /* Reads the body behind the first cbAvailable bytes. *size: buffer size in, bytes read out; 0 is the end. */
    BOOL(WINAPI *ReadClient)(HCONN connection, LPVOID buffer, LPDWORD size);
    /* All the rest; the code says what the three pointers are. */
    BOOL(WINAPI *ServerSupportFunction)(HCONN connection, DWORD code, LPVOID buffer, LPDWORD size, LPDWORD type);
} EXTENSION_CONTROL_BLOCK, *LPEXTENSION_CONTROL_BLOCK;

/* The end of an asynchronous operation: bytes moved, and 0 or an error number. */
typedef VOID(WINAPI *PFN_HSE_IO_COMPLETION)(EXTENSION_CONTROL_BLOCK *block, PVOID context, DWORD bytes, DWORD error);

/* HSE_REQ_TRANSMIT_FILE */
typedef struct _HSE_TF_INFO {
    PFN_HSE_IO_COMPLETION pfnHseIO; /* NULL: the function registered with HSE_REQ_IO_COMPLETION */
    PVOID pContext;                 /* its context */
    HANDLE hFile;                   /* the file; remains the extension's */
    LPCSTR pszStatusCode;           /* status, with HSE_IO_SEND_HEADERS */
    DWORD BytesToWrite;             /* 0: the whole rest of the file */
    DWORD Offset;                   /* where to begin in the file */
    PVOID pHead;                    /* header lines with HSE_IO_SEND_HEADERS, else bytes before the file */
    DWORD HeadLength;
    PVOID pTail;                    /* bytes behind the file */
    DWORD TailLength;
    DWORD dwFlags;                  /* HSE_IO_* */
} HSE_TF_INFO, *LPHSE_TF_INFO;

/* HSE_REQ_SEND_RESPONSE_HEADER_EX */
typedef struct _HSE_SEND_HEADER_EX_INFO {
    LPCSTR pszStatus; /* such as "200 OK" */
    LPCSTR pszHeader; /* header lines and an empty line */
    DWORD cchStatus;  /* their lengths without a NUL */
    DWORD cchHeader;
    BOOL fKeepConn;   /* FALSE: close the connection */
} HSE_SEND_HEADER_EX_INFO, *LPHSE_SEND_HEADER_EX_INFO;

/* HSE_REQ_MAP_URL_TO_PATH_EX, filled by the server */
typedef struct _HSE_URL_MAPEX_INFO {
    CHAR lpszPath[MAX_PATH];
    DWORD dwFlags;         /* HSE_URL_FLAGS_* */
    DWORD cchMatchingPath; /* characters of the path that stand for the virtual directory */
    DWORD cchMatchingURL;  /* characters of the URL that name it */
    DWORD dwReserved1;
    DWORD dwReserved2;
} HSE_URL_MAPEX_INFO, *LPHSE_URL_MAPEX_INFO;

/* HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX, filled by the server */
typedef struct _HSE_UNICODE_URL_MAPEX_INFO {
    WCHAR lpszPath[MAX_PATH];
    DWORD dwFlags;
    DWORD cchMatchingPath;
    DWORD cchMatchingURL;
} HSE_UNICODE_URL_MAPEX_INFO, *LPHSE_UNICODE_URL_MAPEX_INFO;

/* HSE_REQ_EXEC_URL and HSE_REQ_EXEC_UNICODE_URL; a NULL field means "as in the current request" */
typedef struct _HSE_EXEC_URL_USER_INFO {
    HANDLE hImpersonationToken;
    LPSTR pszCustomUserName;
    LPSTR pszCustomAuthType;
} HSE_EXEC_URL_USER_INFO, *LPHSE_EXEC_URL_USER_INFO;

typedef struct _HSE_EXEC_UNICODE_URL_USER_INFO {
    HANDLE hImpersonationToken;
    LPWSTR pszCustomUserName;
    LPSTR pszCustomAuthType;
} HSE_EXEC_UNICODE_URL_USER_INFO, *LPHSE_EXEC_UNICODE_URL_USER_INFO;

typedef struct _HSE_EXEC_URL_ENTITY_INFO {
    DWORD cbAvailable; /* bytes at lpbData */
    LPVOID lpbData;
} HSE_EXEC_URL_ENTITY_INFO, *LPHSE_EXEC_URL_ENTITY_INFO;

typedef struct _HSE_EXEC_URL_INFO {
    LPSTR pszUrl;
    LPSTR pszMethod;
    LPSTR pszChildHeaders;
    LPHSE_EXEC_URL_USER_INFO pUserInfo;
    LPHSE_EXEC_URL_ENTITY_INFO pEntity;
    DWORD dwExecUrlFlags; /* HSE_EXEC_URL_* */
} HSE_EXEC_URL_INFO, *LPHSE_EXEC_URL_INFO;

typedef struct _HSE_EXEC_UNICODE_URL_INFO {
    LPWSTR pszUrl;
    LPSTR pszMethod;
    LPSTR pszChildHeaders;
    LPHSE_EXEC_UNICODE_URL_USER_INFO pUserInfo;
    LPHSE_EXEC_URL_ENTITY_INFO pEntity;
    DWORD dwExecUrlFlags; /* HSE_EXEC_URL_* */
} HSE_EXEC_UNICODE_URL_INFO, *LPHSE_EXEC_UNICODE_URL_INFO;

/* HSE_REQ_GET_EXEC_URL_STATUS, filled by the server */
typedef struct _HSE_EXEC_URL_STATUS {
    USHORT uHttpStatusCode;
    USHORT uHttpSubStatus;
    DWORD dwWin32Error;
} HSE_EXEC_URL_STATUS, *LPHSE_EXEC_URL_STATUS;

/* HSE_REQ_SEND_CUSTOM_ERROR */
typedef struct _HSE_CUSTOM_ERROR_INFO {
    CHAR *pszStatus;      /* such as "404 Not Found" */
    USHORT uHttpSubError; /* 0: none */
    BOOL fAsync;          /* TRUE: the completion function tells the end */
} HSE_CUSTOM_ERROR_INFO, *LPHSE_CUSTOM_ERROR_INFO;

/* HSE_REQ_VECTOR_SEND; the 64-bit fields are aligned as Windows compilers align them, on 32-bit targets too */
typedef struct _HSE_VECTOR_ELEMENT {
    DWORD ElementType;                               /* HSE_VECTOR_ELEMENT_TYPE_* */
    PVOID pvContext;                                 /* the buffer, or the file's handle */
    ULONGLONG cbOffset __attribute__((aligned(8)));  /* where to begin in it */
    ULONGLONG cbSize __attribute__((aligned(8)));    /* bytes from there; 0: the whole file */
} HSE_VECTOR_ELEMENT, *LPHSE_VECTOR_ELEMENT;

typedef struct _HSE_RESPONSE_VECTOR {
    DWORD dwFlags;    /* HSE_IO_* */
    LPSTR pszStatus;  /* both strings with HSE_IO_SEND_HEADERS, else none */
    LPSTR pszHeaders;
    DWORD nElementCount;
    LPHSE_VECTOR_ELEMENT lpElementArray;
} HSE_RESPONSE_VECTOR, *LPHSE_RESPONSE_VECTOR;

/* HSE_REQ_GET_CERT_INFO_EX */
typedef struct _CERT_CONTEXT {
    DWORD dwCertEncodingType;
    BYTE *pbCertEncoded; /* the extension's buffer, of cbAllocated bytes */
    DWORD cbCertEncoded; /* from the server: size of the certificate */
    PVOID pCertInfo;     /* not used */
    PVOID hCertStore;    /* not used */
} CERT_CONTEXT;

typedef struct _CERT_CONTEXT_EX {
    CERT_CONTEXT CertContext;
    DWORD cbAllocated;
    DWORD dwCertificateFlags; /* from the server: bit 0 present, bit 1 not trusted */
} CERT_CONTEXT_EX;

/* HSE_REQ_GET_TRACE_INFO, filled by the server */
typedef struct _HSE_TRACE_INFO {
    BOOL fTraceRequest;
    BYTE TraceContextId[16];
    DWORD dwReserved1;
    DWORD dwReserved2;
} HSE_TRACE_INFO, *LPHSE_TRACE_INFO;

/* HSE_REQ_GET_TRACE_INFO_EX: the extension names the provider, the server fills the rest */
typedef struct _HTTP_TRACE_CONFIGURATION {
    LPCGUID pProviderGuid;
    DWORD dwAreas;
    DWORD dwVerbosity; /* 0 general, 1 critical, 2 errors, 3 warnings, 4 information, 5 everything */
    BOOL fProviderEnabled;
} HTTP_TRACE_CONFIGURATION;

/* HSE_REQ_RAISE_TRACE_EVENT */
#define HTTP_TRACE_LEVEL_START 6
#define HTTP_TRACE_LEVEL_END 7
#define HTTP_TRACE_EVENT_FLAG_STATIC_DESCRIPTIVE_FIELDS 0x01

typedef enum _HTTP_TRACE_TYPE {
    HTTP_TRACE_TYPE_SHORT = 2,
    HTTP_TRACE_TYPE_LONG = 3,
    HTTP_TRACE_TYPE_BOOL = 11,
    HTTP_TRACE_TYPE_CHAR = 16,
    HTTP_TRACE_TYPE_BYTE = 17,
    HTTP_TRACE_TYPE_USHORT = 18,
    HTTP_TRACE_TYPE_ULONG = 19,
    HTTP_TRACE_TYPE_LONGLONG = 20,
    HTTP_TRACE_TYPE_ULONGLONG = 21,
    HTTP_TRACE_TYPE_LPCSTR = 30,
    HTTP_TRACE_TYPE_LPCWSTR = 31,
    HTTP_TRACE_TYPE_LPCGUID = 72
} HTTP_TRACE_TYPE;

typedef struct _HTTP_TRACE_EVENT_ITEM {
    LPCWSTR pszName;
    HTTP_TRACE_TYPE dwDataType;
    PBYTE pbData;
    DWORD cbData;
    LPCWSTR pszDataDescription;
} HTTP_TRACE_EVENT_ITEM;

typedef struct _HTTP_TRACE_EVENT {
    LPCGUID pProviderGuid;
    DWORD dwArea;
    LPCGUID pAreaGuid;
    DWORD dwEvent;
    LPCWSTR pszEventName;
    DWORD dwEventVersion;
    DWORD dwVerbosity;
    LPCGUID pActivityGuid;
    LPCGUID pRelatedActivityGuid;
    DWORD dwTimeStamp; /* 0: now */
    DWORD dwFlags;
    DWORD cEventItems;
    HTTP_TRACE_EVENT_ITEM *pEventItems;
} HTTP_TRACE_EVENT;

/* Functions that HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK and ..._CUSTOM_INTERFACE_CALLBACK hand out. */
typedef HRESULT(WINAPI *PFN_HSE_CACHE_INVALIDATION_CALLBACK)(WCHAR *url);
typedef HRESULT(WINAPI *PFN_HSE_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK)(LPCWSTR library, LPCWSTR function,
                                                                               DWORD interface_id, PVOID *result);

/* The entry points, exported whatever -fvisibility says. TerminateExtension is optional. */
__attribute__((visibility("default"))) BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *version);
__attribute__((visibility("default"))) DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *block);
__attribute__((visibility("default"))) BOOL WINAPI TerminateExtension(DWORD flags);

typedef BOOL(WINAPI *PFN_GETEXTENSIONVERSION)(HSE_VERSION_INFO *version);
typedef DWORD(WINAPI *PFN_HTTPEXTENSIONPROC)(EXTENSION_CONTROL_BLOCK *block);
typedef BOOL(WINAPI *PFN_TERMINATEEXTENSION)(DWORD flags);

#ifdef __cplusplus
}
#endif

#endif
