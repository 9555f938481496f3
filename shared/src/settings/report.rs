//! What `config show` and `config check` say, for people and as JSON.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::place::{Origin, SettingsError};
use super::values::Values;

/// `config show`: the effective settings and where each came from.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shown {
    /// The configuration file; null when none is named.
    pub file: Option<PathBuf>,
    /// In the order of the table.
    pub settings: Vec<ShownSetting>,
}

/// One of them.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShownSetting {
    /// As the file has it; a dot separates the table from the key in it.
    pub key: &'static str,
    /// As it was written; null when it is not set.
    pub value: Option<String>,
    /// `default`, `file`, `environment` or `flag`; null when it is not set.
    pub from: Option<&'static str>,
    /// The line of the file; null when it is not from there.
    pub line: Option<usize>,
    /// Its twin in the environment.
    pub variable: String,
    /// When a change in the file takes effect: `at_once`, `at_restart` or `each_command`.
    pub takes_effect: &'static str,
}

/// `config check`: whether a file can be used.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Checked {
    /// The file; null when none is named, so that only the environment was looked at.
    pub file: Option<PathBuf>,
    /// Whether it can be used.
    pub valid: bool,
    /// What is wrong; empty when it can be used.
    pub problems: Vec<CheckedProblem>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckedProblem {
    /// The line of the file, from 1; null when it is not about one.
    pub line: Option<usize>,
    /// The key; null when it is not about one that exists.
    pub key: Option<String>,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl From<&Values> for Shown {
    fn from(values: &Values) -> Self {
        let one = |setting: &&'static dyn super::Setting| {
            let key = setting.name();
            let origin = values.origin(key);
            ShownSetting {
                key,
                value: values.text(key).map(|text| text.display().to_string()),
                from: origin.map(Origin::word),
                line: match origin {
                    Some(Origin::File { line }) => Some(line),
                    _ => None,
                },
                variable: setting.variable(),
                takes_effect: setting.effect().word(),
            }
        };
        Self {
            file: values.file().map(Path::to_owned),
            settings: values.table().iter().map(one).collect(),
        }
    }
}

impl Shown {
    /// A line for each: key, value, where from.
    #[must_use]
    pub fn text(&self) -> String {
        let width = |of: &dyn Fn(&ShownSetting) -> usize| self.settings.iter().map(of).max().unwrap_or(0);
        let value = |one: &ShownSetting| one.value.clone().unwrap_or_else(|| "-".to_owned());
        let keys = width(&|one| one.key.len());
        let values = width(&|one| value(one).chars().count()).min(48);
        let mut text = String::new();
        for one in &self.settings {
            let from = match (one.from, one.line) {
                (None, _) => "not set".to_owned(),
                (Some(_), Some(line)) => match &self.file {
                    Some(file) => format!("{}:{line}", file.display()),
                    None => format!("file, line {line}"),
                },
                (Some("environment"), None) => one.variable.clone(),
                (Some(from), None) => from.to_owned(),
            };
            text.push_str(&format!("{:keys$}  {:values$}  {from}\n", one.key, value(one)));
        }
        text
    }
}

impl Checked {
    /// What came of reading the file, and of putting everything together.
    #[must_use]
    pub fn new(file: Option<&Path>, outcome: Result<(), &CheckError>) -> Self {
        let other = |reason: String| {
            vec![CheckedProblem {
                line: None,
                key: None,
                reason,
            }]
        };
        let problems = match outcome {
            Ok(()) => Vec::new(),
            Err(CheckError::Settings(SettingsError::File { problems, .. })) => problems
                .iter()
                .map(|problem| CheckedProblem {
                    line: Some(problem.line),
                    key: problem.key.clone(),
                    reason: problem.reason.clone(),
                })
                .collect(),
            Err(CheckError::Settings(error)) => other(error.to_string()),
            Err(CheckError::Together(reason)) => other(reason.clone()),
        };
        Self {
            file: file.map(Path::to_owned),
            valid: problems.is_empty(),
            problems,
        }
    }

    /// What was looked at.
    #[must_use]
    pub fn place(&self) -> String {
        self.file
            .as_ref()
            .map_or_else(|| "the environment".to_owned(), |file| file.display().to_string())
    }

    /// A line for each problem, such as `peer.toml:3: port: …`; or that all is well.
    #[must_use]
    pub fn text(&self) -> String {
        let file = self.place();
        if self.valid {
            return format!("{file} can be used\n");
        }
        let line = |problem: &CheckedProblem| {
            let at = problem.line.map_or(String::new(), |line| format!(":{line}"));
            let key = problem
                .key
                .as_ref()
                .map_or(String::new(), |key| format!("{key}: "));
            format!("{file}{at}: {key}{}\n", problem.reason)
        };
        self.problems.iter().map(line).collect()
    }
}

/// Why settings cannot be used.
#[derive(Debug)]
pub enum CheckError {
    /// A place says what makes no sense.
    Settings(SettingsError),
    /// The values make no sense together, in words.
    Together(String),
}
