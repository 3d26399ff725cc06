//! The `fastcgi-client` crate as web server: a client that knows nothing of us. It sends the whole body before it reads
//! the answer, and ends an empty body twice.

use std::path::Path;

use fastcgi_client::conn::KeepAlive;
use fastcgi_client::io::TokioCompat;
use fastcgi_client::{Client, Params, Request, Response};
use system_tests::{Gateway, PATIENCE, sample};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::worker::{GET, Worker, text, with};

/// The gateway with the extension for every URL.
fn gateway(extension: &str) -> Gateway {
    let text = format!(
        "[server]\nfastcgi = \"unix:socket\"\n[[site]]\n[[site.handler]]\npath = \"*\"\npool = \"it\"\n\
         [pool.it]\nextension = \"{}\"\n",
        sample(extension).display()
    );
    Gateway::with_config_in(TempDir::new().unwrap(), &text)
}

/// A worker with the extension, once it listens.
fn worker(extension: &str) -> Worker {
    let worker = Worker::listening(&sample(extension));
    drop(worker.connect());
    worker
}

fn run<T>(of: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(PATIENCE, of).await.expect("it takes too long") })
}

fn params(variables: &[(&'static str, &'static str)]) -> Params<'static> {
    let mut params = Params::default();
    params.extend(
        variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into())),
    );
    params
}

/// The answer's bytes; nothing may come beside them.
fn answer(response: Response) -> String {
    assert_eq!(response.stderr, None);
    let answer = String::from_utf8(response.stdout.unwrap()).unwrap();
    let lower = answer.to_ascii_lowercase();
    assert!(
        lower.contains("\ncontent-type: ") || lower.starts_with("content-type: "),
        "{answer}"
    );
    answer
}

fn says_hello(socket: &Path) {
    run(async {
        let stream = UnixStream::connect(socket).await.unwrap();
        let request = Request::new_tokio(params(&GET), &b""[..]);
        let response = Client::new_tokio(stream).execute_once(request).await;
        let answer = answer(response.unwrap());
        assert!(answer.ends_with("\r\n\r\nHello, world!"), "{answer}");
    });
}

fn echoes_on_one_connection(socket: &Path) {
    run(async {
        let stream = UnixStream::connect(socket).await.unwrap();
        let mut client = Client::new_keep_alive_tokio(stream);
        for size in [0, 5, 60_000, 0, 200_000, 1] {
            let sent = text(size);
            let answer = post(&mut client, &sent).await;
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(body == sent, "{} of {size} bytes came back", body.len());
        }
    });
}

async fn post(client: &mut Client<TokioCompat<UnixStream>, KeepAlive>, body: &str) -> String {
    let variables = with(&[("REQUEST_METHOD", "POST"), ("CONTENT_TYPE", "text/plain")]);
    let params = params(&variables).content_length(body.len());
    let request = Request::new_tokio(params, body.as_bytes());
    answer(client.execute(request).await.unwrap())
}

#[test]
fn gets_from_the_gateway() {
    let gateway = gateway("hello");
    says_hello(&gateway.folder().join("socket"));
    gateway.stop();
}

#[test]
fn gets_from_a_worker_alone() {
    let worker = worker("hello");
    says_hello(worker.socket());
    worker.stop();
}

#[test]
fn posts_to_the_gateway_on_one_connection() {
    let gateway = gateway("echo");
    echoes_on_one_connection(&gateway.folder().join("socket"));
    gateway.stop();
}

#[test]
fn posts_to_a_worker_alone_on_one_connection() {
    let worker = worker("echo");
    echoes_on_one_connection(worker.socket());
    worker.stop();
}
