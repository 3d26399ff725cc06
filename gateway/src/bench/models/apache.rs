//! Apache as the front, with its event model.

use std::path::Path;
use std::process::Command;

use super::child::quiet;
use super::peer::Handler;
use super::place::{installed, present};

/// Where Debian puts Apache's modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// Whether it is installed.
///
/// # Errors
/// What is missing.
pub fn check() -> Result<(), String> {
    installed("apache2").and_then(|_| present(MODULES, "Apache's module folder").map(drop))
}

/// How it is started on a port of this machine, to hand `/bench` to the handler; its configuration is in the folder.
///
/// # Errors
/// When it is not installed, or the folder cannot be written.
pub fn command(folder: &Path, port: u16, handler: &Handler) -> anyhow::Result<Command> {
    let handler = match handler {
        Handler::Socket(socket) => format!(
            "{}{}ProxyPass \"/bench\" \"unix:{}|fcgi://bench/\" enablereuse=on\n",
            module("proxy"),
            module("proxy_fcgi"),
            socket.display()
        ),
        Handler::Program(program) => format!(
            "{}{}ScriptSock {}/cgid.sock\nScriptAlias \"/bench\" \"{}\"\n",
            module("alias"),
            module("cgid"),
            folder.display(),
            program.display()
        ),
    };
    let file = folder.join("apache.conf");
    let address = format!("127.0.0.1:{port}");
    std::fs::write(&file, configuration(folder, &address, &handler))?;
    let mut command = quiet(&installed("apache2").map_err(anyhow::Error::msg)?);
    command.args(["-D", "FOREGROUND", "-f"]).arg(&file);
    Ok(command)
}

fn module(name: &str) -> String {
    format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n")
}

fn configuration(folder: &Path, address: &str, handler: &str) -> String {
    // Apache refuses to serve as root.
    let user = match rustix::process::geteuid().is_root() {
        true => "User www-data\nGroup www-data\n",
        false => "",
    };
    format!(
        "ServerName bench\nServerRoot {0}\nPidFile {0}/apache.pid\nListen {address}\nErrorLog /dev/stderr\nLogLevel error\n\
         {1}{2}{user}KeepAlive On\nMaxKeepAliveRequests 0\n\
         ServerLimit 2\nStartServers 2\nThreadLimit 512\nThreadsPerChild 512\nMaxRequestWorkers 1024\nMinSpareThreads 512\nMaxSpareThreads 1024\n\
         <Directory />\nRequire all granted\n</Directory>\n{handler}",
        folder.display(),
        module("mpm_event"),
        module("authz_core"),
    )
}
