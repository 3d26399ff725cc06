//! Pools against a worker made of a socket and the worker's half of the protocol.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod children;
mod fake;
mod launched;
mod repeated;
mod requests;
mod room;
mod shared;

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Version, header};
use http_body_util::{BodyExt as _, channel::Channel};
use tokio::task::JoinHandle;

use super::*;
use crate::backend::Backend;
use crate::backend::isapi::Isapi;
use crate::body::{self, Body, BodyError};
use crate::config::PoolKind;
use crate::dispatch::Origin;
use crate::request::{Connection, Front};
use crate::response::{Answer, Response};
use crate::sample;
use crate::site::{self, Directories, HandlerId, Script, SiteFacts};
use fake::Fake;
use state::WorkerId;

/// Long enough never to matter.
const LONG: Duration = Duration::from_secs(60);

fn config() -> config::Pool {
    let kind = PoolKind::Extension("/nowhere/fake.so".into());
    config::Pool {
        workers: config::Workers {
            request_grace: Duration::ZERO,
            ..config::Workers::default()
        },
        threads: 2,
        concurrency: 8,
        queue_length: 4,
        queue_timeout: LONG,
        startup_timeout: LONG,
        shutdown_timeout: LONG,
        ..config::Pool::new("fakes".into(), kind)
    }
}

/// A pool whose only worker is a [`Fake`].
struct Bench {
    pool: Arc<Pool>,
    worker: Arc<Worker>,
    driver: JoinHandle<Option<String>>,
    /// Where child requests go.
    site: sample::Site,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Bench {
    async fn start(config: &config::Pool) -> (Self, Fake) {
        Self::with(config, &[]).await
    }

    /// With these CGI programs, too.
    async fn with(config: &config::Pool, programs: &[(&str, &str)]) -> (Self, Fake) {
        let (pool, events) = Pool::new(config, Path::new("/nowhere/fake.so"), None, None);
        let (worker, driver, fake) = Self::worker(&pool).await;
        let bench = Self {
            pool,
            worker,
            driver,
            site: sample::Site::new(programs),
            events,
        };
        (bench, fake)
    }

    /// The worker dies, and another one takes its place.
    async fn replace(&mut self, blame: crash::Blame) -> Fake {
        let dead = self.worker.clone();
        dead.lanes[0].end();
        let fake;
        (self.worker, self.driver, fake) = Self::worker(&self.pool).await;
        dead.lanes[0].fail("died", blame);
        fake
    }

    /// A worker that takes requests, and no other does.
    async fn worker(pool: &Arc<Pool>) -> (Arc<Worker>, JoinHandle<Option<String>>, Fake) {
        Self::sharing_worker(pool, None, fake::STDOUT_WINDOW).await
    }

    /// One that shares this memory, too, with this window for answers.
    async fn sharing_worker(
        pool: &Arc<Pool>,
        buffers: Option<lane::Buffers>,
        stdout_window: u32,
    ) -> (Arc<Worker>, JoinHandle<Option<String>>, Fake) {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (lane, greeting) = Lane::new(pool.clone(), WorkerId(0), 4711, buffers);
        let driver = tokio::spawn(driver::drive(lane.clone(), ours, pool.request_timeout));
        let fake = Fake::greet(theirs, stdout_window).await;
        greeting.await.unwrap().unwrap();
        let (lanes, limit) = (vec![lane], pool.concurrency);
        let birth = death::Birth {
            time: jiff::Timestamp::now(),
            generation: 0,
            version: version::Known::default(),
        };
        let worker = Worker::new(pool.clone(), WorkerId(0), 4711, lanes, limit, 0, birth);
        let worker = Arc::new(worker);
        pool.publish(Roster {
            ready: vec![worker.clone()],
            ..Roster::default()
        });
        (worker, driver, fake)
    }

    /// Runs a request beside the test.
    fn call(&self, request: Request) -> JoinHandle<Result<Answer, Error>> {
        let pool = self.pool.clone();
        let isapi = Isapi::new(pool.clone());
        let dispatch = Arc::clone(&self.site.dispatch);
        tokio::spawn(async move {
            let origin = Origin::new(request.head, dispatch);
            isapi.call(&origin, request.body, &target(&pool)).await
        })
    }

    fn get(&self, path: &'static str) -> JoinHandle<Result<Answer, Error>> {
        self.call(request(Method::GET, path, body::empty()))
    }
}

/// What a client sends.
struct Request {
    head: RequestHead,
    body: Body,
}

fn request(method: Method, path: &'static str, body: Body) -> Request {
    let address = "127.0.0.1:80".parse().unwrap();
    Request {
        head: RequestHead {
            method,
            uri: path.parse().unwrap(),
            version: Version::HTTP_11,
            headers: HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("bench"))])
                .into(),
            connection: Connection {
                remote: address,
                local: address,
                secure: false,
            },
            connection_variables: None,
            front: Front::default(),
        },
        body,
    }
}

fn target(pool: &Arc<Pool>) -> Target<'static> {
    let fixed = site::variables::fixed("7", "bench", pool.name(), &Directories::default());
    let site = SiteFacts {
        id: "7".to_owned(),
        name: "bench".into(),
        root: "/nowhere".into(),
        directories: Arc::default(),
        fixed: Arc::new(fixed),
    };
    Target {
        backend: Arc::new(Backend::Isapi(Isapi::new(pool.clone()))),
        handler: HandlerId::default(),
        site: Box::leak(Box::new(site)),
        root: Path::new("/nowhere"),
        script: Script {
            name: b"/fake.so".into(),
            path_info: b"".into(),
            path_translated: b"/nowhere".into(),
            filename: b"/nowhere/fake.so".into(),
        },
        must_exist: false,
    }
}

fn response(answer: Result<Answer, Error>) -> Response {
    match answer.unwrap() {
        Answer::Response(response) => response,
        Answer::LocalRedirect(path) => panic!("redirect to {path:?}"),
    }
}

fn error(answer: Result<Answer, Error>) -> Error {
    match answer {
        Ok(_) => panic!("an answer instead of an error"),
        Err(error) => error,
    }
}

async fn text(response: Response) -> Bytes {
    response.body.collect().await.unwrap().to_bytes()
}

/// A body that the test feeds.
fn fed() -> (http_body_util::channel::Sender<Bytes, BodyError>, Body) {
    let (sender, body) = Channel::new(1);
    (sender, body.boxed_unsync())
}
