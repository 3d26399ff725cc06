//! Compile-time proof of the layouts for both pointer sizes (`ISAPI.md` §2, §4.2, §8, Appendix C).
//!
//! Each entry gives the size of a structure on 32- and on 64-bit targets, and then the offset of every field. A build
//! for a target of either size fails if the declarations disagree.

use crate::{
    ecb::{EXTENSION_CONTROL_BLOCK, HSE_VERSION_INFO},
    filter::{
        HTTP_FILTER_ACCESS_DENIED, HTTP_FILTER_AUTH_COMPLETE_INFO, HTTP_FILTER_AUTHENT,
        HTTP_FILTER_CONTEXT, HTTP_FILTER_LOG, HTTP_FILTER_PREPROC_HEADERS, HTTP_FILTER_RAW_DATA,
        HTTP_FILTER_URL_MAP, HTTP_FILTER_URL_MAP_EX, HTTP_FILTER_VERSION,
    },
    support::{
        CERT_CONTEXT, CERT_CONTEXT_EX, HSE_CUSTOM_ERROR_INFO, HSE_EXEC_UNICODE_URL_INFO,
        HSE_EXEC_UNICODE_URL_USER_INFO, HSE_EXEC_URL_ENTITY_INFO, HSE_EXEC_URL_INFO,
        HSE_EXEC_URL_STATUS, HSE_EXEC_URL_USER_INFO, HSE_RESPONSE_VECTOR, HSE_SEND_HEADER_EX_INFO,
        HSE_TF_INFO, HSE_TRACE_INFO, HSE_UNICODE_URL_MAPEX_INFO, HSE_URL_MAPEX_INFO,
        HSE_VECTOR_ELEMENT,
    },
    trace::{HTTP_TRACE_CONFIGURATION, HTTP_TRACE_EVENT, HTTP_TRACE_EVENT_ITEM},
    types::GUID,
};

/// The number that holds for this target's pointer size.
const fn pick(on32: usize, on64: usize) -> usize {
    match size_of::<usize>() {
        4 => on32,
        _ => on64,
    }
}

/// `STRUCTURE size32/size64 { field o32/o64, … }`, every field of it, in order.
macro_rules! layout {
    ($($structure:ident $s32:literal/$s64:literal { $($field:ident $o32:literal/$o64:literal),* $(,)? })*) => {
        $(
            const _: () = assert!(size_of::<$structure>() == pick($s32, $s64));
            $(const _: () = assert!(core::mem::offset_of!($structure, $field) == pick($o32, $o64));)*
        )*
    };
}

layout! {
    GUID 16/16 { Data1 0/0, Data2 4/4, Data3 6/6, Data4 8/8 }
    HSE_VERSION_INFO 260/260 { dwExtensionVersion 0/0, lpszExtensionDesc 4/4 }
    EXTENSION_CONTROL_BLOCK 144/192 {
        cbSize 0/0, dwVersion 4/4, ConnID 8/8, dwHttpStatusCode 12/16, lpszLogData 16/20, lpszMethod 96/104,
        lpszQueryString 100/112, lpszPathInfo 104/120, lpszPathTranslated 108/128, cbTotalBytes 112/136,
        cbAvailable 116/140, lpbData 120/144, lpszContentType 124/152, GetServerVariable 128/160,
        WriteClient 132/168, ReadClient 136/176, ServerSupportFunction 140/184,
    }
    HSE_TF_INFO 44/72 {
        pfnHseIO 0/0, pContext 4/8, hFile 8/16, pszStatusCode 12/24, BytesToWrite 16/32, Offset 20/36,
        pHead 24/40, HeadLength 28/48, pTail 32/56, TailLength 36/64, dwFlags 40/68,
    }
    HSE_SEND_HEADER_EX_INFO 20/32 {
        pszStatus 0/0, pszHeader 4/8, cchStatus 8/16, cchHeader 12/20, fKeepConn 16/24,
    }
    HSE_URL_MAPEX_INFO 280/280 {
        lpszPath 0/0, dwFlags 260/260, cchMatchingPath 264/264, cchMatchingURL 268/268, dwReserved1 272/272,
        dwReserved2 276/276,
    }
    HSE_UNICODE_URL_MAPEX_INFO 532/532 {
        lpszPath 0/0, dwFlags 520/520, cchMatchingPath 524/524, cchMatchingURL 528/528,
    }
    HSE_EXEC_URL_USER_INFO 12/24 { hImpersonationToken 0/0, pszCustomUserName 4/8, pszCustomAuthType 8/16 }
    HSE_EXEC_UNICODE_URL_USER_INFO 12/24 { hImpersonationToken 0/0, pszCustomUserName 4/8, pszCustomAuthType 8/16 }
    HSE_EXEC_URL_ENTITY_INFO 8/16 { cbAvailable 0/0, lpbData 4/8 }
    HSE_EXEC_URL_INFO 24/48 {
        pszUrl 0/0, pszMethod 4/8, pszChildHeaders 8/16, pUserInfo 12/24, pEntity 16/32, dwExecUrlFlags 20/40,
    }
    HSE_EXEC_UNICODE_URL_INFO 24/48 {
        pszUrl 0/0, pszMethod 4/8, pszChildHeaders 8/16, pUserInfo 12/24, pEntity 16/32, dwExecUrlFlags 20/40,
    }
    HSE_EXEC_URL_STATUS 8/8 { uHttpStatusCode 0/0, uHttpSubStatus 2/2, dwWin32Error 4/4 }
    HSE_CUSTOM_ERROR_INFO 12/16 { pszStatus 0/0, uHttpSubError 4/8, fAsync 8/12 }
    HSE_VECTOR_ELEMENT 24/32 { ElementType 0/0, pvContext 4/8, cbOffset 8/16, cbSize 16/24 }
    HSE_RESPONSE_VECTOR 20/40 {
        dwFlags 0/0, pszStatus 4/8, pszHeaders 8/16, nElementCount 12/24, lpElementArray 16/32,
    }
    CERT_CONTEXT 20/40 {
        dwCertEncodingType 0/0, pbCertEncoded 4/8, cbCertEncoded 8/16, pCertInfo 12/24, hCertStore 16/32,
    }
    CERT_CONTEXT_EX 28/48 { CertContext 0/0, cbAllocated 20/40, dwCertificateFlags 24/44 }
    HSE_TRACE_INFO 28/28 { fTraceRequest 0/0, TraceContextId 4/4, dwReserved1 20/20, dwReserved2 24/24 }

    HTTP_TRACE_CONFIGURATION 16/24 { pProviderGuid 0/0, dwAreas 4/8, dwVerbosity 8/12, fProviderEnabled 12/16 }
    HTTP_TRACE_EVENT 52/88 {
        pProviderGuid 0/0, dwArea 4/8, pAreaGuid 8/16, dwEvent 12/24, pszEventName 16/32, dwEventVersion 20/40,
        dwVerbosity 24/44, pActivityGuid 28/48, pRelatedActivityGuid 32/56, dwTimeStamp 36/64, dwFlags 40/68,
        cEventItems 44/72, pEventItems 48/80,
    }
    HTTP_TRACE_EVENT_ITEM 20/40 { pszName 0/0, dwDataType 4/8, pbData 8/16, cbData 12/24, pszDataDescription 16/32 }

    HTTP_FILTER_VERSION 272/272 { dwServerFilterVersion 0/0, dwFilterVersion 4/4, lpszFilterDesc 8/8, dwFlags 268/268 }
    HTTP_FILTER_CONTEXT 44/72 {
        cbSize 0/0, Revision 4/4, ServerContext 8/8, ulReserved 12/16, fIsSecurePort 16/20, pFilterContext 20/24,
        GetServerVariable 24/32, AddResponseHeaders 28/40, WriteClient 32/48, AllocMem 36/56,
        ServerSupportFunction 40/64,
    }
    HTTP_FILTER_RAW_DATA 16/24 { pvInData 0/0, cbInData 4/8, cbInBuffer 8/12, dwReserved 12/16 }
    HTTP_FILTER_PREPROC_HEADERS 20/32 { GetHeader 0/0, SetHeader 4/8, AddHeader 8/16, HttpStatus 12/24, dwReserved 16/28 }
    HTTP_FILTER_AUTHENT 16/32 { pszUser 0/0, cbUserBuff 4/8, pszPassword 8/16, cbPasswordBuff 12/24 }
    HTTP_FILTER_URL_MAP 12/24 { pszURL 0/0, pszPhysicalPath 4/8, cbPathBuff 8/16 }
    HTTP_FILTER_URL_MAP_EX 28/40 {
        pszURL 0/0, pszPhysicalPath 4/8, cbPathBuff 8/16, dwFlags 12/20, cchMatchingPath 16/24,
        cchMatchingURL 20/28, pszScriptMapEntry 24/32,
    }
    HTTP_FILTER_ACCESS_DENIED 12/24 { pszURL 0/0, pszPhysicalPath 4/8, dwReason 8/16 }
    HTTP_FILTER_LOG 44/72 {
        pszClientHostName 0/0, pszClientUserName 4/8, pszServerName 8/16, pszOperation 12/24, pszTarget 16/32,
        pszParameters 20/40, dwHttpStatus 24/48, dwWin32Status 28/52, dwBytesSent 32/56, dwBytesRecvd 36/60,
        msTimeForProcessing 40/64,
    }
    HTTP_FILTER_AUTH_COMPLETE_INFO 28/48 {
        GetHeader 0/0, SetHeader 4/8, AddHeader 8/16, GetUserToken 12/24, HttpStatus 16/32, fResetAuth 20/36,
        dwReserved 24/40,
    }
}
