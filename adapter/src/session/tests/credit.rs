//! Credit for the body, told while other things happen.

use super::*;

/// A connection on which telling of credit takes until it is let go on.
struct Slow {
    calls: Mutex<Sender<Call>>,
    go_on: Mutex<Receiver<()>>,
}

impl Slow {
    fn note(&self, call: Call) {
        self.calls.lock().unwrap().send(call).unwrap();
    }
}

impl Link for Slow {
    fn send(&self, _: u16, _: Stream, _: &[u8]) -> Result<(), Gone> {
        Ok(())
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn finish(&self, _: u16, last: &[u8], ending: Ending, log: &[u8]) {
        self.note(Call::Finish(last.to_vec(), ending, log.to_vec()));
    }

    fn report(&self, _: u16, _: &str) {}

    fn grant(&self, _: u16, bytes: u32) {
        self.note(Call::Resume);
        self.go_on.lock().unwrap().recv().unwrap();
        self.note(Call::Grant(bytes));
    }

    fn resume(&self, _: Arc<Session>) {}
}

#[test]
fn the_end_is_told_behind_all_credit() {
    let (sender, calls) = channel();
    let (go_on, waits) = channel();
    let link = Arc::new(Slow {
        calls: Mutex::new(sender),
        go_on: Mutex::new(waits),
    });
    let credit = Credit {
        stdin: Grant::new(60_000),
        stdout: Window::new(60_000),
    };
    let variables = Variables::new(Params::new());
    let session = Arc::new(Session::new(1, link, variables, Some(60_000), Some(credit)));
    session.push_body(&[1; 60_000]).unwrap();
    let reader = Arc::clone(&session);
    let thread = thread::spawn(move || reader.begin());
    // Credit is on its way when another thread ends the request.
    assert_eq!(calls.recv(), Ok(Call::Resume));
    session
        .respond(|response, out| response.send_header(b"200 OK", b"\r\nwhole", out))
        .unwrap();
    session.end(Event::Done(HSE_STATUS_SUCCESS), 200, b"log");
    assert!(calls.try_recv().is_err());
    go_on.send(()).unwrap();
    thread.join().unwrap();
    let whole = [HEAD, b"whole"].concat();
    assert_eq!(
        calls.try_iter().collect::<Vec<_>>(),
        [
            Call::Grant(49_152),
            Call::Finish(whole, Ending::Complete, b"log".to_vec())
        ]
    );
}
