//! What gateway and worker tell each other before the first request.

use fastcgi_protocol::{HELLO_VERSION, Hello, Params, encode};

use crate::body::ROOM;
use crate::threads::Threads;

/// Bytes of an answer that we are ready to have under way for one request.
const STDOUT_WINDOW: u32 = 1024 * 1024;
/// Requests at the same time on one connection.
pub(super) const MAX_REQUESTS: u16 = 10_000;

/// Fields of the gateway's greeting and the parameters by which requests know them: what code 2 does with a URL of the
/// site, and for which errors there is a page.
const TOLD: [(&str, &str); 2] = [
    ("send-url", "ISAPI_SEND_URL"),
    ("error-pages", "ISAPI_ERROR_PAGES"),
];

/// What a greeting of the gateway says of its pool, as parameters of each request.
pub(super) fn told(offer: &Hello) -> Params {
    let told = TOLD.iter();
    told.filter_map(|(field, name)| Some((name, offer.fields.get(field.as_bytes())?)))
        .collect()
}

/// Our greeting: what we could do at most, and what the extension says of itself.
pub(super) fn greeting(threads: &Threads) -> Hello {
    let extension = threads.extension();
    let mut fields = Params::new();
    fields.push(b"pid", std::process::id().to_string().as_bytes());
    fields.push(b"threads", threads.limit().to_string().as_bytes());
    fields.push(b"description", extension.description().as_bytes());
    let version = extension.version();
    fields.push(
        b"extension-version",
        format!("{}.{}", version >> 16, version & 0xffff).as_bytes(),
    );
    Hello {
        version: HELLO_VERSION,
        stdin_window: ROOM,
        stdout_window: STDOUT_WINDOW,
        max_requests: MAX_REQUESTS,
        fields,
    }
}

/// A greeting that says why no request can be served.
pub fn refusal(reason: &str) -> Vec<u8> {
    let mut fields = Params::new();
    fields.push(b"error", reason.as_bytes());
    let hello = Hello {
        version: HELLO_VERSION,
        stdin_window: 0,
        stdout_window: 0,
        max_requests: 0,
        fields,
    };
    let mut out = Vec::new();
    encode::hello(&mut out, &hello);
    out
}
