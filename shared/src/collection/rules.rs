//! Rules that a user may relax for the entries of a directory, and the entries that break the others.

use std::fmt;

/// Treatment of links that lead out of the directory, or could.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutsideLinks {
    /// They are refused.
    #[default]
    Refuse,
    /// They are kept as they are.
    Keep,
    /// They are left out.
    Skip,
    /// The files and directories that they lead to are taken in their place.
    Follow,
}

/// Rules for the entries of a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Links that lead out.
    pub links: OutsideLinks,
    /// Whether names may differ only in case.
    pub keeps_case: bool,
    /// Whether entries that no collection can have are left out.
    pub skips_unsupported: bool,
}

/// Fault of an entry that cannot be in a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryFault {
    /// Its name, or the name that a link leads to, is not UTF-8.
    NotUtf8,
    /// It is a device, a pipe or a socket.
    Special,
    /// It may not be read, or the disk fails.
    Unreadable,
    /// It was removed while the directory was read.
    Vanished,
    /// It changes while it is read.
    Changing,
    /// Its name has control characters.
    Name,
    /// Its path is too long.
    TooLong,
    /// It lies too deep.
    TooDeep,
    /// Another name beside it differs only in case.
    Case,
    /// It is a link that leads out of the directory, or could.
    Link,
    /// It is a link that leads nowhere.
    Dangling,
    /// It is a link to a directory that it lies in.
    Loop,
    /// It is the data directory of the node.
    OwnData,
    /// A fetch is writing it, or was: it belongs to nobody.
    Unfinished,
    /// A later version of the program has another reason.
    Other,
}

impl EntryFault {
    /// Every fault.
    pub const ALL: [Self; 15] = [
        Self::NotUtf8,
        Self::Special,
        Self::Unreadable,
        Self::Vanished,
        Self::Changing,
        Self::Name,
        Self::TooLong,
        Self::TooDeep,
        Self::Case,
        Self::Link,
        Self::Dangling,
        Self::Loop,
        Self::OwnData,
        Self::Unfinished,
        Self::Other,
    ];

    /// The code that scripts see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::Special => "special",
            Self::Unreadable => "unreadable",
            Self::Vanished => "vanished",
            Self::Changing => "changing",
            Self::Name => "name",
            Self::TooLong => "too_long",
            Self::TooDeep => "too_deep",
            Self::Case => "case",
            Self::Link => "link",
            Self::Dangling => "dangling",
            Self::Loop => "loop",
            Self::OwnData => "own_data",
            Self::Unfinished => "unfinished",
            Self::Other => "other",
        }
    }

    /// Reads a code; a code of a later version is [`Self::Other`].
    #[must_use]
    pub fn of(code: &str) -> Self {
        let known = Self::ALL.into_iter().find(|fault| fault.as_str() == code);
        known.unwrap_or(Self::Other)
    }
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotUtf8 => "a name that is not UTF-8",
            Self::Special => "a device, a pipe or a socket",
            Self::Unreadable => "it cannot be read",
            Self::Vanished => "it was removed meanwhile",
            Self::Changing => "it changes while it is read",
            Self::Name => "its name has control characters",
            Self::TooLong => "its path is too long",
            Self::TooDeep => "it lies too deep",
            Self::Case => "another name beside it differs only in case",
            Self::Link => "a link that leads outside",
            Self::Dangling => "a link that leads nowhere",
            Self::Loop => "a link to a directory that it lies in",
            Self::OwnData => "a data directory of a node or tracker",
            Self::Unfinished => "a file that a get is writing, or left unfinished",
            Self::Other => "for another reason",
        })
    }
}

impl Rules {
    /// Returns whether an entry with this fault is left out.
    #[must_use]
    pub fn leaves_out(self, fault: EntryFault) -> bool {
        match fault {
            EntryFault::Unfinished => true,
            EntryFault::Link if self.links == OutsideLinks::Skip => true,
            _ => self.skips_unsupported,
        }
    }
}

/// Entries that cannot be in a collection: all are counted, the first ones are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsupported {
    /// Number of all of them.
    pub count: u64,
    /// The first [`Unsupported::NAMED`], by their paths.
    pub first: Vec<(String, EntryFault)>,
}

impl Unsupported {
    /// Most entries that are named.
    pub const NAMED: usize = 20;

    /// Adds an entry.
    pub fn add(&mut self, path: &str, fault: EntryFault) {
        self.count += 1;
        if self.first.len() < Self::NAMED {
            self.first.push((path.to_owned(), fault));
        }
    }

    /// Returns whether some named entry has one of these faults.
    #[must_use]
    pub fn has(&self, faults: &[EntryFault]) -> bool {
        self.first.iter().any(|(_, fault)| faults.contains(fault))
    }

    /// Returns whether all entries are named and have this fault.
    #[must_use]
    pub fn is_only(&self, fault: EntryFault) -> bool {
        self.unnamed() == 0 && self.first.iter().all(|(_, other)| *other == fault)
    }

    /// Returns the number of those that are not named.
    #[must_use]
    pub fn unnamed(&self) -> u64 {
        self.count.saturating_sub(self.first.len() as u64)
    }
}

impl fmt::Display for Unsupported {
    /// Lists the entries with their faults, and the number of those that are not named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (path, fault)) in self.first.iter().enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{path:?} ({fault})")?;
        }
        match self.unnamed() {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_named() {
        let mut unsupported = Unsupported::default();
        for n in 0..332 {
            unsupported.add(&format!("f{n}"), EntryFault::Special);
        }
        let told = unsupported.to_string();
        assert!(
            told.starts_with("\"f0\" (a device, a pipe or a socket); "),
            "{told}"
        );
        assert!(told.ends_with("; and 312 more"), "{told}");
        assert!(unsupported.has(&[EntryFault::Special]) && !unsupported.has(&[EntryFault::Link]));
    }

    #[test]
    fn codes_are_read_back() {
        for fault in EntryFault::ALL {
            assert_eq!(EntryFault::of(fault.as_str()), fault);
        }
        assert_eq!(EntryFault::of("of_the_future"), EntryFault::Other);
    }
}
