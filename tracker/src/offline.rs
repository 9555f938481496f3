//! Offline commands on a data directory: audit, backup, restoration.
//!
//! An audit changes nothing: it says what is wrong and what to do. It finds the damage that a start would
//! find, and facts that a sound journal could not contain.

use std::fmt;
use std::path::Path;

use shared::model::{Epoch, NetworkId, Timestamp};
use shared::runtime::Clock;
use shared::{Coded, ErrorCode};

use crate::authority::{self, AuthorityError};
use crate::journal::{Journal, JournalError, SqliteJournal};
use crate::state::{Fact, Gap, Record, State};
use crate::timing::Timing;

/// Contradictions that are listed one by one; the rest is counted.
const MAX_TOLD: usize = 20;

/// Summary of a sound data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sound {
    /// Facts that were read, from a snapshot and since.
    pub facts: u64,
    /// The newest epoch.
    pub epoch: Epoch,
    /// Names that are bound.
    pub names: usize,
    /// Contents that have a name.
    pub contents: usize,
    /// Peers that are remembered.
    pub peers: usize,
    /// Known gap of the journal.
    pub gap: Option<Gap>,
}

/// Reason for which a data directory is not sound.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// The journal cannot be read, or is damaged.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The authority of the network cannot be copied.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The journal is undamaged and contains contradictions.
    #[error(
        "the journal contradicts itself: {}; keep the directory, restore a backup that passes this check, and report it",
        .0.join("; ")
    )]
    Contradictions(Vec<String>),
}

impl Coded for Unsound {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Journal(error) => error.code(),
            Self::Authority(error) => error.code(),
            Self::Contradictions(_) => ErrorCode::Corrupt,
        }
    }
}

/// `1 peer`, `2 peers`.
fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

impl fmt::Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sound: epoch {}, {}, {}, {} in {}",
            self.epoch,
            counted(self.names as u64, "name"),
            counted(self.contents as u64, "content"),
            counted(self.peers as u64, "peer"),
            counted(self.facts, "fact")
        )?;
        match self.gap {
            Some(_) => f.write_str(
                "; it is older than what peers have seen, so contents without a name are kept: publish again what is \
                 missing, then stop the tracker and run tracker accept-loss",
            ),
            None => Ok(()),
        }
    }
}

/// Audits a data directory that no tracker runs on, or a backup.
///
/// # Errors
/// [`Unsound`], with what to do about it.
pub fn check(data_dir: &Path) -> Result<Sound, Unsound> {
    let mut journal = SqliteJournal::inspect(data_dir)?;
    let mut state = State::new(Timing::default(), 0);
    let (mut told, mut number) = (Vec::new(), 0_u64);
    let replayed = journal.replay(&mut |record| {
        number += 1;
        if let Err(why) = state.replay(record) {
            told.push(format!("fact {number}: {why}"));
        }
    })?;
    told.extend(state.check_facts().err());
    if !told.is_empty() {
        let rest = told.len().saturating_sub(MAX_TOLD);
        told.truncate(MAX_TOLD);
        if rest > 0 {
            told.push(format!("and {rest} more"));
        }
        return Err(Unsound::Contradictions(told));
    }
    let status = state.status();
    Ok(Sound {
        facts: replayed.from_snapshot + replayed.since_snapshot,
        epoch: state.epoch(),
        names: status.names,
        contents: status.contents,
        peers: status.live_peers + status.suspect_peers + status.lost_peers,
        gap: status.gap,
    })
}

/// Notes that the journal was restored from an older backup: the tracker that starts on it takes over from
/// epochs that it does not know, gives no revision to another binding that may have been given since the
/// backup, and evicts nothing for having no name until the loss is accepted. A journal that has no network
/// id, or is not there at all, gets the given one.
///
/// # Errors
/// When the journal cannot be read or written, a tracker runs on it, or it has another network id.
pub fn declare_restored(
    data_dir: &Path,
    clock: &Clock,
    network: Option<NetworkId>,
) -> Result<(), JournalError> {
    let Some(network) = network else {
        return restored(&mut existing(data_dir)?, clock.now());
    };
    // Of a journal that is lost, an empty one has as much as is left.
    let mut journal = SqliteJournal::open(data_dir)?;
    name(&mut journal, clock.now(), network)?;
    restored(&mut journal, clock.now())
}

/// Gives a journal the id of a network, if it has none.
fn name(journal: &mut dyn Journal, at: Timestamp, network: NetworkId) -> Result<(), JournalError> {
    match replayed(journal)?.network() {
        Some(known) if known == network => Ok(()),
        Some(known) => Err(JournalError::Named(known)),
        None => journal.append(&[Record {
            at,
            fact: Fact::NetworkNamed(network),
        }]),
    }
}

/// Notes the same in a journal that is open.
///
/// # Errors
/// When it cannot be read or written.
pub fn restored(journal: &mut dyn Journal, at: Timestamp) -> Result<(), JournalError> {
    let facts = replayed(journal)?.restored().map_err(JournalError::UsedUp)?;
    journal.append(&facts.map(|fact| Record { at, fact }))
}

/// Notes that the operator accepts the loss; returns the known gap. From the next start on, contents without
/// a name are evicted as usual.
///
/// # Errors
/// As [`declare_restored`].
pub fn accept_loss(data_dir: &Path, clock: &Clock) -> Result<Option<Gap>, JournalError> {
    accepted(&mut existing(data_dir)?, clock.now())
}

/// Notes the same in a journal that is open.
///
/// # Errors
/// When it cannot be read or written.
pub fn accepted(journal: &mut dyn Journal, at: Timestamp) -> Result<Option<Gap>, JournalError> {
    let gap = replayed(journal)?.status().gap;
    let fact = Fact::GapAccepted;
    journal.append(&[Record { at, fact }])?;
    Ok(gap)
}

/// Opens a journal that must be there: none is begun.
fn existing(data_dir: &Path) -> Result<SqliteJournal, JournalError> {
    drop(SqliteJournal::inspect(data_dir)?);
    SqliteJournal::open(data_dir)
}

fn replayed(journal: &mut dyn Journal) -> Result<State, JournalError> {
    let mut state = State::new(Timing::default(), 0);
    crate::journal::replay(journal, &mut state)?;
    Ok(state)
}

/// Copies the journal of a data directory, on which a tracker may be running, and the network's authority into
/// another directory, and audits the copy.
///
/// # Errors
/// As [`check`], and when it cannot be written.
pub fn back_up(data_dir: &Path, target: &Path) -> Result<Sound, Unsound> {
    crate::journal::back_up(data_dir, target)?;
    authority::back_up(data_dir, target)?;
    check(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_kind_is_told_in_the_singular() {
        let sound = Sound {
            facts: 1,
            epoch: Epoch::new(2),
            names: 0,
            contents: 1,
            peers: 1,
            gap: None,
        };
        let told = "sound: epoch 2, 0 names, 1 content, 1 peer in 1 fact";
        assert_eq!(sound.to_string(), told);
    }
}
