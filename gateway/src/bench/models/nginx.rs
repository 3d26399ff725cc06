//! Behind nginx.

use std::path::Path;

use super::application::{Application, Linking};
use super::child::{Child, free_port, listens, quiet};
use super::gateway::{Front, HOSTS, Host};
use super::place::{Place, installed};
use super::{Kind, Model, Running};
use crate::bench::load::Load;
use crate::bench::plan::Extent;
use crate::library::Platform;

/// What nginx passes requests to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Nothing: it answers itself.
    Nothing,
    /// A FastCGI application.
    Application(Application),
    /// The gateway, over FastCGI.
    Gateway(Host),
}

/// Everything that is measured behind nginx.
pub const BEHIND: [Behind; 13] = [
    Behind::Application(Application::Libfcgi),
    Behind::Application(Application::Worker),
    Behind::Application(Application::Fcgiwrap(Linking::Dynamic)),
    Behind::Application(Application::Fcgiwrap(Linking::Static)),
    Behind::Gateway(HOSTS[0]),
    Behind::Gateway(HOSTS[1]),
    Behind::Gateway(HOSTS[2]),
    Behind::Gateway(HOSTS[3]),
    Behind::Gateway(HOSTS[4]),
    Behind::Gateway(HOSTS[5]),
    Behind::Gateway(HOSTS[6]),
    Behind::Gateway(HOSTS[7]),
    Behind::Nothing,
];

/// nginx as the front.
pub struct Nginx(pub Behind);

impl Model for Nginx {
    fn id(&self) -> String {
        match self.0 {
            Behind::Nothing => "nginx".to_owned(),
            Behind::Application(application) => format!("nginx-{}", application.id()),
            Behind::Gateway(host) => format!("nginx-{}", host.id()),
        }
    }

    fn title(&self) -> String {
        match self.0 {
            Behind::Nothing => "nginx alone".to_owned(),
            Behind::Application(application) => format!("nginx → {}", application.title()),
            Behind::Gateway(host) => format!("nginx → gateway → {}", host.title()),
        }
    }

    fn kind(&self) -> Kind {
        match self.0 {
            Behind::Nothing => Kind::Front,
            Behind::Application(Application::Fcgiwrap(_)) => Kind::Process,
            Behind::Application(_) => Kind::Isolated,
            Behind::Gateway(host) => host.kind(),
        }
    }

    fn absence(&self, place: &Place) -> Option<String> {
        installed("nginx").and_then(|_| self.check(place)).err()
    }

    fn extent(&self) -> Extent {
        match self.0 {
            Behind::Application(Application::Libfcgi)
            | Behind::Gateway(Host::Isapi(Platform::Native)) => Extent::Studied,
            _ => Extent::Whole,
        }
    }

    fn refusal(&self, load: Load) -> Option<&'static str> {
        match self.0 {
            Behind::Nothing if load != Load::Hello => Some("there is no handler behind it"),
            Behind::Nothing | Behind::Application(_) => None,
            Behind::Gateway(host) => host.refusal(load),
        }
    }

    fn loses_children(&self) -> bool {
        matches!(self.0, Behind::Application(Application::Fcgiwrap(_)))
    }

    fn start(&self, place: &Place) -> anyhow::Result<Running> {
        let folder = place.folder()?;
        let (behind, pass) = self.start_behind(place, folder.path())?;
        let address = free_port()?;
        let file = folder.path().join("nginx.conf");
        let text = configuration(folder.path(), place.processors, &address.to_string(), &pass);
        std::fs::write(&file, text)?;
        let program = installed("nginx").map_err(anyhow::Error::msg)?;
        let mut command = quiet(&program);
        command.arg("-c").arg(&file).arg("-p").arg(folder.path());
        command.args(["-e", "stderr"]);
        let mut child = Child::start(&mut command, folder.path())?;
        child.wait_until(|| listens(address))?;
        let mut children = vec![child];
        children.extend(behind);
        Ok(Running::new(address, children, folder))
    }
}

/// What nginx needs to know of what is behind it.
struct Pass {
    upstream: String,
    location: String,
}

impl Nginx {
    fn check(&self, place: &Place) -> Result<(), String> {
        match self.0 {
            Behind::Nothing if place.extension.is_some() => Err("it has no handler".to_owned()),
            Behind::Nothing => Ok(()),
            Behind::Application(application) => application.check(place),
            Behind::Gateway(host) => host.absence(place).map_or(Ok(()), Err),
        }
    }

    fn start_behind(&self, place: &Place, folder: &Path) -> anyhow::Result<(Vec<Child>, Pass)> {
        Ok(match self.0 {
            Behind::Nothing => {
                let location = "default_type text/plain; return 200 'Hello, world!';".to_owned();
                let upstream = "server 127.0.0.1:9;".to_owned();
                (Vec::new(), Pass { upstream, location })
            }
            Behind::Application(application) => {
                let (child, socket) = application.start(place, folder)?;
                let script = application.script(place).map_err(anyhow::Error::msg)?;
                // fcgiwrap serves one request for each connection.
                let (keep, params) = match application {
                    Application::Fcgiwrap(_) => ("", ""),
                    _ => ("keepalive 64;", "fastcgi_keep_conn on;"),
                };
                let pass = Pass {
                    upstream: format!("server unix:{}; {keep}", socket.display()),
                    location: format!(
                        "fastcgi_pass behind; {params} {PARAMS} fastcgi_param SCRIPT_FILENAME {};",
                        script.display()
                    ),
                };
                (vec![child], pass)
            }
            Behind::Gateway(host) => {
                let (child, address) = host.start(place, folder, Front::FastCgi)?;
                let pass = Pass {
                    upstream: format!("server {address}; keepalive 64;"),
                    location: format!("fastcgi_pass behind; fastcgi_keep_conn on; {PARAMS}"),
                };
                (vec![child], pass)
            }
        })
    }
}

/// As in Debian's `fastcgi_params`.
const PARAMS: &str = "
fastcgi_param QUERY_STRING $query_string;
fastcgi_param REQUEST_METHOD $request_method;
fastcgi_param CONTENT_TYPE $content_type;
fastcgi_param CONTENT_LENGTH $content_length;
fastcgi_param SCRIPT_NAME $fastcgi_script_name;
fastcgi_param REQUEST_URI $request_uri;
fastcgi_param DOCUMENT_URI $document_uri;
fastcgi_param DOCUMENT_ROOT $document_root;
fastcgi_param SERVER_PROTOCOL $server_protocol;
fastcgi_param REQUEST_SCHEME $scheme;
fastcgi_param GATEWAY_INTERFACE CGI/1.1;
fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
fastcgi_param REMOTE_ADDR $remote_addr;
fastcgi_param REMOTE_PORT $remote_port;
fastcgi_param SERVER_ADDR $server_addr;
fastcgi_param SERVER_PORT $server_port;
fastcgi_param SERVER_NAME $server_name;
fastcgi_param REDIRECT_STATUS 200;
";

/// One worker for each processor, no logs, connections that stay, large buffers, no bodies in files.
fn configuration(folder: &Path, processors: usize, address: &str, pass: &Pass) -> String {
    let folder = folder.display();
    let user = match rustix::process::geteuid().is_root() {
        true => "user root;",
        false => "",
    };
    let Pass { upstream, location } = pass;
    format!(
        "daemon off; {user} worker_processes {processors}; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; fastcgi_temp_path {folder}/fastcgi; proxy_temp_path {folder}/proxy;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000; client_max_body_size 0; client_body_buffer_size 1m;
    fastcgi_buffers 16 64k; fastcgi_buffer_size 64k; fastcgi_busy_buffers_size 128k; fastcgi_max_temp_file_size 0;
    upstream behind {{ {upstream} }}
    server {{
        listen {address} backlog=1024;
        location / {{ {location} }}
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_the_gateway_is_also_measured_behind_nginx() {
        for host in HOSTS {
            assert!(BEHIND.contains(&Behind::Gateway(host)));
        }
    }
}
