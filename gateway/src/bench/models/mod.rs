//! The models: ways to run the same handler, and the peers that others use. One trait, one module for each front.

mod apache;
mod application;
mod child;
mod gateway;
mod lighttpd;
mod nginx;
mod peer;
mod place;
mod run_as_cgi;
mod scale;

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::load::Load;
use super::plan::Extent;
use child::Child;
pub use child::{kill_all, reap_orphans};
pub use place::{FOLDER, Place, installed};
pub use scale::Scale;

/// What of a model explains its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A process for every request.
    Process,
    /// Threads in one process of its own that stays, behind FastCGI records.
    Isolated,
    /// Threads in the server's own process.
    InProcess,
    /// No handler at all: what the front alone costs.
    Front,
}

/// A way to run the handler.
pub trait Model {
    /// Its name on the command line and in the report.
    fn id(&self) -> String;

    /// The way of a request, for people.
    fn title(&self) -> String;

    /// What explains its cost.
    fn kind(&self) -> Kind;

    /// Why it cannot run here; `None`: it can.
    fn absence(&self, place: &Place) -> Option<String>;

    /// How much of it is measured.
    fn extent(&self) -> Extent {
        Extent::Whole
    }

    /// What of it is scaled, if it is a variant of another model.
    fn scale(&self) -> Option<Scale> {
        None
    }

    /// Why it cannot take this load; `None`: it can.
    fn refusal(&self, load: Load) -> Option<&'static str> {
        let _ = load;
        None
    }

    /// Whether it has processes whose end nobody waits for: without a control group their processor time is lost.
    fn loses_children(&self) -> bool {
        false
    }

    /// Starts its servers.
    ///
    /// # Errors
    /// When they do not start, with what they say about it.
    fn start(&self, place: &Place) -> anyhow::Result<Running>;
}

/// Servers that run. They are ended when this is dropped.
pub struct Running {
    /// Where to send requests.
    pub address: SocketAddr,
    /// Paths below which the handler is; requests take turns among them.
    below: Vec<String>,
    /// The front first: it is ended first.
    children: Vec<Child>,
    _folder: TempDir,
}

impl Running {
    /// Of one handler, at the root.
    fn new(address: SocketAddr, children: Vec<Child>, folder: TempDir) -> Self {
        Self {
            address,
            below: vec![String::new()],
            children,
            _folder: folder,
        }
    }

    /// The requests of a load, one for each place of the handler; `own` is the URL of the user's extension.
    pub fn requests(&self, load: Load, own: &str) -> Arc<[Vec<u8>]> {
        let request = |below: &String| load.request(below, own);
        self.below.iter().map(request).collect()
    }

    /// What the servers have written to standard error, for a report of what went wrong.
    pub fn said(&self) -> String {
        let said: Vec<String> = self.children.iter().filter_map(Child::said).collect();
        said.join("\n")
    }
}

/// Every model, in the order of the report.
pub fn all() -> Vec<Box<dyn Model>> {
    let mut models: Vec<Box<dyn Model>> = Vec::new();
    for host in gateway::HOSTS {
        models.push(Box::new(gateway::Gateway(host)));
    }
    for behind in nginx::BEHIND {
        models.push(Box::new(nginx::Nginx(behind)));
    }
    for peer in peer::PEERS {
        models.push(Box::new(peer));
    }
    for scale in scale::SCALES {
        models.push(Box::new(scale::Scaled(scale)));
    }
    models
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_model_has_a_name_of_its_own() {
        let ids: BTreeSet<String> = all().iter().map(|model| model.id()).collect();
        assert_eq!(ids.len(), all().len());
        assert!(ids.contains("isapi") && ids.contains("nginx-libfcgi"));
        let is_plain = |id: &String| {
            id.bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'-')
        };
        assert!(ids.iter().all(is_plain), "{ids:?}");
    }
}
