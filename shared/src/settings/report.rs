//! Output of `config show` and `config check`, for people (in the language in force) and as JSON.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::key::{Effect, Setting, Table};
use super::place::SettingsError;
use super::values::{InForce, Origin, Values};
use super::words;

/// A cell that is wider than this makes no column wider.
const MAX_WIDTH: usize = 48;

/// `config show`: the effective settings and where each came from.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shown {
    /// The configuration file; null when none is named.
    pub file: Option<PathBuf>,
    /// In the order of the table.
    pub settings: Vec<ShownSetting>,
    /// True when these are the values in force in a running program, false when none runs, so that they are
    /// those of a start; null when no program was asked.
    pub running: Option<bool>,
    /// The same, for people.
    #[serde(skip)]
    note: String,
}

/// One of them.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShownSetting {
    /// As the file has it; a dot separates the table from the key in it.
    pub key: &'static str,
    /// The text of the value as it was written; null when the setting is not set.
    pub value: Option<String>,
    /// `default`, `file`, `environment`, `flag` or `command` (a change while the program runs); null when it
    /// is not set.
    pub from: Option<&'static str>,
    /// The line of the file; null when it is not from there.
    pub line: Option<usize>,
    /// The variable of the environment with the same effect.
    pub variable: String,
    /// When a change in the file takes effect: `at_once`, `at_restart` or `each_command`.
    pub takes_effect: &'static str,
    /// The time of that, for people.
    #[serde(skip)]
    effect: Effect,
}

/// `config check`: whether a file can be used.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Checked {
    /// The file; null when none is named, so that only the environment was looked at.
    pub file: Option<PathBuf>,
    /// Whether it can be used.
    pub valid: bool,
    /// The problems; empty when the file can be used.
    pub problems: Vec<CheckedProblem>,
    /// The keys in the file of which a running program takes a change only when it is started again.
    pub at_restart: Vec<&'static str>,
}

/// One problem of a file.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckedProblem {
    /// The line of the file, from 1; null when it is not about one.
    pub line: Option<usize>,
    /// The key; null when it is not about one that exists.
    pub key: Option<String>,
    /// The problem, and its remedy.
    pub reason: String,
}

impl From<&Values> for Shown {
    fn from(values: &Values) -> Self {
        Self::of(values.table(), &InForce::from(values))
    }
}

impl Shown {
    fn of(table: Table, in_force: &InForce) -> Self {
        let one = |setting: &&'static dyn super::Setting| {
            let key = setting.name();
            let said = in_force.settings.get(key);
            let origin = said.map(|(_, origin)| *origin);
            ShownSetting {
                key,
                value: said.map(|(text, _)| text.clone()),
                from: origin.map(Origin::word),
                line: match origin {
                    Some(Origin::File { line }) => Some(line),
                    _ => None,
                },
                variable: setting.variable(),
                takes_effect: setting.effect().word(),
                effect: setting.effect(),
            }
        };
        Self {
            file: in_force.file.clone(),
            settings: table.iter().map(one).collect(),
            running: None,
            note: words::values_of_a_start().to_owned(),
        }
    }

    /// Returns the values in force in a running program; those that each command has for itself are the
    /// caller's.
    #[must_use]
    pub fn of_running(own: &Values, mut in_force: InForce, note: String) -> Self {
        for setting in own.table() {
            let key = setting.name();
            if setting.effect() == Effect::EachCommand {
                in_force.settings.remove(key);
                if let Some(said) = InForce::from(own).settings.remove(key) {
                    in_force.settings.insert(key.to_owned(), said);
                }
            }
        }
        Self {
            running: Some(true),
            note,
            ..Self::of(own.table(), &in_force)
        }
    }

    /// Says that no program is running whose values these are.
    #[must_use]
    pub fn of_none_running(self, note: String) -> Self {
        Self {
            running: Some(false),
            note,
            ..self
        }
    }

    /// The report as bytes: one JSON document, or text.
    #[must_use]
    pub fn printed(&self, is_json: bool) -> String {
        match is_json {
            true => {
                let mut text = serde_json::to_string(self).expect("reports have text keys only");
                text.push('\n');
                text
            }
            false => self.text(),
        }
    }

    /// A line for each: key, value, where from, when a change counts; and one of titles.
    #[must_use]
    pub fn text(&self) -> String {
        let titles = [
            words::title_key(),
            words::title_value(),
            words::title_from(),
            words::title_change(),
        ];
        let line = |one: &ShownSetting| {
            [
                one.key.to_owned(),
                one.value.clone().unwrap_or_else(|| "-".to_owned()),
                self.whence(one),
                one.effect.told().to_owned(),
            ]
        };
        let lines: Vec<_> = std::iter::once(titles.map(ToOwned::to_owned))
            .chain(self.settings.iter().map(line))
            .collect();
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
                .min(MAX_WIDTH)
        };
        let (keys, values, origins) = (width(0), width(1), width(2));
        let told = |[key, value, from, change]: &[String; 4]| {
            format!("{key:keys$}  {value:values$}  {from:origins$}  {change}\n")
        };
        let table: String = lines.iter().map(told).collect();
        format!("{table}{}\n", self.note)
    }

    /// Returns the place of a value.
    fn whence(&self, one: &ShownSetting) -> String {
        match (one.from, one.line, &self.file) {
            (None, ..) => words::not_set().to_owned(),
            (Some(_), Some(line), Some(file)) => format!("{}:{line}", file.display()),
            (Some("environment"), ..) => one.variable.clone(),
            (Some("flag"), ..) => words::from_flag().to_owned(),
            (Some("command"), ..) => words::from_command().to_owned(),
            (Some(_), ..) => words::from_default().to_owned(),
        }
    }
}

impl Checked {
    /// Reports the outcome of reading the file, and of merging all places.
    #[must_use]
    pub fn new(file: Option<&Path>, outcome: Result<&Values, &CheckError>) -> Self {
        let other = |reason: String| {
            vec![CheckedProblem {
                line: None,
                key: None,
                reason,
            }]
        };
        let problems = match outcome {
            Ok(_) => Vec::new(),
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
        let waits = |values: &Values, setting: &dyn Setting| {
            let is_here = matches!(values.origin(setting.name()), Some(Origin::File { .. }));
            is_here && setting.effect() == Effect::AtRestart
        };
        let waiting = outcome.map_or_else(
            |_| Vec::new(),
            |values| {
                let settings = values.table().iter().filter(|setting| waits(values, **setting));
                settings.map(|setting| setting.name()).collect()
            },
        );
        Self {
            file: file.map(Path::to_owned),
            valid: problems.is_empty(),
            problems,
            at_restart: waiting,
        }
    }

    /// Returns the place that was checked.
    #[must_use]
    pub fn place(&self) -> String {
        self.file.as_ref().map_or_else(
            || words::the_environment().to_owned(),
            |file| file.display().to_string(),
        )
    }

    /// Returns a line for each fault, such as `peer.toml:3: port: …`; or success, with the settings that wait
    /// for a restart.
    #[must_use]
    pub fn text(&self) -> String {
        let file = self.place();
        if self.valid {
            let fine = words::can_be_used(&file);
            return match self.at_restart.as_slice() {
                [] => format!("{fine}\n"),
                keys => format!("{fine}\n{}\n", words::needs_restart(keys.join(", "))),
            };
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

/// Reasons for which settings cannot be used.
#[derive(Debug)]
pub enum CheckError {
    /// A place has a wrong value.
    Settings(SettingsError),
    /// The values make no sense together, in words.
    Together(String),
}
