//! A small site for tests: CGI programs and static files in a folder that goes away with it.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use crate::backend::Backend;
use crate::backend::cgi::Cgi;
use crate::backend::files::Files;
use crate::config::{self, Config, HandlerPath, Pool, PoolKind};
use crate::dispatch::{Dispatch, Table};
use crate::site::Sites;

/// A site with a folder `root` of static files and a folder `programs` beside it.
pub struct Site {
    folder: TempDir,
    pub dispatch: Arc<Dispatch>,
    pub table: Arc<Table>,
}

impl Site {
    /// `programs`: name, under which it is also found in the URL, and shell script.
    pub fn new(programs: &[(&str, &str)]) -> Self {
        Self::with(programs, |_, _| {})
    }

    /// With a configuration that has been changed; `change` also gets the folder that holds the two.
    pub fn with(programs: &[(&str, &str)], change: impl FnOnce(&Path, &mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, beside) = (folder.path().join("root"), folder.path().join("programs"));
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(&beside).unwrap();
        let pool = |(name, script): &(&str, &str)| {
            let path = beside.join(name);
            write_program(&path, script);
            (
                (*name).to_owned(),
                Pool::new((*name).to_owned(), PoolKind::Cgi(path)),
            )
        };
        let handler = |(name, _): &(&str, &str)| config::Handler {
            path: HandlerPath::Exact(format!("/{name}")),
            verbs: Vec::new(),
            pool: (*name).to_owned(),
            path_info: true,
            must_exist: false,
        };
        let mut config = Config {
            server: config::Server::default(),
            sites: vec![config::Site {
                root: Some(root),
                handlers: programs.iter().map(handler).collect(),
                ..config::Site::default()
            }],
            pools: programs.iter().map(pool).collect(),
            error_pages: config::ErrorPages::new(),
            access_log: None,
            admin: None,
            crash: config::Crash::default(),
        };
        change(folder.path(), &mut config);
        let sites = Sites::new(&config, |name| {
            let pool = &config.pools[name];
            Arc::new(Backend::Cgi(Box::new(Cgi::new(
                pool,
                pool.kind.file().unwrap(),
                None,
            ))))
        });
        let programs = config.pools.values().filter_map(|pool| pool.kind.file());
        let dispatch = Arc::new(Dispatch::new(sites, Files::new(programs), Arc::default()));
        let table = Arc::new(Table::new(Arc::clone(&dispatch)));
        Self {
            folder,
            dispatch,
            table,
        }
    }

    /// Writes a static file; a name that begins with `../` lies beside the root.
    pub fn write(&self, name: &str, text: &str) {
        let file = self.folder.path().join("root").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// Reads a file that a program has written beside the folders.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }
}

/// Writes an executable through another process: a file that this one has open for writing could be inherited by a
/// program that another test starts at that moment, and would then be "busy".
pub fn write_program(path: &Path, script: &str) {
    let mut writer = Command::new("/bin/sh")
        .args(["-c", "cat > \"$0\" && chmod +x \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let text = format!("#!/bin/sh\n{script}\n");
    writer
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(writer.wait().unwrap().success());
}
