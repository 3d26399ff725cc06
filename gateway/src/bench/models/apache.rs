//! Behind Apache, with its event model.

use std::path::Path;

use super::application::Application;
use super::child::{Child, free_port, listens, quiet};
use super::place::{Place, installed, present};
use super::{Kind, Model, Running};

/// Where Debian puts Apache's modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// What Apache runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A libfcgi application (mod_proxy_fcgi).
    Libfcgi,
    /// A CGI program (mod_cgid).
    Cgi,
}

/// Both.
pub const BEHIND: [Behind; 2] = [Behind::Libfcgi, Behind::Cgi];

/// Apache as the front.
pub struct Apache(pub Behind);

impl Model for Apache {
    fn id(&self) -> String {
        match self.0 {
            Behind::Libfcgi => "apache-libfcgi".to_owned(),
            Behind::Cgi => "apache-cgi".to_owned(),
        }
    }

    fn title(&self) -> String {
        match self.0 {
            Behind::Libfcgi => "Apache → libfcgi application".to_owned(),
            Behind::Cgi => "Apache → CGI program".to_owned(),
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
        let modules = || present(MODULES, "Apache's module folder");
        let checked = installed("apache2").and_then(|_| modules()).and(behind);
        checked.err()
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
                    "{}{}ProxyPass \"/bench\" \"unix:{}|fcgi://bench/\" enablereuse=on\n",
                    module("proxy"),
                    module("proxy_fcgi"),
                    socket.display()
                )
            }
            Behind::Cgi => {
                let program = place.program("cgi/bench").map_err(anyhow::Error::msg)?;
                format!(
                    "{}{}ScriptSock {}/cgid.sock\nScriptAlias \"/bench\" \"{}\"\n",
                    module("alias"),
                    module("cgid"),
                    folder.path().display(),
                    program.display()
                )
            }
        };
        let file = folder.path().join("apache.conf");
        std::fs::write(
            &file,
            configuration(folder.path(), &address.to_string(), &handler),
        )?;
        let program = installed("apache2").map_err(anyhow::Error::msg)?;
        let mut command = quiet(&program);
        command.args(["-D", "FOREGROUND", "-f"]).arg(&file);
        let mut child = Child::start(&mut command, folder.path())?;
        child.wait_until(|| listens(address))?;
        let mut children = vec![child];
        children.extend(behind);
        Ok(Running::new(address, children, folder))
    }
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
