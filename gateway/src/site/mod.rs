//! Sites: which handler answers a URL, and what the URL means to it.

pub mod variables;

use std::path::PathBuf;
use std::sync::Arc;

use crate::backend::Backend;

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
    /// PATH_TRANSLATED: physical path for PATH_INFO by the table.
    pub path_translated: Vec<u8>,
    /// SCRIPT_FILENAME: the mapped file for script maps, else the extension or program itself.
    pub filename: Vec<u8>,
}
