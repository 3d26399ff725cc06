//! The loaded extension: its library, its entry points, its life (ISAPI.md §1).
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::path::{Path, PathBuf};

use isapi_abi::ecb::{
    EXTENSION_CONTROL_BLOCK, HSE_MAX_EXT_DLL_NAME_LEN, HSE_VERSION_INFO, PFN_GETEXTENSIONVERSION,
    PFN_HTTPEXTENSIONPROC, PFN_TERMINATEEXTENSION,
};
use isapi_abi::status::HSE_TERM_MUST_UNLOAD;
use isapi_abi::types::{BOOL, FALSE, HANDLE};
use libloading::Library;

use crate::log;
use crate::os;

/// Why an extension cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("the extension {} does not exist", .0.display())]
    Missing(PathBuf),
    /// The system's loader refuses it.
    #[error("the extension {} cannot be loaded: {reason}", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What the loader says, missing dependencies among it.
        reason: String,
    },
    /// It lacks a required entry point.
    #[error("{} does not export {entry_point}: it is no ISAPI extension", .path.display())]
    NoEntryPoint {
        /// The file.
        path: PathBuf,
        /// Which one.
        entry_point: &'static str,
    },
    /// DllMain returned FALSE: error 1114, ERROR_DLL_INIT_FAILED.
    #[error("DllMain of {} returned FALSE", .0.display())]
    InitFailed(PathBuf),
    /// GetExtensionVersion returned FALSE.
    #[error("GetExtensionVersion of {} returned FALSE (last error {last_error})", .path.display())]
    VersionFalse {
        /// The file.
        path: PathBuf,
        /// `GetLastError()` after the call.
        last_error: u32,
    },
}

/// An extension that may be called.
pub struct Extension {
    path: PathBuf,
    description: String,
    version: u32,
    http_extension_proc: PFN_HTTPEXTENSIONPROC,
    terminate_extension: Option<PFN_TERMINATEEXTENSION>,
    /// Never unloaded before the process ends: threads of the extension may still run.
    _library: std::mem::ManuallyDrop<Library>,
}

impl Extension {
    /// Loads the library and calls `GetExtensionVersion`, once. With `shadow_copy` its file, and those of libraries that
    /// it brings along from the same folder, may be overwritten afterwards.
    ///
    /// # Errors
    /// When the file is missing, is refused by the loader, lacks an entry point, or says FALSE.
    pub fn load(path: &Path, shadow_copy: bool) -> Result<Self, LoadError> {
        if !path.exists() {
            return Err(LoadError::Missing(path.to_owned()));
        }
        let before = os::Images::mapped();
        // SAFETY: running foreign code is what this process exists for; a fault in it ends this process alone.
        let library = unsafe { os::load_library(path) }.map_err(|error| LoadError::Refused {
            path: path.to_owned(),
            reason: root_cause(&error),
        })?;
        if shadow_copy {
            // SAFETY: nothing of the library has been called but its constructors. One that has started a thread which
            // writes to the library's data at this moment is asked to do without (`--no-shadow-copy`).
            let made = unsafe { before.make_private(path.parent().unwrap_or(path)) };
            if let Err(error) = made {
                log::line(format_args!(
                    "{} needs its file as long as it runs, do not overwrite it in place: {error}",
                    path.display()
                ));
            }
        }
        attach(&library).ok_or_else(|| LoadError::InitFailed(path.to_owned()))?;
        // SAFETY: the types are those that ISAPI defines for these names.
        let (get_version, http_extension_proc, terminate_extension) = unsafe {
            (
                entry_point::<PFN_GETEXTENSIONVERSION>(&library, "GetExtensionVersion"),
                entry_point::<PFN_HTTPEXTENSIONPROC>(&library, "HttpExtensionProc"),
                entry_point::<PFN_TERMINATEEXTENSION>(&library, "TerminateExtension"),
            )
        };
        let missing = |entry_point| LoadError::NoEntryPoint {
            path: path.to_owned(),
            entry_point,
        };
        let get_version = get_version.ok_or_else(|| missing("GetExtensionVersion"))?;
        let http_extension_proc =
            http_extension_proc.ok_or_else(|| missing("HttpExtensionProc"))?;
        let mut info = HSE_VERSION_INFO {
            dwExtensionVersion: 0,
            lpszExtensionDesc: [0; HSE_MAX_EXT_DLL_NAME_LEN],
        };
        // SAFETY: a valid structure for the time of the call.
        if unsafe { get_version(&raw mut info) } == FALSE {
            return Err(LoadError::VersionFalse {
                path: path.to_owned(),
                last_error: os::last_error(),
            });
        }
        let description = info
            .lpszExtensionDesc
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        Ok(Self {
            path: path.to_owned(),
            description: String::from_utf8_lossy(description).into_owned(),
            version: info.dwExtensionVersion,
            http_extension_proc,
            terminate_extension,
            _library: std::mem::ManuallyDrop::new(library),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `lpszExtensionDesc`.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// `dwExtensionVersion`: major number in the high word.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Calls `HttpExtensionProc`.
    ///
    /// # Safety
    /// `ecb` is valid until the extension is done with the request (ISAPI.md §2.1).
    pub unsafe fn http_extension_proc(&self, ecb: *mut EXTENSION_CONTROL_BLOCK) -> u32 {
        // SAFETY: the entry point is that of a loaded library; the argument is valid by the caller's promise.
        unsafe { (self.http_extension_proc)(ecb) }
    }

    /// Calls `TerminateExtension`, if there is one. No request may be outstanding (ISAPI.md §1.5).
    pub fn terminate(&self) {
        if let Some(terminate) = self.terminate_extension {
            // SAFETY: the library is loaded. The answer does not matter with MUST_UNLOAD.
            unsafe { terminate(HSE_TERM_MUST_UNLOAD) };
        }
    }
}

/// Calls `DllMain` of a native library, as Windows' loader does by itself; our `windows.h` promises it. `None`: it
/// returned FALSE.
fn attach(library: &Library) -> Option<()> {
    const DLL_PROCESS_ATTACH: u32 = 1;
    type DllMain = unsafe extern "system" fn(HANDLE, u32, *mut c_void) -> BOOL;
    if cfg!(windows) {
        return Some(());
    }
    // SAFETY: the type is that of the name.
    let Ok(main) = (unsafe { library.get::<DllMain>(b"DllMain") }) else {
        return Some(());
    };
    // SAFETY: the library is loaded and this is its first call.
    let attached = unsafe {
        main(
            std::ptr::null_mut(),
            DLL_PROCESS_ATTACH,
            std::ptr::null_mut(),
        )
    };
    (attached != FALSE).then_some(())
}

/// An entry point by its plain name or, on 32-bit Windows, by the names that careless builds export (ISAPI.md §1.1).
///
/// # Safety
/// `T` is the type of the function with that name; all three take one 4-byte argument.
unsafe fn entry_point<T: Copy>(library: &Library, name: &str) -> Option<T> {
    let decorated = [format!("_{name}@4"), format!("{name}@4")];
    let fallbacks: &[String] = if cfg!(all(windows, target_arch = "x86")) {
        &decorated
    } else {
        &[]
    };
    std::iter::once(name)
        .chain(fallbacks.iter().map(String::as_str))
        .find_map(|name| {
            // SAFETY: by the caller's promise.
            unsafe { library.get::<T>(name.as_bytes()) }
                .ok()
                .map(|symbol| *symbol)
        })
}

/// What the system's loader says: libloading keeps it below its own text.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
