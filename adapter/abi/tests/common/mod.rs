//! The structures and constants that other declarations of the interface are compared with.
//!
//! `extension_structures!(m)` calls the macro `m` with every structure of `httpext.h` as `NAME { field, … }`, and so
//! on: each test decides what to do with the names, and none can forget one.

/// The structures of `httpext.h`, with all their fields.
macro_rules! extension_structures {
    ($then:ident) => {
        $then! {
            HSE_VERSION_INFO { dwExtensionVersion, lpszExtensionDesc }
            EXTENSION_CONTROL_BLOCK {
                cbSize, dwVersion, ConnID, dwHttpStatusCode, lpszLogData, lpszMethod, lpszQueryString, lpszPathInfo,
                lpszPathTranslated, cbTotalBytes, cbAvailable, lpbData, lpszContentType, GetServerVariable,
                WriteClient, ReadClient, ServerSupportFunction
            }
            HSE_TF_INFO {
                pfnHseIO, pContext, hFile, pszStatusCode, BytesToWrite, Offset, pHead, HeadLength, pTail, TailLength,
                dwFlags
            }
            HSE_SEND_HEADER_EX_INFO { pszStatus, pszHeader, cchStatus, cchHeader, fKeepConn }
            HSE_URL_MAPEX_INFO { lpszPath, dwFlags, cchMatchingPath, cchMatchingURL, dwReserved1, dwReserved2 }
            HSE_UNICODE_URL_MAPEX_INFO { lpszPath, dwFlags, cchMatchingPath, cchMatchingURL }
            HSE_EXEC_URL_USER_INFO { hImpersonationToken, pszCustomUserName, pszCustomAuthType }
            HSE_EXEC_UNICODE_URL_USER_INFO { hImpersonationToken, pszCustomUserName, pszCustomAuthType }
            HSE_EXEC_URL_ENTITY_INFO { cbAvailable, lpbData }
            HSE_EXEC_URL_INFO { pszUrl, pszMethod, pszChildHeaders, pUserInfo, pEntity, dwExecUrlFlags }
            HSE_EXEC_UNICODE_URL_INFO { pszUrl, pszMethod, pszChildHeaders, pUserInfo, pEntity, dwExecUrlFlags }
            HSE_EXEC_URL_STATUS { uHttpStatusCode, uHttpSubStatus, dwWin32Error }
            HSE_CUSTOM_ERROR_INFO { pszStatus, uHttpSubError, fAsync }
            HSE_VECTOR_ELEMENT { ElementType, pvContext, cbOffset, cbSize }
            HSE_RESPONSE_VECTOR { dwFlags, pszStatus, pszHeaders, nElementCount, lpElementArray }
            CERT_CONTEXT { dwCertEncodingType, pbCertEncoded, cbCertEncoded, pCertInfo, hCertStore }
            CERT_CONTEXT_EX { CertContext, cbAllocated, dwCertificateFlags }
            HSE_TRACE_INFO { fTraceRequest, TraceContextId, dwReserved1, dwReserved2 }
            HTTP_TRACE_CONFIGURATION { pProviderGuid, dwAreas, dwVerbosity, fProviderEnabled }
            HTTP_TRACE_EVENT {
                pProviderGuid, dwArea, pAreaGuid, dwEvent, pszEventName, dwEventVersion, dwVerbosity, pActivityGuid,
                pRelatedActivityGuid, dwTimeStamp, dwFlags, cEventItems, pEventItems
            }
            HTTP_TRACE_EVENT_ITEM { pszName, dwDataType, pbData, cbData, pszDataDescription }
        }
    };
}

/// The constants of `httpext.h` that the Windows SDK declares too.
macro_rules! extension_constants {
    ($then:ident) => {
        $then! {
            HSE_VERSION_MAJOR HSE_VERSION_MINOR HSE_LOG_BUFFER_LEN HSE_MAX_EXT_DLL_NAME_LEN
            HSE_STATUS_SUCCESS HSE_STATUS_SUCCESS_AND_KEEP_CONN HSE_STATUS_PENDING HSE_STATUS_ERROR
            HSE_TERM_ADVISORY_UNLOAD HSE_TERM_MUST_UNLOAD
            HSE_IO_SYNC HSE_IO_ASYNC HSE_IO_DISCONNECT_AFTER_SEND HSE_IO_SEND_HEADERS HSE_IO_FINAL_SEND
            HSE_IO_CACHE_RESPONSE HSE_IO_TRY_SKIP_CUSTOM_ERRORS HSE_IO_NODELAY
            HSE_REQ_BASE HSE_REQ_END_RESERVED
            HSE_REQ_SEND_URL_REDIRECT_RESP HSE_REQ_SEND_URL HSE_REQ_SEND_RESPONSE_HEADER HSE_REQ_DONE_WITH_SESSION
            HSE_REQ_MAP_URL_TO_PATH HSE_REQ_GET_SSPI_INFO HSE_APPEND_LOG_PARAMETER HSE_REQ_IO_COMPLETION
            HSE_REQ_TRANSMIT_FILE HSE_REQ_REFRESH_ISAPI_ACL HSE_REQ_IS_KEEP_CONN HSE_REQ_ASYNC_READ_CLIENT
            HSE_REQ_GET_IMPERSONATION_TOKEN HSE_REQ_MAP_URL_TO_PATH_EX HSE_REQ_ABORTIVE_CLOSE HSE_REQ_GET_CERT_INFO_EX
            HSE_REQ_SEND_RESPONSE_HEADER_EX HSE_REQ_CLOSE_CONNECTION HSE_REQ_IS_CONNECTED
            HSE_REQ_MAP_UNICODE_URL_TO_PATH HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX HSE_REQ_EXEC_UNICODE_URL
            HSE_REQ_EXEC_URL HSE_REQ_GET_EXEC_URL_STATUS HSE_REQ_SEND_CUSTOM_ERROR HSE_REQ_IS_IN_PROCESS
            HSE_REQ_REPORT_UNHEALTHY HSE_REQ_NORMALIZE_URL HSE_REQ_VECTOR_SEND HSE_REQ_GET_ANONYMOUS_TOKEN
            HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK HSE_REQ_GET_UNICODE_ANONYMOUS_TOKEN HSE_REQ_GET_TRACE_INFO
            HSE_REQ_SET_FLUSH_FLAG HSE_REQ_GET_TRACE_INFO_EX HSE_REQ_RAISE_TRACE_EVENT HSE_REQ_GET_CONFIG_OBJECT
            HSE_REQ_GET_WORKER_PROCESS_SETTINGS HSE_REQ_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK
            HSE_REQ_CANCEL_IO HSE_REQ_GET_CHANNEL_BINDING_TOKEN
            HSE_URL_FLAGS_READ HSE_URL_FLAGS_WRITE HSE_URL_FLAGS_EXECUTE HSE_URL_FLAGS_SSL HSE_URL_FLAGS_DONT_CACHE
            HSE_URL_FLAGS_NEGO_CERT HSE_URL_FLAGS_REQUIRE_CERT HSE_URL_FLAGS_MAP_CERT HSE_URL_FLAGS_SSL128
            HSE_URL_FLAGS_SCRIPT HSE_URL_FLAGS_MASK
            HSE_EXEC_URL_NO_HEADERS HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR HSE_EXEC_URL_IGNORE_VALIDATION_AND_RANGE
            HSE_EXEC_URL_DISABLE_CUSTOM_ERROR HSE_EXEC_URL_SSI_CMD HSE_EXEC_URL_HTTP_CACHE_ELIGIBLE
            HSE_APP_FLAG_IN_PROCESS HSE_APP_FLAG_ISOLATED_OOP HSE_APP_FLAG_POOLED_OOP
            HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE
            HTTP_TRACE_EVENT_FLAG_STATIC_DESCRIPTIVE_FIELDS HTTP_TRACE_LEVEL_START HTTP_TRACE_LEVEL_END
            HTTP_TRACE_TYPE_SHORT HTTP_TRACE_TYPE_LONG HTTP_TRACE_TYPE_BOOL HTTP_TRACE_TYPE_CHAR HTTP_TRACE_TYPE_BYTE
            HTTP_TRACE_TYPE_USHORT HTTP_TRACE_TYPE_ULONG HTTP_TRACE_TYPE_LONGLONG HTTP_TRACE_TYPE_ULONGLONG
            HTTP_TRACE_TYPE_LPCSTR HTTP_TRACE_TYPE_LPCWSTR
        }
    };
}

/// The error numbers.
macro_rules! error_constants {
    ($then:ident) => {
        $then! {
            ERROR_SUCCESS ERROR_INVALID_FUNCTION ERROR_FILE_NOT_FOUND ERROR_PATH_NOT_FOUND ERROR_ACCESS_DENIED
            ERROR_INVALID_HANDLE ERROR_NOT_ENOUGH_MEMORY ERROR_INVALID_DATA ERROR_WRITE_FAULT ERROR_READ_FAULT
            ERROR_HANDLE_EOF ERROR_NOT_SUPPORTED ERROR_NETNAME_DELETED ERROR_INVALID_PARAMETER ERROR_BROKEN_PIPE
            ERROR_CALL_NOT_IMPLEMENTED ERROR_SEM_TIMEOUT ERROR_INSUFFICIENT_BUFFER ERROR_MOD_NOT_FOUND
            ERROR_PROC_NOT_FOUND ERROR_BAD_EXE_FORMAT ERROR_FILENAME_EXCED_RANGE ERROR_NO_DATA ERROR_MORE_DATA
            WAIT_TIMEOUT ERROR_OPERATION_ABORTED ERROR_IO_PENDING ERROR_STACK_OVERFLOW ERROR_DLL_INIT_FAILED
            ERROR_OLD_WIN_VERSION ERROR_NOT_FOUND ERROR_CONNECTION_INVALID ERROR_CONNECTION_ABORTED
            ERROR_INVALID_INDEX ERROR_TIMEOUT
        }
    };
}

pub(crate) use {error_constants, extension_constants, extension_structures};
