//! The ISAPI worker as its threads and pools grow: what is many should cost no more than what is few.

use serde::{Deserialize, Serialize};

use super::gateway::{Front, launch, quoted};
use super::place::Place;
use super::{Kind, Model, Running};
use crate::bench::plan::Extent;
use crate::library::Platform;

/// What is scaled, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Threads of the worker.
    Threads(u16),
    /// Pools, each with a worker; requests take turns among them.
    Pools(u16),
}

/// Every variant.
pub const SCALES: [Scale; 7] = [
    Scale::Threads(1),
    Scale::Threads(4),
    Scale::Threads(16),
    Scale::Threads(64),
    Scale::Pools(1),
    Scale::Pools(10),
    Scale::Pools(100),
];

/// The gateway with so many of them.
pub struct Scaled(pub Scale);

impl Model for Scaled {
    fn id(&self) -> String {
        match self.0 {
            Scale::Threads(count) => format!("isapi-threads-{count}"),
            Scale::Pools(count) => format!("isapi-pools-{count}"),
        }
    }

    fn title(&self) -> String {
        let counted = |count: u16, name: &str| match count {
            1 => format!("1 {name}"),
            _ => format!("{count} {name}s"),
        };
        match self.0 {
            Scale::Threads(count) => {
                format!("gateway → ISAPI worker, {}", counted(count, "thread"))
            }
            Scale::Pools(count) => format!("gateway → ISAPI workers of {}", counted(count, "pool")),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Isolated
    }

    fn extent(&self) -> Extent {
        Extent::Variant
    }

    fn scale(&self) -> Option<Scale> {
        Some(self.0)
    }

    fn absence(&self, place: &Place) -> Option<String> {
        if place.extension.is_some() {
            return Some("only the samples' handler is scaled".to_owned());
        }
        let extension = place.extension(Platform::Native);
        extension.and(place.worker("isapi-worker")).err()
    }

    fn start(&self, place: &Place) -> anyhow::Result<Running> {
        let (pools, threads) = match self.0 {
            Scale::Threads(threads) => (1, format!("threads = {threads}\n")),
            Scale::Pools(pools) => (pools, String::new()),
        };
        let extension = place
            .extension(Platform::Native)
            .map_err(anyhow::Error::msg)?;
        let extension = quoted(&extension)?;
        let mut sites = "[[site]]\n".to_owned();
        for pool in 0..pools {
            sites += &format!("[[site.handler]]\npath = \"/{pool}/bench\"\npool = \"p{pool}\"\n");
        }
        for pool in 0..pools {
            sites += &format!("[pool.p{pool}]\nextension = {extension}\n{threads}");
        }
        let folder = place.folder()?;
        let (child, address) = launch(place, folder.path(), Front::Http, "serve", &sites)?;
        let mut running = Running::new(address.parse()?, vec![child], folder);
        running.below = (0..pools).map(|pool| format!("/{pool}")).collect();
        Ok(running)
    }
}
