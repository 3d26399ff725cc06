//! The ISAPI extension as a CGI program: a worker for every request, under Wine for a DLL.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::gateway::{quoted, worker};
use super::place::Place;
use crate::library::{self, Platform};
use crate::wine::{self, Wine};

/// Why it cannot run here.
///
/// # Errors
/// The reason.
pub fn check(place: &Place) -> Result<(), String> {
    let platform = platform(place)?;
    place.extension(platform)?;
    place.worker(worker(platform))?;
    match platform.needs_wine() {
        true => Wine::find(None).map(drop).map_err(|it| it.to_string()),
        false => Ok(()),
    }
}

/// What the gateway has to know of the pool; `folder` is for what it needs to run.
///
/// # Errors
/// When a file cannot be written, or something is missing.
pub fn pool(place: &Place, folder: &Path) -> anyhow::Result<String> {
    let platform = platform(place).map_err(anyhow::Error::msg)?;
    let extension = place.extension(platform).map_err(anyhow::Error::msg)?;
    let worker = place.worker(worker(platform)).map_err(anyhow::Error::msg)?;
    let extension = quoted(&extension)?;
    if !platform.needs_wine() {
        let worker = quoted(&worker)?;
        return Ok(format!(
            "cgi = {worker}\nenvironment = {{ ISAPI_EXTENSION = {extension} }}\n"
        ));
    }
    let wine = Wine::find(None)?;
    let prefix = match &place.wine_prefix {
        Some(prefix) => prefix.clone(),
        None => wine::default_prefix()?,
    };
    let program = folder.join("worker-under-wine");
    let script = "#!/bin/sh\nexec \"$BENCH_WINE\" \"$BENCH_WORKER\"\n";
    std::fs::write(&program, script)?;
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755))?;
    let mut pool = format!("cgi = {}\n[pool.bench.environment]\n", quoted(&program)?);
    for (name, value) in [
        ("ISAPI_EXTENSION", extension.clone()),
        ("BENCH_WINE", quoted(&wine.loader)?),
        ("BENCH_WORKER", quoted(&worker)?),
        ("WINEPREFIX", quoted(&prefix)?),
        ("WINESERVER", quoted(&wine.server)?),
    ] {
        pool += &format!("{name} = {value}\n");
    }
    for (name, value) in wine::SETTINGS {
        pool += &format!("{name} = \"{value}\"\n");
    }
    // Of a pool with the same DLL nothing runs, but the gateway makes the prefix ready for it.
    pool += &format!("[pool.prefix]\nextension = {extension}\nstart = \"on_demand\"\n");
    Ok(pool)
}

fn platform(place: &Place) -> Result<Platform, String> {
    match &place.extension {
        None => Ok(Platform::Native),
        Some(own) => library::platform_of(own).map_err(|defect| defect.to_string()),
    }
}
