//! The request that a new worker answers before it gets others: as if a client on this machine had sent it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Uri, Version};

use super::{Directories, Script, Site, SiteFacts, handler, path, program};
use crate::config::Config;
use crate::request::{Connection, Front, RequestHead};

/// A warm-up request, and what its URL means to the extension.
#[derive(Clone, Debug, PartialEq)]
pub struct Warmup {
    /// The request.
    pub head: RequestHead,
    /// Facts about its site.
    pub site: SiteFacts,
    /// Its URL.
    pub script: Script<'static>,
}

impl Warmup {
    /// The warm-up request of a pool: on the first site on which a handler of this pool answers its `warmup` path.
    /// `None` when there is no such path, or no such handler.
    pub fn new(config: &Config, pool: &str) -> Option<Self> {
        let warmup = config.pools.get(pool)?.workers.warmup.as_ref()?;
        let uri: Uri = warmup.parse().ok()?;
        let url = path::decode(uri.path()).ok()?;
        config.sites.iter().enumerate().find_map(|(index, site)| {
            let chosen = handler::choose(&site.handlers, |_| false, &Method::GET, &url);
            let (number, division) = chosen.ok()??;
            let handler = &site.handlers[number];
            let kind = &config.pools.get(&handler.pool)?.kind;
            let directories = Arc::new(Directories::new(&site.virtual_directories));
            let facts = Site::facts(index, site, kind, pool, &directories);
            let root = facts.root.as_os_str().as_encoded_bytes();
            let map = |url: &[u8]| directories.physical(root, url);
            let program = program(kind);
            let script = handler::script(map, program, handler.path_info, &url, &division);
            let script = script.ok()?.into_owned();
            (handler.pool == pool).then(|| Self {
                head: head(&uri, site.hosts.first()),
                site: facts,
                script,
            })
        })
    }
}

fn head(uri: &Uri, host: Option<&String>) -> RequestHead {
    // A pattern such as `*.example.org` is no host.
    let host = host.filter(|host| !host.contains('*'));
    let host = host.and_then(|host| HeaderValue::from_str(host).ok());
    let host = host.unwrap_or(HeaderValue::from_static("localhost"));
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    RequestHead {
        method: Method::GET,
        uri: uri.clone(),
        version: Version::HTTP_11,
        headers: HeaderMap::from_iter([
            (HOST, host),
            (USER_AGENT, HeaderValue::from_static("isapi-gateway warmup")),
        ])
        .into(),
        connection: Connection {
            remote: here,
            local: here,
            secure: false,
        },
        connection_variables: None,
        front: Front::default(),
    }
}
