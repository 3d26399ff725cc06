//! Files that nginx and lighttpd send in the place of the gateway, or of a worker alone.

use std::path::Path;
use std::rc::Rc;

use system_tests::{Gateway, Lines, Reply, extension, free_port, script};
use tempfile::TempDir;

use super::server::{Changed, Front, Kind, Places, open};
use crate::worker::Worker;

/// Where nginx finds the files, as docs/fronts/nginx.conf has it.
const LOCATION: &str = "        # location /isapi-files/ {\n        #     internal;\n        #     alias /srv/files/;\n        # }\n";

const TEXT: &str = "the whole file\n";

/// A folder with an extension and with files, one of them outside of what may be sent.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    extension("sendfile", &[], folder.path());
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("files")).unwrap();
    open(folder.path());
    for name in ["files/a b%.txt", "outside.txt"] {
        std::fs::write(path(name), TEXT).unwrap();
    }
    script(
        folder.path(),
        "send",
        r#"printf 'Content-Type: text/x-own\nX-Sendfile: %s\n\n' "$QUERY_STRING""#,
    );
    script(
        folder.path(),
        "redirect",
        r"printf 'Location: /isapi-files/a%%20b%%25.txt\n\n'",
    );
    folder
}

/// A gateway with a listener for nginx and one for lighttpd.
fn gateway() -> (Gateway, Places) {
    let text = r#"
[server]
fastcgi = [
    { address = "unix:fastcgi.sock", mode = 0o666, accel_redirect = { "/isapi-files" = "files" }, local_redirects = true },
    { address = "127.0.0.1:0", trusted = true, sendfile = "files" },
]
[[site]]
[[site.handler]]
path = "/sendfile.so"
pool = "sendfile"
[[site.handler]]
path = "/send"
pool = "send"
[[site.handler]]
path = "/redirect"
pool = "redirect"
[pool.sendfile]
extension = "sendfile.so"
[pool.send]
cgi = "send"
sendfile = ["{dir}"]
[pool.redirect]
cgi = "redirect"
"#;
    let gateway = Gateway::with_config_in(folder(), text);
    let line = gateway.out().wait_for(&["listening on fastcgi://"]);
    let port = line.rsplit_once(':').unwrap().1.parse().unwrap();
    let places = Places {
        socket: Some(gateway.folder().join("fastcgi.sock")),
        port,
        port_without_users: port,
        root: "/srv/www".into(),
    };
    (gateway, places)
}

/// nginx with its location for the files of this folder, and this line among its parameters.
fn nginx(places: &Places, files: &Path, line: &str) -> Front {
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let mut text = Changed::document("nginx.conf");
    text.change("listen 80;", &format!("listen 127.0.0.1:{port};"));
    text.nginx(folder.path(), places);
    let location = format!(
        "location /isapi-files/ {{ internal; alias {}/; }}\n",
        files.display()
    );
    text.change(LOCATION, &location);
    text.change(
        "fastcgi_param HTTP_HOST ",
        &format!("{line} fastcgi_param HTTP_HOST "),
    );
    Front::run(Kind::Nginx, &text, port, folder)
}

fn lighttpd(places: &Places, files: &Path) -> Front {
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let mut text = Changed::document("lighttpd.conf");
    text.change("= 80", &format!("= {port}"));
    text.lighttpd(folder.path(), places);
    text.change("# \"x-sendfile\"", "\"x-sendfile\"");
    text.change("# \"x-sendfile-docroot\"", "\"x-sendfile-docroot\"");
    text.change_path("/srv/files", files);
    Front::run(Kind::Lighttpd, &text, port, folder)
}

fn ask(front: &Front, method: &str, target: &str, headers: &[&str]) -> Reply {
    let mut client = front.connect();
    let headers = [headers, &["Connection: close"]].concat();
    client.request(method, target, &headers, b"");
    client.reply(method)
}

/// Whether the web server has sent it: it tells when the file was changed, which the extension does not.
fn is_sent_by_front(reply: &Reply) -> bool {
    reply.header("last-modified").is_some()
}

/// What holds for an extension behind either.
fn sends_files(front: &Front, folder: &Path, log: &Lines) {
    let folder = folder.canonicalize().unwrap();
    let file = format!("{}/files/a%20b%25.txt", folder.display());
    // The extension takes the query as it is.
    let raw = folder.join("files/a%20b%25.txt");
    std::fs::copy(folder.join("files/a b%.txt"), &raw).unwrap();
    for target in [
        format!("/sendfile.so?{file}"),
        format!("/sendfile.so?={file}"),
    ] {
        let reply = ask(front, "GET", &target, &[]);
        assert_eq!((reply.status(), reply.text().as_str()), (200, TEXT));
        assert_eq!(reply.header("content-type"), Some("text/x-own"));
        assert!(is_sent_by_front(&reply), "{reply:?}");
        log.wait_for(&["sendfile: 15 bytes, error 0"]);

        let part = ask(front, "GET", &target, &["Range: bytes=4-8"]);
        assert_eq!((part.status(), part.text().as_str()), (206, "whole"));

        let head = ask(front, "HEAD", &target, &[]);
        assert_eq!(head.status(), 200);
        assert_eq!(head.header("content-length"), Some("15"));
    }
    let tail = ask(front, "GET", &format!("/sendfile.so?+{file}"), &[]);
    assert_eq!(tail.text(), format!("{TEXT}tail"));
    assert!(!is_sent_by_front(&tail), "{tail:?}");
    let outside = ask(
        front,
        "GET",
        &format!("/sendfile.so?{}/outside.txt", folder.display()),
        &[],
    );
    assert_eq!(outside.text(), TEXT);
    assert!(!is_sent_by_front(&outside), "{outside:?}");
}

#[test]
fn nginx_sends_files_and_runs_local_redirects() {
    let (gateway, places) = gateway();
    let folder = gateway.folder().to_owned();
    let front = nginx(&places, &folder.join("files"), "");
    sends_files(&front, &folder, gateway.log());

    // What a program names goes the same way, and the gateway sends what nginx may not.
    let named = ask(
        &front,
        "GET",
        &format!("/send?{}/files/a%20b%25.txt", folder.display()),
        &[],
    );
    assert_eq!(named.text(), TEXT);
    assert!(is_sent_by_front(&named), "{named:?}");
    let outside = format!("/send?{}/outside.txt", folder.display());
    assert_eq!(ask(&front, "GET", &outside, &[]).text(), TEXT);

    let redirected = ask(&front, "POST", "/redirect", &[]);
    assert_eq!(
        (redirected.status(), redirected.text().as_str()),
        (200, TEXT)
    );
    assert!(is_sent_by_front(&redirected), "{redirected:?}");

    // A client cannot ask for it.
    assert_eq!(
        ask(&front, "GET", "/isapi-files/a%20b%25.txt", &[]).status(),
        404
    );
    front.stop();
    gateway.stop();
}

#[test]
fn lighttpd_sends_files() {
    let (gateway, places) = gateway();
    let folder = gateway.folder().to_owned();
    let front = lighttpd(&places, &folder.join("files"));
    sends_files(&front, &folder, gateway.log());
    front.stop();
    gateway.stop();
}

#[test]
fn nginx_sends_files_of_a_worker_alone() {
    let folder = folder();
    let path = folder.path().canonicalize().unwrap();
    let worker = Worker::listening_in(Rc::new(folder), &path.join("sendfile.so"));
    let places = Places::of_worker(&worker, Path::new("/srv/www"));
    let files = path.join("files");
    let line = format!(
        "fastcgi_param ISAPI_SENDFILE \"X-Accel-Redirect /isapi-files={}\";",
        files.display()
    );
    let front = nginx(&places, &files, &line);
    sends_files(&front, &path, &worker.log);
    front.stop();
    worker.stop();
}
