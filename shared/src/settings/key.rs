//! One setting: its name, the meaning of its text, and the time at which a change takes effect.

use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::mistake::{ValueError, WholeError, mistake};
use super::words;
use crate::model::{HostPort, parse_duration};
use crate::security::News;

/// Every setting of one program.
pub type Table = &'static [&'static dyn Setting];

/// Time at which a changed value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// While the program runs, as soon as the file has changed.
    AtOnce,
    /// At the next start of the program.
    AtRestart,
    /// At the next command.
    EachCommand,
}

impl Effect {
    /// The words for it, in the language in force.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::AtOnce => words::at_once(),
            Self::AtRestart => words::at_restart(),
            Self::EachCommand => words::each_command(),
        }
    }

    /// The word that `--json` has for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AtOnce => "at_once",
            Self::AtRestart => "at_restart",
            Self::EachCommand => "each_command",
        }
    }
}

/// The flag of a setting on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag without its dashes.
    pub long: &'static str,
    /// The name of its value in the help.
    pub value: &'static str,
    /// The help in English.
    pub help: &'static str,
    /// The help in Spanish.
    pub spanish: &'static str,
}

/// A setting whose values are `T`s.
#[derive(Clone, Copy)]
pub struct Key<T: 'static> {
    name: &'static str,
    read: fn(&OsStr) -> Result<T, String>,
    default: Option<&'static str>,
    told: Option<&'static str>,
    effect: Effect,
    silences: &'static [&'static str],
    is_list: bool,
    conceals: fn(&OsStr) -> bool,
    flag: Option<Flag>,
}

/// Text in place of one that is concealed.
pub(super) const CONCEALED: &str = "(hidden)";

/// Properties of a setting without its type.
pub trait Setting: Sync + fmt::Debug {
    /// Name in the file; a dot separates the table from the key in it.
    fn name(&self) -> &'static str;
    /// Default value, unless the program finds one by itself.
    fn default(&self) -> Option<&'static str>;
    /// The default in words for the help, where it is not the same for every command.
    fn told(&self) -> Option<&'static str>;
    /// Time at which a change takes effect.
    fn effect(&self) -> Effect;
    /// The settings that it is said instead of: beside it they are an error, and from a weaker place they do
    /// not count.
    fn silences(&self) -> &'static [&'static str];
    /// Whether it may have several values: a list in the file, separated by commas elsewhere.
    fn is_list(&self) -> bool;
    /// Whether a text may hold a secret: it is never shown.
    fn conceals(&self, text: &OsStr) -> bool;
    /// The flag that is made of the setting; none when the program defines one itself.
    fn flag(&self) -> Option<Flag>;
    /// Checks that a text is a value of the setting, for readers who see the text.
    ///
    /// # Errors
    /// The reason why it is none.
    fn check_flag(&self, text: &str) -> Result<(), ValueError>;
    /// Whether a text is a value of it.
    ///
    /// # Errors
    /// A message about the value.
    fn check(&self, text: &OsStr) -> Result<(), String>;

    /// Name in the environment.
    fn variable(&self) -> String {
        format!("ENJAMBRE_{}", self.name().replace('.', "_").to_ascii_uppercase())
    }
}

impl<T> Key<T> {
    /// A setting without a default that takes effect at a restart.
    #[must_use]
    pub const fn new(name: &'static str, read: fn(&OsStr) -> Result<T, String>) -> Self {
        Self {
            name,
            read,
            default: None,
            told: None,
            effect: Effect::AtRestart,
            silences: &[],
            is_list: false,
            conceals: |_| false,
            flag: None,
        }
    }

    /// Gives the setting a flag of the command line, with its help in English and in Spanish.
    #[must_use]
    pub const fn flag(
        mut self,
        long: &'static str,
        value: &'static str,
        help: &'static str,
        spanish: &'static str,
    ) -> Self {
        self.flag = Some(Flag {
            long,
            value,
            help,
            spanish,
        });
        self
    }

    /// Sets the default value.
    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// Sets words that the help shows instead of the default.
    #[must_use]
    pub const fn told(mut self, words: &'static str) -> Self {
        self.told = Some(words);
        self
    }

    /// Lets changes take effect while the program runs.
    #[must_use]
    pub const fn at_once(mut self) -> Self {
        self.effect = Effect::AtOnce;
        self
    }

    /// Marks the setting as one of single commands.
    #[must_use]
    pub const fn each_command(mut self) -> Self {
        self.effect = Effect::EachCommand;
        self
    }

    /// Marks the setting as an alternative to others.
    #[must_use]
    pub const fn instead_of(mut self, others: &'static [&'static str]) -> Self {
        self.silences = others;
        self
    }

    /// Allows several values.
    #[must_use]
    pub const fn several(mut self) -> Self {
        self.is_list = true;
        self
    }

    /// Never shows texts that may hold a secret.
    #[must_use]
    pub const fn concealing(mut self, conceals: fn(&OsStr) -> bool) -> Self {
        self.conceals = conceals;
        self
    }

    /// The value that a text is.
    ///
    /// # Errors
    /// A message about the text.
    pub fn read(&self, text: &OsStr) -> Result<T, String> {
        (self.read)(text)
    }
}

impl<T> Setting for Key<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn default(&self) -> Option<&'static str> {
        self.default
    }

    fn told(&self) -> Option<&'static str> {
        self.told
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn silences(&self) -> &'static [&'static str] {
        self.silences
    }

    fn is_list(&self) -> bool {
        self.is_list
    }

    fn conceals(&self, text: &OsStr) -> bool {
        (self.conceals)(text)
    }

    fn flag(&self) -> Option<Flag> {
        self.flag
    }

    fn check_flag(&self, text: &str) -> Result<(), ValueError> {
        self.read(text.as_ref()).map(drop).map_err(ValueError)
    }

    fn check(&self, text: &OsStr) -> Result<(), String> {
        let shown = text.to_string_lossy();
        self.read(text).map(drop).map_err(|reason| {
            // The reader may not see the text itself: it is in a file, or in the environment of a service.
            if shown.is_empty() || self.conceals(text) || reason.contains(&*shown) {
                reason
            } else {
                words::no_value(format_args!("{shown:?}"), reason)
            }
        })
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Reads a type that has a `FromStr`.
///
/// # Errors
/// The type's message, in the language in force, or a message that the text is not UTF-8.
pub fn text<T: FromStr<Err: Error + 'static>>(text: &OsStr) -> Result<T, String> {
    utf8(text)?.parse().map_err(|error: T::Err| mistake(&error))
}

/// A whole number, with its bounds.
pub trait Whole: Sized {
    /// The least there is.
    const LEAST: u64;
    /// The largest there is.
    const MOST: u64;

    /// The number, if it is within the bounds.
    fn of(number: u64) -> Option<Self>;
}

impl Whole for u16 {
    const LEAST: u64 = 0;
    const MOST: u64 = Self::MAX as u64;

    fn of(number: u64) -> Option<Self> {
        Self::try_from(number).ok()
    }
}

impl Whole for NonZeroU16 {
    const LEAST: u64 = 1;
    const MOST: u64 = u16::MAX as u64;

    fn of(number: u64) -> Option<Self> {
        Self::new(u16::try_from(number).ok()?)
    }
}

/// Reads a whole number.
///
/// # Errors
/// A message with the bounds.
pub fn whole<T: Whole>(text: &OsStr) -> Result<T, String> {
    number(utf8(text)?).map_err(|error| error.to_string())
}

/// Reads the whole number of a flag.
///
/// # Errors
/// As [`whole`].
pub fn number<T: Whole>(text: &str) -> Result<T, WholeError> {
    let number = text.parse().ok().and_then(T::of);
    number.ok_or_else(|| WholeError {
        text: text.to_owned(),
        least: T::LEAST,
        most: T::MOST,
    })
}

/// Reads several values of a type that has a `FromStr`, separated by commas.
///
/// # Errors
/// As [`text`], for the first wrong value.
pub fn list<T: FromStr<Err: Error + 'static>>(text: &OsStr) -> Result<Vec<T>, String> {
    let each = |part: &str| part.trim().parse().map_err(|error: T::Err| mistake(&error));
    utf8(text)?.split(',').map(each).collect()
}

/// Reads the address of another program.
///
/// # Errors
/// When it is none, or nobody can dial it.
pub fn remote(text: &OsStr) -> Result<HostPort, String> {
    remote_at(utf8(text)?)
}

/// Reads addresses of other programs, separated by commas.
///
/// # Errors
/// When one is none, or nobody can dial it.
pub fn remotes(text: &OsStr) -> Result<Vec<HostPort>, String> {
    utf8(text)?.split(',').map(remote_at).collect()
}

fn remote_at(text: &str) -> Result<HostPort, String> {
    HostPort::remote(text.trim()).map_err(|error| mistake(&error))
}

/// Reads a path, which need not be UTF-8.
///
/// # Errors
/// When it is empty.
pub fn path(text: &OsStr) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err(words::empty_path().to_owned());
    }
    Ok(text.into())
}

/// Reads a duration such as `10s`.
///
/// # Errors
/// When it is none.
pub fn duration(text: &OsStr) -> Result<Duration, String> {
    parse_duration(utf8(text)?).map_err(|error| mistake(&error))
}

/// Reads the age from which news of a secured network count no more, such as `24h`.
///
/// # Errors
/// When it is no duration, or too short.
pub fn news_age(text: &OsStr) -> Result<Duration, String> {
    let age = duration(text)?;
    match age < News::LEAST_MAX_AGE {
        true => Err(words::too_short(format_args!("{:?}", text.to_string_lossy()))),
        false => Ok(age),
    }
}

/// Reads yes or no.
///
/// # Errors
/// When it is neither.
pub fn truth(text: &OsStr) -> Result<bool, String> {
    match utf8(text)? {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        other => Err(words::neither(format_args!("{other:?}"))),
    }
}

fn utf8(text: &OsStr) -> Result<&str, String> {
    text.to_str().ok_or_else(|| words::not_utf8().to_owned())
}
