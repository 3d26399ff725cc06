//! Who a client is, as web servers with TLS find out: by a password, by a certificate.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use system_tests::{Output, free_port, peer, run};
use tempfile::TempDir;

use super::server::{Changed, Front, gateway, open};

const SITES: &str = "[[site]]\n[[site.handler]]\npath = \"/dumpvars.so\"\npool = \"dumpvars\"\n\
    [[site.handler]]\npath = \"/private/dumpvars.so\"\npool = \"dumpvars\"\n\
    [pool.dumpvars]\nextension = \"{samples}/dumpvars.so\"\n";

/// The keys and passwords of a test, in a folder of its own.
struct Secrets(TempDir);

impl Secrets {
    fn new() -> Self {
        let secrets = Self(TempDir::new().unwrap());
        secrets.certificate("server", "localhost", "1");
        secrets.certificate("ann", "ann", "42");
        secrets.certificate("eve", "eve", "43");
        let password = run(openssl().args(["passwd", "-apr1", "secret"])).out;
        std::fs::write(secrets.path("passwords"), format!("ann:{password}\n")).unwrap();
        open(secrets.0.path());
        secrets
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A certificate that vouches for itself, `NAME.pem`, and its key, `NAME.key`.
    fn certificate(&self, name: &str, subject: &str, serial: &str) {
        let output = run(openssl()
            .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:P-256", "-days", "2"])
            .args(["-subj", &format!("/CN={subject}"), "-set_serial", serial])
            .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
            .arg(self.path(&format!("{name}.key")))
            .arg("-out")
            .arg(self.path(&format!("{name}.pem"))));
        assert!(output.status.success(), "{output:?}");
    }

    /// Puts them in the place of those of a configuration.
    fn apply(&self, text: &mut Changed, folder: &str) {
        for (from, to) in [
            ("tls/server.pem", "server.pem"),
            ("tls/server.key", "server.key"),
            ("tls/issuers.pem", "ann.pem"),
            ("passwords", "passwords"),
        ] {
            text.change_path(&format!("{folder}/{from}"), &self.path(to));
        }
    }

    /// What the extension at a path is told about a client with this certificate and these further options of curl.
    fn ask(&self, front: &Front, path: &str, who: Option<&str>, options: &[&str]) -> Variables {
        let port = front.address().port();
        let mut curl = Command::new(peer("curl"));
        curl.args(["--silent", "--show-error", "--fail", "--cacert"])
            .arg(self.path("server.pem"))
            .args(["--resolve", &format!("localhost:{port}:127.0.0.1")]);
        if let Some(name) = who {
            curl.arg("--cert").arg(self.path(&format!("{name}.pem")));
            curl.arg("--key").arg(self.path(&format!("{name}.key")));
        }
        curl.args(options)
            .arg(format!("https://localhost:{port}{path}?format=text"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Variables::of(&run(&mut curl))
    }
}

fn openssl() -> Command {
    let mut command = Command::new(peer("openssl"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What the extension was told, or how curl has failed.
struct Variables(Result<HashMap<String, String>, String>);

impl Variables {
    fn of(output: &Output) -> Self {
        if !output.status.success() {
            return Self(Err(output.error.clone()));
        }
        let pairs = output.out.lines().filter_map(|line| line.split_once('='));
        Self(Ok(pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()))
    }

    fn are(&self, expected: &[(&str, &str)]) {
        let found = self.0.as_ref().unwrap();
        for (name, value) in expected {
            let told = found.get(*name).map(String::as_str);
            assert_eq!(told, Some(*value), "{name} of {found:?}");
        }
    }
}

/// The same for both: what a web server has found out reaches the extension, what a client merely claims does not.
fn tells_who_asks(secrets: &Secrets, front: &Front) {
    let nobody = [
        ("REMOTE_USER", ""),
        ("AUTH_USER", ""),
        ("LOGON_USER", ""),
        ("AUTH_TYPE", ""),
    ];
    let ann = [
        ("REMOTE_USER", "ann"),
        ("AUTH_USER", "ann"),
        ("LOGON_USER", "ann"),
        ("UNMAPPED_REMOTE_USER", "ann"),
        ("AUTH_TYPE", "Basic"),
        ("AUTH_PASSWORD", "secret"),
    ];
    let no_certificate = [
        ("CERT_FLAGS", "0"),
        ("CERT_SUBJECT", ""),
        ("CERT_SERIALNUMBER", ""),
        ("CERT_COOKIE", ""),
    ];
    let plain = secrets.ask(front, "/dumpvars.so", None, &[]);
    plain.are(&[
        ("HTTPS", "on"),
        ("SERVER_PORT_SECURE", "1"),
        ("HTTPS_KEYSIZE", "256"),
        ("SERVER_NAME", "localhost"),
    ]);
    plain.are(&nobody);
    plain.are(&no_certificate);

    let claims = [
        "--user",
        "ann:secret",
        "--header",
        "X-SSL-Client-S-DN: CN=ann",
    ];
    let claimed = secrets.ask(front, "/dumpvars.so", None, &claims);
    claimed.are(&nobody);
    claimed.are(&no_certificate);

    let known = secrets.ask(front, "/private/dumpvars.so", Some("ann"), &claims);
    known.are(&ann);
    known.are(&[
        ("CERT_FLAGS", "1"),
        ("CERT_SUBJECT", "CN=ann"),
        ("CERT_ISSUER", "CN=ann"),
        ("CERT_SERIALNUMBER", "2A"),
    ]);
    let cookie = known.0.unwrap()["CERT_COOKIE"].clone();
    assert!(
        cookie.len() == 32 && cookie.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{cookie}"
    );

    let wrong = secrets.ask(
        front,
        "/private/dumpvars.so",
        Some("ann"),
        &["--user", "ann:guess"],
    );
    assert!(wrong.0.unwrap_err().contains("401"));
    let other = secrets.ask(front, "/dumpvars.so", Some("eve"), &[]);
    assert!(other.0.is_err(), "a certificate that nobody vouches for");
}

#[test]
fn nginx_tells_of_passwords_and_certificates() {
    let (gateway, places) = gateway(TempDir::new().unwrap(), SITES);
    let secrets = Secrets::new();
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let mut text = Changed::document("nginx-tls.conf");
    text.nginx(folder.path(), &places);
    text.change("listen 443 ssl;", &format!("listen 127.0.0.1:{port} ssl;"));
    secrets.apply(&mut text, "/etc/nginx");
    let mut command = Command::new(peer("nginx"));
    let file = text.write(folder.path(), "nginx.conf");
    command.args(["-g", "daemon off;", "-c"]).arg(file);
    let front = Front::run(command, port, folder);
    tells_who_asks(&secrets, &front);
    front.stop();
    gateway.stop();
}

#[test]
fn apache_tells_of_passwords_and_certificates() {
    let (gateway, places) = gateway(TempDir::new().unwrap(), SITES);
    let secrets = Secrets::new();
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let mut text = Changed::document("apache2-tls.conf");
    text.apache(folder.path(), &places);
    text.change("Listen 443", &format!("Listen 127.0.0.1:{port}"));
    secrets.apply(&mut text, "/etc/apache2");
    let mut command = Command::new(peer("apache2"));
    let file = text.write(folder.path(), "apache2.conf");
    command.args(["-D", "FOREGROUND", "-f"]).arg(file);
    let front = Front::run(command, port, folder);
    tells_who_asks(&secrets, &front);
    front.stop();
    gateway.stop();
}
