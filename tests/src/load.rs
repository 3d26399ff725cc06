//! Requests from many clients at the same time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::{Client, Reply, wait_until};

/// What came of the requests.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How often each answer came: its status and text, or "cut" for one that was not whole.
    pub answers: BTreeMap<String, usize>,
    /// The processes that answered, and how often.
    pub processes: BTreeMap<u32, usize>,
}

/// Clients that send requests until they are stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    /// Answers that each client has had.
    answered: Vec<Arc<AtomicUsize>>,
    outcome: Arc<Mutex<Outcome>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts so many clients; the path of each request is told by its number.
    pub fn start(
        address: SocketAddr,
        clients: usize,
        path: impl Fn(usize) -> String + Send + Sync + 'static,
    ) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            sent: Arc::default(),
            answered: Vec::new(),
            outcome: Arc::default(),
            clients: Vec::new(),
        };
        let path = Arc::new(path);
        for _ in 0..clients {
            let (stop, sent) = (load.stop.clone(), load.sent.clone());
            let (outcome, path) = (load.outcome.clone(), path.clone());
            let answered = Arc::<AtomicUsize>::default();
            load.answered.push(answered.clone());
            load.clients.push(std::thread::spawn(move || {
                let mut client = Client::connect(address);
                while !stop.load(Ordering::Relaxed) {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    client.request("GET", &path(number), &[], b"");
                    let reply = client.reply("GET");
                    outcome.lock().unwrap().note(&reply);
                    answered.fetch_add(1, Ordering::Relaxed);
                    if !reply.complete {
                        client = Client::connect(address);
                    }
                }
            }));
        }
        load
    }

    /// Requests that have been sent.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until every client has had one more answer: then everything that was under way has been answered.
    pub fn wait_for_answers(&self) {
        let answered = || {
            let clients = self.answered.iter();
            clients.map(|client| client.load(Ordering::Relaxed))
        };
        let before: Vec<usize> = answered().collect();
        wait_until("an answer for every client", || {
            answered().zip(&before).all(|(now, before)| now > *before)
        });
    }

    /// Lets each client finish its request; fails when one of them did.
    pub fn stop(mut self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        for client in std::mem::take(&mut self.clients) {
            client.join().unwrap();
        }
        std::mem::take(&mut *self.outcome.lock().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // A test that fails does not wait for its clients.
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Outcome {
    fn note(&mut self, reply: &Reply) {
        let answer = match reply.complete {
            true if reply.status() == 502 => "502".to_owned(),
            true => format!("{} {}", reply.status(), reply.text()),
            false => "cut".to_owned(),
        };
        *self.answers.entry(answer).or_default() += 1;
        if let Some(process) = reply.header("x-process") {
            *self.processes.entry(process.parse().unwrap()).or_default() += 1;
        }
    }

    /// How many answers came.
    pub fn total(&self) -> usize {
        self.answers.values().sum()
    }

    /// How often this answer came.
    pub fn count(&self, answer: &str) -> usize {
        self.answers.get(answer).copied().unwrap_or(0)
    }

    /// Fails if any other answer came.
    pub fn only(&self, expected: &[&str]) {
        let mut answers = self.answers.keys();
        let other = answers.find(|answer| !expected.contains(&answer.as_str()));
        assert_eq!(other, None, "{self:?}");
    }
}
