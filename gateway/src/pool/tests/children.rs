//! Child requests and error pages on a lane.

use fastcgi_protocol::{ChildRequest, ExecStatus, RecordType, encode};

use super::fake::{STDOUT_WINDOW, Said};
use super::*;

const HEAD: &str = "Content-Type: text/plain\r\n\r\n";

/// Asks for a child request with this entity.
async fn exec(fake: &mut Fake, id: u16, child: &ChildRequest, entity: &[u8]) {
    fake.say(|out| {
        encode::stream(out, RecordType::ExecParams, id, &child.to_bytes());
        encode::end_stream(out, RecordType::ExecParams, id);
        encode::stream(out, RecordType::ExecStdin, id, entity);
        encode::end_stream(out, RecordType::ExecStdin, id);
    })
    .await;
}

fn get(url: &str) -> ChildRequest {
    ChildRequest {
        url: Some(url.into()),
        length: Some(0),
        ..ChildRequest::default()
    }
}

fn over(id: u16, status: u16, error: u32) -> Said {
    let sub_status = 0;
    let status = ExecStatus {
        status,
        sub_status,
        error,
    };
    Said::ExecStatus { id, status }
}

#[tokio::test]
async fn a_childs_answer_stands_where_it_was_asked_for() {
    let program = (
        "x.cgi",
        "echo X-Child: yes; echo; echo $REQUEST_METHOD $QUERY_STRING",
    );
    let (bench, mut fake) = Bench::with(&config(), &[program]).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.answer(id, format!("{HEAD}before ")).await;
    exec(&mut fake, id, &get("/x.cgi?1"), b"").await;
    let response = response(call.await.unwrap());
    assert!(!response.headers.contains_key("x-child"));
    let reading = tokio::spawn(text(response));
    assert_eq!(fake.hear().await, over(id, 200, 0));
    fake.answer(id, "between ").await;
    exec(&mut fake, id, &get("/none"), b"").await;
    assert_eq!(fake.hear().await, over(id, 404, 2));
    fake.answer(id, "after").await;
    fake.end(id).await;
    let text = reading.await.unwrap();
    let text = String::from_utf8_lossy(&text);
    assert!(
        text.starts_with("before GET 1\nbetween <!DOCTYPE html>"),
        "{text}"
    );
    assert!(text.ends_with("</html>\nafter"), "{text}");
}

#[tokio::test]
async fn a_child_before_the_head_gives_it() {
    let program = (
        "x.cgi",
        "printf 'Status: 203 Mine\\nX-Child: yes\\n\\nchild'",
    );
    for headless in [false, true] {
        let (bench, mut fake) = Bench::with(&config(), &[program]).await;
        let call = bench.get("/");
        let id = fake.hear_get().await;
        let child = ChildRequest {
            flags: if headless {
                ChildRequest::NO_HEADERS
            } else {
                0
            },
            ..get("/x.cgi")
        };
        exec(&mut fake, id, &child, b"").await;
        let response = response(call.await.unwrap());
        let expected = if headless { (200, false) } else { (203, true) };
        let has_header = response.headers.contains_key("x-child");
        assert_eq!((response.status.as_u16(), has_header), expected);
        let reading = tokio::spawn(text(response));
        assert_eq!(fake.hear().await, over(id, 203, 0));
        fake.answer(id, "\r\nplain").await;
        fake.end(id).await;
        assert_eq!(reading.await.unwrap(), "child\r\nplain");
    }
}

#[tokio::test]
async fn an_entity_reaches_the_child_with_credit() {
    let (bench, mut fake) = Bench::with(&config(), &[("x.cgi", "echo X: y; echo; cat")]).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    let child = ChildRequest {
        method: Some(b"POST".to_vec()),
        length: None,
        ..get("/x.cgi")
    };
    let window = usize::try_from(STDOUT_WINDOW).unwrap();
    fake.say(|out| {
        encode::stream(out, RecordType::ExecParams, id, &child.to_bytes());
        encode::end_stream(out, RecordType::ExecParams, id);
    })
    .await;
    let mut credit = window - child.to_bytes().len();
    let entity = vec![b'e'; 5 * window];
    let mut sent = 0;
    let answer = tokio::spawn(async move { text(response(call.await.unwrap())).await });
    while sent < entity.len() {
        let now = credit.min(entity.len() - sent);
        let piece = &entity[sent..sent + now];
        fake.say(|out| encode::stream(out, RecordType::ExecStdin, id, piece))
            .await;
        (sent, credit) = (sent + now, 0);
        if sent < entity.len() {
            let Said::Credit { bytes, .. } = fake.hear().await else {
                panic!("no credit");
            };
            credit = usize::try_from(bytes).unwrap();
        }
    }
    fake.say(|out| encode::end_stream(out, RecordType::ExecStdin, id))
        .await;
    while !matches!(fake.hear().await, Said::ExecStatus { .. }) {}
    fake.end(id).await;
    assert!(answer.await.unwrap() == entity);
}

#[tokio::test]
async fn an_entity_that_nobody_reads_is_thrown_away() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    let child = ChildRequest {
        length: None,
        ..get("/none")
    };
    let entity = vec![b'e'; usize::try_from(STDOUT_WINDOW).unwrap() - child.to_bytes().len()];
    exec(&mut fake, id, &child, &entity).await;
    let answer = tokio::spawn(async move { text(response(call.await.unwrap())).await });
    let mut heard = [fake.hear().await, fake.hear().await];
    if matches!(heard[0], Said::ExecStatus { .. }) {
        heard.reverse();
    }
    assert!(matches!(heard[0], Said::Credit { .. }));
    assert_eq!(heard[1], over(id, 404, 2));
    fake.end(id).await;
    assert!(answer.await.unwrap().starts_with(b"<!DOCTYPE"));
}

#[tokio::test]
async fn a_child_that_is_none_leaves_the_answer_to_its_parent() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    let child = ChildRequest {
        flags: ChildRequest::NO_HEADERS,
        ..get("http://other/")
    };
    exec(&mut fake, id, &child, b"").await;
    let answer = tokio::spawn(async move { response(call.await.unwrap()) });
    assert_eq!(fake.hear().await, over(id, 0, 87));
    fake.answer_whole(id, "own").await;
    assert_eq!(text(answer.await.unwrap()).await, "own");
}

#[tokio::test]
async fn a_child_that_breaks_off_breaks_the_answer() {
    let program = ("x.cgi", "printf 'Content-Length: 10\\n\\nshort'");
    let (bench, mut fake) = Bench::with(&config(), &[program]).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.answer(id, HEAD).await;
    exec(&mut fake, id, &get("/x.cgi"), b"").await;
    let broken = response(call.await.unwrap()).body.collect().await;
    assert!(matches!(broken, Err(BodyError::Cut(reason)) if reason.contains("child request")));
    assert_eq!(fake.hear().await, Said::Abort { id });
    assert_eq!(fake.hear().await, over(id, 0, 995));
    fake.answer(id, "the extension goes on").await;
    fake.end(id).await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_child_along() {
    let program = (
        "x.cgi",
        "echo $$ > ../pid; echo X: y; echo; echo begun; exec sleep 1000",
    );
    let (bench, mut fake) = Bench::with(&config(), &[program]).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.answer(id, HEAD).await;
    exec(&mut fake, id, &get("/x.cgi"), b"").await;
    let mut body = response(call.await.unwrap()).body;
    body.frame().await.unwrap().unwrap();
    let pid = bench.site.read("pid");
    drop(body);
    assert_eq!(fake.hear().await, Said::Abort { id });
    assert_eq!(fake.hear().await, over(id, 0, 995));
    while std::fs::exists(format!("/proc/{}", pid.trim())).unwrap() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_worker_that_dies_takes_the_child_along() {
    let program = ("x.cgi", "echo X: y; echo; echo begun; exec sleep 1000");
    let (bench, mut fake) = Bench::with(&config(), &[program]).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.answer(id, HEAD).await;
    exec(&mut fake, id, &get("/x.cgi"), b"").await;
    let mut body = response(call.await.unwrap()).body;
    body.frame().await.unwrap().unwrap();
    bench.worker.lanes[0].fail("was killed", crash::Blame::Request(id));
    let broken = body.frame().await.unwrap();
    assert!(matches!(broken, Err(BodyError::Cut(reason)) if reason == "was killed"));
}

#[tokio::test]
async fn output_while_a_child_runs_is_a_fault() {
    let (bench, mut fake) = Bench::with(&config(), &[("x.cgi", "exec sleep 1000")]).await;
    let _call = bench.get("/");
    let id = fake.hear_get().await;
    exec(&mut fake, id, &get("/x.cgi"), b"").await;
    fake.answer(id, "early").await;
    let fault = bench.driver.await.unwrap().unwrap();
    assert!(fault.contains("out of the order"), "{fault}");
}

#[tokio::test]
async fn an_error_page_is_the_gateways() {
    let (bench, mut fake) = Bench::start(&config()).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    fake.say(|out| encode::error_page(out, id, 404, 2, b"Not Mine"))
        .await;
    fake.end(id).await;
    let response = response(call.await.unwrap());
    assert_eq!(response.status, 404);
    assert_eq!(response.reason.as_deref(), Some(&b"Not Mine"[..]));
    assert!(text(response).await.starts_with(b"<!DOCTYPE"));
    while bench.worker.taken() > 0 {
        tokio::task::yield_now().await;
    }

    let _call = bench.get("/");
    let id = fake.hear_get().await;
    fake.say(|out| encode::error_page(out, id, 200, 0, b""))
        .await;
    assert!(bench.driver.await.unwrap().unwrap().contains("status 200"));
}

#[tokio::test]
async fn workers_are_told_of_their_pool_and_of_traces() {
    use crate::config::{ErrorCode, SendUrl, TraceHeader, TraceLevel};
    let secret = toml::de::DeValue::String("X-Trace: 0123456789abcdef".into());
    let config = config::Pool {
        send_url: SendUrl::Internal,
        trace: TraceLevel::Failed,
        trace_header: Some(TraceHeader::read(&secret).unwrap()),
        error_pages: vec![
            ErrorCode {
                status: 404,
                sub_status: 0,
            },
            ErrorCode {
                status: 404,
                sub_status: 2,
            },
        ],
        ..config()
    };
    let (bench, mut fake) = Bench::start(&config).await;
    for (name, value) in [
        ("pool", "fakes"),
        ("send-url", "internal"),
        ("trace", "failed"),
        ("error-pages", "404 404.2"),
    ] {
        assert_eq!(fake.offered.get(name.as_bytes()), Some(value.as_bytes()));
    }
    for (sent, level) in [
        ("0123456789abcdef;data", Some(&b"data"[..])),
        ("wrong", None),
    ] {
        let mut request = request(Method::GET, "/", body::empty());
        let value = HeaderValue::from_static(sent);
        request.head.headers.insert("x-trace", value);
        bench.call(request);
        let Said::WholeRequest { params, .. } = fake.hear().await else {
            panic!("no request");
        };
        assert_eq!(params.get(b"ISAPI_TRACE"), level);
        assert_eq!(
            params.get(b"HTTP_X_TRACE"),
            None,
            "the secret is not passed on"
        );
    }
}
