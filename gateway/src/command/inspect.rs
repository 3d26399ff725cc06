//! `inspect`: what an extension's file is, what it needs, and what it says of itself when a worker loads it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::{Value, json};

use super::launchers::Launchers;
use crate::config::{Config, PoolKind};
use crate::library::{self, Defect, Library, Platform, resolve};
use crate::pool::{About, Pool, Predecessors};
use crate::runtime::Runtimes;
use crate::wine::Wine;

/// How long the extension may take to load, and then to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Exports shown as text, beside the entry points.
const SHOWN: usize = 20;

/// Everything that can be told about a file.
struct Report {
    file: PathBuf,
    library: Result<Library, Defect>,
    /// What is needed, and where it is.
    imports: Vec<(String, Option<PathBuf>)>,
    /// What the extension says in a worker; `Err`: why it could not be asked.
    about: Result<About, Problem>,
}

/// Why the extension cannot be run.
struct Problem {
    message: String,
    remedy: Option<String>,
}

/// Tells on standard output what there is to tell. Fails when the file is no extension that can be served.
pub fn run(file: &Path, as_json: bool) -> ExitCode {
    let report = Report::make(file);
    let text = match as_json {
        true => format!("{:#}\n", report.to_json()),
        false => report.to_text(),
    };
    // Whoever reads it may have had enough.
    let written = std::io::stdout().write_all(text.as_bytes());
    match report.about {
        Ok(_) if written.is_ok() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

impl Problem {
    /// A missing library is the likeliest reason.
    fn with_missing(self, imports: &[(String, Option<PathBuf>)]) -> Self {
        let missing = imports.iter().filter(|(_, place)| place.is_none());
        let missing: Vec<&str> = missing.map(|(name, _)| name.as_str()).collect();
        let found_all = missing.is_empty();
        let remedy = format!("put what it needs beside it: {}", missing.join(", "));
        Self {
            remedy: self.remedy.or((!found_all).then_some(remedy)),
            ..self
        }
    }
}

impl Report {
    fn make(file: &Path) -> Self {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let library = library::read(&file);
        let platform = library
            .as_ref()
            .map_err(Defect::clone)
            .and_then(Library::platform);
        let mut imports = Vec::new();
        if let Ok(library) = &library {
            let wine = Wine::find(None).ok();
            let prefix = crate::wine::default_prefix().unwrap_or_default();
            let wine = wine.as_ref().map(|wine| (wine, prefix.as_path()));
            imports = resolve::imports(library, library.loader(), &file, wine);
        }
        let about = match platform {
            Ok(_) => ask(&file).map_err(|problem| problem.with_missing(&imports)),
            Err(defect) => Err(Problem {
                message: format!("{} {defect}", file.display()),
                remedy: defect.remedy(),
            }),
        };
        Self {
            file,
            library,
            imports,
            about,
        }
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            text.push_str(format!("{name:<14}{value}").trim_end());
            text.push('\n');
        };
        line("file", &self.file.display().to_string());
        if let Ok(library) = &self.library {
            line("size", &format!("{} bytes", library.size));
            line(
                "format",
                &format!("{}, {}", library.format_name(), library.machine),
            );
            if let Ok(platform) = library.platform() {
                line("runs", runs(platform));
            }
            let mut heading = "entry points";
            for (name, found) in library.entry_points() {
                let value = match found {
                    Some(found) if found == name => name.to_owned(),
                    Some(found) => format!("{name}, decorated: {found}"),
                    None => format!("{name}: not exported"),
                };
                line(std::mem::take(&mut heading), &value);
            }
            heading = "other exports";
            let others = self.other_exports();
            for name in others.iter().take(SHOWN) {
                line(std::mem::take(&mut heading), name);
            }
            if others.len() > SHOWN {
                line("", &format!("… and {} more", others.len() - SHOWN));
            }
            heading = "needs";
            for (name, place) in &self.imports {
                let value = match place {
                    Some(place) => format!("{name}: {}", place.display()),
                    None => format!("{name}: NOT FOUND"),
                };
                line(std::mem::take(&mut heading), &value);
            }
        }
        match &self.about {
            Ok(about) => {
                line("description", &about.description);
                line("ISAPI version", &about.version);
                line("loaded in", &format!("{} ms", about.after.as_millis()));
            }
            Err(problem) => {
                line("error", &problem.message);
                if let Some(remedy) = &problem.remedy {
                    line("help", remedy);
                }
            }
        }
        text
    }

    fn to_json(&self) -> Value {
        let mut value = json!({ "file": self.file.to_string_lossy() });
        if let Ok(library) = &self.library {
            let entry_points: serde_json::Map<String, Value> = library
                .entry_points()
                .map(|(name, found)| (name.to_owned(), json!(found)))
                .collect();
            let imports = self.imports.iter().map(|(name, place)| {
                let place = place.as_ref().map(|place| place.to_string_lossy());
                json!({ "name": name, "path": place })
            });
            value["size"] = json!(library.size);
            value["format"] = json!(library.format_name());
            value["machine"] = json!(library.machine.to_string());
            value["platform"] = json!(library.platform().ok().map(platform_name));
            value["entry_points"] = Value::Object(entry_points);
            value["exports"] = json!(library.exports);
            value["imports"] = imports.collect();
        }
        match &self.about {
            Ok(about) => {
                value["extension"] = json!({
                    "description": about.description,
                    "version": about.version,
                    "load_ms": u64::try_from(about.after.as_millis()).unwrap_or(u64::MAX),
                });
            }
            Err(problem) => {
                value["error"] = json!({ "message": problem.message, "remedy": problem.remedy });
            }
        }
        value
    }

    /// Exports that are no entry points.
    fn other_exports(&self) -> Vec<&String> {
        let Ok(library) = &self.library else {
            return Vec::new();
        };
        let is_entry_point =
            |name: &str| library.entry_points().any(|(_, found)| found == Some(name));
        let exports = library.exports.iter();
        exports.filter(|name| !is_entry_point(name)).collect()
    }
}

/// What the extension says of itself in a worker.
fn ask(file: &Path) -> Result<About, Problem> {
    let config = Config::for_extension(file, None, None).map_err(|errors| Problem {
        message: errors.to_string(),
        remedy: None,
    })?;
    let asked = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|control| control.block_on(load(config)));
    asked.map_err(|error| Problem {
        message: format!("{error:#}"),
        remedy: None,
    })
}

async fn load(config: Config) -> anyhow::Result<About> {
    let launchers = Launchers::prepare(&config).await?;
    let runtimes = Runtimes::start(1, false, false)?;
    let mut about = Err(anyhow!("there is nothing to load"));
    for mut pool in config.pools.into_values() {
        if let PoolKind::Extension(file) = &pool.kind {
            pool.startup_timeout = PATIENCE;
            pool.shutdown_timeout = PATIENCE;
            let launcher = launchers.launcher(file)?;
            let running = Pool::start(
                &pool,
                file,
                launcher,
                None,
                None,
                Predecessors::default(),
                &runtimes,
            );
            about = running.about().await.map_err(|reason| anyhow!(reason));
            running.stop(PATIENCE).await;
        }
    }
    launchers.stop().await;
    runtimes.stop();
    about
}

fn runs(platform: Platform) -> &'static str {
    match platform {
        Platform::Native => "natively",
        Platform::Windows64 if !platform.needs_wine() => "in the 64-bit worker",
        Platform::Windows32 if !platform.needs_wine() => "in the 32-bit worker",
        Platform::Windows64 => "under Wine, in the 64-bit worker",
        Platform::Windows32 => "under Wine, in the 32-bit worker",
    }
}

fn platform_name(platform: Platform) -> &'static str {
    match platform {
        Platform::Native => "native",
        Platform::Windows64 => "windows-x86-64",
        Platform::Windows32 => "windows-x86",
    }
}
