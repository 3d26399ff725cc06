//! Straight over HTTP to the gateway, which runs the handler, or has it run.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;

use super::application::{Application, Linking, THREADS};
use super::child::{Child, listens_unix, quiet};
use super::place::Place;
use super::{Kind, Model, Running, run_as_cgi};
use crate::bench::load::Load;
use crate::bench::plan::Extent;
use crate::library::Platform;
use crate::wine::Wine;

/// How the gateway runs the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// A CGI program.
    Cgi(Linking),
    /// The ISAPI extension as a CGI program: a worker for every request.
    IsapiCgi,
    /// A FastCGI application.
    FastCgi,
    /// The ISAPI extension in a worker.
    Isapi(Platform),
    /// The ISAPI extension in the gateway itself.
    InProcess,
}

/// What the gateway listens for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// HTTP, on a free port of 127.0.0.1.
    Http,
    /// FastCGI, on a Unix socket.
    FastCgi,
}

/// Every way.
pub const HOSTS: [Host; 8] = [
    Host::Cgi(Linking::Dynamic),
    Host::Cgi(Linking::Static),
    Host::IsapiCgi,
    Host::FastCgi,
    Host::Isapi(Platform::Native),
    Host::Isapi(Platform::Windows64),
    Host::Isapi(Platform::Windows32),
    Host::InProcess,
];

/// The gateway as the front.
pub struct Gateway(pub Host);

impl Host {
    /// Its name.
    pub fn id(self) -> &'static str {
        match self {
            Self::Cgi(Linking::Dynamic) => "cgi",
            Self::Cgi(Linking::Static) => "cgi-static",
            Self::IsapiCgi => "isapi-cgi",
            Self::FastCgi => "fastcgi",
            Self::Isapi(Platform::Native) => "isapi",
            Self::Isapi(Platform::Windows64) => "isapi-wine64",
            Self::Isapi(Platform::Windows32) => "isapi-wine32",
            Self::InProcess => "in-process",
        }
    }

    /// What follows the gateway on a request's way.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cgi(Linking::Dynamic) => "CGI program",
            Self::Cgi(Linking::Static) => "CGI program, static",
            Self::IsapiCgi => "ISAPI run as CGI",
            Self::FastCgi => "libfcgi application",
            Self::Isapi(Platform::Native) => "ISAPI worker",
            Self::Isapi(Platform::Windows64) => "ISAPI worker, Wine x86-64",
            Self::Isapi(Platform::Windows32) => "ISAPI worker, Wine x86",
            Self::InProcess => "ISAPI in-process",
        }
    }

    /// What explains its cost.
    pub fn kind(self) -> Kind {
        match self {
            Self::Cgi(_) | Self::IsapiCgi => Kind::Process,
            Self::FastCgi | Self::Isapi(_) => Kind::Isolated,
            Self::InProcess => Kind::InProcess,
        }
    }

    /// Why it cannot run here.
    pub fn absence(self, place: &Place) -> Option<String> {
        self.check(place).err()
    }

    /// Why it cannot take this load.
    pub fn refusal(self, load: Load) -> Option<&'static str> {
        match (self, load) {
            (Self::InProcess, Load::Stream64m) => {
                Some("the extension runs on the thread that sends, so its answer is gathered whole")
            }
            _ => None,
        }
    }

    /// Starts the gateway with this handler.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        self,
        place: &Place,
        folder: &Path,
        front: Front,
    ) -> anyhow::Result<(Child, String)> {
        let pool = format!("[pool.bench]\n{}", self.pool(place, folder)?);
        // The user's extension gets every URL, as `serve EXTENSION` would have it.
        let path = match place.extension {
            None => "path = \"/bench\"\n",
            Some(_) => "path = \"*\"\npath_info = true\n",
        };
        let site = format!("[[site]]\n[[site.handler]]\n{path}pool = \"bench\"\n{pool}");
        let verb = match self {
            Self::InProcess => "in-process",
            _ => "serve",
        };
        launch(place, folder, front, verb, &site)
    }

    fn check(self, place: &Place) -> Result<(), String> {
        match self {
            Self::Cgi(linking) => linking.program(place).map(drop),
            Self::FastCgi => Application::Libfcgi.check(place),
            Self::IsapiCgi => run_as_cgi::check(place),
            Self::Isapi(platform) => {
                place.extension(platform)?;
                place.worker(worker(platform))?;
                if platform != Platform::Native {
                    Wine::find(None).map_err(|error| error.to_string())?;
                }
                Ok(())
            }
            Self::InProcess if !cfg!(feature = "in-process") => {
                Err("this program was built without the feature in-process".to_owned())
            }
            Self::InProcess => place.extension(Platform::Native).map(drop),
        }
    }

    /// What the gateway has to know of the pool.
    fn pool(self, place: &Place, folder: &Path) -> anyhow::Result<String> {
        let native = || {
            place
                .extension(Platform::Native)
                .map_err(anyhow::Error::msg)
        };
        Ok(match self {
            Self::Cgi(linking) => {
                let program = linking.program(place).map_err(anyhow::Error::msg)?;
                format!("cgi = {}\n", quoted(&program)?)
            }
            Self::IsapiCgi => run_as_cgi::pool(place, folder)?,
            Self::FastCgi => {
                let program = place.program("fcgi/bench").map_err(anyhow::Error::msg)?;
                // Started by the gateway, with as many threads as it gets connections. It has no documents.
                format!(
                    "program = {}\narguments = \"{THREADS}\"\nconcurrency = {THREADS}\nkeep_alive = {THREADS}\nroot = \"/\"\n",
                    quoted(&program)?
                )
            }
            Self::Isapi(platform) => {
                let extension = place.extension(platform).map_err(anyhow::Error::msg)?;
                format!("extension = {}\n", quoted(&extension)?)
            }
            Self::InProcess => format!("extension = {}\n", quoted(&native()?)?),
        })
    }
}

/// Starts the gateway with these sites and pools. Returns its address, too.
///
/// # Errors
/// When it does not start.
pub fn launch(
    place: &Place,
    folder: &Path,
    front: Front,
    verb: &str,
    sites: &str,
) -> anyhow::Result<(Child, String)> {
    let socket = folder.join("gateway.sock");
    let address = format!("unix:{}", socket.display());
    let mut text = "[server]\n".to_owned();
    text += &match front {
        Front::Http => "http = \"127.0.0.1:0\"\n".to_owned(),
        Front::FastCgi => format!("fastcgi = {}\n", quoted(Path::new(&address))?),
    };
    if let Some(prefix) = &place.wine_prefix {
        text += &format!("wine_prefix = {}\n", quoted(prefix)?);
    }
    // Nobody asks how a server of a measurement died.
    text += "[crash]\nkeep = 0\n";
    let file = folder.join("gateway.toml");
    std::fs::write(&file, text + sites)?;
    let mut command = quiet(&place.gateway);
    command
        .arg(verb)
        .arg("--config")
        .arg(&file)
        .args(["--log-level", "warn"])
        .stdout(Stdio::piped());
    let mut gateway = Child::start(&mut command, folder)?;
    let told = gateway
        .line_after("listening on ")
        .context("isapi-gateway")?;
    match front {
        Front::Http => Ok((gateway, told.trim_start_matches("http://").to_owned())),
        Front::FastCgi => {
            gateway.wait_until(|| listens_unix(&socket))?;
            Ok((gateway, address))
        }
    }
}

/// The file name of the worker for this platform.
pub fn worker(platform: Platform) -> &'static str {
    match platform {
        Platform::Native => "isapi-worker",
        Platform::Windows64 => "isapi-worker-x86_64.exe",
        Platform::Windows32 => "isapi-worker-i686.exe",
    }
}

/// A path as a string of TOML.
pub fn quoted(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().context("a path is not UTF-8 text")?;
    Ok(toml::Value::from(text).to_string())
}

impl Model for Gateway {
    fn id(&self) -> String {
        self.0.id().to_owned()
    }

    fn title(&self) -> String {
        format!("gateway → {}", self.0.title())
    }

    fn kind(&self) -> Kind {
        self.0.kind()
    }

    fn absence(&self, place: &Place) -> Option<String> {
        self.0.absence(place)
    }

    fn extent(&self) -> Extent {
        match self.0 {
            Host::Isapi(Platform::Native) => Extent::Studied,
            _ => Extent::Whole,
        }
    }

    fn refusal(&self, load: Load) -> Option<&'static str> {
        self.0.refusal(load)
    }

    fn start(&self, place: &Place) -> anyhow::Result<Running> {
        let folder = place.folder()?;
        let (child, address) = self.0.start(place, folder.path(), Front::Http)?;
        Ok(Running::new(address.parse()?, vec![child], folder))
    }
}
