//! Runs one rule: sends the request, compares every byte of the answer, and what the extension reports.

use std::io::{self, Read as _};

use system_tests::{Client as Connection, Head, get};

use super::behind;
use super::rule::{Answer, Body, Client, Content, End, Request, Rule, pattern};
use super::stage::Stage;

/// What came from the server; the connection is whole unless the body was cut.
struct Got {
    head: Head,
    body: Vec<u8>,
    complete: bool,
}

/// What became of a rule.
pub enum Outcome {
    Kept,
    /// It is known not to be kept; this happens instead.
    Deviates(&'static str),
    /// What is not as the rule says.
    Broken(String),
    /// The rule makes no sense in this column.
    NotHere,
}

/// Runs a rule.
pub fn run(rule: &Rule, stage: &Stage) -> Outcome {
    if rule.scope.holds(stage.column) {
        Outcome::of(rule, attempt(rule, stage))
    } else {
        Outcome::NotHere
    }
}

impl Outcome {
    /// Of a rule that was tried.
    pub fn of(rule: &Rule, attempt: Result<(), String>) -> Self {
        match (attempt, rule.deviation) {
            (Ok(()), None) => Self::Kept,
            (Ok(()), Some(_)) => Self::Broken("it is kept: take `deviates` away".into()),
            (Err(_), Some(instead)) => Self::Deviates(instead),
            (Err(reason), None) => Self::Broken(reason),
        }
    }
}

fn attempt(rule: &Rule, stage: &Stage) -> Result<(), String> {
    let mut connection = Connection::connect(stage.address());
    if rule.request.client == Client::Old {
        connection = connection.with_http_1_0();
    }
    let address = connection.sender().local_addr();
    let port = address.map_err(|error| error.to_string())?.port();
    let report = rule
        .observed
        .as_ref()
        .map(|report| stage.expand(&report.replace("{client}", &port.to_string())));
    let report = report.as_deref();
    send(rule, &mut connection);
    if rule.request.client == Client::LeavesAfterHead {
        connection.head().map_err(|error| error.to_string())?;
        drop(connection);
        return observed(report, stage);
    }
    let got = match receive(&rule.request, &mut connection, stage) {
        Ok(got) => got,
        Err(_) if rule.answer.is_cut() => return observed(report, stage),
        Err(error) => return Err(format!("no answer: {error}")),
    };
    let version = match rule.request.client {
        Client::Old => "HTTP/1.0",
        _ => "HTTP/1.1",
    };
    match &rule.answer {
        Answer::None => {
            return compare_report(report.unwrap_or_default(), version, &got, stage);
        }
        Answer::Own(status) => {
            if got.head.status != *status || !got.complete {
                return Err(format!("answered {}", got.head.text.escape_debug()));
            }
        }
        Answer::Exact { head, body, end } => {
            compare_head(&format!("{version} {}", stage.expand(head)), &got, stage)?;
            if *end == End::Cut {
                compare_cut(body, &got)?;
            } else if got.complete {
                compare_body(body, &got.body)?;
            } else {
                return Err("the answer is not whole".into());
            }
            observed(report, stage)?;
            return match end {
                End::Kept => kept(&mut connection),
                // A web server keeps its clients' connections by its own rules.
                End::Closed if stage.kind().is_some() => Ok(()),
                End::Closed if !connection.is_closed() => Err("not closed".into()),
                End::Closed | End::Cut => Ok(()),
            };
        }
    }
    observed(report, stage)
}

fn send(rule: &Rule, connection: &mut Connection) {
    let request = &rule.request;
    let target = match (request.target, request.query) {
        (Some(target), _) => target.to_owned(),
        (None, "") => format!("/conformance.dll/{}", rule.function),
        (None, query) => format!("/conformance.dll/{}?{query}", rule.function),
    };
    let mut headers: Vec<&str> = request.headers.iter().map(String::as_str).collect();
    if let Some(host) = request.host {
        connection.ask_for(host);
    }
    match &request.body {
        Body::None => connection.request(request.method, &target, &headers, b""),
        Body::Bytes(bytes) => {
            let now = match request.client {
                Client::HoldsBack(count) => bytes.len() - count,
                _ => bytes.len(),
            };
            let length = format!("Content-Length: {}", bytes.len());
            headers.push(&length);
            connection.request_head(request.method, &target, &headers);
            connection.send(&bytes[..now]);
        }
        Body::Chunked(bytes, size) => {
            headers.insert(0, "Transfer-Encoding: chunked");
            connection.request_head(request.method, &target, &headers);
            for chunk in bytes.chunks(*size) {
                connection.send(format!("{:x}\r\n", chunk.len()).as_bytes());
                connection.send(chunk);
                connection.send(b"\r\n");
            }
            connection.send(b"0\r\n\r\n");
        }
        Body::Short(announced, bytes) => {
            let length = format!("Content-Length: {announced}");
            headers.insert(0, &length);
            connection.request_head(request.method, &target, &headers);
            connection.send(bytes);
        }
    }
}

fn receive(request: &Request, connection: &mut Connection, stage: &Stage) -> io::Result<Got> {
    let mut head = connection.head()?;
    if stage.kind().is_some() && head.status == 100 {
        // Whether a client is told to go on is for the web server to say.
        head = connection.head()?;
    }
    if let (Client::HoldsBack(count), Body::Bytes(bytes)) = (request.client, &request.body) {
        connection.send(&bytes[bytes.len() - count..]);
    }
    let mut body = Vec::new();
    let complete = connection
        .body(&head, request.method)
        .read_to_end(&mut body)
        .is_ok();
    Ok(Got {
        head,
        body,
        complete,
    })
}

fn compare_head(expected: &str, got: &Got, stage: &Stage) -> Result<(), String> {
    if let Some(kind) = stage.kind() {
        return behind::compare_head(expected, &got.head, kind);
    }
    let text = &got.head.text;
    let Some((before, date)) = text.rsplit_once("date: ") else {
        return Err(format!("no Date in {}", text.escape_debug()));
    };
    let framing = match got.head.header("content-length") {
        Some(_) => format!("content-length: {}", got.body.len()),
        None => "transfer-encoding: chunked".into(),
    };
    let expected = expected.replace("{framing}", &framing);
    // Sun, 06 Nov 1994 08:49:37 GMT
    let date_is_good = date.len() == 31 && date.ends_with(" GMT\r\n");
    if before == expected && date_is_good {
        Ok(())
    } else {
        Err(format!(
            "head\n      expected {}\n      got      {}",
            expected.escape_debug(),
            text.escape_debug()
        ))
    }
}

/// A beginning of the body has come, and no end.
fn compare_cut(expected: &Content, got: &Got) -> Result<(), String> {
    let Content::Bytes(expected) = expected else {
        return Err("a cut answer is compared byte by byte".into());
    };
    match expected.starts_with(&got.body) && !got.complete {
        true => Ok(()),
        false => Err(format!("a whole answer with {}", got.body.escape_ascii())),
    }
}

fn compare_body(expected: &Content, got: &[u8]) -> Result<(), String> {
    match expected {
        Content::Pattern(size) => {
            let period = pattern(251);
            let in_order = got.chunks(251).all(|part| *part == period[..part.len()]);
            match got.len() as u64 == *size && in_order {
                true => Ok(()),
                false => Err(format!("{} bytes, in order: {in_order}", got.len())),
            }
        }
        Content::Bytes(expected) if expected == got => Ok(()),
        Content::Bytes(expected) => Err(format!(
            "body\n      expected {}\n      got      {}",
            expected.escape_ascii(),
            got[..got.len().min(1_000)].escape_ascii()
        )),
    }
}

/// The answer is a report.
fn compare_report(expected: &str, version: &str, got: &Got, stage: &Stage) -> Result<(), String> {
    let report = String::from_utf8_lossy(&got.body);
    if report != expected {
        return Err(difference(expected, &report, &got.head));
    }
    let head = format!(
        "{version} 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n",
        got.body.len()
    );
    compare_head(&head, got, stage)
}

/// What the extension reports afterwards, asked for on a connection of its own.
fn observed(expected: Option<&str>, stage: &Stage) -> Result<(), String> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let reply = get(stage.address(), "/conformance.dll/observed");
    let report = reply.text();
    if reply.status() == 200 && report == expected {
        Ok(())
    } else {
        Err(difference(expected, &report, &reply.head))
    }
}

/// The next request on the same connection is answered.
fn kept(connection: &mut Connection) -> Result<(), String> {
    connection.request("GET", "/conformance.dll", &["X-Rule: 2/initial"], b"");
    let reply = match connection.head() {
        Ok(head) if head.status == 200 => head,
        other => return Err(format!("the connection is not kept: {other:?}")),
    };
    let mut body = connection.body(&reply, "GET");
    match body.read_to_end(&mut Vec::new()) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the next answer is not whole: {error}")),
    }
}

fn difference(expected: &str, got: &str, head: &Head) -> String {
    let lines = |text: &str| text.replace('\n', "\n        ");
    format!(
        "report ({})\n      expected\n        {}\n      got\n        {}",
        head.status,
        lines(expected),
        lines(got)
    )
}
