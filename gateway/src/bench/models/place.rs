//! What the models find on this machine.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::library::{self, Platform};

/// What the names of the folders of servers begin with.
pub const FOLDER: &str = "isapi-bench-";

/// Folders of servers that are often not in PATH.
const SYSTEM: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// What the models run, and how wide.
#[derive(Debug)]
pub struct Place {
    /// The gateway: this program.
    pub gateway: PathBuf,
    /// The folder of the samples: `bench.so`, `cgi/bench`, `fcgi/bench`, `x86_64/bench.dll`, `i686/bench.dll`.
    pub samples: PathBuf,
    /// The user's own extension, which takes the place of the handler.
    pub extension: Option<PathBuf>,
    /// Wine's prefix; `None`: the gateway's default.
    pub wine_prefix: Option<PathBuf>,
    /// Connections at most.
    pub connections: usize,
    /// Processors.
    pub processors: usize,
}

impl Place {
    /// The extension for this platform, if there is one.
    ///
    /// # Errors
    /// Why there is none.
    pub fn extension(&self, platform: Platform) -> Result<PathBuf, String> {
        if let Some(own) = &self.extension {
            let theirs = library::platform_of(own).map_err(|defect| defect.to_string())?;
            return match theirs == platform {
                true => Ok(own.clone()),
                false => Err("the extension is for another platform".to_owned()),
            };
        }
        let file = match platform {
            Platform::Native => "bench.so",
            Platform::Windows64 => "x86_64/bench.dll",
            Platform::Windows32 => "i686/bench.dll",
        };
        self.sample(file)
    }

    /// The handler as a program: `cgi/bench` or `fcgi/bench`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn program(&self, file: &str) -> Result<PathBuf, String> {
        match &self.extension {
            Some(_) => Err("the extension is no program".to_owned()),
            None => self.sample(file),
        }
    }

    fn sample(&self, file: &str) -> Result<PathBuf, String> {
        let path = self.samples.join(file);
        match path.is_file() {
            true => Ok(path),
            false => Err(format!("{} is not built", path.display())),
        }
    }

    /// The worker, or the one for Windows of this machine.
    ///
    /// # Errors
    /// Why there is none.
    pub fn worker(&self, file: &str) -> Result<PathBuf, String> {
        let path = self.gateway.with_file_name(file);
        match path.is_file() {
            true => Ok(path),
            false => Err(format!("{} is not built", path.display())),
        }
    }

    /// A new folder for a model's files, which is gone with it.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn folder(&self) -> std::io::Result<TempDir> {
        let folder = TempDir::with_prefix(FOLDER)?;
        // Servers that give up root have to reach their sockets in it.
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), everybody)?;
        Ok(folder)
    }
}

/// A program of the system.
///
/// # Errors
/// That it is not installed.
pub fn installed(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM.iter().map(PathBuf::from));
    let found = folders
        .map(|folder| folder.join(name))
        .find(|it| it.is_file());
    found.ok_or_else(|| format!("{name} is not installed"))
}

/// A file or folder that a server needs.
///
/// # Errors
/// That it is not there.
pub fn present(path: &str, what: &str) -> Result<PathBuf, String> {
    match Path::new(path).exists() {
        true => Ok(PathBuf::from(path)),
        false => Err(format!("{what} is not installed")),
    }
}
