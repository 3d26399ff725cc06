//! One handler of a site: whether it takes a request, and what the URL means to it.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use http::Method;

use super::path::{Division, divide};
use super::{Script, SiteFacts, Target};
use crate::backend::Backend;
use crate::config;
use crate::error::Error;

/// A configured handler, joined with its backend.
pub struct Handler {
    config: config::Handler,
    backend: Arc<Backend>,
    facts: Arc<SiteFacts>,
    /// The extension or program itself.
    program: Vec<u8>,
}

impl Handler {
    /// Joins a configured handler with what runs it.
    pub fn new(
        config: config::Handler,
        backend: Arc<Backend>,
        facts: Arc<SiteFacts>,
        program: &Path,
    ) -> Self {
        Self {
            config,
            backend,
            facts,
            program: program.as_os_str().as_bytes().to_vec(),
        }
    }

    /// Divides a decoded URL path; `None` when the handler is for other paths.
    pub fn divide<'a>(&self, url: &'a [u8]) -> Option<Division<'a>> {
        divide(&self.config.path, self.config.path_info, url)
    }

    /// The verbs it takes; empty: all.
    pub fn verbs(&self) -> &[Method] {
        &self.config.verbs
    }

    /// The destination of a request for `url`, which has been divided into `division`.
    ///
    /// # Errors
    /// [`Error::BadUrl`] when the part that names a file names a stream of it.
    pub fn target(&self, url: &[u8], division: &Division) -> Result<Target, Error> {
        Ok(Target {
            backend: Arc::clone(&self.backend),
            site: Arc::clone(&self.facts),
            script: self.script(url, division)?,
        })
    }

    /// The rows of ISAPI.md §5.4.
    fn script(&self, url: &[u8], division: &Division) -> Result<Script, Error> {
        let root = self.facts.root.as_os_str().as_bytes();
        Ok(match *division {
            // A, A0
            Division::Itself { name, extra } => Script {
                name: name.to_vec(),
                path_info: extra.to_vec(),
                path_translated: below(root, extra),
                filename: self.program.clone(),
            },
            Division::File { name, .. } if name.contains(&b':') => {
                return Err(Error::BadUrl("a stream name in the path"));
            }
            // C
            Division::File { name, extra } if self.config.path_info => Script {
                name: name.to_vec(),
                path_info: extra.to_vec(),
                path_translated: below(root, extra),
                filename: below(root, name),
            },
            // B, B0, D
            Division::File { name, .. } => Script {
                name: name.to_vec(),
                path_info: url.to_vec(),
                path_translated: below(root, name),
                filename: below(root, name),
            },
        })
    }
}

/// The physical path of a URL path, which has neither `..` nor NUL; of the empty one, the root itself.
fn below(root: &[u8], url: &[u8]) -> Vec<u8> {
    if url.is_empty() {
        return root.to_vec();
    }
    [root.strip_suffix(b"/").unwrap_or(root), url].concat()
}
