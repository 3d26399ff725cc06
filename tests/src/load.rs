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
    /// Requests that each client has sent.
    each: Vec<Arc<AtomicUsize>>,
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
            each: Vec::new(),
            outcome: Arc::default(),
            clients: Vec::new(),
        };
        let path = Arc::new(path);
        for _ in 0..clients {
            let (stop, sent) = (load.stop.clone(), load.sent.clone());
            let (outcome, path) = (load.outcome.clone(), path.clone());
            let own = Arc::<AtomicUsize>::default();
            load.each.push(own.clone());
            load.clients.push(std::thread::spawn(move || {
                let mut client = Client::connect(address);
                while !stop.load(Ordering::Relaxed) {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    client.request("GET", &path(number), &[], b"");
                    own.fetch_add(1, Ordering::Relaxed);
                    let reply = client.reply("GET");
                    outcome.lock().unwrap().note(&reply);
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

    /// Waits until no client waits for an answer that it waited for when this was called.
    pub fn round(&self) {
        let sent = |own: &Arc<AtomicUsize>| own.load(Ordering::Relaxed);
        let before: Vec<usize> = self.each.iter().map(sent).collect();
        wait_until("every client has sent another request", || {
            let mut clients = self.each.iter().zip(&before);
            clients.all(|(own, before)| sent(own) > *before)
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
