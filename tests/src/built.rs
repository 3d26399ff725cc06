//! Where the built programs and samples are.

use std::path::{Path, PathBuf};

/// A program of the workspace, built with the same profile as the test itself.
pub fn binary(name: &str) -> PathBuf {
    existing(profile_folder().join(name), "make build")
}

/// The worker with a sanitizer in it: `address` or `thread`.
pub fn sanitized(sanitizer: &str) -> PathBuf {
    let folder = target_folder().join("sanitized").join(sanitizer);
    existing(folder.join("isapi-worker"), "make sanitized")
}

/// A sample as an extension, by its name without ending.
pub fn sample(name: &str) -> PathBuf {
    existing(samples().join(format!("{name}.so")), "make build")
}

/// A sample as a CGI program.
pub fn program(name: &str) -> PathBuf {
    existing(samples().join("cgi").join(name), "make build")
}

/// A program of another project that takes part in a test.
pub fn peer(name: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    // Daemons are where a user's PATH does not lead.
    let daemons = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&folders)
        .chain(daemons)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: run `make deps`"))
}

/// The same for one that lies where administrators' programs are, by the beginning of its name: php-fpm has PHP's
/// version in it.
pub fn administrators(name: &str) -> PathBuf {
    let programs = std::fs::read_dir("/usr/sbin").into_iter().flatten();
    let mut paths = programs.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let begins = |path: &PathBuf| {
        let file = path.file_name().and_then(|file| file.to_str());
        file.is_some_and(|file| file.starts_with(name))
    };
    let found = paths.find(begins);
    found.unwrap_or_else(|| panic!("{name} is not installed: run `make deps`"))
}

/// The prefix of Wine that all tests share.
pub fn wine_prefix() -> PathBuf {
    target_folder().join("windows/prefix")
}

/// The folder of the samples.
pub(crate) fn samples() -> PathBuf {
    target_folder().join("samples")
}

/// The folder of everything that is built.
pub(crate) fn target_folder() -> PathBuf {
    profile_folder().parent().unwrap().to_owned()
}

/// `TARGET/PROFILE`: the test is `TARGET/PROFILE/deps/NAME`.
fn profile_folder() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).map(Path::to_owned);
    folder.expect("a test lives in TARGET/PROFILE/deps")
}

pub(crate) fn existing(path: PathBuf, remedy: &str) -> PathBuf {
    assert!(
        path.is_file(),
        "{} is missing: run `{remedy}`",
        path.display()
    );
    path
}
