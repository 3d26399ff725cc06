#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use http_body_util::{BodyExt as _, Channel};
use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;

use super::*;
use crate::backend::Backend;
use crate::body::{self, BodyError};
use crate::config::PoolKind;
use crate::response::Response;
use crate::sample::write_program;
use crate::site::{HandlerId, Script, SiteFacts};

/// A program in a folder of its own, behind a backend.
struct Program {
    folder: TempDir,
    target: Target<'static>,
}

impl Program {
    fn new(script: &str) -> Self {
        Self::with(script, |_| {})
    }

    fn with(script: &str, change: impl FnOnce(&mut config::Pool)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        write_program(&path, script);
        let mut pool = config::Pool::new("test".into(), PoolKind::Cgi(path.clone()));
        change(&mut pool);
        let backend = Backend::Cgi(Box::new(Cgi::new(&pool, &path, None)));
        let site = Box::leak(Box::new(SiteFacts {
            id: "1".to_owned(),
            name: "test".into(),
            root: folder.path().to_owned(),
            directories: Arc::default(),
            fixed: Arc::default(),
        }));
        let target = Target {
            backend: Arc::new(backend),
            handler: HandlerId::default(),
            site,
            root: &site.root,
            script: Script {
                name: b"/program".into(),
                path_info: b"".into(),
                path_translated: b"/".into(),
                filename: path.into_os_string().into_encoded_bytes().into(),
            },
            must_exist: false,
        };
        Self { folder, target }
    }

    async fn call(&self, head: RequestHead, body: Body) -> Result<Answer, Error> {
        let Backend::Cgi(cgi) = self.target.backend.as_ref() else {
            unreachable!("the backend made above");
        };
        cgi.call(&head, body, &self.target).await
    }

    async fn get(&self) -> Result<Response, Error> {
        self.request("/program", body::empty()).await
    }

    async fn request(&self, target: &str, body: Body) -> Result<Response, Error> {
        match self.call(head(target), body).await? {
            Answer::Response(response) => Ok(response),
            Answer::LocalRedirect(path) => panic!("redirect to {path:?}"),
        }
    }

    /// Waits for a file that the program writes whole, under another name first.
    async fn file(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        for _ in 0..1000 {
            if let Ok(text) = std::fs::read_to_string(&path) {
                return text.trim().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the program did not write {name}");
    }
}

fn head(target: &str) -> RequestHead {
    let mut head = RequestHead::sample(Method::GET, target);
    head.headers
        .insert("host", HeaderValue::from_static("localhost"));
    head
}

async fn text(response: Response) -> String {
    let bytes = response.body.collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn cut(response: Response) -> String {
    match response.body.collect().await {
        Err(BodyError::Cut(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Waits until a process is gone.
async fn gone(pid: &str) {
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    for _ in 0..1000 {
        if test_kill_process(pid).is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("process {pid} still runs");
}

#[tokio::test]
async fn a_document_comes_back() {
    let program = Program::new("printf 'Status: 201 Made\\nContent-Type: text/x\\n\\nhello'");
    let response = program.get().await.unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(response.reason.as_deref(), Some(&b"Made"[..]));
    assert_eq!(response.headers["content-type"], "text/x");
    assert_eq!(text(response).await, "hello");
}

#[tokio::test]
async fn an_nph_head_is_honoured() {
    let program = Program::new("printf 'HTTP/1.1 404 Gone Fishing\\r\\nX-A: 1\\r\\n\\r\\nbye'");
    let response = program.get().await.unwrap();
    assert_eq!(
        (response.status.as_u16(), &response.headers["x-a"]),
        (404, &HeaderValue::from_static("1"))
    );
    assert_eq!(text(response).await, "bye");
}

#[tokio::test]
async fn the_environment_is_clean() {
    let program = Program::with("echo Content-Type: text/plain; echo; env; pwd", |pool| {
        pool.environment = BTreeMap::from([("OWN".into(), "yes".into())]);
    });
    let mut request = head("/program?a=b");
    for (name, value) in [
        ("proxy", "evil"),
        ("authorization", "Basic x"),
        ("x-shown", "1"),
    ] {
        request
            .headers
            .insert(name, HeaderValue::from_static(value));
    }
    let Answer::Response(response) = program.call(request, body::empty()).await.unwrap() else {
        panic!("a redirect");
    };
    let text = text(response).await;
    let names: Vec<_> = text
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    for expected in [
        "PATH",
        "OWN",
        "QUERY_STRING",
        "HTTP_X_SHOWN",
        "GATEWAY_INTERFACE",
    ] {
        assert!(names.contains(&expected), "{expected} in {names:?}");
    }
    for kept_back in [
        "HTTP_PROXY",
        "HTTP_AUTHORIZATION",
        "PATH_TRANSLATED",
        "HOME",
        "CARGO",
    ] {
        assert!(!names.contains(&kept_back), "{kept_back} in {names:?}");
    }
    let folder = program.folder.path().canonicalize().unwrap();
    assert_eq!(text.lines().last(), folder.to_str());
}

#[tokio::test]
async fn an_indexed_query_gives_arguments() {
    let program = Program::new("echo Content-Type: text/plain; echo; echo \"$#:$1:$2\"");
    let response = program
        .request("/program?one+t%20wo", body::empty())
        .await
        .unwrap();
    assert_eq!(text(response).await, "2:one:t wo\n");
}

#[tokio::test]
async fn big_bodies_go_both_ways_at_once() {
    const CHUNK: usize = 64 * 1024;
    const CHUNKS: usize = 256;
    let program = Program::new("echo Content-Type: text/plain; echo; exec cat");
    let (mut sender, body) = Channel::<Bytes, BodyError>::new(1);
    let sending = tokio::spawn(async move {
        for index in 0..CHUNKS {
            let byte = u8::try_from(index % 251).unwrap();
            sender
                .send_data(Bytes::from(vec![byte; CHUNK]))
                .await
                .unwrap();
        }
    });
    let mut response = program
        .request("/program", body.boxed_unsync())
        .await
        .unwrap();
    let mut received = 0;
    while let Some(frame) = response.body.frame().await {
        for byte in frame.unwrap().into_data().unwrap() {
            assert_eq!(usize::from(byte), received / CHUNK % 251);
            received += 1;
        }
    }
    assert_eq!(received, CHUNK * CHUNKS);
    sending.await.unwrap();
}

#[tokio::test]
async fn a_program_need_not_read_its_input() {
    let program = Program::new("exec <&-; printf 'Content-Type: text/x\\n\\nenough'");
    let body = body::full(vec![b'x'; 4 * 1024 * 1024]);
    assert_eq!(
        text(program.request("/program", body).await.unwrap()).await,
        "enough"
    );
}

#[tokio::test]
async fn a_client_that_breaks_off_its_body_ends_the_program() {
    let program = Program::new("echo $$ > x; mv x pid; cat > /dev/null; touch finished");
    let (sender, body) = Channel::<Bytes, BodyError>::new(1);
    let breaking = async {
        let pid = program.file("pid").await;
        sender.abort(BodyError::Client("gone".into()));
        gone(&pid).await;
    };
    let (answer, ()) = tokio::join!(program.request("/program", body.boxed_unsync()), breaking);
    assert!(matches!(answer, Err(Error::ClientGone)));
    assert!(!program.folder.path().join("finished").exists());
}

#[tokio::test]
async fn out_of_time_the_whole_group_is_ended() {
    let script = "trap '' TERM; sleep 1000 & echo $! > x; mv x pid; wait; sleep 1000";
    let program = Program::with(script, |pool| {
        pool.request_timeout = Duration::from_millis(300)
    });
    let answer = program.get().await;
    assert!(matches!(answer, Err(Error::RequestTimeout(_))));
    gone(&program.file("pid").await).await;
}

#[tokio::test]
async fn out_of_time_in_its_body_the_answer_is_cut() {
    let program = Program::with(
        "printf 'Content-Type: a/b\\n\\npart'; exec sleep 1000",
        |pool| {
            pool.request_timeout = Duration::from_millis(300);
        },
    );
    assert!(
        cut(program.get().await.unwrap())
            .await
            .contains("longer than 300ms")
    );
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_whole_group() {
    let script = "sleep 1000 & echo $! > x; mv x pid; printf 'Content-Type: a/b\\n\\npart'; wait";
    let program = Program::new(script);
    let response = program.get().await.unwrap();
    let pid = program.file("pid").await;
    drop(response);
    gone(&pid).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_ends_the_program() {
    let program = Program::new("echo $$ > x; mv x pid; exec sleep 1000");
    let pid = tokio::select! {
        _ = program.get() => panic!("there is no answer"),
        pid = program.file("pid") => pid,
    };
    gone(&pid).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_ended() {
    let script = "sleep 1000 & echo $! > x; mv x pid; printf 'Content-Type: a/b\\n\\nall'";
    let program = Program::new(script);
    assert_eq!(text(program.get().await.unwrap()).await, "all");
    gone(&program.file("pid").await).await;
}

#[tokio::test]
async fn a_program_may_work_on_after_its_answer() {
    let script = "printf 'Content-Length: 3\\nContent-Type: a/b\\n\\nall'; cat go > /dev/null; touch x; mv x done";
    let program = Program::new(script);
    let fifo = program.folder.path().join("go");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let response = program.get().await.unwrap();
    assert_eq!(text(response).await, "all");
    // Opening waits for the program, which has not been ended.
    tokio::task::spawn_blocking(|| std::fs::write(fifo, "go").unwrap())
        .await
        .unwrap();
    program.file("done").await;
}

#[tokio::test]
async fn without_a_head_the_error_tells_how_it_ended() {
    for (script, expected) in [
        ("exit 3", "exited with status 3 with no output"),
        // Its end is seen although its standard error has told nothing of it.
        (
            "exec 2>&-; sleep 0.1; exit 3",
            "exited with status 3 with no output",
        ),
        (
            "sleep 1000 >&- & exit 3",
            "exited with status 3 with no output",
        ),
        ("kill -SEGV $$", "killed by signal 11 (SIGSEGV)"),
        (
            "printf 'X-A: 1\\n'",
            "exited with status 0 with an unfinished head",
        ),
        ("exec >&-; exec sleep 1000", "closed its output"),
        ("echo '<html>'; echo", "line 1"),
    ] {
        let error = Program::new(script).get().await.err().unwrap();
        let died = script.starts_with("kill");
        assert_eq!(matches!(error, Error::BackendDied(_)), died, "{error}");
        assert_eq!(matches!(error, Error::BadAnswer(_)), !died, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_program_that_dies_in_its_answer_cuts_it() {
    let program = Program::new("printf 'Content-Type: a/b\\n\\npart'; kill -KILL $$");
    assert!(cut(program.get().await.unwrap()).await.contains("SIGKILL"));
    let program = Program::new("printf 'Content-Length: 9\\nContent-Type: a/b\\n\\npart'; exit 1");
    assert!(
        cut(program.get().await.unwrap())
            .await
            .contains("5 bytes are missing")
    );
    let program = Program::new("printf 'Content-Type: a/b\\n\\nall'; exit 1");
    assert_eq!(text(program.get().await.unwrap()).await, "all");
}

#[tokio::test]
async fn a_local_redirect_is_told() {
    let program = Program::new("printf 'Location: /other?a\\n\\n'");
    let answer = program.call(head("/program"), body::empty()).await.unwrap();
    assert!(matches!(answer, Answer::LocalRedirect(path) if path == "/other?a"));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_says_why() {
    let program = Program::new("exit 0");
    let path = program.folder.path().join("program");
    std::fs::remove_file(&path).unwrap();
    assert!(
        matches!(program.get().await, Err(Error::FileMissing(text)) if text.contains("does not exist"))
    );
    std::fs::write(&path, "#!/none/such\n").unwrap();
    assert!(
        matches!(program.get().await, Err(Error::CannotStart(text)) if text.contains("may not be executed"))
    );
    let program = Program::with("exit 0", |pool| {
        pool.working_directory = Some("/none".into())
    });
    assert!(
        matches!(program.get().await, Err(Error::CannotStart(text)) if text.contains("working folder"))
    );
}

#[tokio::test]
async fn headers_beyond_an_environment_are_refused() {
    let program = Program::new("exit 0");
    let mut request = head("/program");
    let long = HeaderValue::from_bytes(&vec![b'x'; 200 * 1024]).unwrap();
    request.headers.insert("x-long", long);
    assert!(matches!(
        program.call(request, body::empty()).await,
        Err(Error::BadRequest(_))
    ));
}

#[tokio::test]
async fn the_queue_is_bounded() {
    let program = Program::with(
        "echo $$ > x; mv x pid; printf 'Content-Type: a/b\\n\\n'; exec sleep 1000",
        |pool| {
            pool.concurrency = 1;
            pool.queue_length = 1;
            pool.queue_timeout = Duration::from_millis(100);
        },
    );
    let first = program.get().await.unwrap();
    let waited = async {
        assert!(
            matches!(program.get().await, Err(Error::Overloaded(text)) if text.contains("100ms"))
        )
    };
    let refused = async {
        assert!(
            matches!(program.get().await, Err(Error::Overloaded(text)) if text.contains("wait already"))
        )
    };
    // Polled in this order: the first of the two takes the place in the queue.
    tokio::join!(biased; waited, refused);
    drop(first);
    let next = async {
        loop {
            match program.get().await {
                Ok(response) => break response,
                Err(Error::Overloaded(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    drop(next.await);
}

#[tokio::test]
async fn stopping_ends_what_still_runs() {
    let program = Program::with("echo $$ > x; mv x pid; exec sleep 1000", |pool| {
        pool.shutdown_timeout = Duration::from_millis(50);
    });
    let stopping = async {
        let pid = program.file("pid").await;
        program.target.backend.stop(Duration::from_secs(60)).await;
        gone(&pid).await;
    };
    let (answer, ()) = tokio::join!(program.get(), stopping);
    assert!(matches!(answer, Err(Error::Stopping)));
    assert!(matches!(program.get().await, Err(Error::Stopping)));
}
