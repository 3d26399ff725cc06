//! Extensions and CGI programs that a test needs for itself, and a gate to hold them up.

use std::fs::File;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use crate::{Machine, peer, wait_until};

/// A FIFO. A program that opens it for reading waits there until it is opened.
pub struct Gate {
    path: PathBuf,
}

impl Gate {
    /// A closed gate in this folder.
    pub fn new(folder: &Path) -> Self {
        let path = folder.join("gate");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        Self { path }
    }

    /// Its path.
    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Waits until somebody is at the gate and opens it. It is open as long as the file is held.
    pub fn open(&self) -> File {
        let mut options = File::options();
        options
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let mut file = None;
        wait_until("somebody is at the gate", || {
            file = options.open(&self.path).ok();
            file.is_some()
        });
        file.unwrap()
    }
}

/// Compiles `fixtures/NAME.c` to an extension in this folder; `options` go to the compiler.
pub fn extension(name: &str, options: &[&str], folder: &Path) -> PathBuf {
    extension_as(&format!("{name}.so"), name, options, folder)
}

/// The same under another name.
pub fn extension_as(file: &str, name: &str, options: &[&str], folder: &Path) -> PathBuf {
    let source = here().join("fixtures").join(format!("{name}.c"));
    compile(&[source], options, folder.join(file))
}

/// Compiles the conformance extension to `conformance.so` in this folder; `options` go to the compiler.
pub fn conformance(options: &[&str], folder: &Path) -> PathBuf {
    let file = folder.join("conformance.so");
    compile(&conformance_sources(), options, file)
}

/// Compiles these sources, and libraries behind them, to an extension for a machine, or a native one. What it exports is
/// what it declares.
pub fn library(machine: Option<Machine>, inputs: &[PathBuf], options: &[&str], file: &Path) {
    match machine {
        Some(machine) => machine.library(inputs, options, file.to_owned()),
        None => compile(inputs, options, file.to_owned()),
    };
}

/// The sources of the conformance extension.
pub(crate) fn conformance_sources() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(here().join("conformance")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|ending| ending == "c"))
        .collect()
}

/// The folder of these tests.
pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn compile(sources: &[PathBuf], options: &[&str], file: PathBuf) -> PathBuf {
    let status = Command::new(peer("cc"))
        .args(["-std=gnu11", "-Wall", "-Werror", "-fPIC", "-shared", "-I"])
        .arg(here().join("../adapter/include"))
        .args(options)
        .arg("-o")
        .arg(&file)
        .args(sources)
        .status()
        .unwrap();
    assert!(status.success(), "{} does not compile", file.display());
    file
}

/// Compiles `fixtures/NAME.c` with libfcgi to a program in this folder.
pub fn fastcgi_program(name: &str, folder: &Path) -> PathBuf {
    let file = folder.join(name);
    let status = Command::new(peer("cc"))
        .args(["-std=gnu11", "-Wall", "-Werror", "-o"])
        .arg(&file)
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("fixtures")
                .join(format!("{name}.c")),
        )
        .arg("-lfcgi")
        .status()
        .unwrap();
    assert!(
        status.success(),
        "{name}.c does not compile: run `make deps`"
    );
    file
}

/// Writes a CGI program in the language of the shell.
pub fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let source = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(source.path(), format!("#!/bin/sh\n{text}\n")).unwrap();
    copy_program(source.path(), &folder.join(name))
}

/// Copies a program, for everybody to run. Another process writes it: what this one writes may still be open in a child of
/// another test that has not become its program yet, and nobody can run it then (ETXTBSY).
pub fn copy_program(from: &Path, to: &Path) -> PathBuf {
    let status = Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "{} cannot be written", to.display());
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755)).unwrap();
    to.to_owned()
}
