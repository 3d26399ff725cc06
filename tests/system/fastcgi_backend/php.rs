//! PHP, as php-fpm at a socket and as php-cgi that the gateway starts.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use system_tests::{
    Client, Gateway, Lines, Reply, Running, Signal, memory, peer, php_fpm, send, wait_until,
};
use tempfile::TempDir;

use crate::echo::{Coding, PIECE, echo, pattern};

/// The site of all tests: a front controller as WordPress has one, and scripts that show one thing each.
const SCRIPTS: [(&str, &str); 9] = [
    (
        "index.php",
        "<?php echo 'front ', $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['REQUEST_URI'], ' ', $_SERVER['SCRIPT_NAME'];",
    ),
    (
        "variables.php",
        "<?php foreach ($_SERVER as $name => $value) if (is_string($value)) echo $name, '=', bin2hex($value), \"\\n\";",
    ),
    (
        "upload.php",
        "<?php $file = $_FILES['file']; echo $_POST['word'], ' ', $file['name'], ' ', $file['size'], ' ', md5_file($file['tmp_name']);",
    ),
    (
        "echo.php",
        "<?php header('Content-Type: application/octet-stream'); $in = fopen('php://input', 'r');
         while (!feof($in)) { echo fread($in, 65536); flush(); }",
    ),
    (
        "big.php",
        "<?php $piece = str_repeat('x', 65536); for ($i = 0; $i < 16 * (int)$_GET['mib']; $i++) { echo $piece; flush(); }",
    ),
    (
        "die.php",
        "<?php if (isset($_GET['begun'])) { echo str_repeat('x', 100000); flush(); } posix_kill(getmypid(), 9); sleep(600);",
    ),
    (
        "wait.php",
        "<?php ignore_user_abort(true); file_put_contents('waits', ''); for (;;) { echo 'x'; flush();
         if (connection_aborted()) { file_put_contents('aborted', ''); exit; } usleep(10000); }",
    ),
    (
        "send.php",
        "<?php header('Content-Type: text/x'); header('X-Own: 1'); header($_GET['header']); echo 'not this';",
    ),
    (
        "errors.php",
        "<?php http_response_code(418); setcookie('a', 'b'); setcookie('c', 'd'); error_log('words for the operator');
         fwrite(fopen('php://stderr', 'w'), \"more words\\n\"); echo 'teapot';",
    ),
];

const SITE: &str = r#"
[[site]]
root = "{dir}/www"
default_documents = ["index.php", "index.html"]
fallback = "/index.php"
[[site.handler]]
path = "*.php"
pool = "php"
[pool.php]
sendfile = "{dir}/private"
accel_redirect = { "/protected" = "{dir}/private" }
"#;

/// How PHP runs.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// php-fpm with four children, four connections kept.
    Fpm,
    /// php-cgi, four processes of the gateway.
    Cgi,
}

struct Php {
    gateway: Gateway,
    fpm: Option<Running>,
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let www = folder.path().join("www");
    std::fs::create_dir_all(www.join("blog")).unwrap();
    std::fs::create_dir(folder.path().join("private")).unwrap();
    for (name, text) in SCRIPTS {
        std::fs::write(www.join(name), text).unwrap();
    }
    for (name, text) in [
        ("www/blog/index.php", "<?php echo 'the blog';"),
        ("www/static.css", "body {}"),
        ("www/image.jpg", "<?php echo 'never run';"),
        ("private/report.txt", "0123456789"),
        ("secret.txt", "nobody's business"),
        (
            "php.ini",
            "post_max_size = 1G\nupload_max_filesize = 1G\nlog_errors = On\noutput_buffering = Off\n",
        ),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// php-fpm at `{folder}/fpm.sock`.
fn fpm(folder: &Path) -> Running {
    let is_root = rustix::process::geteuid().is_root();
    let user = if is_root {
        "user = root\ngroup = root\n"
    } else {
        ""
    };
    let shown = folder.display();
    let config = format!(
        "[global]\nerror_log = /dev/stderr\ndaemonize = no\n\
         [www]\nlisten = {shown}/fpm.sock\npm = static\npm.max_children = 4\ncatch_workers_output = yes\n{user}"
    );
    std::fs::write(folder.join("fpm.conf"), config).unwrap();
    let mut command = Command::new(php_fpm());
    command
        .args(is_root.then_some("-R"))
        .arg("-c")
        .arg(folder.join("php.ini"))
        .arg("-y")
        .arg(folder.join("fpm.conf"))
        .stderr(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let log = Lines::of(child.stderr.take().unwrap());
    log.wait_for(&["ready to handle connections"]);
    child
}

fn php(way: Way) -> Php {
    let folder = folder();
    let (fpm, pool) = match way {
        Way::Fpm => {
            let pool = "fastcgi = \"unix:fpm.sock\"\nconcurrency = 4\nkeep_alive = 4\n".to_owned();
            (Some(fpm(folder.path())), pool)
        }
        Way::Cgi => {
            let program = peer("php-cgi").display().to_string();
            let pool = format!(
                "program = \"{program}\"\narguments = [\"-c\", \"{{dir}}/php.ini\"]\nprocesses = 4\n\
                 environment = {{ PHP_FCGI_MAX_REQUESTS = \"100\" }}\n"
            );
            (None, pool)
        }
    };
    let gateway = Gateway::with_config_in(folder, &[SITE, &pool].concat());
    Php { gateway, fpm }
}

impl Php {
    fn get(&self, path: &str) -> Reply {
        self.gateway.get(path)
    }

    fn stop(self) {
        self.gateway.stop();
        if let Some(mut fpm) = self.fpm {
            send(fpm.id(), Signal::TERM);
            fpm.wait_end();
        }
    }
}

fn variables(reply: &Reply) -> BTreeMap<String, Vec<u8>> {
    let text = reply.text();
    let line = |line: &str| {
        let (name, hex) = line.split_once('=').unwrap();
        let digits: Vec<char> = hex.chars().collect();
        let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
        (name.to_owned(), digits.chunks(2).map(byte).collect())
    };
    text.lines().map(line).collect()
}

#[test]
fn its_variables_are_those_of_a_web_server() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        let mut client = Client::connect(php.gateway.address());
        client.send(
            b"GET /variables.php/extra/%ff?a=%20b HTTP/1.1\r\nHost: www.example.org:81\r\nX-Raw: \xff\x80\r\n\
              Proxy: evil:1\r\nCookie: x=y\r\nAuthorization: Basic eDp5\r\nConnection: close\r\n\r\n",
        );
        let variables = variables(&client.reply("GET"));
        let www = php.gateway.folder().join("www").display().to_string();
        let script = format!("{www}/variables.php");
        let translated = [www.as_bytes(), b"/extra/\xff"].concat();
        let expected: [(&str, &[u8]); 18] = [
            ("SCRIPT_FILENAME", script.as_bytes()),
            ("SCRIPT_NAME", b"/variables.php"),
            ("PHP_SELF", b"/variables.php/extra/\xff"),
            ("PATH_INFO", b"/extra/\xff"),
            ("PATH_TRANSLATED", &translated),
            ("DOCUMENT_ROOT", www.as_bytes()),
            ("REQUEST_URI", b"/variables.php/extra/%ff?a=%20b"),
            ("QUERY_STRING", b"a=%20b"),
            ("REQUEST_METHOD", b"GET"),
            ("SERVER_NAME", b"www.example.org"),
            ("SERVER_PROTOCOL", b"HTTP/1.1"),
            ("GATEWAY_INTERFACE", b"CGI/1.1"),
            ("REMOTE_ADDR", b"127.0.0.1"),
            ("HTTP_HOST", b"www.example.org:81"),
            ("HTTP_X_RAW", b"\xff\x80"),
            ("HTTP_COOKIE", b"x=y"),
            ("PHP_AUTH_USER", b"x"),
            ("PHP_AUTH_PW", b"y"),
        ];
        for (name, expected) in expected {
            let found = variables.get(name).map(Vec::as_slice);
            assert_eq!(found, Some(expected), "{way:?} {name}");
        }
        for name in ["HTTP_PROXY", "OPERATORS_SECRET"] {
            assert!(!variables.contains_key(name), "{way:?} {name}");
        }
        php.stop();
    }
}

#[test]
fn a_front_controller_answers_what_is_no_file() {
    let php = php(Way::Fpm);
    for (method, path, expected) in [
        ("GET", "/", "front GET / /index.php"),
        ("POST", "/?a=b", "front POST /?a=b /index.php"),
        (
            "GET",
            "/2024/05/hello?p=1",
            "front GET /2024/05/hello?p=1 /index.php",
        ),
        (
            "PUT",
            "/wp-json/posts",
            "front PUT /wp-json/posts /index.php",
        ),
        ("GET", "/.git/config", "front GET /.git/config /index.php"),
        ("GET", "/blog/", "the blog"),
        ("GET", "/static.css", "body {}"),
    ] {
        let reply = php.gateway.request(method, path, &[], b"");
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (200, expected),
            "{path}"
        );
    }
    assert_eq!(php.get("/blog").header("location"), Some("/blog/"));
    assert_eq!(
        php.gateway
            .request("POST", "/static.css", &[], b"")
            .status(),
        405
    );
    // No script, no answer; and what is no script is not run whatever the URL pretends.
    for path in ["/none.php", "/image.jpg/x.php", "/blog/none.php/extra"] {
        assert_eq!(php.get(path).status(), 404, "{path}");
    }
    php.stop();
}

#[test]
fn uploads_arrive() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        let content = pattern(0, PIECE).repeat(128);
        let mut body = b"--x\r\nContent-Disposition: form-data; name=\"word\"\r\n\r\nhello\r\n\
            --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n"
            .to_vec();
        body.extend(&content);
        body.extend(b"\r\n--x--\r\n");
        let file = php.gateway.folder().join("content");
        std::fs::write(&file, &content).unwrap();
        let sum = Command::new(peer("md5sum"))
            .arg(&file)
            .output()
            .unwrap()
            .stdout;
        let sum = String::from_utf8(sum).unwrap();
        let sum = sum.split(' ').next().unwrap();
        let kind = "Content-Type: multipart/form-data; boundary=x";
        let reply = php.gateway.request("POST", "/upload.php", &[kind], &body);
        assert_eq!(
            reply.text(),
            format!("hello a.bin {} {sum}", content.len()),
            "{way:?}"
        );
        php.stop();
    }
}

#[test]
fn sixty_four_mebibytes_are_echoed() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        let mut client = Client::connect(php.gateway.address());
        echo(&mut client, "/echo.php", 64 << 20, Coding::Length, || {});
        drop(client);
        assert!(memory(php.gateway.pid()).peak < 64 * 1024, "{way:?}");
        php.stop();
    }
}

#[test]
fn a_slow_reader_bounds_memory() {
    let php = php(Way::Fpm);
    let mut client = Client::connect(php.gateway.address());
    client.request("GET", "/big.php?mib=128", &[], b"");
    let head = client.head().unwrap();
    let mut body = client.body(&head, "GET");
    let (mut total, mut slow, mut buffer) = (0_u64, 50, vec![0; PIECE]);
    loop {
        if slow > 0 {
            slow -= 1;
            std::thread::sleep(Duration::from_millis(10));
        }
        match body.read(&mut buffer).unwrap() {
            0 => break,
            count => total += count as u64,
        }
    }
    assert_eq!(total, 128 << 20);
    assert!(memory(php.gateway.pid()).peak < 64 * 1024);
    drop(client);
    php.stop();
}

#[test]
fn one_that_is_killed_harms_nobody_else() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        assert_eq!(php.get("/die.php").status(), 502, "{way:?}");
        let reply = php.get("/die.php?begun");
        assert_eq!(reply.status(), 200, "{way:?}");
        assert!(!reply.complete, "{way:?}");
        for _ in 0..20 {
            assert_eq!(php.get("/blog/").text(), "the blog", "{way:?}");
        }
        php.stop();
    }
}

#[test]
fn it_notices_that_the_client_has_gone() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        let mut client = Client::connect(php.gateway.address());
        client.request("GET", "/wait.php", &[], b"");
        let www = php.gateway.folder().join("www");
        wait_until("it waits", || www.join("waits").exists());
        drop(client);
        wait_until("it has noticed", || www.join("aborted").exists());
        php.stop();
    }
}

#[test]
fn files_are_sent_for_it_from_within_the_folders_only() {
    let php = php(Way::Fpm);
    let folder = php.gateway.folder().display().to_string();
    let ask = |header: &str, more: &[&str]| {
        let path = format!("/send.php?header={}", header.replace(' ', "%20"));
        php.gateway.request("GET", &path, more, b"")
    };
    for header in [
        format!("X-Sendfile: {folder}/private/report.txt"),
        "X-Accel-Redirect: /protected/report.txt".to_owned(),
    ] {
        let whole = ask(&header, &[]);
        assert_eq!(
            (whole.status(), whole.text().as_str()),
            (200, "0123456789"),
            "{header}"
        );
        assert_eq!(whole.header("content-length"), Some("10"));
        assert!(whole.header("content-type").unwrap().starts_with("text/x"));
        assert_eq!(whole.header("x-own"), Some("1"));
        assert_eq!(
            whole
                .header("x-sendfile")
                .or(whole.header("x-accel-redirect")),
            None
        );
        let part = ask(&header, &["Range: bytes=2-4"]);
        assert_eq!(
            (part.status(), part.text().as_str()),
            (206, "234"),
            "{header}"
        );
        let tag = format!("If-None-Match: {}", whole.header("etag").unwrap());
        assert_eq!(ask(&header, &[&tag]).status(), 304, "{header}");
    }
    for header in [
        format!("X-Sendfile: {folder}/secret.txt"),
        format!("X-Sendfile: {folder}/private/../secret.txt"),
        "X-Accel-Redirect: /protected/../secret.txt".to_owned(),
        "X-Accel-Redirect: /other".to_owned(),
    ] {
        let reply = ask(&header, &[]);
        assert_eq!(reply.status(), 502, "{header}");
        assert!(!reply.text().contains("business"));
    }
    assert_eq!(ask("X-Accel-Redirect: /protected/none", &[]).status(), 404);
    php.gateway
        .log()
        .wait_for(&["secret.txt", "is in no folder of `sendfile`"]);
    php.stop();
}

#[test]
fn status_cookies_and_messages_are_its_own() {
    let php = php(Way::Cgi);
    let reply = php.get("/errors.php");
    assert_eq!((reply.status(), reply.text().as_str()), (418, "teapot"));
    let cookies = reply.head.headers.iter();
    assert_eq!(cookies.filter(|(name, _)| name == "set-cookie").count(), 2);
    php.gateway.log().wait_for(&["words for the operator"]);
    php.gateway.log().wait_for(&["more words"]);
    php.stop();
}

#[test]
fn a_thousand_requests_at_thirty_two_at_once_are_answered() {
    for way in [Way::Fpm, Way::Cgi] {
        let php = php(way);
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| {
                    let mut client = Client::connect(php.gateway.address());
                    for _ in 0..32 {
                        client.request("GET", "/blog/", &[], b"");
                        let reply = client.reply("GET");
                        assert_eq!(reply.text(), "the blog", "{way:?}");
                    }
                });
            }
        });
        php.stop();
    }
}

#[test]
fn requests_survive_a_reload_of_php_fpm() {
    let php = php(Way::Fpm);
    let fpm = php.fpm.as_ref().unwrap().id();
    let children = || system_tests::Process::descendants(fpm);
    for _ in 0..3 {
        let before = children();
        send(fpm, Signal::USR2);
        wait_until("it has new children", || {
            let now = children();
            now.len() == 4 && now.is_disjoint(&before)
        });
        for _ in 0..10 {
            assert_eq!(php.get("/blog/").text(), "the blog");
        }
    }
    php.stop();
}
