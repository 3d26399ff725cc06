//! Finding Wine and the workers that run under it. Nothing is started.

use std::path::{Path, PathBuf};

use super::WineError;
use crate::library::Platform;
use crate::os::is_program;

/// Where distributions and Wine's own packages put the loader. Debian's lies outside of PATH.
const KNOWN: [&str; 6] = [
    "/usr/lib/wine/wine64",
    "/usr/lib64/wine/wine64",
    "/opt/wine-stable/bin/wine64",
    "/opt/wine-stable/bin/wine",
    "/opt/wine-staging/bin/wine",
    "/opt/wine-devel/bin/wine",
];

/// Folders of Wine's DLLs, from the loader's.
const LIBRARIES: [&str; 4] = [
    "../lib/wine",
    "../lib64/wine",
    "../lib/x86_64-linux-gnu/wine",
    "../x86_64-linux-gnu/wine",
];

/// An installation of Wine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wine {
    /// Starts Windows programs.
    pub loader: PathBuf,
    /// Their common server, one for each prefix.
    pub server: PathBuf,
    /// Holds `x86_64-windows` and, where it can run 32-bit programs, `i386-windows`. `None`: at an unknown place.
    libraries: Option<PathBuf>,
}

impl Wine {
    /// The configured loader; else `wine64` in PATH, the known places, and `wine` in PATH, which may be a script.
    ///
    /// # Errors
    /// [`WineError::NotFound`] and [`WineError::NoServer`].
    pub fn find(configured: Option<&Path>) -> Result<Self, WineError> {
        if let Some(loader) = configured {
            return Self::at(loader).ok_or_else(|| WineError::NoServer(loader.to_owned()));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let in_path = |name: &'static str| folders.iter().map(move |folder| folder.join(name));
        let known = KNOWN.iter().map(PathBuf::from);
        in_path("wine64")
            .chain(known)
            .chain(in_path("wine"))
            .filter(|loader| is_program(loader))
            .find_map(|loader| Self::at(&loader))
            .ok_or(WineError::NotFound)
    }

    /// The installation of this loader, if its server is at its side.
    fn at(loader: &Path) -> Option<Self> {
        let real = loader.canonicalize().ok()?;
        let folders = [loader.parent()?, real.parent()?];
        let server = folders
            .iter()
            .flat_map(|folder| ["wineserver64", "wineserver"].map(|name| folder.join(name)))
            .find(|server| is_program(server))?;
        let libraries = folders
            .iter()
            .flat_map(|folder| LIBRARIES.map(|libraries| folder.join(libraries)))
            .find(|libraries| libraries.join("x86_64-windows").is_dir());
        Some(Self {
            loader: loader.to_owned(),
            server,
            libraries: libraries.and_then(|libraries| libraries.canonicalize().ok()),
        })
    }

    /// Whether programs of this platform can run.
    ///
    /// # Errors
    /// [`WineError::No32Bit`].
    pub fn supports(&self, platform: Platform) -> Result<(), WineError> {
        match self.libraries(platform) {
            Some(folder)
                if platform == Platform::Windows32 && !folder.join("ntdll.dll").is_file() =>
            {
                Err(WineError::No32Bit(folder))
            }
            _ => Ok(()),
        }
    }

    /// The folder of Wine's own DLLs for a platform.
    pub fn libraries(&self, platform: Platform) -> Option<PathBuf> {
        let folder = match platform {
            Platform::Windows64 => "x86_64-windows",
            Platform::Windows32 => "i386-windows",
            Platform::Native => return None,
        };
        Some(self.libraries.as_ref()?.join(folder))
    }
}

/// The worker for a Windows platform, which lies beside the native one.
///
/// # Errors
/// [`WineError::NoWorker`].
pub fn worker(native: &Path, platform: Platform) -> Result<PathBuf, WineError> {
    let name = match platform {
        Platform::Native => return Ok(native.to_owned()),
        Platform::Windows64 => "isapi-worker-x86_64.exe",
        Platform::Windows32 => "isapi-worker-i686.exe",
    };
    let worker = native.with_file_name(name);
    if worker.is_file() {
        Ok(worker)
    } else {
        Err(WineError::NoWorker(worker))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample::write_program;

    /// An installation as upstream lays it out: bin/wine, bin/wineserver, lib/wine.
    fn install() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "lib/wine/x86_64-windows", "lib/wine/i386-windows"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for name in ["bin/wine", "bin/wineserver"] {
            write_program(&folder.path().join(name), "exit 0");
        }
        folder
    }

    #[test]
    fn an_installation_is_known_by_its_loader() {
        let folder = install();
        let loader = folder.path().join("bin/wine");
        let wine = Wine::find(Some(&loader)).unwrap();
        assert_eq!(wine.loader, loader);
        assert_eq!(wine.server, folder.path().join("bin/wineserver"));
        let libraries = folder.path().canonicalize().unwrap().join("lib/wine");
        assert_eq!(
            wine.libraries(Platform::Windows64),
            Some(libraries.join("x86_64-windows"))
        );
        assert!(wine.supports(Platform::Windows64).is_ok());
        let refused = wine.supports(Platform::Windows32).unwrap_err();
        assert!(
            matches!(&refused, WineError::No32Bit(folder) if *folder == libraries.join("i386-windows"))
        );
        std::fs::write(libraries.join("i386-windows/ntdll.dll"), "").unwrap();
        assert!(wine.supports(Platform::Windows32).is_ok());
    }

    #[test]
    fn a_loader_without_its_server_is_none() {
        let folder = install();
        std::fs::remove_file(folder.path().join("bin/wineserver")).unwrap();
        let refused = Wine::find(Some(&folder.path().join("bin/wine"))).unwrap_err();
        assert!(matches!(refused, WineError::NoServer(_)));
        assert!(refused.remedy().contains("wine64"));
    }

    #[test]
    fn workers_for_windows_lie_beside_the_native_one() {
        let folder = tempfile::tempdir().unwrap();
        let native = folder.path().join("isapi-worker");
        assert_eq!(worker(&native, Platform::Native).unwrap(), native);
        let expected = folder.path().join("isapi-worker-i686.exe");
        let missing = worker(&native, Platform::Windows32).unwrap_err();
        assert!(matches!(&missing, WineError::NoWorker(path) if *path == expected));
        std::fs::write(&expected, "").unwrap();
        assert_eq!(worker(&native, Platform::Windows32).unwrap(), expected);
    }
}
