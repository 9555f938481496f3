//! Revisions of a name: the remembered past, and references to it by people.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use super::{
    Attributes, CollectionSize, ContentId, Health, Name, NameError, ReplicationTarget, Revision, Timestamp,
};

/// Number of revisions of a name to keep, the current one included: 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevisionLimit(NonZeroU8);

/// A number of revisions that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a number of revisions to keep; choose 1 to {max}", max = RevisionLimit::MAX)]
pub struct RevisionLimitError(String);

impl RevisionLimit {
    /// Largest number: answers, and the cost of a name, stay small.
    pub const MAX: u8 = 64;

    /// Only the current binding.
    pub const ONE: Self = Self(NonZeroU8::MIN);

    /// Validates a number.
    ///
    /// # Errors
    /// When it is 0 or above [`Self::MAX`].
    pub fn new(revisions: u32) -> Result<Self, RevisionLimitError> {
        u8::try_from(revisions)
            .ok()
            .filter(|revisions| *revisions <= Self::MAX)
            .and_then(NonZeroU8::new)
            .map(Self)
            .ok_or_else(|| RevisionLimitError(revisions.to_string()))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get() as u32
    }
}

impl Default for RevisionLimit {
    /// Eight: a week of nightly builds and one more, and still a few hundred bytes a name.
    fn default() -> Self {
        Self(NonZeroU8::MIN.saturating_add(7))
    }
}

impl FromStr for RevisionLimit {
    type Err = RevisionLimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let revisions = text
            .parse()
            .map_err(|_| RevisionLimitError(format!("{text:?}")))?;
        Self::new(revisions)
    }
}

/// One revision of a name, written `NAME@REVISION`: `models/a@3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedRevision {
    /// The name.
    pub name: Name,
    /// Revision of the name; at least 1.
    pub revision: Revision,
}

/// Reasons for which a text names no revision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamedRevisionError {
    /// The text does not end with `@` and a number.
    #[error(
        "{0:?} names no revision; write NAME@REVISION, such as models/a@3 (`peer history NAME` lists them)"
    )]
    NoRevision(String),
    /// The part before that is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl NamedRevision {
    /// Reads a name that ends with `@` and a number as a revision of another name.
    ///
    /// Both readings are possible: `models/a@3` may also be a name of its own. Callers try that reading
    /// first.
    #[must_use]
    pub fn within(name: &Name) -> Option<Self> {
        name.as_str().parse().ok()
    }
}

impl RevisedContent {
    /// Returns the bytes of the file, or of all files of the directory.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.collection
            .map_or(self.length, |collection| collection.length)
    }
}

impl fmt::Display for NamedRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.revision)
    }
}

impl FromStr for NamedRevision {
    type Err = NamedRevisionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let none = || NamedRevisionError::NoRevision(text.to_owned());
        let (name, digits) = text.rsplit_once('@').ok_or_else(none)?;
        let number: u64 = digits.parse().map_err(|_| none())?;
        // One way to write each: no sign, no leading zero, and no revision 0.
        if number == 0 || number.to_string() != digits {
            return Err(none());
        }
        let (name, revision) = (Name::new(name)?, Revision::new(number));
        Ok(Self { name, revision })
    }
}

/// Number of times that a revision was pinned or unpinned: odd while it is pinned. The number only grows, so
/// a caller that has seen one cannot undo a later change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinCount(u32);

impl PinCount {
    /// Wraps a count.
    #[must_use]
    pub const fn new(count: u32) -> Self {
        Self(count)
    }

    /// The count.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Whether the revision is pinned.
    #[must_use]
    pub const fn is_pinned(self) -> bool {
        self.0 % 2 == 1
    }

    /// After the next change; none after the last number that there is.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => Some(Self(next)),
            None => None,
        }
    }
}

/// Wanted state of a revision's pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinWish {
    /// Revision to pin or unpin.
    pub what: NamedRevision,
    /// Whether it is to be pinned.
    pub is_pinned: bool,
    /// The count that the caller has seen; `None` means any.
    pub expected: Option<PinCount>,
}

/// State of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionState {
    /// The name is bound to it.
    Current,
    /// The content stays until the revision is unpinned.
    Pinned,
    /// The content is still available, but not for ever unless the revision is pinned.
    Kept,
    /// The content was collected.
    Collected,
    /// The revision is a removal.
    Removed,
}

impl fmt::Display for RevisionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Current => "current",
            Self::Pinned => "pinned",
            Self::Kept => "kept",
            Self::Collected => "collected",
            Self::Removed => "removed",
        })
    }
}

/// Content that a revision bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisedContent {
    /// The content.
    pub content: ContentId,
    /// Bytes of the content.
    pub length: u64,
    /// Replicas wanted of every fragment.
    pub target: ReplicationTarget,
    /// Size of the collection, if the content is a collection's catalog.
    pub collection: Option<CollectionSize>,
    /// Mode and time of the file that was published, if it was one.
    pub attributes: Option<Attributes>,
}

/// One revision of a name, as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisionEntry {
    /// Number of the revision.
    pub revision: Revision,
    /// Time of the journal entry, by the tracker's clock.
    pub at: Timestamp,
    /// State of the revision.
    pub state: RevisionState,
    /// Count of its pins; the current revision can be pinned too.
    pub pins: PinCount,
    /// Content of the revision; `None` for a removal.
    pub bound: Option<RevisedContent>,
    /// Health of that content; `None` when it was collected.
    pub health: Option<Health>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_written_in_one_way() {
        let read: NamedRevision = "models/a@3".parse().expect("a revision");
        assert_eq!(
            (read.name.as_str(), read.revision),
            ("models/a", Revision::new(3))
        );
        assert_eq!(read.to_string(), "models/a@3");
        let odd: NamedRevision = "a@3@12".parse().expect("the last one counts");
        assert_eq!((odd.name.as_str(), odd.revision.get()), ("a@3", 12));
        for none in [
            "models/a",
            "a@",
            "a@x",
            "a@+3",
            "a@03",
            "a@0",
            "a@-1",
            "a@99999999999999999999",
            "@",
        ] {
            let refused = none.parse::<NamedRevision>();
            assert!(
                matches!(refused, Err(NamedRevisionError::NoRevision(_))),
                "{none}"
            );
        }
        for nameless in ["@3", "a/@3", "../a@3"] {
            let refused = nameless.parse::<NamedRevision>();
            assert!(matches!(refused, Err(NamedRevisionError::Name(_))), "{nameless}");
        }
    }

    #[test]
    fn a_name_that_ends_so_can_be_read_as_a_revision() {
        let name = |text: &str| Name::new(text).expect("a name");
        let within = NamedRevision::within(&name("a@2")).expect("it ends so");
        assert_eq!(within.name, name("a"));
        assert_eq!(NamedRevision::within(&name("a@b")), None);
    }

    #[test]
    fn at_least_one_revision_is_kept() {
        assert!(RevisionLimit::new(0).is_err() && RevisionLimit::new(65).is_err());
        assert_eq!(RevisionLimit::default().get(), 8);
        assert_eq!("64".parse::<RevisionLimit>().map(RevisionLimit::get), Ok(64));
        assert!("all".parse::<RevisionLimit>().is_err());
    }
}
