//! The worker for Windows, under Wine.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use crate::built::{existing, target_folder};
use crate::fixture::{conformance_sources, here};
use crate::peer;

/// What a Windows program is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// x86-64.
    X86_64,
    /// x86.
    I686,
}

const WINE: &str = "/usr/lib/wine/wine64";

impl Machine {
    /// Both.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::I686];

    /// As compilers name it, and the folders of what is built for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I686 => "i686",
        }
    }

    /// A sample as a DLL, by its name without ending.
    pub fn sample(self, name: &str) -> PathBuf {
        let folder = target_folder().join("samples").join(self.name());
        existing(folder.join(format!("{name}.dll")), "make windows")
    }

    /// A sample as a CGI program for Windows.
    pub fn program(self, name: &str) -> PathBuf {
        let folder = target_folder().join("samples").join(self.name());
        existing(folder.join(format!("cgi/{name}.exe")), "make windows")
    }

    /// Compiles `fixtures/NAME.c` or `.cpp` to a DLL in this folder.
    pub fn extension(self, name: &str, folder: &Path) -> PathBuf {
        let source = |ending| here().join("fixtures").join(format!("{name}.{ending}"));
        let file = folder.join(format!("{name}.dll"));
        match source("cpp") {
            plus if plus.exists() => self.compile("g++", "-std=gnu++17", &[plus, names()], file),
            _ => self.compile("gcc", "-std=gnu11", &[source("c"), names()], file),
        }
    }

    /// Compiles `fixtures/NAME.c` to a DLL of another name; `options` go to the compiler.
    pub fn extension_as(self, file: &str, name: &str, options: &[&str], folder: &Path) -> PathBuf {
        let inputs = [here().join("fixtures").join(format!("{name}.c")), names()];
        let options = [&["-Wl,--enable-stdcall-fixup"], options].concat();
        self.library(&inputs, &options, folder.join(file))
    }

    /// Compiles the conformance extension to `conformance.dll` in this folder.
    pub fn conformance(self, folder: &Path) -> PathBuf {
        let file = folder.join("conformance.dll");
        let inputs = [conformance_sources(), vec![names()]].concat();
        self.compile("gcc", "-std=gnu11", &inputs, file)
    }

    /// Compiles sources, with .def files and libraries behind them, to a DLL.
    pub(crate) fn library(self, inputs: &[PathBuf], options: &[&str], file: PathBuf) -> PathBuf {
        self.compile_with("gcc", "-std=gnu11", options, inputs, file)
    }

    fn compile(self, compiler: &str, standard: &str, inputs: &[PathBuf], file: PathBuf) -> PathBuf {
        self.compile_with(
            compiler,
            standard,
            &["-Wl,--enable-stdcall-fixup"],
            inputs,
            file,
        )
    }

    fn compile_with(
        self,
        compiler: &str,
        standard: &str,
        options: &[&str],
        inputs: &[PathBuf],
        file: PathBuf,
    ) -> PathBuf {
        let compiler = peer(&format!("{}-w64-mingw32-{compiler}", self.name()));
        let status = Command::new(compiler)
            .args([standard, "-O2", "-Wall", "-Werror", "-shared", "-static"])
            .args(options)
            .args(["-D__USE_MINGW_ANSI_STDIO=1", "-o"])
            .arg(&file)
            .args(inputs)
            .args(["-lws2_32", "-lole32"])
            .status()
            .unwrap();
        assert!(status.success(), "{} does not compile", file.display());
        file
    }

    /// `isapi-worker EXTENSION` under Wine, in the extension's folder, with an environment that has only what Wine needs.
    pub fn worker(self, extension: &Path) -> Command {
        let program = target_folder().join("windows").join(self.name());
        let program = existing(program.join("isapi-worker.exe"), "make windows");
        let mut command = wine();
        command
            .arg(program)
            .arg(extension)
            .current_dir(extension.parent().unwrap());
        command
    }
}

/// The gateway for Windows under Wine with these arguments.
pub fn windows_gateway(arguments: &[&str]) -> Command {
    let program = target_folder().join("windows/gateway/isapi-gateway.exe");
    let mut command = wine();
    command
        .arg(existing(program, "make windows"))
        .args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Plain names for the entry points.
fn names() -> PathBuf {
    here().join("../adapter/samples/extension.def")
}

/// Wine with its files in a folder that all tests share.
fn wine() -> Command {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    let prefix = PREFIX.get_or_init(|| {
        let prefix = target_folder().join("windows/wine");
        std::fs::create_dir_all(&prefix).unwrap();
        // The server leaves a few seconds after the last program. It has to be told before the first, unless one still
        // runs. The first program fills the folder, and starts services that must not hold a test's pipes.
        quietly(
            Command::new("/usr/lib/wine/wineserver")
                .arg("-p10")
                .env("WINEPREFIX", &prefix),
        );
        let first = quietly(in_prefix(&prefix).args(["cmd.exe", "/c", "exit"]));
        assert!(first.success(), "Wine: {first}");
        prefix
    });
    in_prefix(prefix)
}

fn quietly(command: &mut Command) -> ExitStatus {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

fn in_prefix(prefix: &Path) -> Command {
    let mut command = Command::new(existing(WINE.into(), "make windows"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", prefix)
        .env("WINEPREFIX", prefix)
        .env("WINEDEBUG", "-all")
        .env(
            "WINEDLLOVERRIDES",
            "mscoree,mshtml,winedbg.exe,winemenubuilder.exe=",
        );
    command
}
