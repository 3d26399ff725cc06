//! A site with PHP, as php-fpm at a socket or as php-cgi that the gateway starts.

use std::path::Path;
use std::process::{Command, Stdio};

use system_tests::{Daemon, Gateway, Lines, Reply, Running, administrators, peer};
use tempfile::TempDir;

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
pub enum Way {
    /// php-fpm with four children, four connections kept.
    Fpm,
    /// php-cgi, four processes of the gateway.
    Cgi,
}

pub struct Php {
    pub gateway: Gateway,
    pub fpm: Option<Daemon>,
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
fn fpm(folder: &Path) -> Daemon {
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
    let mut command = Command::new(administrators("php-fpm"));
    command
        .args(is_root.then_some("-R"))
        .arg("-c")
        .arg(folder.join("php.ini"))
        .arg("-y")
        .arg(folder.join("fpm.conf"))
        .stderr(Stdio::piped());
    let mut daemon = Daemon(Running(command.spawn().unwrap()));
    let log = Lines::of(daemon.0.stderr.take().unwrap());
    log.wait_for(&["ready to handle connections"]);
    daemon
}

pub fn php(way: Way) -> Php {
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
    pub fn get(&self, path: &str) -> Reply {
        self.gateway.get(path)
    }

    pub fn stop(self) {
        self.gateway.stop();
        if let Some(fpm) = self.fpm {
            fpm.stop();
        }
    }
}

/// The configuration of the documentation.
pub fn documented() -> Php {
    let folder = folder();
    let fpm = fpm(folder.path());
    let document = include_str!("../../../docs/fastcgi.md");
    let (_, text) = document.split_once("# php.toml\n").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    let text = text
        .replace("/srv/www", "{dir}/www")
        .replace("/run/php/php8.2-fpm.sock", "fpm.sock");
    let gateway = Gateway::with_config_in(folder, &text);
    Php {
        gateway,
        fpm: Some(fpm),
    }
}
