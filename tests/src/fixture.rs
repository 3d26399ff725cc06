//! Extensions and CGI programs that a test needs for itself.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peer;

/// Compiles `fixtures/NAME.c` to an extension in this folder; `options` go to the compiler.
pub fn extension(name: &str, options: &[&str], folder: &Path) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = folder.join(format!("{name}.so"));
    let status = Command::new(peer("cc"))
        .args(["-std=gnu11", "-Wall", "-Werror", "-fPIC", "-shared", "-I"])
        .arg(here.join("../adapter/include"))
        .args(options)
        .arg("-o")
        .arg(&file)
        .arg(here.join("fixtures").join(format!("{name}.c")))
        .status()
        .unwrap();
    assert!(status.success(), "{name}.c does not compile");
    file
}

/// Writes a CGI program in the language of the shell.
pub fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}
