//! `[error_pages]`: files that are sent instead of the gateway's own pages for errors, as IIS's `httpErrors`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::diagnostic::{Findings, Wrong};
use super::section::{Section, note};
use super::{Site, parse};

/// Pages by the errors that they are for.
pub type ErrorPages = BTreeMap<ErrorCode, PathBuf>;

/// Which errors a page is for: `404`, or `404.2` for those with this sub-status alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErrorCode {
    /// The HTTP status, 400 to 599.
    pub status: u16,
    /// The sub-status; 0: whichever.
    pub sub_status: u16,
}

impl ErrorCode {
    /// The page for this error: the one for its sub-status, else the one for its status.
    pub fn page(self, pages: &ErrorPages) -> Option<&Path> {
        let any = Self {
            sub_status: 0,
            ..self
        };
        let page = pages.get(&self).or_else(|| pages.get(&any));
        page.map(PathBuf::as_path)
    }

    fn parse(text: &str) -> Option<Self> {
        let (status, sub_status) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(status) || !digits(sub_status) || text.ends_with('.') {
            return None;
        }
        Some(Self {
            status: status
                .parse()
                .ok()
                .filter(|status| (400..=599).contains(status))?,
            sub_status: match sub_status {
                "" => 0,
                sub_status => sub_status
                    .parse()
                    .ok()
                    .filter(|sub| (1..=999).contains(sub))?,
            },
        })
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.sub_status {
            0 => write!(formatter, "{}", self.status),
            sub_status => write!(formatter, "{}.{sub_status}", self.status),
        }
    }
}

/// Reads the table `error_pages` of a section.
pub fn read(section: &mut Section, folder: &Path, findings: &mut Findings) -> ErrorPages {
    let Some(table) = section.section(findings, "error_pages") else {
        return ErrorPages::new();
    };
    let mut pages = ErrorPages::new();
    for (key, value) in table.entries() {
        let name = key.get_ref();
        let code = ErrorCode::parse(name).ok_or_else(|| {
            Wrong::with_remedy(
                format!("\"{name}\" is not an error"),
                r#"write a status from 400 to 599, "404", or one with a sub-status, "404.2", in quotes"#,
            )
        });
        let code = note(findings, key.span(), code);
        let page = note(findings, value.span(), parse::path(value.get_ref(), folder));
        if let Some((code, page)) = code.zip(page) {
            findings.set_place(format!("{}.{code}", table.path()), value.span());
            pages.insert(code, page);
        }
    }
    pages
}

/// The errors for which all sites of a pool have a page: what its workers may rely on.
pub fn common(sites: &[Site], general: &ErrorPages, pool: &str) -> Vec<ErrorCode> {
    let uses = |site: &&Site| site.handlers.iter().any(|handler| handler.pool == pool);
    let sites: Vec<&Site> = sites.iter().filter(uses).collect();
    let own = sites.iter().flat_map(|site| site.error_pages.keys());
    let mut codes: Vec<ErrorCode> = general.keys().chain(own).copied().collect();
    codes.sort_unstable();
    codes.dedup();
    codes.retain(|code| {
        let has = |pages| code.page(pages).is_some();
        has(general) || sites.iter().all(|site| has(&site.error_pages))
    });
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_and_shown() {
        for text in ["400", "404.2", "599.999"] {
            assert_eq!(
                ErrorCode::parse(text).map(|code| code.to_string()),
                Some(text.to_owned())
            );
        }
        for text in [
            "", "200", "600", "404.", "404.0", "404.1000", ".2", "+404", "404.2.1", "4xx",
        ] {
            assert_eq!(ErrorCode::parse(text), None, "{text}");
        }
    }
}
