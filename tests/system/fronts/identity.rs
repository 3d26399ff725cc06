//! Who a client is, as web servers with TLS find out: by a password, by a certificate.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use system_tests::{Output, free_port, peer, run};
use tempfile::TempDir;

use super::server::{Changed, Front, Kind, Places, gateway, open};

const SITES: &str = "[[site]]\n[[site.handler]]\npath = \"/dumpvars.so\"\npool = \"dumpvars\"\n\
    [[site.handler]]\npath = \"/private/*\"\npool = \"dumpvars\"\n\
    [pool.dumpvars]\nextension = \"{samples}/dumpvars.so\"\n";

/// What is in the certificate of the client that is known (RFC 2253).
const NAME: &str = "CN=ann,O=Example";

/// Statuses of what is not answered.
const REFUSED: &[u16] = &[400, 401, 404];

/// The keys and passwords of a test, in a folder of its own.
struct Secrets(TempDir);

impl Secrets {
    fn new() -> Self {
        let secrets = Self(TempDir::new().unwrap());
        secrets.certificate("server", "localhost", "1");
        secrets.certificate("ann", "ann", "42");
        secrets.certificate("eve", "eve", "43");
        let password = openssl(&["passwd", "-apr1", "secret"]);
        std::fs::write(secrets.path("passwords"), format!("ann:{password}\n")).unwrap();
        let parts =
            ["server.pem", "server.key"].map(|name| std::fs::read(secrets.path(name)).unwrap());
        std::fs::write(secrets.path("both.pem"), parts.concat()).unwrap();
        open(secrets.0.path());
        secrets
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A certificate that vouches for itself, `NAME.pem`, and its key, `NAME.key`.
    fn certificate(&self, name: &str, subject: &str, serial: &str) {
        let path = |ending| self.path(&format!("{name}.{ending}"));
        let (key, certificate) = (path("key"), path("pem"));
        let options = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2 \
            -addext subjectAltName=DNS:localhost";
        let options = options.split_whitespace();
        let subject = format!("/O=Example/CN={subject}");
        let own = ["-subj", &subject, "-set_serial", serial];
        let files = [
            "-keyout",
            key.to_str().unwrap(),
            "-out",
            certificate.to_str().unwrap(),
        ];
        openssl(&options.chain(own).chain(files).collect::<Vec<_>>());
    }

    /// Puts them in the place of those of a configuration.
    fn apply(&self, kind: Kind, text: &mut Changed, folder: &str) {
        let mut files = vec![
            ("tls/server.pem", "server.pem"),
            ("tls/issuers.pem", "ann.pem"),
        ];
        match kind {
            Kind::Haproxy => files[0].1 = "both.pem",
            Kind::Caddy => files.push(("tls/server.key", "server.key")),
            Kind::Nginx | Kind::Apache | Kind::Lighttpd => {
                files.extend([("tls/server.key", "server.key"), ("passwords", "passwords")]);
            }
        }
        for (from, to) in files {
            text.change_path(&format!("{folder}/{from}"), &self.path(to));
        }
    }

    /// What the extension at a path is told about a client with this certificate and these further options of curl.
    fn ask(&self, front: &Front, path: &str, who: Option<&str>, options: &[&str]) -> Variables {
        let mut curl = self.curl(front, &format!("{path}?format=text"));
        curl.arg("--fail").args(options);
        if let Some(name) = who {
            curl.arg("--cert").arg(self.path(&format!("{name}.pem")));
            curl.arg("--key").arg(self.path(&format!("{name}.key")));
        }
        Variables::of(&run(&mut curl))
    }

    /// The status that a client without certificate and password gets, who sends this target as it is.
    fn status(&self, front: &Front, target: &str) -> u16 {
        let mut curl = self.curl(front, target);
        curl.args(["--path-as-is", "--output", "/dev/null"]);
        output(curl.args(["--write-out", "%{http_code}"]))
            .parse()
            .unwrap()
    }

    /// A curl that asks for this target.
    fn curl(&self, front: &Front, target: &str) -> Command {
        let port = front.address().port();
        let mut curl = Command::new(peer("curl"));
        curl.args(["--silent", "--show-error", "--cacert"])
            .arg(self.path("server.pem"))
            .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
            .arg(format!("https://localhost:{port}{target}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        curl
    }
}

/// What `openssl` prints.
fn openssl(arguments: &[&str]) -> String {
    output(Command::new(peer("openssl")).args(arguments))
}

/// What a program prints that has to succeed.
fn output(command: &mut Command) -> String {
    let output = run(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert!(output.status.success(), "{output:?}");
    output.out
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

/// What a web server has found out reaches the extension, what a client merely claims does not.
fn tells_who_asks(kind: Kind) {
    let (gateway, places) = gateway(TempDir::new().unwrap(), SITES);
    let secrets = Secrets::new();
    let front = start(kind, &secrets, &places);
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
    let (subject, issuer, serial, key_size) = match kind {
        // lighttpd does not tell the issuer.
        Kind::Lighttpd => ("O = Example, CN = ann", "", "2A", "256"),
        // Go's order of ciphers, and decimal numbers.
        Kind::Caddy => (NAME, NAME, "42", "128"),
        Kind::Nginx | Kind::Apache | Kind::Haproxy => (NAME, NAME, "2A", "256"),
    };
    let plain = secrets.ask(&front, "/dumpvars.so", None, &[]);
    plain.are(&[
        ("HTTPS", "on"),
        ("SERVER_PORT_SECURE", "1"),
        ("HTTPS_KEYSIZE", key_size),
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
    let claimed = secrets.ask(&front, "/dumpvars.so", None, &claims);
    claimed.are(&nobody);
    claimed.are(&no_certificate);

    let known = secrets.ask(&front, "/private/dumpvars.so", Some("ann"), &claims);
    known.are(&ann);
    known.are(&[
        ("CERT_FLAGS", "1"),
        ("CERT_SUBJECT", subject),
        ("CERT_ISSUER", issuer),
        ("CERT_SERIALNUMBER", serial),
    ]);
    let cookie = known.0.unwrap()["CERT_COOKIE"].clone();
    assert!(
        cookie.len() == 32 && cookie.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{cookie}"
    );

    let wrong = secrets.ask(
        &front,
        "/private/dumpvars.so",
        Some("ann"),
        &["--user", "ann:guess"],
    );
    assert!(wrong.0.unwrap_err().contains("401"));
    let stranger = secrets.ask(&front, "/dumpvars.so", Some("eve"), &[]);
    if kind == Kind::Lighttpd {
        stranger.are(&[("CERT_FLAGS", "3")]);
    } else {
        assert!(stranger.0.is_err(), "a certificate that nobody vouches for");
    }
    front.stop();
    gateway.stop();
}

/// However its URL is written, nothing in the folder is answered without a password.
fn asks_for_a_password(kind: Kind) {
    let (gateway, places) = gateway(TempDir::new().unwrap(), SITES);
    let secrets = Secrets::new();
    let front = start(kind, &secrets, &places);
    let mut wrong = Vec::new();
    for (target, allowed) in [
        ("/private", &[401][..]),
        ("/private/", &[401]),
        ("/private?", &[401]),
        ("/private/dumpvars.so", &[401]),
        ("/PRIVATE/dumpvars.so", &[401]),
        ("/Private/DumpVars.so/x?y", &[401]),
        ("/private//dumpvars.so", &[401]),
        ("//private/dumpvars.so", &[401]),
        ("///Private/dumpvars.so", &[401]),
        ("/./private/dumpvars.so", &[401]),
        ("/.//././private/dumpvars.so", &[401]),
        ("/%70rivate/dumpvars.so", &[401]),
        ("/%50RIVATE/dumpvars.so", &[401]),
        ("/%2fprivate/dumpvars.so", &[401]),
        ("/%2e/private/dumpvars.so", &[401]),
        ("/private%2Fdumpvars.so", &[401]),
        // What only some web servers resolve, and what is another path or none.
        ("/x/../private/dumpvars.so", REFUSED),
        ("/x/%2e%2e/private/dumpvars.so", REFUSED),
        ("/dumpvars.so/../private/dumpvars.so", REFUSED),
        ("/%2570rivate/dumpvars.so", REFUSED),
        ("/private./dumpvars.so", REFUSED),
        ("/private%20/dumpvars.so", REFUSED),
        ("/\\private/dumpvars.so", REFUSED),
        ("/%00/private/dumpvars.so", REFUSED),
        ("/private.so", &[404]),
        ("/dumpvars.so", &[200]),
    ] {
        let status = secrets.status(&front, target);
        if !allowed.contains(&status) {
            wrong.push((target, status));
        }
    }
    assert_eq!(wrong, []);
    front.stop();
    gateway.stop();
}

/// Starts it with its file for TLS.
fn start(kind: Kind, secrets: &Secrets, places: &Places) -> Front {
    let (folder, port) = (TempDir::new().unwrap(), free_port());
    let path = folder.path();
    let (mut text, own) = match kind {
        Kind::Nginx => {
            let mut text = Changed::document("nginx-tls.conf");
            text.nginx(path, places);
            text.change("listen 443 ssl;", &format!("listen 127.0.0.1:{port} ssl;"));
            (text, "/etc/nginx")
        }
        Kind::Apache => {
            let mut text = Changed::document("apache2-tls.conf");
            text.apache(path, places);
            text.change("Listen 443", &format!("Listen 127.0.0.1:{port}"));
            (text, "/etc/apache2")
        }
        Kind::Lighttpd => {
            let mut text = Changed::document("lighttpd-tls.conf");
            text.lighttpd(path, places);
            text.change("= 443", &format!("= {port}"));
            (text, "/etc/lighttpd")
        }
        Kind::Haproxy => {
            let mut text = Changed::document("haproxy-tls.cfg");
            text.change("bind :443", &format!("bind 127.0.0.1:{port}"));
            text.change("127.0.0.1:9000", &format!("127.0.0.1:{}", places.port));
            let password = openssl(&["passwd", "-6", "secret"]);
            text.change("$6$CHANGE$ME", password.trim());
            (text, "/etc/haproxy")
        }
        Kind::Caddy => {
            let mut text = Changed::document("Caddyfile-tls");
            text.caddy(path, places);
            let address = format!("https://:{port} {{\n\tbind 127.0.0.1");
            text.change(":443 {", &address);
            let mut hash = Command::new(peer("caddy"));
            let password = output(hash.args(["hash-password", "--plaintext", "secret"]));
            text.change("CHANGEME", password.trim());
            (text, "/etc/caddy")
        }
    };
    secrets.apply(kind, &mut text, own);
    Front::run(kind, &text, port, folder)
}

#[test]
fn nginx_tells_of_passwords_and_certificates() {
    tells_who_asks(Kind::Nginx);
}

#[test]
fn apache_tells_of_passwords_and_certificates() {
    tells_who_asks(Kind::Apache);
}

#[test]
fn lighttpd_tells_of_passwords_and_certificates() {
    tells_who_asks(Kind::Lighttpd);
}

#[test]
fn haproxy_tells_of_passwords_and_certificates() {
    tells_who_asks(Kind::Haproxy);
}

#[test]
fn caddy_tells_of_passwords_and_certificates() {
    tells_who_asks(Kind::Caddy);
}

#[test]
fn nginx_asks_for_a_password_however_the_url_is_written() {
    asks_for_a_password(Kind::Nginx);
}

#[test]
fn apache_asks_for_a_password_however_the_url_is_written() {
    asks_for_a_password(Kind::Apache);
}

#[test]
fn lighttpd_asks_for_a_password_however_the_url_is_written() {
    asks_for_a_password(Kind::Lighttpd);
}

#[test]
fn haproxy_asks_for_a_password_however_the_url_is_written() {
    asks_for_a_password(Kind::Haproxy);
}

#[test]
fn caddy_asks_for_a_password_however_the_url_is_written() {
    asks_for_a_password(Kind::Caddy);
}
