//! Sites: which handler answers a URL, and what the URL means to it.

mod directories;
mod handler;
pub mod host;
pub mod path;
pub mod variables;
mod warmup;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastcgi_protocol::EncodedPairs;

use crate::backend::Backend;
use crate::config::{self, Config, ErrorCode, ErrorPages, PoolKind};
use crate::error::{Error, Missing};
use crate::request::RequestHead;
pub use directories::Directories;
use host::Hosts;
pub use warmup::Warmup;

/// Every configured site with its handlers and their backends: the routing table.
pub struct Sites {
    hosts: Hosts,
    sites: Vec<Site>,
    error_pages: ErrorPages,
}

/// Where a request goes.
pub enum Resolved<'a> {
    /// To a handler's backend.
    Handler(Target<'a>),
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
    /// How many bytes of it stand for the folder.
    pub prefix: usize,
}

/// A folder of static files: a site's root, or a virtual directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Folder {
    /// The folder; absolute.
    pub root: PathBuf,
    /// File names tried for a URL that names a folder.
    pub default_documents: Vec<String>,
    /// The URL path that answers, in its place, where there is no file; decoded.
    pub fallback: Option<Vec<u8>>,
}

/// A request's destination: the backend that runs it and the names it runs under.
#[derive(Clone)]
pub struct Target<'a> {
    /// What runs it.
    pub backend: Arc<Backend>,
    /// The handler that it is for.
    pub handler: HandlerId,
    /// Facts about the site that server variables tell.
    pub site: &'a SiteFacts,
    /// DOCUMENT_ROOT: that of the site; where none is configured, that of a trusted web server before us.
    pub root: &'a Path,
    /// What the URL means to the handler.
    pub script: Script<'a>,
    /// Whether SCRIPT_FILENAME must be a file: 404 else.
    pub must_exist: bool,
}

/// One handler among those of all sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandlerId {
    site: usize,
    handler: usize,
}

/// What server variables tell about a site (ISAPI.md §5.2).
#[derive(Clone, Debug, PartialEq)]
pub struct SiteFacts {
    /// INSTANCE_ID.
    pub id: String,
    /// INSTANCE_NAME.
    pub name: String,
    /// The folder that URLs map to; without a configured root the folder of the extension.
    pub root: PathBuf,
    /// Folders elsewhere.
    pub directories: Arc<Directories>,
    /// The variables that workers get with every request.
    pub fixed: Arc<EncodedPairs>,
}

/// A URL split by the rules of ISAPI.md §5.4. All values are decoded bytes: those of the request and of the table where they
/// are there as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script<'a> {
    /// SCRIPT_NAME.
    pub name: Cow<'a, [u8]>,
    /// PATH_INFO; empty if none.
    pub path_info: Cow<'a, [u8]>,
    /// PATH_TRANSLATED: physical path for PATH_INFO by the table; the root when PATH_INFO is empty. Slashes separate.
    pub path_translated: Cow<'a, [u8]>,
    /// SCRIPT_FILENAME: the file that the URL names in rows B, C and D, else the extension or program itself.
    pub filename: Cow<'a, [u8]>,
}

impl Script<'_> {
    /// The same, held by itself.
    pub fn into_owned(self) -> Script<'static> {
        let owned = |value: Cow<[u8]>| Cow::Owned(value.into_owned());
        Script {
            name: owned(self.name),
            path_info: owned(self.path_info),
            path_translated: owned(self.path_translated),
            filename: owned(self.filename),
        }
    }
}

struct Site {
    handlers: Vec<config::Handler>,
    /// Where each of the handlers leads.
    destinations: Vec<Destination>,
    /// The root's static files.
    folder: Option<Arc<Folder>>,
    directories: Arc<Directories>,
    /// The static files of each virtual directory.
    folders: Vec<Arc<Folder>>,
    error_pages: ErrorPages,
}

struct Destination {
    backend: Arc<Backend>,
    facts: SiteFacts,
    /// Whether the configuration says which folder URLs map to.
    has_root: bool,
    /// The extension or CGI program; `None`: the application has files of its own for its URLs.
    program: Option<Vec<u8>>,
}

impl Sites {
    /// Builds the table of a valid configuration; `backend` gives the backend of a pool, by the pool's name.
    pub fn new(config: &Config, backend: impl Fn(&str) -> Arc<Backend>) -> Self {
        let sites = config.sites.iter().enumerate();
        Self {
            hosts: Hosts::new(&config.sites),
            sites: sites
                .map(|(index, site)| Site::new(index, site, config, &backend))
                .collect(),
            error_pages: config.error_pages.clone(),
        }
    }

    /// Finds the destination of a request: its host chooses the site; the first handler whose path and verb fit
    /// answers, and the site's static files where no handler's path fits. `instead` is a path, decoded, that takes the
    /// place of the URL's own. The handlers in `skip` count as not there.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a missing or malformed Host, [`Error::BadUrl`] for a refused path,
    /// [`Error::VerbNotAllowed`] when handlers are for this path but none takes the verb, [`Error::Forbidden`] where a
    /// virtual directory does not permit it, [`Error::NotFound`] else.
    pub fn resolve<'a>(
        &'a self,
        head: &'a RequestHead,
        instead: Option<Vec<u8>>,
        skip: &[HandlerId],
    ) -> Result<Resolved<'a>, Error> {
        let host = host::name(head)?;
        let url = match instead {
            Some(path) => Cow::Owned(path),
            None => path::decode(head.uri.path())?,
        };
        let index = self.hosts.find(host).ok_or(Error::NotFound)?;
        let site = &self.sites[index];
        match url {
            Cow::Borrowed(url) => site.resolve(index, head, url, skip, |script| script),
            Cow::Owned(url) => site.resolve(index, head, &url, skip, |script| script.into_owned()),
        }
    }

    /// The page that the configuration has for an error of this request, that of its site first.
    pub fn error_page(&self, head: &RequestHead, code: ErrorCode) -> Option<&Path> {
        let site = host::name(head).ok().and_then(|host| self.hosts.find(host));
        let own = site.and_then(|index| code.page(&self.sites[index].error_pages));
        own.or_else(|| code.page(&self.error_pages))
    }
}

impl Site {
    fn new(
        index: usize,
        site: &config::Site,
        config: &Config,
        backend: &impl Fn(&str) -> Arc<Backend>,
    ) -> Self {
        let directories = Arc::new(Directories::new(&site.virtual_directories));
        let destination = |handler: &config::Handler| {
            let kind = &config.pools[&handler.pool].kind;
            Destination {
                backend: backend(&handler.pool),
                facts: Self::facts(index, site, kind, &handler.pool, &directories),
                has_root: root(site, kind).is_some(),
                program: program(kind).map(<[u8]>::to_vec),
            }
        };
        let folder = |root: &PathBuf| {
            Arc::new(Folder {
                root: root.clone(),
                default_documents: site.default_documents.clone(),
                fallback: site.fallback.as_ref().map(|path| path.as_bytes().to_vec()),
            })
        };
        let all = directories.all().iter();
        Self {
            handlers: site.handlers.clone(),
            destinations: site.handlers.iter().map(destination).collect(),
            folder: site.root.as_ref().map(folder),
            folders: all.map(|directory| folder(&directory.root)).collect(),
            directories,
            error_pages: site.error_pages.clone(),
        }
    }

    /// What the site, the one with this index, is to a handler of a pool of this kind.
    fn facts(
        index: usize,
        site: &config::Site,
        kind: &PoolKind,
        pool: &str,
        directories: &Arc<Directories>,
    ) -> SiteFacts {
        let first_host = site.hosts.first().map(String::as_str);
        let name = site.name.as_deref().or(first_host);
        let beside = || kind.file().and_then(Path::parent);
        let root = root(site, kind).or_else(beside);
        let id = site.id.unwrap_or(index + 1).to_string();
        let name = name.unwrap_or("Default Web Site");
        SiteFacts {
            root: root.unwrap_or(Path::new("/")).to_owned(),
            fixed: Arc::new(variables::fixed(&id, name, pool, directories)),
            id,
            name: name.to_owned(),
            directories: Arc::clone(directories),
        }
    }

    /// As [`Sites::resolve`]; `hold` makes of a script with parts of the URL one that lives as long as the request.
    fn resolve<'a: 'u, 'u>(
        &'a self,
        site: usize,
        head: &'a RequestHead,
        url: &'u [u8],
        skip: &[HandlerId],
        hold: fn(Script<'u>) -> Script<'a>,
    ) -> Result<Resolved<'a>, Error> {
        let id = |handler| HandlerId { site, handler };
        let skips = |handler| skip.contains(&id(handler));
        let chosen = handler::choose(&self.handlers, skips, &head.method, url)?;
        let Some((index, division)) = chosen else {
            return self.files(url).map(Resolved::Files);
        };
        let handler = &self.handlers[index];
        if let Some(directory) = self.directories.find(division.name()) {
            handler::permit(&handler.path, directory.access)?;
        }
        let to = &self.destinations[index];
        let root: &Path = match &head.front.document_root {
            Some(root) if !to.has_root => root,
            _ => &to.facts.root,
        };
        let folder = root.as_os_str().as_encoded_bytes();
        let map = |url: &[u8]| self.directories.physical(folder, url);
        let program = to.program.as_deref();
        Ok(Resolved::Handler(Target {
            backend: Arc::clone(&to.backend),
            handler: id(index),
            script: hold(handler::script(
                map,
                program,
                handler.path_info,
                url,
                &division,
            )?),
            site: &to.facts,
            root,
            must_exist: handler.must_exist,
        }))
    }

    fn files(&self, url: &[u8]) -> Result<Files, Error> {
        let (folder, prefix) = match self.directories.position(url) {
            Some(index) => {
                let directory = &self.directories.all()[index];
                if !directory.access.read {
                    return Err(Error::Forbidden(Missing::Read));
                }
                (&self.folders[index], directory.path.len())
            }
            None => (self.folder.as_ref().ok_or(Error::NotFound)?, 0),
        };
        Ok(Files {
            folder: Arc::clone(folder),
            path: url.to_vec(),
            prefix,
        })
    }
}

/// The folder that URLs of the site map to for a pool of this kind, where the configuration says so.
fn root<'a>(site: &'a config::Site, kind: &'a PoolKind) -> Option<&'a Path> {
    let own = match kind {
        PoolKind::FastCgi(fastcgi) => fastcgi.root.as_deref(),
        PoolKind::Extension(_) | PoolKind::Cgi(_) => None,
    };
    own.or(site.root.as_deref())
}

/// The extension or program that URLs stand for which name no file. `None`: a FastCGI application has files of its own.
fn program(kind: &PoolKind) -> Option<&[u8]> {
    match kind {
        PoolKind::Extension(file) | PoolKind::Cgi(file) => {
            Some(file.as_os_str().as_encoded_bytes())
        }
        PoolKind::FastCgi(_) => None,
    }
}
