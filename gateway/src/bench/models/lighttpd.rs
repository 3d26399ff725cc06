//! Behind lighttpd.

use super::application::Application;
use super::child::{Child, free_port, listens, quiet};
use super::place::{Place, installed};
use super::{Kind, Model, Running};

/// What lighttpd runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A libfcgi application (mod_fastcgi).
    Libfcgi,
    /// A CGI program (mod_cgi).
    Cgi,
}

/// Both.
pub const BEHIND: [Behind; 2] = [Behind::Libfcgi, Behind::Cgi];

/// lighttpd as the front.
pub struct Lighttpd(pub Behind);

impl Model for Lighttpd {
    fn id(&self) -> String {
        match self.0 {
            Behind::Libfcgi => "lighttpd-libfcgi".to_owned(),
            Behind::Cgi => "lighttpd-cgi".to_owned(),
        }
    }

    fn title(&self) -> String {
        match self.0 {
            Behind::Libfcgi => "lighttpd → libfcgi application".to_owned(),
            Behind::Cgi => "lighttpd → CGI program".to_owned(),
        }
    }

    fn kind(&self) -> Kind {
        match self.0 {
            Behind::Libfcgi => Kind::Isolated,
            Behind::Cgi => Kind::Process,
        }
    }

    fn absence(&self, place: &Place) -> Option<String> {
        let behind = match self.0 {
            Behind::Libfcgi => Application::Libfcgi.check(place),
            Behind::Cgi => place.program("cgi/bench").map(drop),
        };
        installed("lighttpd").and(behind).err()
    }

    fn start(&self, place: &Place) -> anyhow::Result<Running> {
        let folder = place.folder()?;
        let address = free_port()?;
        let mut behind = None;
        let handler = match self.0 {
            Behind::Libfcgi => {
                let (child, socket) = Application::Libfcgi.start(place, folder.path())?;
                behind = Some(child);
                format!(
                    "server.modules += (\"mod_fastcgi\")\n\
                     fastcgi.server = (\"/bench\" => ((\"socket\" => \"{}\", \"check-local\" => \"disable\")))\n",
                    socket.display()
                )
            }
            Behind::Cgi => {
                // It is found by its name in the document root.
                let program = place.program("cgi/bench").map_err(anyhow::Error::msg)?;
                std::os::unix::fs::symlink(program, folder.path().join("bench"))?;
                "server.modules += (\"mod_cgi\")\n$HTTP[\"url\"] =~ \"^/bench\" { cgi.assign = (\"\" => \"\") }\n"
                    .to_owned()
            }
        };
        let text = format!(
            "server.document-root = \"{0}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {1}\n\
             server.errorlog = \"/dev/stderr\"\nserver.upload-dirs = (\"{0}\")\nserver.max-keep-alive-requests = 0\n\
             server.max-request-size = 0\nserver.max-connections = 4096\nserver.max-fds = 8192\n\
             server.listen-backlog = 1024\nserver.stream-response-body = 1\nserver.stream-request-body = 1\n{handler}",
            folder.path().display(),
            address.port(),
        );
        let file = folder.path().join("lighttpd.conf");
        std::fs::write(&file, text)?;
        let program = installed("lighttpd").map_err(anyhow::Error::msg)?;
        let mut command = quiet(&program);
        command.arg("-D").arg("-f").arg(&file);
        let mut child = Child::start(&mut command, folder.path())?;
        child.wait_until(|| listens(address))?;
        let mut children = vec![child];
        children.extend(behind);
        Ok(Running::new(address, children, folder))
    }
}
