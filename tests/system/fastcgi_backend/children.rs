//! Child requests of extensions that a FastCGI application answers, in folders of the root and elsewhere.

use system_tests::{Application, Gateway, Peer, extension};
use tempfile::TempDir;

const CONFIG: &str = r#"
[[site]]
root = "{dir}/www"
default_documents = "index.app"
fallback = "/front.app"
[[site.virtual]]
path = "/elsewhere"
root = "{dir}/elsewhere"
[[site.virtual]]
path = "/closed"
root = "{dir}/elsewhere"
access = "read"
[[site.handler]]
path = "/exec"
pool = "exec"
[[site.handler]]
path = "*.app"
pool = "app"
[pool.exec]
extension = "{dir}/exec.so"
[pool.app]
fastcgi = "unix:application"
sendfile = "{dir}/files"
"#;

fn gateway() -> (Gateway, Application) {
    let folder = TempDir::new().unwrap();
    extension("exec", &[], folder.path());
    for name in ["www", "elsewhere", "files"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    for name in ["www/front.app", "elsewhere/index.app"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    std::fs::write(folder.path().join("files/report"), "the report").unwrap();
    let file = folder.path().join("files/report");
    let told = format!("X-Sendfile: {}\r\n\r\n", file.display());
    let root = folder.path().to_owned();
    let serve = move |mut peer: Peer| {
        while let Some(request) = peer.request() {
            let param = |name| request.param(name).unwrap_or_default();
            let body = peer.body();
            match param("QUERY_STRING").as_str() {
                "report" => peer.stdout(told.as_bytes()),
                "break" => return peer.stdout(b"X: y\r\n\r\nbegun"),
                _ => {
                    let script = param("SCRIPT_FILENAME");
                    let script = script.strip_prefix(root.to_str().unwrap());
                    peer.answer(&format!(
                        "{} {} {} {} {}",
                        param("REQUEST_METHOD"),
                        param("SCRIPT_NAME"),
                        script.unwrap(),
                        param("REQUEST_URI"),
                        String::from_utf8(body).unwrap()
                    ));
                    continue;
                }
            }
            peer.end(0, fastcgi_protocol::ProtocolStatus::RequestComplete);
        }
    };
    let application = Application::listen(&folder.path().join("application"), serve);
    (Gateway::with_config_in(folder, CONFIG), application)
}

#[test]
fn children_reach_applications() {
    let (gateway, application) = gateway();
    for (child, answer) in [
        (
            "m=POST;e=entity;x=/front.app",
            "POST /front.app /www/front.app /front.app entity",
        ),
        (
            "x=/elsewhere/",
            "GET /elsewhere/index.app /elsewhere/index.app /elsewhere/ ",
        ),
        ("x=/none", "GET /front.app /www/front.app /none "),
        (
            "x=/elsewhere/none",
            "GET /front.app /www/front.app /elsewhere/none ",
        ),
    ] {
        let reply = gateway.get(&format!("/exec?q;b=before|;{child}"));
        assert!(reply.complete, "{child}: {reply:?}");
        assert_eq!(reply.text(), format!("before|{answer}"));
    }
    assert_eq!(application.connections(), 4);
    // The head is the child's, and so is the file.
    let report = gateway.get("/exec?q;x=/front.app?report");
    assert_eq!((report.status(), report.text()), (200, "the report".into()));
    assert_eq!(report.header("content-length"), Some("10"));
    // What scripts must not do in a folder, its default document must not either.
    assert_eq!(gateway.get("/closed/").status(), 403);
    let told = gateway.get("/exec?b=;x=/closed/");
    assert!(told.text().ends_with("|403.1 5 5 0"), "{}", told.text());
    gateway.stop();
}

#[test]
fn what_an_application_breaks_off_is_cut() {
    let (gateway, _application) = gateway();
    let reply = gateway.get("/exec?b=before|;x=/front.app?break");
    assert!(!reply.complete, "{reply:?}");
    // What was on its way may be lost with the connection.
    assert!("before|begun".starts_with(&reply.text()), "{reply:?}");
    gateway.stop();
}
