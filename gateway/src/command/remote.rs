//! Which gateway a command asks.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use crate::admin::client::Remote;
use crate::config::{self, Admin, Secret};
use crate::front::fastcgi::Address;

/// The environment variable with the token.
const TOKEN: &str = "ISAPI_GATEWAY_TOKEN";

/// How the gateway is found
#[derive(Args)]
pub struct Which {
    /// Configuration file of the gateway, for its `[admin]`
    #[arg(long, value_name = "FILE", conflicts_with = "admin")]
    config: Option<PathBuf>,
    /// Address of its admin listener, `unix:PATH` or `IP:PORT`; a token is taken from $ISAPI_GATEWAY_TOKEN
    /// [default: the socket of a gateway whose `[admin]` names none]
    #[arg(long, value_name = "ADDR")]
    admin: Option<Address>,
}

impl Which {
    /// That gateway.
    ///
    /// # Errors
    /// When nothing says which.
    pub fn remote(self) -> anyhow::Result<Remote> {
        if let Some(file) = &self.config {
            let Admin { listen, token, .. } = Admin::load(file)?;
            return Ok(Remote {
                address: listen,
                token,
            });
        }
        let default = || config::admin::default_socket().map(Address::Unix);
        let address = self.admin.or_else(default).ok_or_else(|| {
            anyhow!("which gateway? Name its configuration with --config, or its admin listener with --admin")
        })?;
        let token = match std::env::var(TOKEN) {
            Ok(token) => Some(
                Secret::new(&token)
                    .map_err(|wrong| anyhow!("${TOKEN} is not a token: {}", wrong.message))?,
            ),
            Err(_) => None,
        };
        Ok(Remote { address, token })
    }
}
