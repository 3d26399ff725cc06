//! Microsoft's own bindings, generated from the Windows SDK, declare the same structures and constants.

mod common;

use std::mem::{align_of, offset_of, size_of};

use common::{error_constants, extension_constants, extension_structures};
use isapi_abi::{ecb::*, error::*, filter::*, io::*, requests::*, status::*, support::*, trace::*};

/// The SDK's names, those that it keeps elsewhere included.
mod sdk {
    pub use windows_sys::Win32::{
        Foundation::*,
        Networking::WinSock::{WSAECONNRESET, WSAEINVAL},
        Security::Cryptography::CERT_CONTEXT,
        System::Iis::*,
    };
}

macro_rules! same_layout {
    ($($structure:ident { $($field:ident),* })*) => {$(
        assert_eq!(size_of::<$structure>(), size_of::<sdk::$structure>(), stringify!($structure));
        assert_eq!(align_of::<$structure>(), align_of::<sdk::$structure>(), stringify!($structure));
        $(assert_eq!(
            offset_of!($structure, $field),
            offset_of!(sdk::$structure, $field),
            concat!(stringify!($structure), ".", stringify!($field)),
        );)*
    )*};
}

macro_rules! same_value {
    ($($constant:ident)*) => {$(
        assert_eq!($constant as i64, sdk::$constant as i64, stringify!($constant));
    )*};
}

#[test]
fn extension_structures_are_laid_out_alike() {
    extension_structures!(same_layout);
}

#[test]
fn extension_constants_are_equal() {
    extension_constants!(same_value);
}

#[test]
fn error_numbers_are_equal() {
    error_constants!(same_value);
    same_value! { WSAEINVAL WSAECONNRESET }
}

#[test]
fn filter_structures_are_laid_out_alike() {
    same_layout! {
        HTTP_FILTER_VERSION { dwServerFilterVersion, dwFilterVersion, lpszFilterDesc, dwFlags }
        HTTP_FILTER_CONTEXT {
            cbSize, Revision, ServerContext, ulReserved, fIsSecurePort, pFilterContext, GetServerVariable,
            AddResponseHeaders, WriteClient, AllocMem, ServerSupportFunction
        }
        HTTP_FILTER_RAW_DATA { pvInData, cbInData, cbInBuffer, dwReserved }
        HTTP_FILTER_PREPROC_HEADERS { GetHeader, SetHeader, AddHeader, HttpStatus, dwReserved }
        HTTP_FILTER_AUTHENT { pszUser, cbUserBuff, pszPassword, cbPasswordBuff }
        HTTP_FILTER_URL_MAP { pszURL, pszPhysicalPath, cbPathBuff }
        HTTP_FILTER_URL_MAP_EX {
            pszURL, pszPhysicalPath, cbPathBuff, dwFlags, cchMatchingPath, cchMatchingURL, pszScriptMapEntry
        }
        HTTP_FILTER_ACCESS_DENIED { pszURL, pszPhysicalPath, dwReason }
        HTTP_FILTER_LOG {
            pszClientHostName, pszClientUserName, pszServerName, pszOperation, pszTarget, pszParameters,
            dwHttpStatus, dwWin32Status, dwBytesSent, dwBytesRecvd, msTimeForProcessing
        }
        HTTP_FILTER_AUTH_COMPLETE_INFO {
            GetHeader, SetHeader, AddHeader, GetUserToken, HttpStatus, fResetAuth, dwReserved
        }
    }
}

#[test]
fn filter_constants_are_equal() {
    same_value! {
        SF_MAX_USERNAME SF_MAX_PASSWORD SF_MAX_AUTH_TYPE SF_MAX_FILTER_DESC_LEN
        SF_NOTIFY_SECURE_PORT SF_NOTIFY_NONSECURE_PORT SF_NOTIFY_SEND_RESPONSE SF_NOTIFY_END_OF_REQUEST
        SF_NOTIFY_END_OF_NET_SESSION SF_NOTIFY_LOG SF_NOTIFY_SEND_RAW_DATA SF_NOTIFY_ACCESS_DENIED
        SF_NOTIFY_URL_MAP SF_NOTIFY_AUTHENTICATION SF_NOTIFY_PREPROC_HEADERS SF_NOTIFY_READ_RAW_DATA
        SF_NOTIFY_ORDER_LOW SF_NOTIFY_ORDER_DEFAULT SF_NOTIFY_ORDER_MEDIUM SF_NOTIFY_ORDER_HIGH
        SF_NOTIFY_AUTH_COMPLETE
        SF_STATUS_REQ_FINISHED SF_STATUS_REQ_FINISHED_KEEP_CONN SF_STATUS_REQ_NEXT_NOTIFICATION
        SF_STATUS_REQ_HANDLED_NOTIFICATION SF_STATUS_REQ_ERROR SF_STATUS_REQ_READ_NEXT
        SF_DENIED_LOGON SF_DENIED_RESOURCE SF_DENIED_FILTER SF_DENIED_APPLICATION SF_DENIED_BY_CONFIG
        SF_REQ_SEND_RESPONSE_HEADER SF_REQ_ADD_HEADERS_ON_DENIAL SF_REQ_SET_NEXT_READ_SIZE SF_REQ_SET_PROXY_INFO
        SF_REQ_GET_CONNID SF_REQ_SET_CERTIFICATE_INFO SF_REQ_GET_PROPERTY SF_REQ_NORMALIZE_URL
        SF_REQ_DISABLE_NOTIFICATIONS SF_PROPERTY_SSL_CTXT SF_PROPERTY_INSTANCE_NUM_ID
    }
}
