//! Programs that the gateway starts: shared among processes, started again, ended with everything that is theirs.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;

use system_tests::{
    Client, Gateway, Process, Signal, fastcgi_program, gateway_command, script, send, wait_until,
};
use tempfile::TempDir;

const CONFIG: &str = r#"
[[site]]
[[site.handler]]
path = "*"
pool = "app"
[pool.app]
program = "{dir}/application"
"#;

fn gateway(folder: TempDir, extra: &str) -> Gateway {
    Gateway::with_config_in(folder, &[CONFIG, extra].concat())
}

fn application(extra: &str) -> Gateway {
    let folder = TempDir::new().unwrap();
    fastcgi_program("application", folder.path());
    gateway(folder, extra)
}

fn pid(gateway: &Gateway) -> u32 {
    let text = gateway.get("/").text();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn processes_share_the_requests_and_keep_their_connections() {
    let gateway = application("processes = 3\n");
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(gateway.address())).collect();
    let mut pids = BTreeSet::new();
    for _ in 0..100 {
        for client in &mut clients {
            client.request("GET", "/", &[], b"");
        }
        for client in &mut clients {
            let text = client.reply("GET").text();
            pids.insert(text.split(' ').next().unwrap().to_owned());
        }
    }
    assert!((1..=3).contains(&pids.len()), "{pids:?}");
    wait_until("all of them run", || gateway.processes().len() == 3);
    drop(clients);
    gateway.stop();
}

#[test]
fn a_thousand_requests_at_thirty_two_at_once_are_answered() {
    let gateway = application("processes = 4\n");
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let mut client = Client::connect(gateway.address());
                for _ in 0..32 {
                    client.request("GET", "/", &[], b"");
                    assert_eq!(client.reply("GET").status(), 200);
                }
            });
        }
    });
    gateway.stop();
}

#[test]
fn a_process_that_was_killed_is_started_again() {
    let gateway = application("");
    let first = pid(&gateway);
    send(first, Signal::KILL);
    gateway
        .log()
        .wait_for(&["was killed by signal 9", "it is started again in 100ms"]);
    wait_until("another one answers", || gateway.get("/").status() == 200);
    assert_ne!(pid(&gateway), first);
    gateway.stop();
}

#[test]
fn a_process_is_started_again_also_when_the_gateways_file_has_been_replaced() {
    let folder = TempDir::new().unwrap();
    fastcgi_program("application", folder.path());
    let gateway = Gateway::of_copy(folder, "gateway", CONFIG);
    let first = pid(&gateway);
    // As a package manager does it: the name is another file's from now on.
    let file = gateway.folder().join("gateway");
    let next = script(gateway.folder(), "gateway.next", "exit 9");
    std::fs::rename(next, file).unwrap();
    send(first, Signal::KILL);
    gateway.log().wait_for(&["it is started again in 100ms"]);
    wait_until("another one answers", || gateway.get("/").status() == 200);
    assert_ne!(pid(&gateway), first);
    gateway.stop();
}

#[test]
fn what_is_killed_in_mid_answer_is_cut() {
    let gateway = application("");
    let first = pid(&gateway);
    let mut client = Client::connect(gateway.address());
    client.request("GET", "/?mib=1024", &[], b"");
    let head = client.head().unwrap();
    send(first, Signal::KILL);
    let mut sink = std::io::sink();
    assert_eq!(head.status, 200);
    assert!(std::io::copy(&mut client.body(&head, "GET"), &mut sink).is_err());
    drop(client);
    wait_until("another one answers", || gateway.get("/").status() == 200);
    gateway.stop();
}

#[test]
fn a_program_that_cannot_live_is_told_and_tried_again() {
    let folder = TempDir::new().unwrap();
    let path = script(folder.path(), "application", "echo no database >&2\nexit 7");
    let gateway = gateway(folder, "read_timeout = \"1s\"\n");
    gateway.log().wait_for(&["no database"]);
    gateway
        .log()
        .wait_for(&["exited with status 7", "again in 200ms"]);
    wait_until("it is told", || gateway.get("/").status() == 500);
    // The operator repairs it.
    let repaired = TempDir::new().unwrap();
    std::fs::rename(fastcgi_program("application", repaired.path()), &path).unwrap();
    wait_until("it answers", || gateway.get("/").status() == 200);
    gateway.stop();
}

#[test]
fn arguments_environment_and_folder_are_the_pools() {
    let folder = TempDir::new().unwrap();
    script(
        folder.path(),
        "application",
        "{ echo \"$@\"; pwd; env; readlink /proc/$$/fd/0; } > told.new; mv told.new told; exec sleep 600",
    );
    let gateway = gateway(
        folder,
        "arguments = [\"one\", \"two words\"]\nenvironment = { OWN = \"yes\" }\nworking_directory = \"{dir}\"\n",
    );
    let told: PathBuf = gateway.folder().join("told");
    wait_until("it has started", || told.exists());
    let text = std::fs::read_to_string(told).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("one two words"));
    assert_eq!(lines.next(), gateway.folder().to_str());
    assert!(
        text.contains("OWN=yes") && text.contains("socket:["),
        "{text}"
    );
    assert!(!text.contains("OPERATORS_SECRET"), "{text}");
    gateway.stop();
}

#[test]
fn nothing_of_a_program_is_left() {
    let folder = TempDir::new().unwrap();
    script(
        folder.path(),
        "application",
        "trap '' TERM\nsleep 600 &\necho $! > child.new; mv child.new child\nwhile :; do wait; done",
    );
    let gateway = gateway(folder, "shutdown_timeout = 1\n");
    let file = gateway.folder().join("child");
    wait_until("it has started", || file.exists());
    let child = std::fs::read_to_string(file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let child = Process::find(child).unwrap();
    let socket = socket(gateway.pid());
    assert!(socket.exists());
    gateway.stop();
    child.wait_gone();
    assert!(!socket.exists());
}

#[test]
fn nothing_of_it_is_left_when_the_gateway_cannot_say_that_it_listens() {
    let folder = TempDir::new().unwrap();
    fastcgi_program("application", folder.path());
    let config = folder.path().join("gateway.toml");
    let text = CONFIG.replace("{dir}", folder.path().to_str().unwrap());
    std::fs::write(&config, text).unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let child = gateway_command(["serve", "--http", "127.0.0.1:0", "--config"])
        .arg(config)
        .stdout(full)
        .spawn()
        .unwrap();
    let socket = socket(child.id());
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(error.contains("cannot write to standard output"), "{error}");
    assert!(error.contains("started"), "{error}");
    assert!(!socket.exists());
}

#[test]
fn a_program_ends_with_a_gateway_that_is_killed() {
    let mut gateway = application("processes = 2\n");
    assert_eq!(gateway.get("/").status(), 200);
    wait_until("both run", || gateway.processes().len() == 2);
    gateway.signal(Signal::KILL);
    // It waits for the end of the processes, too.
    assert!(!gateway.wait_end().success());
    std::fs::remove_dir_all(socket(gateway.pid())).unwrap();
}

/// The folder with the socket of the program, of the gateway with this process number.
fn socket(gateway: u32) -> PathBuf {
    let name = format!("isapi-gateway-{gateway}-0");
    std::env::temp_dir().join(name)
}
