//! One JSON object for each request.

use http::HeaderValue;
use serde_json::{Value, json};

use super::line::Line;

/// One line, without its end. The time is UTC and that of the request's beginning.
pub fn format(line: &Line) -> String {
    let asked = line.asked;
    let local = asked.connection.local;
    let header = |value: &Option<HeaderValue>| value.as_ref().map(|value| text(value.as_bytes()));
    json!({
        "time": format!("{:.3}", line.begun),
        "server": local.ip().to_canonical(),
        "port": local.port(),
        "client": asked.client(),
        "user": asked.user.as_deref().map(text),
        "method": asked.method.as_str(),
        "path": asked.uri.path(),
        "query": asked.uri.query(),
        "protocol": format!("{:?}", asked.version),
        "host": asked.host.as_ref().map(|host| text(host.as_bytes())),
        "user_agent": header(&asked.user_agent),
        "referer": header(&asked.referer),
        "status": line.status(),
        "sub_status": line.sub_status,
        "win32_status": line.win32,
        "bytes_sent": line.sent,
        "bytes_received": line.received,
        "seconds": line.taken.as_secs_f64(),
        "log": (!line.parameter.is_empty()).then(|| text(line.parameter)),
    })
    .to_string()
}

/// A text that should be UTF-8; what is not is replaced.
fn text(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into()
}
