//! Whether the extensions can be run here: natively, or under Wine.

use std::path::Path;

use super::files::file;
use super::{Findings, Wrong};
use crate::config::{Config, Pool, PoolKind};
use crate::library::{self, Platform};
use crate::wine::{self, Wine, WineError};

/// Whether there is a worker for each extension, by its header.
pub fn check(config: &Config, findings: &mut Findings) {
    let mut windows = Vec::new();
    for pool in config.pools.values() {
        let PoolKind::Extension(path) = &pool.kind else {
            continue;
        };
        let key = format!("pool.{}.extension", pool.name);
        match file(path).and_then(|_| platform(path)) {
            Err(wrong) => findings.error(&key, wrong),
            Ok(platform) if !platform.needs_wine() => {
                if let Some(drive) = pool.drives.keys().next() {
                    let wrong = Wrong::with_remedy(
                        "this pool has `drives`, but its extension does not run under Wine",
                        "remove them: it sees the file system as it is",
                    );
                    findings.error(&format!("pool.{}.drives.{drive}", pool.name), wrong);
                }
            }
            Ok(platform) => {
                native_only(pool, findings);
                windows.push((key, platform));
            }
        }
    }
    let configured = config.server.wine.as_deref();
    let Some((first, _)) = windows.first() else {
        return;
    };
    let wine = match Wine::find(configured) {
        Ok(wine) => wine,
        Err(error) => {
            let key = configured.map_or(first.as_str(), |_| "server.wine");
            return findings.error(key, without_wine(&error));
        }
    };
    let native = config.server.worker_binary();
    for (key, platform) in &windows {
        let runs = wine
            .supports(*platform)
            .and(wine::worker(&native, *platform));
        if let Err(error) = runs {
            findings.error(key, without_wine(&error));
        }
    }
}

/// What Wine does not bear.
fn native_only(pool: &Pool, findings: &mut Findings) {
    let mut refuse = |key: &str, why: &str| {
        let message = format!("`{key}` cannot be used for a Windows DLL: {why}");
        findings.error(
            &format!("pool.{}.{key}", pool.name),
            Wrong::with_remedy(message, "remove it"),
        );
    };
    if pool.limits.user.is_some() {
        refuse("user", "a Wine prefix has one owner");
    }
    if pool.sandbox.is_some() {
        refuse(
            "sandbox",
            "its worker is a Windows program and cannot ask Linux for one",
        );
    }
    if pool.limits.address_space.is_some() {
        refuse(
            "limits.address_space",
            "Wine reserves far more than it uses",
        );
    }
}

fn platform(path: &Path) -> Result<Platform, Wrong> {
    library::platform_of(path).map_err(|defect| Wrong {
        message: format!("{} {defect}", path.display()),
        remedy: defect.remedy(),
    })
}

fn without_wine(error: &WineError) -> Wrong {
    Wrong::with_remedy(error.to_string(), error.remedy())
}
