#![allow(clippy::unwrap_used, reason = "tests")]

use std::ptr::{null, null_mut};
use std::sync::Mutex;

use fastcgi_protocol::Params;
use isapi_abi::error::ERROR_INVALID_INDEX;
use isapi_abi::io::{HSE_IO_ASYNC, HSE_IO_SEND_HEADERS};
use isapi_abi::requests::*;
use isapi_abi::status::{HSE_STATUS_PENDING, HSE_STATUS_SUCCESS};
use isapi_abi::support::{HSE_EXEC_URL_INFO, HSE_TF_INFO};

use super::*;
use crate::life::Event as Lifetime;
use crate::link::{Gone, Link, Stream};
use crate::response::Ending;
use crate::variables::Variables;

/// A connection that keeps the trace.
#[derive(Default)]
struct Kept(Mutex<Vec<(u16, Event)>>);

impl Link for Kept {
    fn send(&self, _: u16, _: Stream, _: &[u8]) -> Result<(), Gone> {
        Ok(())
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn finish(&self, _: u16, _: &[u8], _: Ending, _: &[u8]) {}

    fn trace(&self, id: u16, event: &Event) {
        self.0.lock().unwrap().push((id, event.clone()));
    }

    fn report(&self, _: u16, _: &str) {}

    fn grant(&self, _: u16, _: u32) {}

    fn resume(&self, _: Arc<Session>) {}
}

/// A request inside the extension that is traced at this level.
fn entry(level: &str) -> (Arc<Entry>, Arc<Kept>) {
    let params: Params = [
        ("ISAPI_TRACE", level),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/x?secret"),
    ]
    .into_iter()
    .collect();
    let link = Arc::<Kept>::default();
    let variables = Variables::new(params);
    let session = Session::new(7, Arc::clone(&link) as _, variables, Some(0), None);
    assert!(session.becomes_ready());
    session.begin();
    let entry = Entry::new(&Arc::new(session), Vec::new(), 0);
    (Arc::new(entry), link)
}

/// What was told so far, without times.
fn told(link: &Kept) -> Vec<String> {
    let events = link.0.lock().unwrap();
    let line = |(id, event): &(u16, Event)| {
        assert!(event.micros.is_some());
        let event = Event {
            micros: None,
            duration: None,
            ..event.clone()
        };
        format!("{id} {event}")
    };
    events.iter().map(line).collect()
}

fn support<T>(code: u32, buffer: &mut T) -> Callback {
    Callback::ServerSupportFunction {
        code,
        buffer: std::ptr::from_mut(buffer).cast(),
        size: null_mut(),
        data_type: null_mut(),
    }
}

fn calls(level: &str) -> Vec<String> {
    let (entry, link) = entry(level);
    let (mut size, mut data) = (6, *b"secret");
    let buffer = data.as_mut_ptr().cast();
    let size = &raw mut size;
    let write = Callback::WriteClient {
        buffer,
        size,
        flags: HSE_IO_ASYNC,
    };
    assert_eq!(entry.observe(write, || Ok(())), Ok(()));
    let failure = || Err(Win32(ERROR_INVALID_INDEX));
    let get = Callback::GetServerVariable {
        name: c"NONE\n".as_ptr().cast(),
        buffer,
        size,
    };
    assert_eq!(entry.observe(get, failure), failure());
    assert_eq!(entry.observe(get, || Ok(())), Ok(()));
    told(&link)
}

#[test]
fn each_level_tells_more() {
    let failed = r#"7 GetServerVariable("NONE\n", 6 bytes) = FALSE, 1413 ERROR_INVALID_INDEX"#;
    let write = "7 WriteClient(6 bytes, HSE_IO_ASYNC) = TRUE";
    let get = r#"7 GetServerVariable("NONE\n", 6 bytes → 6) = TRUE"#;
    assert!(calls("off").is_empty());
    assert_eq!(calls("failed"), [failed]);
    assert_eq!(calls("calls"), [write, failed, get]);
    let with_data = |line| format!("{line}, data \"secret\"");
    assert_eq!(
        calls("data"),
        [with_data(write), failed.into(), with_data(get)]
    );
}

#[test]
fn codes_are_told_by_what_they_take() {
    let (entry, link) = entry("calls");
    let mut url = *b"/a?secret\0";
    let mut status = HSE_STATUS_PENDING;
    let mut headers = *b"Set-Cookie: secret\0";
    let mut file = HSE_TF_INFO {
        pfnHseIO: None,
        pContext: null_mut(),
        hFile: null_mut(),
        pszStatusCode: c"200 OK".as_ptr().cast(),
        BytesToWrite: 0,
        Offset: 0,
        pHead: headers.as_mut_ptr().cast(),
        HeadLength: 18,
        pTail: url.as_mut_ptr().cast(),
        TailLength: 2,
        dwFlags: HSE_IO_SEND_HEADERS,
    };
    // What is no string is not looked at without the flag.
    let mut raw = HSE_TF_INFO {
        pszStatusCode: std::ptr::without_provenance(8),
        dwFlags: 0,
        ..file
    };
    let mut exec = HSE_EXEC_URL_INFO {
        pszUrl: url.as_mut_ptr(),
        pszMethod: null_mut(),
        pszChildHeaders: headers.as_mut_ptr(),
        pUserInfo: null_mut(),
        pEntity: null_mut(),
        dwExecUrlFlags: 2,
    };
    let pointers = Callback::ServerSupportFunction {
        code: HSE_REQ_SEND_RESPONSE_HEADER,
        buffer: null_mut(),
        size: null_mut(),
        data_type: headers.as_mut_ptr().cast(),
    };
    let code = |code, buffer: &mut u32| support(code, buffer);
    for callback in [
        support(HSE_REQ_SEND_URL_REDIRECT_RESP, &mut url),
        pointers,
        support(HSE_REQ_TRANSMIT_FILE, &mut file),
        support(HSE_REQ_TRANSMIT_FILE, &mut raw),
        support(HSE_REQ_EXEC_URL, &mut exec),
        code(HSE_REQ_IS_KEEP_CONN, &mut status),
        code(4711, &mut status),
    ] {
        assert_eq!(entry.observe(callback, || Ok(())), Ok(()));
    }
    assert_eq!(
        told(&link),
        [
            r#"7 ServerSupportFunction 1 HSE_REQ_SEND_URL_REDIRECT_RESP("/a"?…) = TRUE"#,
            "7 ServerSupportFunction 3 HSE_REQ_SEND_RESPONSE_HEADER(NULL, 18 bytes of headers) = TRUE",
            "7 ServerSupportFunction 1006 HSE_REQ_TRANSMIT_FILE(\"200 OK\", 18 bytes of headers, \
             HSE_IO_SEND_HEADERS, tail of 2 bytes) = TRUE",
            "7 ServerSupportFunction 1006 HSE_REQ_TRANSMIT_FILE(head of 18 bytes, tail of 2 bytes) = TRUE",
            r#"7 ServerSupportFunction 1026 HSE_REQ_EXEC_URL("/a"?…, 18 bytes of headers, flags 0x2) = TRUE"#,
            "7 ServerSupportFunction 1008 HSE_REQ_IS_KEEP_CONN(→ 3) = TRUE",
            "7 ServerSupportFunction 4711() = TRUE",
        ]
    );
}

#[test]
fn null_pointers_are_told_too() {
    let (entry, link) = entry("data");
    let none = Callback::GetServerVariable {
        name: null(),
        buffer: null_mut(),
        size: null_mut(),
    };
    let refuse = || Err(INVALID);
    assert_eq!(entry.observe(none, refuse), refuse());
    for (code, _) in ALL {
        if *code == HSE_REQ_DONE_WITH_SESSION {
            continue;
        }
        let callback = Callback::ServerSupportFunction {
            code: *code,
            buffer: null_mut(),
            size: null_mut(),
            data_type: null_mut(),
        };
        assert_eq!(entry.observe(callback, refuse), refuse());
    }
    let lines = told(&link);
    assert_eq!(lines.len(), ALL.len());
    assert!(lines[0].starts_with("7 GetServerVariable(NULL, NULL) = FALSE, 87"));
}

#[test]
fn a_request_is_told_from_its_call_to_its_end_and_beyond() {
    let (entry, link) = entry("calls");
    let mut status = HSE_STATUS_SUCCESS;
    let status = entry.enter(|| {
        let done = support(HSE_REQ_DONE_WITH_SESSION, &mut status);
        let end = || {
            entry.session.end(Lifetime::Done(1), 200, b"");
            Ok(())
        };
        assert_eq!(entry.observe(done, end), Ok(()));
        // What comes behind the end belongs to no session, but to this thread's request.
        let late = Callback::ReadClient {
            buffer: null_mut(),
            size: null_mut(),
        };
        assert_eq!(stray(late), Err(INVALID));
        HSE_STATUS_PENDING
    });
    assert_eq!(status, HSE_STATUS_PENDING);
    entry.complete_with(10, 64, || {});
    assert_eq!(
        told(&link),
        [
            "7 HttpExtensionProc(GET /x)",
            "7 ServerSupportFunction 4 HSE_REQ_DONE_WITH_SESSION(HSE_STATUS_SUCCESS) = TRUE",
            "0 GET /x: ReadClient(NULL) = FALSE, 87 ERROR_INVALID_PARAMETER",
            "0 GET /x: HttpExtensionProc() = 3 HSE_STATUS_PENDING",
            "0 GET /x: completion function(10 bytes), 64 ERROR_NETNAME_DELETED",
        ]
    );
}
