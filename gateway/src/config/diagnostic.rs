//! What is wrong with a configuration, where, and what to do about it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Everything found in one configuration, and where its keys are.
#[derive(Default)]
pub struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    places: BTreeMap<String, Range<usize>>,
}

struct Finding {
    place: Option<Range<usize>>,
    wrong: Wrong,
}

/// What is wrong, and the remedy where there is one to name.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// The text that places point into.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The file, as the operator named it.
    pub file: &'a Path,
    /// Its whole text.
    pub text: &'a str,
}

/// All errors of one configuration, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Diagnostic>);

/// One error or warning as the operator sees it: `file:line:column: message`, the line with a caret, the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    place: Option<Place>,
    message: String,
    remedy: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    file: String,
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
    /// Characters that the caret underlines.
    width: usize,
    text: String,
}

impl Findings {
    /// Notes an error at a place of the text.
    pub fn error_at(&mut self, place: Option<Range<usize>>, wrong: Wrong) {
        self.errors.push(Finding { place, wrong });
    }

    /// Notes an error in the value of a key, named by its path (`pool.hello.extension`).
    pub fn error(&mut self, key: &str, wrong: Wrong) {
        self.error_at(self.places.get(key).cloned(), wrong);
    }

    /// Notes something odd in the value of a key that does not keep the gateway from running.
    pub fn warning(&mut self, key: &str, wrong: Wrong) {
        let place = self.places.get(key).cloned();
        self.warnings.push(Finding { place, wrong });
    }

    /// Remembers where the value of a key is.
    pub fn set_place(&mut self, key: String, place: Range<usize>) {
        self.places.insert(key, place);
    }

    /// Whether no error has been noted.
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// The value with the warnings, or the errors when there is any.
    ///
    /// # Errors
    /// All errors that were noted.
    pub fn into_result<T>(
        self,
        value: T,
        source: Option<Source>,
    ) -> Result<(T, Vec<Diagnostic>), ConfigErrors> {
        if self.is_clean() {
            Ok((value, show(self.warnings, source)))
        } else {
            Err(self.into_errors(source))
        }
    }

    /// The errors alone.
    pub fn into_errors(self, source: Option<Source>) -> ConfigErrors {
        ConfigErrors(show(self.errors, source))
    }
}

fn show(mut findings: Vec<Finding>, source: Option<Source>) -> Vec<Diagnostic> {
    findings.sort_by_key(|finding| finding.place.as_ref().map(|place| place.start));
    let show = |finding: Finding| Diagnostic {
        place: source.and_then(|source| Some(source.place(finding.place?))),
        message: finding.wrong.message,
        remedy: finding.wrong.remedy,
    };
    findings.into_iter().map(show).collect()
}

impl Wrong {
    /// A mistake whose message says enough.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            remedy: None,
        }
    }

    /// A mistake and what to do about it.
    pub fn with_remedy(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            remedy: Some(remedy.into()),
        }
    }
}

impl Source<'_> {
    fn place(&self, range: Range<usize>) -> Place {
        let start = floor_char_boundary(self.text, range.start);
        let end = floor_char_boundary(self.text, range.end).max(start);
        let (before, from) = self.text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = from.find('\n').map_or(self.text.len(), |at| start + at);
        let shown_end = end.min(line_end);
        Place {
            file: self.file.display().to_string(),
            line: before.matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            width: self.text[start..shown_end].chars().count().max(1),
            // One column for every character, and nothing that a terminal would act on.
            text: self.text[line_start..line_end]
                .replace(char::is_control, " ")
                .trim_end()
                .to_owned(),
        }
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl Diagnostic {
    /// A message that says its place itself.
    pub fn without_place(message: String) -> Self {
        Self {
            place: None,
            message,
            remedy: None,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            None => f.write_str(&self.message)?,
            Some(place) => {
                let Place {
                    file,
                    line,
                    column,
                    width,
                    text,
                } = place;
                let margin = " ".repeat(line.to_string().len());
                let indent = " ".repeat(column - 1);
                let caret = "^".repeat(*width);
                writeln!(f, "{file}:{line}:{column}: {}", self.message)?;
                writeln!(f, "{margin} |")?;
                writeln!(f, "{line} | {text}")?;
                write!(f, "{margin} | {indent}{caret}")?;
            }
        }
        match &self.remedy {
            Some(remedy) => write!(f, "\n  help: {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl From<Diagnostic> for ConfigErrors {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{diagnostic}")?;
        }
        Ok(())
    }
}
