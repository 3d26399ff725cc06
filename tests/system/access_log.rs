//! The access log: what its lines say, and that none is lost.

use std::path::Path;

use system_tests::{
    Client, Gateway, Lines, Load, Machine, Running, Signal, extension, gateway_command, script,
    send, wait_until,
};
use tempfile::TempDir;

/// A gateway that serves this fixture and the site's files, with an access log in this format.
fn logging(fixture: &str, format: &str) -> Gateway {
    let folder = TempDir::new().unwrap();
    extension(fixture, &[], folder.path());
    let text = format!(
        r#"
[access_log]
file = "access.log"
format = "{format}"
flush_interval = "10ms"
[error_pages]
"404" = "none.html"
[[site]]
root = "{{samples}}"
[[site.handler]]
path = "/x.dll"
pool = "x"
[pool.x]
extension = "{{dir}}/{fixture}.so"
"#
    );
    std::fs::write(folder.path().join("none.html"), "nothing here").unwrap();
    Gateway::with_config_in(folder, &text)
}

fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The log when the gateway has ended, requests that say everything and nothing having been made.
fn log_of(format: &str) -> (Vec<String>, u16) {
    let mut gateway = logging("logger", format);
    let headers = ["User-Agent: Some Agent/1.0", "Referer: http://a.example/b"];
    let reply = gateway.request("POST", "/x.dll/p?one+two", &headers, b"12345");
    assert_eq!(reply.text(), "answered\n");
    let file = gateway.folder().join("access.log");
    // It is added when the extension is done, which may be behind the answer, and behind those of others.
    wait_until("its line is there", || {
        lines(&file).iter().any(|line| line.contains("/x.dll/p"))
    });
    assert_eq!(gateway.get("/nowhere").text(), "nothing here");
    gateway.signal(Signal::TERM);
    assert!(gateway.wait_end().success());
    (lines(&file), gateway.address().port())
}

/// Fields of a line but for those that this names, which are numbers or times.
fn fields(line: &str, without: &[usize]) -> String {
    let fields = line.split(' ').enumerate();
    let kept = fields.filter(|(index, _)| !without.contains(index));
    kept.map(|(_, field)| field).collect::<Vec<_>>().join(" ")
}

#[test]
fn w3c_lines_are_those_of_iis() {
    let (lines, port) = log_of("w3c");
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(
        lines[0].starts_with("#Software: isapi-gateway/"),
        "{lines:?}"
    );
    assert_eq!(lines[1], "#Version: 1.0");
    assert!(lines[2].starts_with("#Date: "), "{lines:?}");
    assert_eq!(
        lines[3],
        "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) \
         sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken"
    );
    assert_eq!(
        fields(&lines[4], &[0, 1, 16]),
        format!(
            "127.0.0.1 POST /x.dll/p one+two+one;two {port} - 127.0.0.1 Some+Agent/1.0 http://a.example/b 200 0 0 9 5"
        )
    );
    assert_eq!(
        fields(&lines[5], &[0, 1, 16]),
        format!("127.0.0.1 GET /nowhere - {port} - 127.0.0.1 - - 404 0 2 12 0")
    );
    let taken: u64 = lines[4].split(' ').next_back().unwrap().parse().unwrap();
    assert!(taken < 60_000, "{lines:?}");
}

#[test]
fn combined_lines_are_those_of_apache() {
    let (lines, _) = log_of("combined");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        fields(&lines[0], &[3, 4]),
        r#"127.0.0.1 - - "POST /x.dll/p?one+two HTTP/1.1" 200 9 "http://a.example/b" "Some Agent/1.0""#
    );
    assert_eq!(
        fields(&lines[1], &[3, 4]),
        r#"127.0.0.1 - - "GET /nowhere HTTP/1.1" 404 12 "-" "-""#
    );
}

#[test]
fn json_lines_have_what_the_extension_adds() {
    let (lines, port) = log_of("json");
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (key, value) in [
        ("bytes_received", "5"),
        ("bytes_sent", "9"),
        ("client", r#""127.0.0.1""#),
        ("log", r#"" one;two""#),
        ("method", r#""POST""#),
        ("path", r#""/x.dll/p""#),
        ("port", &port.to_string()),
        ("query", r#""one+two""#),
        ("status", "200"),
        ("user", "null"),
    ] {
        let pair = format!("\"{key}\":{value}");
        assert!(lines[0].contains(&pair), "{pair} in {}", lines[0]);
    }
    assert!(lines[1].contains(r#""log":null"#), "{}", lines[1]);
}

#[test]
fn a_client_that_goes_is_told_by_the_win32_status() {
    let gateway = logging("witness", "w3c");
    let file = gateway.folder().join("access.log");
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/x.dll?download", &[], b"");
    client.head().unwrap();
    drop(client);
    wait_until("its line is there", || {
        let lines = lines(&file);
        lines.iter().any(|line| line.contains(" download "))
    });
    let line = lines(&file).pop().unwrap();
    assert!(line.contains(" 200 0 64 "), "{line}");
}

#[test]
fn rotation_loses_no_line() {
    let mut gateway = logging("steady", "json");
    let folder = gateway.folder().to_owned();
    let file = folder.join("access.log");
    let load = Load::start(gateway.address(), 4, |number| format!("/x.dll?n={number}"));
    for round in 0..20 {
        let aim = load.sent() + 50;
        wait_until("requests", || load.sent() >= aim);
        std::fs::rename(&file, folder.join(format!("access.log.{round}"))).unwrap();
        gateway.signal(Signal::USR1);
        wait_until("a new file", || file.exists());
    }
    let sent = load.stop().count("200 version 1");
    gateway.signal(Signal::TERM);
    assert!(gateway.wait_end().success());
    let mut written = lines(&file);
    for round in 0..20 {
        let lines = lines(&folder.join(format!("access.log.{round}")));
        assert!(!lines.is_empty(), "round {round}");
        written.extend(lines);
    }
    assert_eq!(written.len(), sent);
    let query = |line: &str| {
        let (_, rest) = line.split_once("\"n=").unwrap();
        rest.split_once('"').unwrap().0.parse::<usize>().unwrap()
    };
    let mut numbers: Vec<usize> = written.iter().map(|line| query(line)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(0..sent));
}

#[test]
fn the_file_is_opened_again_also_while_wine_is_prepared() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    Machine::X86_64.extension("steady", folder.path());
    script(folder.path(), "wineserver", "exit 0");
    let wine = "test \"$1\" = --version && echo wine-8.0 && exit\nexec sleep 1000";
    script(folder.path(), "wine", wine);
    let text = r#"
[server]
http = "127.0.0.1:0"
wine = "wine"
wine_prefix = "prefix"
[access_log]
file = "access.log"
[[site]]
[[site.handler]]
path = "/x.dll"
pool = "x"
[pool.x]
extension = "steady.dll"
"#;
    std::fs::write(path("gateway.toml"), text).unwrap();
    let mut command = gateway_command(["serve", "--config"]);
    let mut child = Running(command.arg(path("gateway.toml")).spawn().unwrap());
    let log = Lines::of(child.stderr.take().unwrap());
    log.wait_for(&["creating the Wine prefix"]);
    std::fs::rename(path("access.log"), path("access.log.1")).unwrap();
    send(child.id(), Signal::USR1);
    wait_until("a new file", || path("access.log").exists());
    send(child.id(), Signal::TERM);
    log.wait_for(&["stopping before Wine was ready"]);
    assert!(child.wait_end().success());
}
