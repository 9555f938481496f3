//! The places where settings are said, laid over one another.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{self, Problem};
use super::key::{Setting, Table};
use super::values::{Origin, Said, Values};
use super::words;

/// Reads one variable of the environment.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Names the configuration file itself, as a flag and in the environment.
pub(super) const CONFIG: &str = "config";

/// A larger file is none of ours.
const MAX_FILE: u64 = 1 << 20;

/// Reasons for which settings make no sense; each is a usage error. Messages are in the language in force.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A variable of the environment has a value that it cannot have.
    #[error("{}", words::bad_variable(variable, reason))]
    Variable {
        /// Name of the variable.
        variable: String,
        /// Fault of its value.
        reason: String,
    },
    /// A flag has a value that it cannot have.
    #[error("{}", words::bad_flag(flag, reason))]
    Flag {
        /// Name of the flag.
        flag: String,
        /// Fault of its value.
        reason: String,
    },
    /// The configuration file cannot be read.
    #[error("{}", words::unreadable_file(path.display(), words::found(source)))]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The configuration file makes no sense.
    #[error("{}", complaint(path, problems))]
    File {
        /// The file.
        path: PathBuf,
        /// All its faults; at least one.
        problems: Vec<Problem>,
    },
    /// Two settings in one place exclude each other.
    #[error("{}", match place {
        Origin::Environment => words::both_variables(first, second),
        _ => words::both_flags(first, second),
    })]
    Both {
        /// Place of both: the flags or the environment.
        place: Origin,
        /// One setting.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
}

impl crate::Coded for SettingsError {
    fn code(&self) -> crate::ErrorCode {
        crate::ErrorCode::InvalidArgument
    }
}

/// The first thing that is wrong, and how many more there are.
fn complaint(path: &Path, problems: &[Problem]) -> String {
    let mut text = words::bad_file(path.display());
    if let Some(first) = problems.first() {
        text = format!("{text}:{}: {first}", first.line);
    }
    match problems.len().saturating_sub(1) {
        0 => text,
        more => format!("{text} ({})", words::more_problems(more as u64)),
    }
}

/// Values of the flags and the environment, and the file to read. Only the file can change while a program
/// runs.
#[derive(Clone, Debug)]
pub struct Places {
    table: Table,
    defaults: BTreeMap<&'static str, OsString>,
    environment: BTreeMap<&'static str, OsString>,
    flags: BTreeMap<&'static str, OsString>,
    file: Option<PathBuf>,
}

impl Places {
    /// Takes in the flags ([`super::flags::said`]) and the environment. A variable that is set to nothing
    /// gives no value.
    ///
    /// # Errors
    /// When a flag or variable has a wrong value, or two exclude each other.
    pub fn new(
        table: Table,
        flags: &BTreeMap<String, OsString>,
        env: Env<'_>,
    ) -> Result<Self, SettingsError> {
        let known = |said: &dyn Fn(&'static dyn Setting) -> Option<OsString>| -> BTreeMap<_, _> {
            let one = |setting: &&'static dyn Setting| Some((setting.name(), said(*setting)?));
            table.iter().filter_map(one).collect()
        };
        let variable = |name: &str| env(name).filter(|text| !text.is_empty());
        let environment = known(&|setting| variable(&setting.variable()));
        let from_flags = known(&|setting| flags.get(setting.name()).cloned());
        for setting in table {
            let check = |place: &BTreeMap<_, OsString>| {
                place
                    .get(setting.name())
                    .map_or(Ok(()), |text| setting.check(text))
            };
            check(&environment).map_err(|reason| SettingsError::Variable {
                variable: setting.variable(),
                reason,
            })?;
            check(&from_flags).map_err(|reason| SettingsError::Flag {
                flag: setting.name().replace('_', "-"),
                reason,
            })?;
        }
        refuse_both(table, &environment, Origin::Environment)?;
        refuse_both(table, &from_flags, Origin::Flag)?;
        let file = flags.get(CONFIG).cloned().or_else(|| variable("ENJAMBRE_CONFIG"));
        Ok(Self {
            table,
            defaults: BTreeMap::new(),
            environment,
            flags: from_flags,
            file: file.map(PathBuf::from),
        })
    }

    /// A default that the program has found out.
    #[must_use]
    pub fn or(mut self, setting: &dyn Setting, default: Option<impl Into<OsString>>) -> Self {
        if let Some(default) = default {
            self.defaults.insert(setting.name(), default.into());
        }
        self
    }

    /// The configuration file, if one is named.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Replaces the file.
    #[must_use]
    pub fn with_file(mut self, file: PathBuf) -> Self {
        self.file = Some(file);
        self
    }

    /// Reads the file, if one is named, and lays everything over one another. It blocks for as long as the
    /// disk does.
    ///
    /// # Errors
    /// When the file cannot be read, or makes no sense.
    pub fn values(&self) -> Result<Values, SettingsError> {
        let lines = match &self.file {
            None => Vec::new(),
            Some(path) => {
                let text = read(path).map_err(|source| SettingsError::Read {
                    path: path.clone(),
                    source,
                })?;
                file::read(self.table, &text).map_err(|problems| SettingsError::File {
                    path: path.clone(),
                    problems,
                })?
            }
        };
        let mut said = BTreeMap::new();
        for setting in self.table {
            let found = self.defaults.get(setting.name()).cloned();
            if let Some(text) = found.or_else(|| setting.default().map(Into::into)) {
                let origin = Origin::Default;
                said.insert(setting.name(), Said { text, origin });
            }
        }
        let lines = lines.into_iter().map(|line| {
            let origin = Origin::File { line: line.line };
            (line.setting, line.text, origin)
        });
        let rest = [
            (&self.environment, Origin::Environment),
            (&self.flags, Origin::Flag),
        ];
        lay(self.table, &mut said, lines.collect());
        for (place, origin) in rest {
            let each = place.iter().map(|(name, text)| (*name, text.clone(), origin));
            lay(self.table, &mut said, each.collect());
        }
        Ok(Values {
            table: self.table,
            said,
            file: self.file.clone(),
        })
    }
}

/// Lays the values of a stronger place over those of weaker ones.
fn lay(table: Table, said: &mut BTreeMap<&'static str, Said>, place: Vec<(&'static str, OsString, Origin)>) {
    for (name, ..) in &place {
        for setting in table.iter().filter(|setting| setting.name() == *name) {
            for silenced in setting.silences() {
                said.remove(silenced);
            }
        }
    }
    for (name, text, origin) in place {
        said.insert(name, Said { text, origin });
    }
}

fn refuse_both(
    table: Table,
    said: &BTreeMap<&'static str, OsString>,
    place: Origin,
) -> Result<(), SettingsError> {
    for first in table.iter().filter(|setting| said.contains_key(setting.name())) {
        if let Some(second) = first.silences().iter().find(|other| said.contains_key(*other)) {
            return Err(SettingsError::Both {
                place,
                first: first.name(),
                second,
            });
        }
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<String> {
    let length = std::fs::metadata(path)?.len();
    if length > MAX_FILE {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            words::file_too_large(length, MAX_FILE),
        ));
    }
    std::fs::read_to_string(path)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line } => write!(f, "file, line {line}"),
            Self::Default | Self::Environment | Self::Flag | Self::Command => f.write_str(self.word()),
        }
    }
}
