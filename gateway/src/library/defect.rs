//! Why a file cannot be run as an extension, and what to do about it.

use super::Machine;

/// Why no worker can run a file. The text follows the file's name: "legacy.dll is built for ARM64 …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The system does not let us read it.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// More bytes than are read.
    #[error("cannot be loaded: it is larger than {} MiB", .0 / (1024 * 1024))]
    TooLarge(u64),
    /// Something else.
    #[error("cannot be loaded: it is neither a Windows DLL nor a shared object: {0}")]
    NotALibrary(&'static str),
    /// It begins as a library and does not go on as one.
    #[error("cannot be loaded: it is cut short or damaged: {0}")]
    Damaged(String),
    /// It has a beginning of its own, and is not made to be loaded by others.
    #[error("cannot be loaded: it is a program, not a library")]
    Program,
    /// For another processor than any worker's.
    #[error("cannot be loaded: it is built for {0}")]
    Machine(Machine),
    /// For Linux, where the gateway runs on Windows.
    #[error("cannot be loaded: it is a shared object, not a Windows DLL")]
    SharedObject,
    /// .NET code without machine code that could be called.
    #[error(
        "cannot be loaded: it is a .NET assembly without native exports, not an ISAPI extension"
    )]
    DotNet,
    /// The other kind of ISAPI module.
    #[error("is an ISAPI filter, not an ISAPI extension")]
    Filter,
    /// It lacks an entry point that every extension has (ISAPI.md §1.1).
    #[error("does not export {0}: it is no ISAPI extension")]
    NoEntryPoint(&'static str),
}

impl Defect {
    /// What to do, where there is something to say.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable(_) => "let the gateway's user read the file".into(),
            Self::TooLarge(_) | Self::NotALibrary(_) => {
                "name the extension's own file: a .dll for Windows, or a .so for this system".into()
            }
            Self::Damaged(_) => "copy the file again, in binary mode, and compare the sizes".into(),
            Self::Program => "name the library; programs are run as `cgi`".into(),
            Self::Machine(_) => format!(
                "take a build for x86-64 or x86 Windows, or for this system ({} {})",
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
            Self::SharedObject => "take a build for x86-64 or x86 Windows".into(),
            Self::DotNet => "ASP.NET and managed handlers need IIS or a .NET host; take the native DLL if there is one".into(),
            Self::Filter => "filters are not supported: take the extension, which exports HttpExtensionProc".into(),
            Self::NoEntryPoint(name) => format!(
                "export {name} from the library (a .def file, or __declspec(dllexport) in an extern \"C\" function); `isapi-gateway inspect FILE` lists what it exports"
            ),
        })
    }
}
