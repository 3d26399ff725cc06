#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::*;
use crate::bench::http;

/// A division by which the generator has so many threads.
fn threads(count: usize) -> Division {
    let shared: Vec<usize> = (0..2 * count).collect();
    Division {
        servers: shared.clone(),
        generator: shared,
    }
}

/// A server for as many connections as come: what it answers to the request with this number on a connection, and how
/// long it takes over it.
fn server(
    answer: impl Fn(usize) -> (Duration, &'static str) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || serve(stream.unwrap(), &*answer));
        }
    });
    address
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(usize) -> (Duration, &'static str)) {
    let mut buffer = [0; 4096];
    for number in 0.. {
        if stream.read(&mut buffer).unwrap_or(0) == 0 {
            return;
        }
        let (time, text) = answer(number);
        std::thread::sleep(time);
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn job(address: SocketAddr, connections: usize, pace: Pace, milliseconds: u64) -> Job {
    let begin = Instant::now() + Duration::from_millis(20);
    Job {
        address,
        requests: vec![http::request("/", b"")].into(),
        expected: Expected {
            status: 200,
            length: Some(2),
        },
        connections,
        pace,
        begin,
        end: begin + Duration::from_millis(milliseconds),
    }
}

#[test]
fn a_closed_loop_counts_answers_bytes_and_latencies() {
    let address = server(|_| (Duration::from_millis(5), OK));
    let tally = run(&job(address, 3, Pace::Closed, 300), &threads(2)).unwrap();
    assert_eq!((tally.errors, &tally.first_error), (0, &None));
    // Three connections, at least 5 ms for each answer.
    assert!((3..=180).contains(&tally.completed), "{}", tally.completed);
    assert_eq!(tally.bytes, tally.completed * 2);
    assert_eq!(tally.latency.len(), tally.completed);
    assert!(tally.latency_us(0.01) >= 4990.0);
}

#[test]
fn an_open_loop_sends_at_its_rate() {
    let address = server(|_| (Duration::ZERO, OK));
    let tally = run(&job(address, 8, Pace::Open(500.0), 400), &threads(2)).unwrap();
    assert_eq!(tally.errors, 0);
    // What was due in 0.4 s, however late it came.
    assert!(
        (199..=201).contains(&tally.completed),
        "{}",
        tally.completed
    );
}

#[test]
fn a_stall_is_charged_to_all_that_was_due_meanwhile() {
    // The 20th answer takes 200 ms; one connection, 200 requests a second.
    let address = server(|number| match number {
        20 => (Duration::from_millis(200), OK),
        _ => (Duration::ZERO, OK),
    });
    let tally = run(&job(address, 1, Pace::Open(200.0), 500), &threads(1)).unwrap();
    assert_eq!(tally.errors, 0);
    assert!((99..=101).contains(&tally.completed), "{}", tally.completed);
    // Forty were due during the stall and waited 100 ms on the average; a closed loop would show one slow answer.
    let slow = tally.latency.count_between(50_000_000, u64::MAX);
    assert!(slow >= 20, "{slow}");
}

#[test]
fn every_kind_of_error_is_counted() {
    for (text, error) in [
        (
            "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
            "status 500",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes",
            "3 bytes instead of 2",
        ),
        ("nonsense\r\n\r\n", "the head of the answer is not valid"),
    ] {
        let address = server(move |_| (Duration::ZERO, text));
        let tally = run(&job(address, 1, Pace::Closed, 50), &threads(1)).unwrap();
        assert_eq!(tally.completed, 0);
        assert!(tally.errors > 0);
        assert_eq!(tally.first_error.as_deref(), Some(error));
    }
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let tally = run(&job(nobody, 1, Pace::Open(100.0), 50), &threads(1)).unwrap();
    assert!(tally.errors > 0 && tally.completed == 0);
}

#[test]
fn a_server_may_close_between_answers() {
    let closing = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let address = server(move |_| (Duration::ZERO, closing));
    let tally = run(&job(address, 1, Pace::Closed, 500), &threads(1)).unwrap();
    assert_eq!(tally.errors, 0);
    assert!(tally.completed > 0);
}

#[test]
fn requests_take_turns() {
    let count = |wanted: &'static str| {
        // Only what is asked for at this place is answered well.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    let text = match buffer[..count].starts_with(wanted.as_bytes()) {
                        true => OK,
                        false => "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
                    };
                    if stream.write_all(text.as_bytes()).is_err() {
                        break;
                    }
                }
            }
        });
        let mut job = job(address, 1, Pace::Open(100.0), 200);
        job.requests = vec![http::request("/a", b""), http::request("/b", b"")].into();
        run(&job, &threads(1)).unwrap()
    };
    for wanted in ["GET /a ", "GET /b "] {
        let tally = count(wanted);
        // Errors count during the warm-up, too.
        assert!(tally.completed.abs_diff(10) <= 1, "{}", tally.completed);
        assert!((10..=12).contains(&tally.errors), "{}", tally.errors);
    }
    let both = count("GET /");
    assert_eq!(both.errors, 0);
}

#[test]
fn a_probe_brings_the_body() {
    let address = server(|_| (Duration::ZERO, OK));
    let request = http::request("/", b"");
    let (status, body) = probe(address, &request, GRACE).unwrap();
    assert_eq!((status, &body[..]), (200, &b"ok"[..]));
}

/// wrk's rate and the median of its latencies (µs) with eight connections.
fn wrk(address: SocketAddr) -> (f64, f64) {
    let program = crate::bench::models::installed("wrk").expect("run `make deps`");
    let output = std::process::Command::new(program)
        .args(["-t1", "-c8", "-d1s", "--latency"])
        .arg(format!("http://{address}/"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let after = |word: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(word));
        let rest = line.unwrap_or_else(|| panic!("{text}"));
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let rate = after("Requests/sec:").parse().unwrap();
    let latency = after("50%");
    let (number, unit) = latency.split_at(latency.find(char::is_alphabetic).unwrap());
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        _ => 1e6,
    };
    (rate, number.parse::<f64>().unwrap() * factor)
}

#[test]
fn it_sees_what_wrk_sees() {
    // Each answer takes long enough that the machine's other work hardly matters; where that disturbs one of the two,
    // they are compared again. Who counts or times wrongly never agrees.
    let address = server(|_| (Duration::from_millis(10), OK));
    let alike = |own: f64, theirs: f64| (0.8..1.25).contains(&(own / theirs));
    let mut seen = Vec::new();
    for _ in 0..5 {
        let tally = run(&job(address, 8, Pace::Closed, 1000), &threads(1)).unwrap();
        let own = (tally.completed as f64, tally.latency_us(0.5));
        let theirs = wrk(address);
        seen.push((own, theirs));
        if alike(own.0, theirs.0) && alike(own.1, theirs.1) {
            return;
        }
    }
    panic!("rate and median latency, and those of wrk: {seen:?}");
}
