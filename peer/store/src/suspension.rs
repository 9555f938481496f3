//! Suspension: a file whose fragments are held is away, and may come back. Pure.
//!
//! A file that is not as it was is no replica: nothing of it is served or announced. But a disk that is
//! unmounted, a file that is renamed for a moment, a permission that is taken away and a controller that
//! fails all end, so the record remembers what was held, and it is held again when the same file is back. A
//! file with the same size and another time, number or disk may have the same bytes: they are read, and count
//! when they are right.
//!
//! Only after a grace of 30 days is the content withdrawn for good. Time counts while a node looks, so that a
//! machine that was off for months gives nothing up at its start. To be suspended costs a record and the
//! leaves, and no other peer relies on it; so the grace is as long as the network remembers a member that is
//! away. A file that was only fetched has a short one.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::time::Duration;

use shared::model::{Absence, ContentId, FragmentSet};

use super::files::{FileIdentity, Found};

/// Time for which a file may be away of which the network expects that it is kept.
const GRACE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Time for which a file may be away that was only fetched: its user has most likely moved it.
const SHORT_GRACE: Duration = Duration::from_secs(10 * 60);

/// Key of the notes in the index of how long contents have been away.
pub(super) const NOTES: &str = "away";

/// A content's absence, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away {
    /// The reason.
    pub absence: Absence,
    /// Time for which it has been away while a node looked.
    pub lasted: Duration,
}

/// The memory of a content whose file is away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspension {
    /// Fragments that are held again when the file is back.
    pub(super) held: FragmentSet,
    pub(super) away: Away,
    /// Identity of a file at its path that was read and has other bytes.
    pub(super) refuted: Option<FileIdentity>,
    /// Whether other files of the user's have had the bytes.
    pub(super) has_copies: bool,
}

/// Result of a look at the file in which a content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is as it was.
    Same,
    /// A file of the same size is there: its bytes decide.
    Alike(FileIdentity),
    /// It is not as it was.
    Absent(Absence),
}

/// The consequence of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// Suspend the content, or note another reason.
    Suspend(Absence),
    /// Read the file with this identity, and decide by its bytes.
    Verify(FileIdentity),
    Resume,
    /// Give the content up.
    Withdraw,
}

/// Compares a look with the identity that a file had, and with its disk if that is known.
pub(super) fn compare(
    identity: Option<FileIdentity>,
    device: Option<u64>,
    found: Result<Found, Absence>,
) -> Seen {
    let found = match found {
        Ok(found) => found,
        Err(absence) => return Seen::Absent(absence),
    };
    let Some(before) = identity.filter(|before| found.is_regular && found.identity.size == before.size)
    else {
        return Seen::Absent(Absence::Changed);
    };
    let is_there = device.is_none_or(|device| device == found.device);
    match found.identity == before && is_there {
        true => Seen::Same,
        false => Seen::Alike(found.identity),
    }
}

/// Returns the absence that a failure to look at a file, or to read it, stands for.
pub(super) fn absence(error: &Error) -> Absence {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Absence::Gone,
        ErrorKind::PermissionDenied => Absence::Unreadable,
        _ => Absence::Failing,
    }
}

impl Seen {
    /// Whether there is a file in its place, whatever it is.
    pub(super) const fn is_there(self) -> bool {
        !matches!(self, Self::Absent(Absence::Gone | Absence::Failing))
    }

    /// Returns the reason for which the content cannot be served now, if there is one.
    pub(super) const fn absence(self) -> Option<Absence> {
        match self {
            Self::Same => None,
            Self::Alike(_) => Some(Absence::Changed),
            Self::Absent(absence) => Some(absence),
        }
    }
}

/// Decides what follows from a look at the file of a content that the peer `keeps` for others, or not, given
/// the suspension so far.
pub(super) fn decide(suspension: Option<&Suspension>, keeps: bool, seen: Seen) -> Step {
    let grace = if keeps { GRACE } else { SHORT_GRACE };
    match (suspension, seen.absence()) {
        (None, None) => Step::Nothing,
        (None, Some(absence)) => Step::Suspend(absence),
        (Some(_), None) => Step::Resume,
        (Some(suspension), Some(_)) if suspension.away.lasted >= grace => Step::Withdraw,
        (Some(suspension), Some(absence)) => match seen {
            Seen::Alike(identity) if suspension.refuted != Some(identity) => Step::Verify(identity),
            _ if suspension.away.absence != absence => Step::Suspend(absence),
            _ => Step::Nothing,
        },
    }
}

/// Returns notes of how long contents have been away, for [`noted`].
pub(super) fn notes(away: impl Iterator<Item = (ContentId, Duration)>) -> Vec<u8> {
    let mut notes = Vec::new();
    for (content, lasted) in away {
        notes.extend_from_slice(content.as_bytes());
        notes.extend_from_slice(&lasted.as_secs().to_be_bytes());
    }
    notes
}

/// Reads [`notes`].
pub(super) fn noted(notes: &[u8]) -> BTreeMap<ContentId, Duration> {
    let (records, _) = notes.as_chunks::<40>();
    let record = |record: &[u8; 40]| {
        let (content, seconds) = record.split_first_chunk()?;
        let seconds = u64::from_be_bytes(seconds.try_into().ok()?);
        Some((ContentId::from_bytes(*content), Duration::from_secs(seconds)))
    };
    records.iter().filter_map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn identity(size: u64, inode: u64) -> FileIdentity {
        FileIdentity {
            size,
            modified: 5,
            inode,
        }
    }

    fn found(identity: FileIdentity, device: u64) -> Result<Found, Absence> {
        let is_regular = true;
        Ok(Found {
            identity,
            device,
            is_regular,
        })
    }

    fn suspension(absence: Absence, lasted: Duration) -> Suspension {
        Suspension {
            held: FragmentSet::full(3),
            away: Away { absence, lasted },
            refuted: None,
            has_copies: false,
        }
    }

    #[test]
    fn a_file_is_known_by_size_time_number_and_disk() {
        let before = identity(9, 1);
        let compare = |device, found| compare(Some(before), device, found);
        assert_eq!(compare(None, found(before, 7)), Seen::Same);
        assert_eq!(compare(Some(7), found(before, 7)), Seen::Same);
        assert_eq!(
            compare(Some(7), found(before, 8)),
            Seen::Alike(before),
            "another disk may have a file with the same number"
        );
        let other = identity(9, 2);
        assert_eq!(compare(Some(7), found(other, 7)), Seen::Alike(other));
        let touched = FileIdentity {
            modified: 6,
            ..before
        };
        assert_eq!(compare(None, found(touched, 7)), Seen::Alike(touched));
        let longer = compare(None, found(identity(10, 1), 7));
        assert_eq!(longer, Seen::Absent(Absence::Changed));
        let pipe = found(before, 7).map(|found| Found {
            is_regular: false,
            ..found
        });
        assert_eq!(compare(None, pipe), Seen::Absent(Absence::Changed));
        for absence in Absence::ALL {
            assert_eq!(compare(None, Err(absence)), Seen::Absent(absence));
        }
    }

    #[test]
    fn the_systems_errors_are_told_apart() {
        use rustix::io::Errno;
        for (errno, expected) in [
            (Errno::NOENT, Absence::Gone),
            (Errno::NOTDIR, Absence::Gone),
            (Errno::ACCESS, Absence::Unreadable),
            (Errno::PERM, Absence::Unreadable),
            (Errno::IO, Absence::Failing),
            (Errno::STALE, Absence::Failing),
            (Errno::NOTCONN, Absence::Failing),
        ] {
            assert_eq!(absence(&errno.into()), expected, "{errno}");
        }
    }

    #[test]
    fn a_file_that_is_away_is_suspended_and_comes_back() {
        for absence in Absence::ALL {
            let away = Seen::Absent(absence);
            assert_eq!(decide(None, true, away), Step::Suspend(absence));
            let suspended = suspension(absence, HOUR);
            assert_eq!(decide(Some(&suspended), true, away), Step::Nothing);
            assert_eq!(decide(Some(&suspended), true, Seen::Same), Step::Resume);
        }
        assert_eq!(decide(None, true, Seen::Same), Step::Nothing);
    }

    #[test]
    fn another_reason_is_noted() {
        let suspended = suspension(Absence::Unreadable, HOUR);
        let gone = Seen::Absent(Absence::Gone);
        assert_eq!(decide(Some(&suspended), true, gone), Step::Suspend(Absence::Gone));
    }

    #[test]
    fn a_file_that_is_alike_is_read_once() {
        let there = identity(9, 2);
        assert_eq!(
            decide(None, true, Seen::Alike(there)),
            Step::Suspend(Absence::Changed),
            "nothing of it is served before it was read"
        );
        let mut suspended = suspension(Absence::Changed, HOUR);
        assert_eq!(
            decide(Some(&suspended), true, Seen::Alike(there)),
            Step::Verify(there)
        );
        suspended.refuted = Some(there);
        assert_eq!(decide(Some(&suspended), true, Seen::Alike(there)), Step::Nothing);
        let later = identity(9, 3);
        assert_eq!(
            decide(Some(&suspended), true, Seen::Alike(later)),
            Step::Verify(later)
        );
    }

    #[test]
    fn only_the_end_of_the_grace_gives_a_file_up() {
        let gone = Seen::Absent(Absence::Gone);
        let week = suspension(Absence::Gone, 7 * 24 * HOUR);
        assert_eq!(decide(Some(&week), true, gone), Step::Nothing);
        let over = suspension(Absence::Gone, GRACE);
        assert_eq!(decide(Some(&over), true, gone), Step::Withdraw);
        assert_eq!(
            decide(Some(&over), true, Seen::Alike(identity(9, 2))),
            Step::Withdraw
        );
        assert_eq!(
            decide(Some(&over), true, Seen::Same),
            Step::Resume,
            "better late than never"
        );
        assert_eq!(
            decide(Some(&week), false, gone),
            Step::Withdraw,
            "nobody expects it"
        );
    }

    #[test]
    fn the_time_that_files_were_away_is_read_as_it_was_written() {
        let away = BTreeMap::from([
            (ContentId::from_bytes([1; 32]), HOUR),
            (ContentId::from_bytes([2; 32]), Duration::ZERO),
        ]);
        let text = notes(away.clone().into_iter());
        assert_eq!(noted(&text), away);
        assert_eq!(noted(&text[..50]).len(), 1, "a torn note says nothing");
        assert_eq!(noted(b""), BTreeMap::new());
    }
}
