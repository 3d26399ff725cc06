#![allow(clippy::unwrap_used, reason = "tests")]

mod map;

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;

use fastcgi_protocol::{Grant, Params, Window};
use isapi_abi::error::{ERROR_INSUFFICIENT_BUFFER, ERROR_NOT_FOUND};
use isapi_abi::status::HSE_STATUS_SUCCESS;
use isapi_abi::support::{
    CERT_CONTEXT, CERT_CONTEXT_EX, HSE_SEND_HEADER_EX_INFO, HSE_TRACE_INFO,
    PFN_HSE_CACHE_INVALIDATION_CALLBACK,
};
use isapi_abi::trace::HTTP_TRACE_CONFIGURATION;
use isapi_abi::types::{FALSE, HANDLE};

use super::*;
use crate::life::Event;
use crate::link::{Gone, Link, Stream};
use crate::response::Ending;
use crate::session::{Credit, Session};
use crate::variables::Variables;

/// A connection that keeps the answer.
#[derive(Default)]
struct Kept(Mutex<Vec<u8>>);

impl Link for Kept {
    fn send(&self, _: u16, _: Stream, bytes: &[u8]) -> Result<(), Gone> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn finish(&self, id: u16, last: &[u8], _: Ending, _: &[u8]) {
        self.send(id, Stream::Stdout, last).unwrap();
    }

    fn report(&self, _: u16, _: &str) {}

    fn grant(&self, _: u16, _: u32) {}

    fn resume(&self, _: Arc<Session>) {}
}

/// A request inside the extension, come through a gateway.
fn session(params: &[(&str, &str)]) -> Arc<Session> {
    session_on(&Arc::default(), params)
}

fn session_on(link: &Arc<Kept>, params: &[(&str, &str)]) -> Arc<Session> {
    let mut all = Params::new();
    for (name, value) in params {
        all.push(name.as_bytes(), value.as_bytes());
    }
    let credit = Credit {
        stdin: Grant::new(1000),
        stdout: Window::new(1000),
    };
    let link = Arc::clone(link);
    let session = Session::new(1, link, Variables::new(all), Some(0), Some(credit));
    assert!(session.becomes_ready());
    session.begin();
    Arc::new(session)
}

/// The answer of a request for which a code was run with B.
fn answer<T>(params: &[(&str, &str)], request: u32, buffer: &mut T) -> String {
    let link = Arc::default();
    let session = session_on(&link, params);
    assert_eq!(with(&session, request, buffer), Ok(()));
    session.end(Event::Returned(HSE_STATUS_SUCCESS), 200, b"");
    String::from_utf8(link.0.lock().unwrap().clone()).unwrap()
}

const PLAIN: &[(&str, &str)] = &[
    ("REQUEST_METHOD", "GET"),
    ("DOCUMENT_ROOT", "/srv/www"),
    ("ISAPI_VIRTUAL_DIRECTORIES", "/app\t/srv/app\t1\n"),
];

/// Runs a code with these pointers.
fn run(
    session: &Arc<Session>,
    request: u32,
    buffer: *mut c_void,
    size: *mut u32,
    data_type: *mut c_void,
) -> Result<(), u32> {
    let mut arguments = Arguments::for_test(buffer, size, data_type.cast());
    let entry = Arc::new(Entry::new(session, Vec::new(), 0));
    call(&entry, request, &mut arguments).map_err(|Win32(error)| error)
}

/// Runs a code with B alone.
fn with<T>(session: &Arc<Session>, request: u32, buffer: &mut T) -> Result<(), u32> {
    run(
        session,
        request,
        (&raw mut *buffer).cast(),
        null_mut(),
        null_mut(),
    )
}

#[test]
fn null_arguments_and_unknown_codes_are_refused() {
    let session = session(PLAIN);
    for request in [
        code::HSE_REQ_SEND_URL_REDIRECT_RESP,
        code::HSE_REQ_SEND_URL,
        code::HSE_REQ_SEND_RESPONSE_HEADER_EX,
        code::HSE_REQ_MAP_URL_TO_PATH,
        code::HSE_REQ_MAP_URL_TO_PATH_EX,
        code::HSE_REQ_MAP_UNICODE_URL_TO_PATH,
        code::HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX,
        code::HSE_REQ_NORMALIZE_URL,
        code::HSE_APPEND_LOG_PARAMETER,
        code::HSE_REQ_IS_KEEP_CONN,
        code::HSE_REQ_REFRESH_ISAPI_ACL,
        code::HSE_REQ_GET_CERT_INFO_EX,
        code::HSE_REQ_IS_IN_PROCESS,
        code::HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK,
        code::HSE_REQ_GET_TRACE_INFO,
        code::HSE_REQ_GET_TRACE_INFO_EX,
        code::HSE_REQ_RAISE_TRACE_EVENT,
        code::HSE_REQ_EXTENSION_TRIGGER,
        0,
        5,
        1000,
        1004,
        1009,
        1051,
        u32::MAX,
    ] {
        let result = run(&session, request, null_mut(), null_mut(), null_mut());
        assert_eq!(result, Err(ERROR_INVALID_PARAMETER), "{request}");
    }
    for request in [
        code::HSE_REQ_GET_SSPI_INFO,
        code::HSE_REQ_ADD_FRAGMENT_TO_CACHE,
        code::HSE_REQ_READ_FRAGMENT_FROM_CACHE,
        code::HSE_REQ_REMOVE_FRAGMENT_FROM_CACHE,
        code::HSE_REQ_GET_ANONYMOUS_TOKEN,
        code::HSE_REQ_GET_UNICODE_ANONYMOUS_TOKEN,
        code::HSE_REQ_GET_CONFIG_OBJECT,
        code::HSE_REQ_GET_WORKER_PROCESS_SETTINGS,
        code::HSE_REQ_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK,
        code::HSE_REQ_GET_CHANNEL_BINDING_TOKEN,
    ] {
        let result = run(&session, request, null_mut(), null_mut(), null_mut());
        assert_eq!(result, Err(ERROR_NOT_SUPPORTED), "{request}");
    }
}

#[test]
fn urls_are_normalised_in_place() {
    let session = session(PLAIN);
    let mut url = *b"/a/../%62?c\0";
    assert_eq!(
        with(&session, code::HSE_REQ_NORMALIZE_URL, &mut url),
        Ok(())
    );
    assert!(url.starts_with(b"/b?c\0"));
    let mut url = *b"/a/../%00\0";
    assert_eq!(
        with(&session, code::HSE_REQ_NORMALIZE_URL, &mut url),
        Err(ERROR_INVALID_PARAMETER)
    );
    assert_eq!(&url, b"/a/../%00\0");
}

/// A certificate's buffer and what the host says of it: result, encoding, size, flags.
fn certificate(params: &[(&str, &str)], buffer: &mut [u8]) -> (Result<(), u32>, u32, u32, u32) {
    let mut info = CERT_CONTEXT_EX {
        CertContext: CERT_CONTEXT {
            dwCertEncodingType: 9,
            pbCertEncoded: buffer.as_mut_ptr(),
            cbCertEncoded: 9,
            pCertInfo: null_mut(),
            hCertStore: null_mut(),
        },
        cbAllocated: u32::try_from(buffer.len()).unwrap(),
        dwCertificateFlags: 9,
    };
    let result = with(&session(params), code::HSE_REQ_GET_CERT_INFO_EX, &mut info);
    let context = info.CertContext;
    (
        result,
        context.dwCertEncodingType,
        context.cbCertEncoded,
        info.dwCertificateFlags,
    )
}

#[test]
fn certificates_are_handed_over_in_der() {
    let params = [
        ("HTTPS", "on"),
        ("SSL_CLIENT_VERIFY", "FAILED:expired"),
        (
            "SSL_CLIENT_CERT",
            "-----BEGIN CERTIFICATE-----\n\tMAEC\n\t-----END CERTIFICATE-----\n",
        ),
    ];
    let mut buffer = [0; 4];
    assert_eq!(certificate(&params, &mut buffer), (Ok(()), 1, 3, 3));
    assert_eq!(buffer, [0x30, 1, 2, 0]);
    let short = (Err(ERROR_INSUFFICIENT_BUFFER), 1, 3, 3);
    assert_eq!(certificate(&params, &mut [0; 2]), short);
    assert_eq!(certificate(&params[..1], &mut buffer), (Ok(()), 0, 0, 0));
    let without_tls = certificate(&[], &mut buffer);
    assert_eq!(without_tls, (Err(ERROR_NOT_FOUND), 9, 9, 9));
}

#[test]
fn the_server_says_what_it_is() {
    let session = session(PLAIN);
    let mut number = 9_u32;
    assert_eq!(
        with(&session, code::HSE_REQ_IS_IN_PROCESS, &mut number),
        Ok(())
    );
    assert_eq!(number, 0);
    assert_eq!(
        with(
            &session,
            code::HSE_REQ_REFRESH_ISAPI_ACL,
            &mut b"foo.dll\0".to_owned()
        ),
        Ok(())
    );
    assert_eq!(
        run(
            &session,
            code::HSE_REQ_ABORTIVE_CLOSE,
            null_mut(),
            null_mut(),
            null_mut()
        ),
        Ok(())
    );
    let mut function: PFN_HSE_CACHE_INVALIDATION_CALLBACK = None;
    assert_eq!(
        with(
            &session,
            code::HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK,
            &mut function
        ),
        Ok(())
    );
    assert!(function.is_some());
    let mut token: HANDLE = null_mut();
    let result = with(&session, code::HSE_REQ_GET_IMPERSONATION_TOKEN, &mut token);
    let expected = if cfg!(windows) {
        Ok(())
    } else {
        Err(ERROR_NOT_SUPPORTED)
    };
    assert_eq!((result, token.is_null()), (expected, cfg!(unix)));
}

#[test]
fn nothing_is_traced() {
    let session = session(PLAIN);
    let mut info = HSE_TRACE_INFO {
        fTraceRequest: 1,
        TraceContextId: [1; 16],
        dwReserved1: 1,
        dwReserved2: 1,
    };
    assert_eq!(
        with(&session, code::HSE_REQ_GET_TRACE_INFO, &mut info),
        Ok(())
    );
    assert_eq!((info.fTraceRequest, info.TraceContextId), (FALSE, [0; 16]));
    let mut wanted = HTTP_TRACE_CONFIGURATION {
        pProviderGuid: &isapi_abi::trace::ISAPI_TRACE_PROVIDER,
        dwAreas: 7,
        dwVerbosity: 7,
        fProviderEnabled: 1,
    };
    assert_eq!(
        with(&session, code::HSE_REQ_GET_TRACE_INFO_EX, &mut wanted),
        Ok(())
    );
    assert!(!wanted.pProviderGuid.is_null());
    assert_eq!((wanted.dwAreas, wanted.fProviderEnabled), (0, FALSE));
    assert_eq!(
        with(&session, code::HSE_REQ_RAISE_TRACE_EVENT, &mut wanted),
        Ok(())
    );
}

#[test]
fn lengths_and_keep_alive_of_a_head_count() {
    let header = |keep| HSE_SEND_HEADER_EX_INFO {
        pszStatus: b"404 Gone".as_ptr(),
        pszHeader: c"A: b\r\n\r\nbody".as_ptr().cast(),
        cchStatus: 3,
        cchHeader: 0,
        fKeepConn: keep,
    };
    let request = code::HSE_REQ_SEND_RESPONSE_HEADER_EX;
    assert_eq!(
        answer(PLAIN, request, &mut header(-1)),
        "Status: 404 Not Found\r\nA: b\r\n\r\nbody"
    );
    assert_eq!(
        answer(PLAIN, request, &mut header(FALSE)),
        "Status: 404 Not Found\r\nA: b\r\nConnection: close\r\n\r\nbody"
    );
    let session = session(PLAIN);
    assert_eq!(with(&session, request, &mut header(1)), Ok(()));
    assert_eq!(
        with(&session, request, &mut header(1)),
        Err(ERROR_INVALID_PARAMETER)
    );
}

#[test]
fn local_urls_are_run_by_the_front_where_it_is_wanted() {
    let internal = &[("ISAPI_SEND_URL", "internal")];
    let url = || b"/x?y\0".to_owned();
    assert_eq!(
        answer(internal, code::HSE_REQ_SEND_URL, &mut url()),
        "Location: /x?y\r\n\r\n"
    );
    for (params, request, url) in [
        (internal, code::HSE_REQ_SEND_URL_REDIRECT_RESP, url()),
        (internal, code::HSE_REQ_SEND_URL, b"//xy\0".to_owned()),
        (
            &[("ISAPI_SEND_URL", "redirect")],
            code::HSE_REQ_SEND_URL,
            url(),
        ),
    ] {
        let text = answer(params, request, &mut url.clone());
        assert!(text.starts_with("Status: 302 Found\r\n"), "{text}");
    }
}
