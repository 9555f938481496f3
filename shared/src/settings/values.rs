//! The merged values of all places, and the differences between two states of them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::key::{CONCEALED, Effect, Key, Setting, Table};

/// Place of a setting's value, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// No place: the default.
    Default,
    /// The configuration file.
    File {
        /// The line, from 1.
        line: usize,
    },
    /// `ENJAMBRE_*`.
    Environment,
    /// The command line.
    Flag,
    /// A command to the running program.
    Command,
}

impl Origin {
    /// The word that `--json` has for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
            Self::Command => "command",
        }
    }

    /// Reads a word that [`Self::word`] has written, with the line of the file.
    #[must_use]
    pub fn told(word: &str, line: usize) -> Option<Self> {
        let file = Self::File { line };
        let all = [Self::Default, file, Self::Environment, Self::Flag, Self::Command];
        all.into_iter().find(|origin| origin.word() == word)
    }
}

/// The value of every setting that has one. All of them have been read by their keys once.
#[derive(Clone, Debug)]
pub struct Values {
    pub(super) table: Table,
    pub(super) said: BTreeMap<&'static str, Said>,
    pub(super) file: Option<PathBuf>,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) text: OsString,
    pub(super) origin: Origin,
}

impl Values {
    /// Returns the value of a setting; `None` when no place gives one and it has no default.
    #[must_use]
    pub fn get<T>(&self, key: &Key<T>) -> Option<T> {
        // A text that its key cannot read has been refused where it was said.
        key.read(&self.said.get(key.name())?.text).ok()
    }

    /// Returns the value of a setting if a place gives one.
    #[must_use]
    pub fn said<T>(&self, key: &Key<T>) -> Option<T> {
        match self.origin(key.name())? {
            Origin::Default => None,
            Origin::File { .. } | Origin::Environment | Origin::Flag | Origin::Command => self.get(key),
        }
    }

    /// The settings, in the table's order.
    #[must_use]
    pub const fn table(&self) -> Table {
        self.table
    }

    /// The text of a setting's value.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&OsStr> {
        self.said.get(name).map(|said| said.text.as_os_str())
    }

    /// Returns the place of its value.
    #[must_use]
    pub fn origin(&self, name: &str) -> Option<Origin> {
        self.said.get(name).map(|said| said.origin)
    }

    /// The configuration file, if one is named.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

/// The settings that are in force in a program, as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// The configuration file, if one is named.
    pub file: Option<PathBuf>,
    /// The value of each setting that has one, and its place.
    pub settings: BTreeMap<String, (String, Origin)>,
}

impl From<&Values> for InForce {
    fn from(values: &Values) -> Self {
        let one = |(name, said): (&&str, &Said)| {
            let text = shown(values.table, name, &said.text)
                .to_string_lossy()
                .into_owned();
            ((*name).to_owned(), (text, said.origin))
        };
        Self {
            file: values.file.clone(),
            settings: values.said.iter().map(one).collect(),
        }
    }
}

/// Returns a setting's text as it may be shown.
fn shown<'t>(table: Table, name: &str, text: &'t OsStr) -> &'t OsStr {
    let mut named = table.iter().filter(|setting| setting.name() == name);
    match named.any(|setting| setting.conceals(text)) {
        true => OsStr::new(CONCEALED),
        false => text,
    }
}

/// A changed setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Name of the setting.
    pub name: &'static str,
    /// Time at which the change takes effect.
    pub effect: Effect,
    /// Old value; `None` when there was none.
    pub from: Option<OsString>,
    /// New value; `None` when there is none.
    pub to: Option<OsString>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = |text: &Option<OsString>| match text {
            Some(text) => format!("{:?}", text.display().to_string()),
            None => "nothing".to_owned(),
        };
        write!(
            f,
            "{} is {} instead of {}",
            self.name,
            words(&self.to),
            words(&self.from)
        )
    }
}

/// Returns the settings whose values differ, in the table's order. The same value from another place is no
/// change.
#[must_use]
pub fn changes(from: &Values, to: &Values) -> Vec<Change> {
    let one = |setting: &&'static dyn super::Setting| {
        let name = setting.name();
        let owned = |text: Option<&OsStr>| text.map(|text| shown(to.table, name, text).to_owned());
        let (from, to) = (from.text(name), to.text(name));
        (from != to).then(|| Change {
            name,
            effect: setting.effect(),
            from: owned(from),
            to: owned(to),
        })
    };
    to.table().iter().filter_map(one).collect()
}

impl Values {
    /// Returns the values in force once these changes have taken effect as far as they can without a restart:
    /// new values where a change is possible, old ones elsewhere.
    #[must_use]
    pub(super) fn in_force(&self, new: &Self) -> Self {
        let mut in_force = new.clone();
        for change in changes(self, new) {
            if change.effect == Effect::AtRestart {
                match self.said.get(change.name) {
                    Some(said) => in_force.said.insert(change.name, said.clone()),
                    None => in_force.said.remove(change.name),
                };
            }
        }
        in_force
    }
}
