//! Sites: which handler answers a URL, and what the URL means to it.

mod handler;
pub mod host;
pub mod path;
pub mod variables;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use http::Method;

use crate::backend::Backend;
use crate::config::{self, Config};
use crate::error::Error;
use crate::request::RequestHead;
use host::Hosts;

/// Every configured site with its handlers and their backends: the routing table.
pub struct Sites {
    hosts: Hosts,
    sites: Vec<Site>,
}

/// Where a request goes.
pub enum Resolved {
    /// To a handler's backend.
    Handler(Target),
    /// To the site's folder of static files: no handler is for this path.
    Files(Files),
}

/// A request for a static file.
#[derive(Clone, Debug, PartialEq)]
pub struct Files {
    /// The folder that it is looked for in.
    pub folder: Arc<Folder>,
    /// The URL path: decoded, with neither `..` nor `\`, NUL or empty segments; begins with a slash.
    pub path: Vec<u8>,
}

/// A site's folder of static files.
#[derive(Clone, Debug, PartialEq)]
pub struct Folder {
    /// The folder; absolute.
    pub root: PathBuf,
    /// File names tried for a URL that names a folder.
    pub default_documents: Vec<String>,
}

/// A request's destination: the backend that runs it and the names it runs under.
#[derive(Clone)]
pub struct Target {
    /// What runs it.
    pub backend: Arc<Backend>,
    /// Facts about the site that server variables tell.
    pub site: Arc<SiteFacts>,
    /// What the URL means to the handler.
    pub script: Script,
}

/// What server variables tell about a site (ISAPI.md §5.2).
#[derive(Clone, Debug, PartialEq)]
pub struct SiteFacts {
    /// INSTANCE_ID: 1 for the first site of the configuration, and so on.
    pub id: usize,
    /// INSTANCE_NAME: the first host name, or "Default Web Site".
    pub name: String,
    /// DOCUMENT_ROOT: the folder that URLs map to; without a configured root the folder of the extension.
    pub root: PathBuf,
}

/// A URL split by the rules of ISAPI.md §5.4. All values are decoded bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// SCRIPT_NAME.
    pub name: Vec<u8>,
    /// PATH_INFO; empty if none.
    pub path_info: Vec<u8>,
    /// PATH_TRANSLATED: physical path for PATH_INFO by the table; the root when PATH_INFO is empty. Slashes separate.
    pub path_translated: Vec<u8>,
    /// SCRIPT_FILENAME: the file that the URL names in rows B, C and D, else the extension or program itself.
    pub filename: Vec<u8>,
}

struct Site {
    handlers: Vec<config::Handler>,
    /// Where each of the handlers leads.
    destinations: Vec<Destination>,
    folder: Option<Arc<Folder>>,
}

struct Destination {
    backend: Arc<Backend>,
    facts: Arc<SiteFacts>,
    program: Vec<u8>,
}

impl Sites {
    /// Builds the table of a valid configuration; `backend` gives the backend of a pool, by the pool's name.
    pub fn new(config: &Config, backend: impl Fn(&str) -> Arc<Backend>) -> Self {
        let sites = config.sites.iter().enumerate();
        Self {
            hosts: Hosts::new(&config.sites),
            sites: sites
                .map(|(index, site)| Site::new(index + 1, site, config, &backend))
                .collect(),
        }
    }

    /// Finds the destination of a request: its host chooses the site; the first handler whose path and verb fit
    /// answers, and the site's static files where no handler's path fits.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a missing or malformed Host, [`Error::BadUrl`] for a refused path,
    /// [`Error::VerbNotAllowed`] when handlers are for this path but none takes the verb, [`Error::NotFound`] else.
    pub fn resolve(&self, head: &RequestHead) -> Result<Resolved, Error> {
        let host = host::name(head)?;
        let url = path::decode(head.uri.path())?;
        let index = self.hosts.find(host).ok_or(Error::NotFound)?;
        self.sites[index].resolve(&head.method, &url)
    }
}

impl Site {
    fn new(
        id: usize,
        site: &config::Site,
        config: &Config,
        backend: &impl Fn(&str) -> Arc<Backend>,
    ) -> Self {
        let name = site
            .hosts
            .first()
            .map_or("Default Web Site", String::as_str);
        let destination = |handler: &config::Handler| {
            let program = config.pools[&handler.pool].kind.program();
            let root = site.root.as_deref().or_else(|| program.parent());
            Destination {
                backend: backend(&handler.pool),
                facts: Arc::new(SiteFacts {
                    id,
                    name: name.to_owned(),
                    root: root.unwrap_or(program).to_owned(),
                }),
                program: program.as_os_str().as_encoded_bytes().to_vec(),
            }
        };
        let folder = |root: &PathBuf| {
            Arc::new(Folder {
                root: root.clone(),
                default_documents: site.default_documents.clone(),
            })
        };
        Self {
            handlers: site.handlers.clone(),
            destinations: site.handlers.iter().map(destination).collect(),
            folder: site.root.as_ref().map(folder),
        }
    }

    fn resolve(&self, method: &Method, url: &[u8]) -> Result<Resolved, Error> {
        if let Some((index, division)) = handler::choose(&self.handlers, method, url)? {
            let path_info = self.handlers[index].path_info;
            let to = &self.destinations[index];
            let root = to.facts.root.as_os_str().as_encoded_bytes();
            return Ok(Resolved::Handler(Target {
                backend: Arc::clone(&to.backend),
                site: Arc::clone(&to.facts),
                script: handler::script(root, &to.program, path_info, url, &division)?,
            }));
        }
        let folder = self.folder.as_ref().ok_or(Error::NotFound)?;
        Ok(Resolved::Files(Files {
            folder: Arc::clone(folder),
            path: url.to_vec(),
        }))
    }
}
