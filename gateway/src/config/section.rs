//! One table of the file: gives its values by key, and finds the keys that nobody asked for.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::diagnostic::{Findings, Wrong};
use super::value::wrong_type;

/// A table and the keys asked for so far.
pub struct Section<'a> {
    /// Its path in the file, for places: `server`, `pool.hello`, `site[0].handler[1]`.
    path: String,
    /// Its path as messages show it: `[server]`, `[pool.hello]`, `[[site.handler]]`.
    title: String,
    table: &'a DeTable<'a>,
    place: Range<usize>,
    known: Vec<&'static str>,
}

/// One of several values.
pub enum Item<'a> {
    /// A table.
    Table(Section<'a>),
    /// Anything else.
    Value(&'a Spanned<DeValue<'a>>),
}

impl<'a> Section<'a> {
    /// The whole file.
    pub fn root(table: &'a DeTable<'a>) -> Self {
        Self {
            path: String::new(),
            title: "the file".to_owned(),
            table,
            place: 0..0,
            known: Vec::new(),
        }
    }

    /// Its path in the file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its path as messages show it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where it begins.
    pub fn place(&self) -> Option<Range<usize>> {
        Some(self.place.clone())
    }

    /// Whether the key is there, be its value right or wrong.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where a key stands.
    pub fn key_place(&self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// All keys with their values, for a table whose keys are the user's own.
    pub fn entries(
        &self,
    ) -> impl Iterator<Item = (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)> {
        self.table.iter()
    }

    /// The value of a key; `None` when it is missing, or wrong, which is then noted.
    pub fn get<T>(
        &mut self,
        findings: &mut Findings,
        key: &'static str,
        convert: impl FnOnce(&DeValue<'a>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.find(findings, key)?;
        note(findings, value.span(), convert(value.get_ref()))
    }

    /// The value of a key that must be there.
    pub fn require<T>(
        &mut self,
        findings: &mut Findings,
        key: &'static str,
        convert: impl FnOnce(&DeValue<'a>) -> Result<T, Wrong>,
    ) -> Option<T> {
        if !self.has(key) {
            let message = format!("{} has no `{key}`", self.title);
            findings.error_at(self.place(), Wrong::new(message));
        }
        self.get(findings, key, convert)
    }

    /// The values of a key that takes a list, or one value alone; without those that are wrong.
    pub fn list<T>(
        &mut self,
        findings: &mut Findings,
        key: &'static str,
        convert: impl Fn(&DeValue<'a>) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let value = self.find(findings, key)?;
        let values = match value.get_ref() {
            DeValue::Array(values) => values.iter().collect(),
            _ => vec![value],
        };
        let mut list = Vec::new();
        for value in values {
            if let Some(item) = note(findings, value.span(), convert(value.get_ref())) {
                let path = format!("{}[{}]", self.path_of(key), list.len());
                findings.set_place(path, value.span());
                list.push(item);
            }
        }
        Some(list)
    }

    /// As [`Self::list`], for a key whose empty list could be meant to stand for all or for none: it is wrong.
    pub fn some_of<T>(
        &mut self,
        findings: &mut Findings,
        key: &'static str,
        convert: impl Fn(&DeValue<'a>) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let value = self.table.get(key).map(Spanned::get_ref);
        if value
            .and_then(DeValue::as_array)
            .is_some_and(|list| list.is_empty())
        {
            let remedy = format!("leave `{key}` out for its default");
            let wrong = Wrong::with_remedy(format!("`{key}` is empty"), remedy);
            findings.error_at(self.key_place(key), wrong);
        }
        self.list(findings, key, convert)
    }

    /// The values of a key that takes a list, or one value alone, each of which may be a table.
    pub fn items(&mut self, findings: &mut Findings, key: &'static str) -> Option<Vec<Item<'a>>> {
        let value = self.find(findings, key)?;
        let values = match value.get_ref() {
            DeValue::Array(values) => values.iter().collect(),
            _ => vec![value],
        };
        let mut items = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(key));
            findings.set_place(path.clone(), value.span());
            items.push(match value.get_ref() {
                DeValue::Table(table) => Item::Table(Self {
                    title: format!("`{key}` of {}", self.title),
                    path,
                    table,
                    place: value.span(),
                    known: Vec::new(),
                }),
                _ => Item::Value(value),
            });
        }
        Some(items)
    }

    /// A table in this one: `[key]`.
    pub fn section(&mut self, findings: &mut Findings, key: &'static str) -> Option<Self> {
        let value = self.find(findings, key)?;
        let table = note(findings, value.span(), as_table(value.get_ref()))?;
        let path = self.path_of(key);
        Some(Self {
            title: format!("[{path}]"),
            path,
            table,
            place: value.span(),
            known: Vec::new(),
        })
    }

    /// The tables of a table, by their names: `[key.NAME]`.
    pub fn named_sections(
        &mut self,
        findings: &mut Findings,
        key: &'static str,
    ) -> Vec<(String, Self)> {
        let Some(outer) = self.section(findings, key) else {
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (name, value) in outer.entries() {
            let path = outer.path_of(name.get_ref());
            findings.set_place(path.clone(), name.span());
            if let Some(table) = note(findings, value.span(), as_table(value.get_ref())) {
                let section = Self {
                    title: format!("[{path}]"),
                    path,
                    table,
                    place: name.span(),
                    known: Vec::new(),
                };
                sections.push((name.get_ref().to_string(), section));
            }
        }
        sections
    }

    /// A list of tables: `[[key]]`.
    pub fn sections(&mut self, findings: &mut Findings, key: &'static str) -> Vec<Self> {
        let outer = self.title.trim_matches(['[', ']']);
        let title = match self.path.as_str() {
            "" => format!("[[{key}]]"),
            _ => format!("[[{outer}.{key}]]"),
        };
        let Some(value) = self.find(findings, key) else {
            return Vec::new();
        };
        let DeValue::Array(values) = value.get_ref() else {
            let wrong = wrong_type(&format!("a list of tables, {title}"), value.get_ref());
            findings.error_at(Some(value.span()), wrong);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(key));
            findings.set_place(path.clone(), value.span());
            if let Some(table) = note(findings, value.span(), as_table(value.get_ref())) {
                sections.push(Self {
                    path,
                    title: title.clone(),
                    table,
                    place: value.span(),
                    known: Vec::new(),
                });
            }
        }
        sections
    }

    /// Notes the keys that nobody has asked for.
    pub fn finish(self, findings: &mut Findings) {
        for (key, _) in self.entries() {
            let name = key.get_ref().as_ref();
            if !self.known.contains(&name) {
                let message = format!("unknown key `{name}` in {}", self.title);
                let remedy = suggest(name, &self.known)
                    .unwrap_or_else(|| format!("the keys here are {}", listed(&self.known)));
                findings.error_at(Some(key.span()), Wrong::with_remedy(message, remedy));
            }
        }
    }

    fn find(
        &mut self,
        findings: &mut Findings,
        key: &'static str,
    ) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        let value = self.table.get(key)?;
        findings.set_place(self.path_of(key), value.span());
        Some(value)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

fn as_table<'a>(value: &'a DeValue<'a>) -> Result<&'a DeTable<'a>, Wrong> {
    value.as_table().ok_or_else(|| wrong_type("a table", value))
}

/// The value, or `None` when it is wrong, which is then noted.
pub fn note<T>(findings: &mut Findings, place: Range<usize>, value: Result<T, Wrong>) -> Option<T> {
    value
        .map_err(|wrong| findings.error_at(Some(place), wrong))
        .ok()
}

/// "did you mean …?" for the known word that is nearest, when one is near.
pub fn suggest<T: AsRef<str>>(word: &str, known: &[T]) -> Option<String> {
    let distances = known
        .iter()
        .map(|candidate| (distance(word, candidate.as_ref()), candidate.as_ref()));
    let (distance, nearest) = distances.min()?;
    (distance <= word.len() / 3 + 1).then(|| format!("did you mean `{nearest}`?"))
}

/// Words in back-ticks, separated by commas.
pub fn listed<T: AsRef<str>>(words: &[T]) -> String {
    let quoted: Vec<String> = words
        .iter()
        .map(|word| format!("`{}`", word.as_ref()))
        .collect();
    quoted.join(", ")
}

/// How many bytes must be put in, left out or replaced to turn one word into the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, left) in from.bytes().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, right) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}
