//! lighttpd as the front.

use std::path::Path;
use std::process::Command;

use super::child::quiet;
use super::peer::Handler;
use super::place::installed;

/// How it is started on a port of this machine, to hand `/bench` to the handler; its configuration is in the folder.
///
/// # Errors
/// When it is not installed, or the folder cannot be written.
pub fn command(folder: &Path, port: u16, handler: &Handler) -> anyhow::Result<Command> {
    let handler = match handler {
        Handler::Socket(socket) => format!(
            "server.modules += (\"mod_fastcgi\")\n\
             fastcgi.server = (\"/bench\" => ((\"socket\" => \"{}\", \"check-local\" => \"disable\")))\n",
            socket.display()
        ),
        Handler::Program(program) => {
            // It is found by its name in the document root.
            std::os::unix::fs::symlink(program, folder.join("bench"))?;
            "server.modules += (\"mod_cgi\")\n$HTTP[\"url\"] =~ \"^/bench\" { cgi.assign = (\"\" => \"\") }\n"
                .to_owned()
        }
    };
    let text = format!(
        "server.document-root = \"{0}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n\
         server.errorlog = \"/dev/stderr\"\nserver.upload-dirs = (\"{0}\")\nserver.max-keep-alive-requests = 0\n\
         server.max-request-size = 0\nserver.max-connections = 4096\nserver.max-fds = 8192\n\
         server.listen-backlog = 1024\nserver.stream-response-body = 1\nserver.stream-request-body = 1\n{handler}",
        folder.display(),
    );
    let file = folder.join("lighttpd.conf");
    std::fs::write(&file, text)?;
    let mut command = quiet(&installed("lighttpd").map_err(anyhow::Error::msg)?);
    command.arg("-D").arg("-f").arg(&file);
    Ok(command)
}
