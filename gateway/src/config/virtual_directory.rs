//! `[[site.virtual]]`: a folder that stands at a URL of a site, as IIS's virtual directories do.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::diagnostic::{Findings, Wrong};
use super::section::Section;
use super::{parse, value};

/// A virtual directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualDirectory {
    /// The URL path at which it stands, decoded: `/app`; neither `/` nor with a slash at its end.
    pub path: String,
    /// The folder. Absolute.
    pub root: PathBuf,
    /// What may be done in it. Default: everything.
    pub access: Access,
    /// Whether it is an application of its own (ISAPI.md §5.2, APPL_MD_PATH). Default: false.
    pub application: bool,
}

/// What may be done in a virtual directory (ISAPI.md §4.2, code 1012).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Static files are sent.
    pub read: bool,
    /// Script maps run.
    pub script: bool,
    /// Script maps run, and extensions and programs named in the URL.
    pub execute: bool,
}

impl Access {
    /// HSE_URL_FLAGS_READ, HSE_URL_FLAGS_EXECUTE and HSE_URL_FLAGS_SCRIPT (ISAPI.md §4.2, code 1012).
    pub fn flags(self) -> u32 {
        [(self.read, 0x1), (self.execute, 0x4), (self.script, 0x200)]
            .iter()
            .filter_map(|(granted, flag)| granted.then_some(flag))
            .sum()
    }
}

/// Reads one table; `None` when its path or folder is missing or wrong.
pub fn read(
    mut section: Section,
    folder: &Path,
    findings: &mut Findings,
) -> Option<VirtualDirectory> {
    let path = section.require(findings, "path", url);
    let root = section.require(findings, "root", |value| parse::path(value, folder));
    let access = section.list(findings, "access", right);
    let application = section.get(findings, "application", value::boolean);
    section.finish(findings);
    let granted = |right: Right| access.as_ref().is_none_or(|list| list.contains(&right));
    Some(VirtualDirectory {
        path: path?,
        root: root?,
        access: Access {
            read: granted(Right::Read),
            script: granted(Right::Script),
            execute: granted(Right::Execute),
        },
        application: application.unwrap_or(false),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    Read,
    Script,
    Execute,
}

fn right(value: &DeValue) -> Result<Right, Wrong> {
    match value::string(value)?.as_str() {
        "read" => Ok(Right::Read),
        "script" => Ok(Right::Script),
        "execute" => Ok(Right::Execute),
        other => Err(Wrong::with_remedy(
            format!("\"{other}\" is not an access right"),
            r#"the rights are "read", "script" and "execute""#,
        )),
    }
}

fn url(value: &DeValue) -> Result<String, Wrong> {
    let text = value::text(value)?;
    if text == "/" {
        return Err(Wrong::with_remedy(
            "the site's root is no virtual directory",
            "give the site a `root`",
        ));
    }
    if text.ends_with('/') || !value::is_url(&text) {
        return Err(Wrong::with_remedy(
            format!("\"{text}\" is not the path of a virtual directory"),
            "write \"/name\" or \"/folder/name\", as it is after percent-decoding and without a slash at its end",
        ));
    }
    Ok(text)
}
