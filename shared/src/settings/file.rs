//! Configuration files: TOML, read against a table of settings.
//!
//! All faults of a file are found at once, each with its line. An unknown key is never ignored: the message
//! names the nearest known one.

use std::ffi::OsString;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::key::{Setting, Table};
use super::words;

/// A key is taken for another one when it is at least this much like it (Jaro–Winkler): `prot` and `port`
/// are, `colour` and `capacity` are not.
const LIKENESS: f64 = 0.8;

/// A fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// The key, when it is about one.
    pub key: Option<String>,
    /// Fault, and remedy.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{key}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// A value that the file has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) setting: &'static str,
    pub(super) text: OsString,
    pub(super) line: usize,
}

/// Reads a file's text; everything that is wrong with it comes in the order of the lines.
pub(super) fn read(table: Table, text: &str) -> Result<Vec<Line>, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reading = Reading {
        table,
        text,
        lines: Vec::new(),
        problems: Vec::new(),
    };
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        reading.problem(at, None, words::no_toml(error.message().replace('\n', ", ")));
    }
    // The rest of a text that is no TOML means little.
    if reading.problems.is_empty() {
        reading.table("", document.get_ref());
        reading.refuse_contradictions();
    }
    let Reading {
        lines, mut problems, ..
    } = reading;
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() {
        Ok(lines)
    } else {
        Err(problems)
    }
}

struct Reading<'a> {
    table: Table,
    text: &'a str,
    lines: Vec<Line>,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn table(&mut self, prefix: &str, entries: &DeTable<'_>) {
        for (key, value) in entries {
            let name = format!("{prefix}{}", key.get_ref());
            let at = key.span().start;
            let inner = format!("{name}.");
            let is_table = self
                .table
                .iter()
                .any(|setting| setting.name().starts_with(&inner));
            match (self.setting(&name), value.get_ref()) {
                (None, DeValue::Table(entries)) if is_table => self.table(&inner, entries),
                (None, _) if is_table => {
                    let reason = words::is_a_table(&name);
                    self.problem(at, Some(name), reason);
                }
                (None, _) => {
                    let reason = self.unknown(&name);
                    self.problem(at, None, reason);
                }
                (Some(setting), value) => {
                    let read = text_of(value, setting.is_list()).and_then(|text| {
                        setting.check(&text)?;
                        Ok(text)
                    });
                    match read {
                        Ok(text) => {
                            let line = self.line(at);
                            self.lines.push(Line {
                                setting: setting.name(),
                                text,
                                line,
                            });
                        }
                        Err(reason) => self.problem(at, Some(name), reason),
                    }
                }
            }
        }
    }

    fn setting(&self, name: &str) -> Option<&'static dyn Setting> {
        self.table.iter().copied().find(|setting| setting.name() == name)
    }

    fn unknown(&self, name: &str) -> String {
        match nearest(self.table, name) {
            Some(near) => words::mistyped_key(format_args!("{name:?}"), format_args!("{near:?}")),
            None => words::unknown_key(format_args!("{name:?}")),
        }
    }

    /// Refuses two settings of which only one may be given; the place is that of the second.
    fn refuse_contradictions(&mut self) {
        self.lines.sort_by_key(|line| line.line);
        let silences = |one: &Line, other: &Line| {
            let setting = self.setting(one.setting);
            setting.is_some_and(|setting| setting.silences().contains(&other.setting))
        };
        let mut found = Vec::new();
        for (number, second) in self.lines.iter().enumerate() {
            let before = self.lines.iter().take(number);
            for first in before.filter(|first| silences(first, second) || silences(second, first)) {
                found.push(Problem {
                    line: second.line,
                    key: Some(second.setting.to_owned()),
                    reason: words::given_too(first.setting, first.line),
                });
            }
        }
        self.problems.extend(found);
    }

    fn problem(&mut self, at: usize, key: Option<String>, reason: String) {
        let line = self.line(at);
        self.problems.push(Problem { line, key, reason });
    }

    /// The line of a byte, from 1.
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// The key that is most like this one, if any is.
fn nearest(table: Table, name: &str) -> Option<&'static str> {
    let name = name.replace('-', "_").to_ascii_lowercase();
    let likeness = |setting: &&'static dyn Setting| {
        let whole = strsim::jaro_winkler(&name, setting.name());
        // A key of a table may have been written outside of it.
        let last = setting.name().rsplit('.').next().unwrap_or_default();
        let likeness = whole.max(strsim::jaro_winkler(&name, last));
        (likeness, setting.name())
    };
    table
        .iter()
        .map(likeness)
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

/// A value of the file as the text that it would be in the environment.
fn text_of(value: &DeValue<'_>, is_list: bool) -> Result<OsString, String> {
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_err(|error| error.to_string())?
            .to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Array(parts) if is_list => {
            let parts: Result<Vec<_>, _> = parts
                .iter()
                .map(|part| {
                    text_of(part.get_ref(), false)?
                        .into_string()
                        .map_err(|_| String::new())
                })
                .collect();
            let parts = parts?;
            if parts.is_empty() {
                return Err(words::empty_list().to_owned());
            }
            parts.join(",")
        }
        DeValue::Array(_) => return Err(words::one_value_wanted().to_owned()),
        DeValue::Datetime(_) | DeValue::Table(_) => {
            return Err(words::plain_value_wanted().to_owned());
        }
    };
    Ok(text.into())
}
