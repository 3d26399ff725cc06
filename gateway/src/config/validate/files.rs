//! Whether the files and folders that a configuration names are there, and are what they should be.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::Path;

use super::{Findings, Wrong};
use crate::config::{Config, PoolKind, Sandbox, SendFile};
use crate::os;

/// Notes what is missing, or of the wrong kind.
pub fn check(config: &Config, findings: &mut Findings) {
    let mut check = |key: &str, checked: Result<(), Wrong>| {
        if let Err(wrong) = checked {
            findings.error(key, wrong);
        }
    };
    if let Some(log) = &config.access_log {
        check("access_log.file", to_be_written(&log.file));
    }
    if let Some(hook) = config.crash.hook.first().filter(|hook| hook.contains('/')) {
        check("crash.hook[0]", program(Path::new(hook)));
    }
    if let Some(worker) = &config.server.worker {
        check("server.worker", program(worker));
    }
    for (index, listener) in config.server.fastcgi.iter().enumerate() {
        let key = format!("server.fastcgi[{index}]");
        sent_files(&key, &listener.sendfile, &mut check);
    }
    for (index, site) in config.sites.iter().enumerate() {
        if let Some(root) = &site.root {
            check(&format!("site[{index}].root"), folder(root));
        }
        for (at, directory) in site.virtual_directories.iter().enumerate() {
            let key = format!("site[{index}].virtual[{at}].root");
            check(&key, mapped_folder(&directory.root));
        }
        for (code, page) in &site.error_pages {
            let key = format!("site[{index}].error_pages.{code}");
            check(&key, file(page).map(drop));
        }
    }
    for (code, page) in &config.error_pages {
        check(&format!("error_pages.{code}"), file(page).map(drop));
    }
    for pool in config.pools.values() {
        let key = |key: &str| format!("pool.{}.{key}", pool.name);
        match &pool.kind {
            PoolKind::Cgi(path) => check(&key("cgi"), program(path)),
            PoolKind::FastCgi(fastcgi) => {
                if let Some(path) = fastcgi.program() {
                    check(&key("program"), program(path));
                }
            }
            PoolKind::Extension(_) => {}
        }
        sent_files(&format!("pool.{}", pool.name), &pool.sendfile, &mut check);
        for (drive, target) in &pool.drives {
            check(&key(&format!("drives.{drive}")), folder(target));
        }
        for (list, paths) in pool.sandbox.iter().flat_map(Sandbox::paths) {
            for (index, path) in paths.iter().enumerate() {
                let key = key(&format!("sandbox.{list}[{index}]"));
                check(&key, metadata(path).map(drop));
            }
        }
        if let Some(parent) = pool
            .limits
            .cgroup
            .as_ref()
            .and_then(|group| group.parent.as_ref())
        {
            check(&key("cgroup.parent"), cgroup(parent));
        }
        if let Some(directory) = &pool.working_directory {
            check(&key("working_directory"), folder(directory));
        }
    }
}

fn sent_files(section: &str, files: &SendFile, check: &mut impl FnMut(&str, Result<(), Wrong>)) {
    for (index, target) in files.folders.iter().enumerate() {
        check(&format!("{section}.sendfile[{index}]"), folder(target));
    }
    for (prefix, target) in &files.internal {
        check(
            &format!("{section}.accel_redirect.{prefix}"),
            folder(target),
        );
    }
}

/// A file that is there.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn file(path: &Path) -> Result<Metadata, Wrong> {
    let metadata = metadata(path)?;
    if metadata.is_file() {
        Ok(metadata)
    } else {
        Err(Wrong::new(format!("{} is not a file", path.display())))
    }
}

fn program(path: &Path) -> Result<(), Wrong> {
    file(path)?;
    if os::is_program(path) {
        return Ok(());
    }
    Err(Wrong::with_remedy(
        format!("{} is not executable", path.display()),
        os::make_program(path),
    ))
}

fn folder(path: &Path) -> Result<(), Wrong> {
    if metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(Wrong::new(format!("{} is not a folder", path.display())))
    }
}

/// A control group.
fn cgroup(path: &Path) -> Result<(), Wrong> {
    folder(path)?;
    if path.join("cgroup.controllers").exists() {
        return Ok(());
    }
    Err(Wrong::with_remedy(
        format!("{} is not a cgroup of version 2", path.display()),
        "name a folder below the mounted cgroup2, as `/sys/fs/cgroup/NAME`",
    ))
}

/// A file that is there or can be made.
fn to_be_written(path: &Path) -> Result<(), Wrong> {
    if path.is_dir() {
        return Err(Wrong::new(format!("{} is a folder", path.display())));
    }
    path.parent().map_or(Ok(()), folder)
}

/// A folder whose path can be told to workers, line by line.
fn mapped_folder(path: &Path) -> Result<(), Wrong> {
    if path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .any(u8::is_ascii_control)
    {
        return Err(Wrong::new("the path has a control character"));
    }
    folder(path)
}

fn metadata(path: &Path) -> Result<Metadata, Wrong> {
    fs::metadata(path).map_err(|error| {
        let shown = path.display();
        Wrong::with_remedy(
            match error.kind() {
                ErrorKind::NotFound => format!("{shown} does not exist"),
                _ => format!("{shown}: {error}"),
            },
            "check the path; in a configuration file a relative one starts from the folder of that file",
        )
    })
}
