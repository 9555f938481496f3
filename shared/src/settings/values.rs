//! What all places together come to.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::key::{Key, Setting, Table};
use super::place::Origin;

/// The value of every setting that has one. All of them have been read by their keys once.
#[derive(Clone, Debug)]
pub struct Values {
    pub(super) table: Table,
    pub(super) said: BTreeMap<&'static str, Said>,
    pub(super) file: Option<PathBuf>,
}

/// One value, and who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) text: OsString,
    pub(super) origin: Origin,
}

impl Values {
    /// The value of a setting; none when nobody says one and it has no default.
    #[must_use]
    pub fn get<T>(&self, key: &Key<T>) -> Option<T> {
        // A text that its key cannot read has been refused where it was said.
        key.read(&self.said.get(key.name())?.text).ok()
    }

    /// The value of a setting if somebody says one.
    #[must_use]
    pub fn said<T>(&self, key: &Key<T>) -> Option<T> {
        match self.origin(key.name())? {
            Origin::Default => None,
            Origin::File { .. } | Origin::Environment | Origin::Flag => self.get(key),
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

    /// Who says it.
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
