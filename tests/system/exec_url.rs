//! Child requests, error pages and virtual directories (ISAPI.md §4.2, codes 1001, 1012, 1025 to 1028, 1032; §5.4).

use system_tests::{Client, Gateway, Reply, extension, script, wait_until};
use tempfile::TempDir;

const CONFIG: &str = r#"
[error_pages]
"404" = "general.html"
[[site]]
id = 7
name = "Seven"
hosts = ["127.0.0.1", "localhost"]
root = "{dir}/www"
[site.error_pages]
"500.3" = "own.txt"
[[site.virtual]]
path = "/app"
root = "{dir}/app"
access = ["read", "script"]
application = true
[[site.virtual]]
path = "/app/scripts"
root = "{dir}/scripts"
access = "execute"
[[site.handler]]
path = "/exec"
pool = "exec"
[[site.handler]]
path = "/app/exec"
pool = "exec"
[[site.handler]]
path = "/app/scripts/exec"
pool = "exec"
[[site.handler]]
path = "/narrow"
pool = "narrow"
[[site.handler]]
path = "/cgi"
pool = "cgi"
[[site.handler]]
path = "/short"
pool = "short"
[[site.handler]]
path = "/sleep"
pool = "sleep"

[[site]]
hosts = "wild"
root = "{dir}/www"
[[site.handler]]
path = "*"
pool = "exec"

[pool.exec]
extension = "{dir}/exec.so"
threads = 8
[pool.narrow]
extension = "{dir}/exec.so"
concurrency = 1
[pool.cgi]
cgi = "{dir}/cgi"
[pool.short]
cgi = "{dir}/short"
[pool.sleep]
cgi = "{dir}/sleep"
"#;

/// Says how it was asked, and gives its body back.
const CGI: &str = r#"
printf 'Content-Type: text/plain\nX-Child: yes\n\n'
printf '%s %s %s|' "$REQUEST_METHOD" "$QUERY_STRING" "$CONTENT_LENGTH"
printf '%s %s %s|' "$REMOTE_USER" "$AUTH_TYPE" "$HTTP_X_OWN$HTTP_COOKIE$HTTP_HOST"
cat"#;

fn gateway() -> Gateway {
    let folder = TempDir::new().unwrap();
    extension("exec", &[], folder.path());
    script(folder.path(), "cgi", CGI);
    script(
        folder.path(),
        "short",
        r"printf 'Content-Length: 9\n\nshort'",
    );
    script(
        folder.path(),
        "sleep",
        r"printf 'X: y\n\nbegun'; exec sleep 1000",
    );
    for name in ["www", "app", "scripts"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    for (name, text) in [
        ("general.html", "<p>nothing there"),
        ("own.txt", "our fault"),
        ("www/file", "the file"),
        ("www/big", &"0123456789".repeat(1024 * 1024)),
        ("app/file", "the file of the application"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    Gateway::with_config_in(folder, CONFIG)
}

/// The text of an answer, which is whole.
fn text(reply: &Reply) -> String {
    assert!(reply.complete, "{reply:?}");
    reply.text()
}

/// The same behind its status.
fn whole(reply: &Reply) -> String {
    format!("{} {}", reply.status(), text(reply))
}

#[test]
fn children_of_every_kind_stand_in_the_answer() {
    let gateway = gateway();
    let file = gateway.get("/exec?b=before|;x=/file");
    assert_eq!(whole(&file), "200 before|the file|200.0 0 0 0");
    let unicode = gateway.get("/exec?w;b=before|;x=/file");
    assert_eq!(whole(&unicode), "200 before|the file|200.0 0 0 0");
    let program = gateway.get("/exec?b=before|;x=/cgi?q");
    let host = gateway.address();
    assert_eq!(
        whole(&program),
        format!("200 before|GET q |  {host}||200.0 0 0 0")
    );
    let twice = gateway.get("/exec?n=2;q;b=;x=/file");
    assert_eq!(whole(&twice), "200 the filethe file");
    let nested = gateway.get("/exec?b=1|;x=/exec?b=2|;x=/file");
    assert_eq!(whole(&nested), "200 1|2|the file|200.0 0 0 0|200.0 0 0 0");
    gateway.stop();
}

#[test]
fn ten_megabytes_never_cross_the_worker() {
    let gateway = gateway();
    let reply = gateway.get("/exec?q;x=/big");
    assert!(reply.complete && reply.body.len() == 10 * 1024 * 1024);
    assert_eq!(reply.header("content-length"), Some("10485760"));
    assert!(reply.body.chunks(10).all(|ten| ten == b"0123456789"));
    let behind = gateway.get("/exec?b=x;x=/big");
    assert_eq!(
        behind.body.len(),
        1 + 10 * 1024 * 1024 + "|200.0 0 0 0".len()
    );
    gateway.stop();
}

#[test]
fn the_first_child_gives_the_head_unless_it_must_not() {
    let gateway = gateway();
    let own = gateway.get("/exec?x=/cgi");
    assert_eq!(own.header("x-child"), Some("yes"));
    assert!(text(&own).ends_with("|200.0 0 0 0"));
    let none = gateway.get("/exec?f=2;x=/cgi");
    assert_eq!(
        (none.header("x-child"), none.header("content-type")),
        (None, None)
    );
    assert!(text(&none).ends_with("|200.0 0 0 0"));
    // A child's length holds; what the parent writes beyond it is cut.
    let length = gateway.get("/exec?x=/file");
    assert_eq!(whole(&length), "200 the file");
    let mut client = Client::connect(gateway.address());
    client.request("HEAD", "/exec?q;x=/file", &[], b"");
    let head = client.reply("HEAD");
    assert_eq!(head.header("content-length"), Some("8"));
    client.request("GET", "/file", &[], b"");
    assert_eq!(client.reply("GET").text(), "the file");
    gateway.stop();
}

#[test]
fn a_length_that_the_parent_declares_holds() {
    let gateway = gateway();
    let exact = gateway.get("/exec?q;l=8;x=/file");
    assert_eq!(whole(&exact), "200 the file");
    let cut = gateway.get("/exec?q;l=3;x=/file");
    assert_eq!(whole(&cut), "200 the");
    let short = gateway.get("/exec?q;l=9;x=/file");
    assert!(!short.complete);
    gateway.stop();
}

#[test]
fn entities_methods_headers_and_users_reach_the_child() {
    let gateway = gateway();
    let host = gateway.address();
    let entity = gateway.get("/exec?q;m=POST;e=given;x=/cgi");
    assert_eq!(text(&entity), format!("POST  5|  {host}|given"));
    let replaced = gateway.request(
        "GET",
        "/exec?q;u=anna;h=X-Own:1;x=/cgi?a",
        &["Cookie: lost"],
        b"",
    );
    assert_eq!(text(&replaced), format!("GET a |anna Custom 1{host}|"));
    let wide = gateway.get("/exec?q;w;u=anna;x=/cgi");
    assert_eq!(text(&wide), format!("GET  |anna Custom {host}|"));

    let unread = gateway.request("POST", "/exec?q;x=/cgi", &[], b"all of it");
    assert_eq!(text(&unread), format!("POST  9|  {host}|all of it"));
    let long: Vec<u8> = (0..4 * 1024 * 1024_u32)
        .map(|n| b'a' + (n % 26) as u8)
        .collect();
    let unread = gateway.request("POST", "/exec?q;x=/cgi", &[], &long);
    assert!(unread.complete && unread.body.ends_with(&long));
    // What ReadClient has taken, and the part before it, are the parent's.
    let rest = gateway.request("POST", "/exec?q;r=1000;x=/cgi", &[], &long);
    assert!(rest.complete && rest.body.ends_with(&long[50_152..]));
    assert!(
        rest.text()
            .starts_with(&format!("POST  {}|", long.len() - 50_152))
    );
    // Nobody reads it.
    let unwanted = gateway.request("POST", "/exec?q;m=GET;x=/none", &[], &long);
    assert_eq!(whole(&unwanted), "404 <p>nothing there");
    gateway.stop();
}

#[test]
fn a_wildcard_handler_passes_requests_on() {
    let gateway = gateway();
    let mut client = Client::connect(gateway.address());
    client.ask_for("wild");
    for (path, status) in [("/file", 200), ("/none", 404), ("/file", 200)] {
        client.request("GET", path, &[], b"");
        let reply = client.reply("GET");
        assert_eq!(reply.status(), status, "{path}");
        if status == 200 {
            assert_eq!(text(&reply), "the file");
            assert_eq!(reply.header("content-length"), Some("8"));
        }
    }
    client.request("GET", "/big", &["Range: bytes=3-5"], b"");
    assert_eq!(whole(&client.reply("GET")), "206 345");
    client.request("GET", "/file?f=20;q", &["Range: bytes=3-5"], b"");
    assert_eq!(whole(&client.reply("GET")), "200 the file");
    gateway.stop();
}

#[test]
fn children_nest_ten_deep() {
    let gateway = gateway();
    // The same URL again and again; the innermost is told 1001 and answers.
    let reply = gateway.get("/exec?q");
    assert_eq!(whole(&reply), "200 |0.0 1001 1001 0");
    let again = gateway.get("/exec?b=x");
    assert_eq!(text(&again).matches('x').count(), 11);
    assert_eq!(text(&again).matches("|200.0 0 0 0").count(), 10);
    gateway.stop();
}

#[test]
fn a_child_that_fails_is_told_and_answers() {
    let gateway = gateway();
    let missing = gateway.get("/exec?b=x|;x=/none");
    assert_eq!(whole(&missing), "200 x|<p>nothing there|404.0 2 2 0");
    let own = gateway.get("/exec?f=32;b=x|;x=/none");
    assert!(text(&own).starts_with("x|<!DOCTYPE"), "{own:?}");
    let none = gateway.get("/exec?x=http://elsewhere/");
    assert_eq!(whole(&none), "200 |0.0 87 87 0");
    let forbidden = gateway.get("/exec?b=x|;x=/app/exec");
    assert!(text(&forbidden).ends_with("|403.1 5 5 0"), "{forbidden:?}");
    // The only room is its parent's: it is told so at once, not after queue_timeout.
    let full = gateway.get("/narrow?b=x|;x=/narrow?var=URL");
    assert!(text(&full).ends_with("|503.0 170 170 0"), "{full:?}");
    let cut = gateway.get("/exec?b=x;x=/short");
    assert!(!cut.complete && cut.text().starts_with("xshort"));
    gateway.log().wait_for(&["exec: completed with 995"]);
    gateway.stop();
}

#[test]
fn a_client_that_leaves_ends_its_child() {
    let gateway = gateway();
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/exec?b=x;x=/sleep", &[], b"");
    let head = client.head().unwrap();
    assert_eq!(head.status, 200);
    let is_child = |pid: u32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name.trim() == "sleep")
    };
    let child = || {
        let processes = gateway.processes();
        processes.into_iter().find(|process| is_child(process.pid))
    };
    wait_until("the child runs", || child().is_some());
    drop(client);
    gateway.log().wait_for(&["exec: completed with 995"]);
    wait_until("the child has ended", || child().is_none());
    gateway.stop();
}

#[test]
fn one_operation_at_a_time() {
    let gateway = gateway();
    let mut client = Client::connect(gateway.address());
    // As much of the body as the extension is called with. Its child runs until the rest has come.
    client.request_head("POST", "/exec?busy", &["Content-Length: 49156"]);
    client.send(&[b'x'; 49_152]);
    gateway.log().wait_for(&["exec: busy 0 87"]);
    client.send(b"rest");
    let reply = client.reply("POST");
    assert!(text(&reply).ends_with("xrest"), "{}", reply.status());
    drop(client);
    gateway.stop();
}

#[test]
fn error_pages_are_those_of_the_configuration() {
    let gateway = gateway();
    let page = gateway.get("/exec?page=404");
    assert_eq!(whole(&page), "404 <p>nothing there");
    assert_eq!(
        (page.head.reason.as_str(), page.header("content-type")),
        ("By Name", Some("text/html"))
    );
    let precise = gateway.get("/exec?apage=404.7");
    assert_eq!(whole(&precise), "404 <p>nothing there");
    gateway.log().wait_for(&["exec: page sent with 0 and 0"]);
    // A page of one site only is none that the pool may rely on.
    let partial = gateway.get("/exec?page=500.3");
    assert_eq!(whole(&partial), "200 no page: 2");
    let late = gateway.get("/exec?b=x;page=404");
    assert_eq!(whole(&late), "200 xno page: 87");
    assert_eq!(whole(&gateway.get("/none")), "404 <p>nothing there");
    gateway.stop();
}

#[test]
fn virtual_directories_are_what_extensions_are_told() {
    let gateway = gateway();
    let folder = gateway.folder().to_str().unwrap();
    for (url, path, flags, length) in [
        ("/APP/x", "app/x", 0x201, 4),
        ("/app/scripts/y", "scripts/y", 4, 12),
        ("/other", "www/other", 0x205, 1),
    ] {
        let told = gateway.get(&format!("/exec?map={url}"));
        assert_eq!(text(&told), format!("{folder}/{path} {flags} {length}"));
    }
    assert_eq!(
        text(&gateway.get("/app/file")),
        "the file of the application"
    );
    for (path, status) in [("/app/exec?var=URL", 403), ("/app/scripts/file", 403)] {
        assert_eq!(gateway.get(path).status(), status, "{path}");
    }
    for (name, inside, outside) in [
        ("INSTANCE_ID", "7", "7"),
        ("INSTANCE_NAME", "Seven", "Seven"),
        ("APP_POOL_ID", "exec", "exec"),
        ("APPL_MD_PATH", "/LM/W3SVC/7/ROOT/app", "/LM/W3SVC/7/ROOT"),
        (
            "APPL_PHYSICAL_PATH",
            &format!("{folder}/app/"),
            &format!("{folder}/www/"),
        ),
        (
            "DOCUMENT_ROOT",
            &format!("{folder}/www"),
            &format!("{folder}/www"),
        ),
    ] {
        for (path, value) in [("/app/scripts/exec", inside), ("/exec", outside)] {
            let told = gateway.get(&format!("{path}?var={name}"));
            assert_eq!(text(&told), value, "{name} in {path}");
        }
    }
    let translated = gateway.get("/exec/app/scripts/z?var=PATH_TRANSLATED");
    assert_eq!(text(&translated), format!("{folder}/scripts/z"));
    gateway.stop();
}

#[test]
fn an_unhealthy_extension_is_heard() {
    let gateway = gateway();
    assert_eq!(text(&gateway.get("/exec?ill=it+leaks")), "ill");
    gateway
        .log()
        .wait_for(&["takes no more requests", "unhealthy", "it+leaks"]);
    gateway.stop();
}
