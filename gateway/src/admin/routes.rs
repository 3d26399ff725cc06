//! What can be asked and ordered, by URL.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use base64ct::{Base64, Encoding as _};
use http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::Reloads;
use super::pools::{self, Order};
use crate::config::{Secret, TraceLevel};
use crate::observe::status::Status;
use crate::observe::{Overview, metrics, page};

/// What an answer to a program is.
type Answer = (StatusCode, String);

/// All of it. `token` is what clients must show.
pub fn router(overview: Arc<Overview>, reloads: Reloads, token: Option<Secret>) -> Router {
    let token = Arc::new(token);
    let guarded = Router::new()
        .route("/", get(|| async { Redirect::to("/status") }))
        .route("/status", get(status))
        .route("/status.json", get(status_json))
        .route("/metrics", get(metrics))
        .route("/pools/{pool}/{order}", post(order))
        .route("/reload", post(move || reload(reloads)))
        .layer(middleware::from_fn(move |request, next| {
            guard(Arc::clone(&token), request, next)
        }));
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .merge(guarded)
        .with_state(overview)
}

/// Lets those through who have shown the token, and no orders that the page of another site has sent.
async fn guard(token: Arc<Option<Secret>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if token
        .as_ref()
        .as_ref()
        .is_some_and(|token| !shows(headers, token))
    {
        let ask = [(WWW_AUTHENTICATE, "Basic realm=\"isapi-gateway\"")];
        return (
            StatusCode::UNAUTHORIZED,
            ask,
            "the token is missing or wrong\n",
        )
            .into_response();
    }
    if request.method() == Method::POST && is_foreign(headers) {
        return (
            StatusCode::FORBIDDEN,
            "orders of other sites are not taken\n",
        )
            .into_response();
    }
    next.run(request).await
}

/// `Bearer TOKEN`, or Basic with the token as password, which browsers ask for.
fn shows(headers: &HeaderMap, token: &Secret) -> bool {
    let Some(given) = headers.get(AUTHORIZATION) else {
        return false;
    };
    let given = given.as_bytes();
    if let Some(bearer) = given.strip_prefix(b"Bearer ") {
        return token.is(bearer);
    }
    let basic = given.strip_prefix(b"Basic ").and_then(|basic| {
        let decoded = Base64::decode_vec(str::from_utf8(basic).ok()?).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        Some(token.is(&decoded[colon + 1..]))
    });
    basic.unwrap_or(false)
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    text(ORIGIN).is_some_and(|origin| {
        let own = text(HOST).map(|host| format!("http://{host}"));
        own.as_deref() != Some(origin)
    })
}

async fn status(State(overview): State<Arc<Overview>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if !accept.is_some_and(|accept| accept.contains("text/html")) {
        return json(&overview.status());
    }
    let head = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    (head, page::render(&overview.status())).into_response()
}

async fn status_json(State(overview): State<Arc<Overview>>) -> Response {
    json(&overview.status())
}

fn json(status: &Status) -> Response {
    match serde_json::to_string_pretty(status) {
        Ok(text) => {
            let head = [
                (CONTENT_TYPE, "application/json"),
                (CACHE_CONTROL, "no-store"),
            ];
            (head, text + "\n").into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn metrics(State(overview): State<Arc<Overview>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let text = metrics::open_metrics(overview.status(), overview.ledger());
    if accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
        ([(CONTENT_TYPE, metrics::OPEN_METRICS)], text).into_response()
    } else {
        ([(CONTENT_TYPE, metrics::PLAIN)], metrics::plain(&text)).into_response()
    }
}

/// Whether requests can be answered. Without the token it tells no more than that: balancers ask.
async fn ready(State(overview): State<Arc<Overview>>) -> Answer {
    match overview.is_ready() {
        true => (StatusCode::OK, "ready\n".into()),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".into()),
    }
}

async fn reload(reloads: Reloads) -> Answer {
    let (reply, reloaded) = oneshot::channel();
    // Nobody takes it: that is told below.
    let _ = reloads.send(reply).await;
    match reloaded.await {
        Ok(Ok(changes)) => (StatusCode::OK, changes + "\n"),
        Ok(Err(reason)) => (StatusCode::CONFLICT, reason + "\n"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the gateway is stopping\n".into(),
        ),
    }
}

#[derive(Deserialize)]
struct Options {
    level: Option<String>,
}

async fn order(
    State(overview): State<Arc<Overview>>,
    Path((pool, order)): Path<(String, String)>,
    Query(options): Query<Options>,
) -> Answer {
    let order = match (order.as_str(), options.level.as_deref()) {
        ("recycle", None) => Order::Recycle,
        ("stop", None) => Order::Stop,
        ("start", None) => Order::Start,
        ("trace", None | Some("default")) => Order::Trace(None),
        ("trace", Some(level)) => match TraceLevel::named(level.as_bytes()) {
            Some(level) => Order::Trace(Some(level)),
            None => {
                let text = "the levels are off, failed, calls, data, and default for that of the configuration\n";
                return (StatusCode::BAD_REQUEST, text.into());
            }
        },
        _ => {
            let text = "the orders are recycle, stop, start, and trace?level=LEVEL\n";
            return (StatusCode::NOT_FOUND, text.into());
        }
    };
    match pools::give(&overview, &pool, order) {
        Ok(done) => (StatusCode::OK, done),
        Err(refusal) => refusal,
    }
}
