//! Snapshots of the journal: when one is written, and how: in steps between two batches, so that no batch
//! waits for long.

use tracing::info;

use crate::journal::{Journal, JournalError, Replayed};
use crate::state::Record;

/// Number of records after which a snapshot is due, or as many as the last one had if those are more: so
/// writing snapshots costs a constant factor, and replay stays within twice the size of the state.
pub const SNAPSHOT_EVERY: u64 = 10_000;

/// Records added to a snapshot between two batches, and bytes of them: some ten milliseconds of writing. One
/// record may be larger: a collection of very many parts.
const STEP_RECORDS: usize = 1000;
const STEP_BYTES: usize = 1 << 20;

/// Progress towards the journal's next snapshot.
#[derive(Debug)]
pub struct Snapshots {
    every: u64,
    stage: Stage,
    /// Records since the last snapshot was begun, and the size of that one.
    since: u64,
    size: u64,
}

#[derive(Debug)]
enum Stage {
    None,
    Writing(std::vec::IntoIter<Record>),
    Tidying,
}

impl Snapshots {
    /// Begins after a replay; a snapshot is due after every `every` records ([`SNAPSHOT_EVERY`] in a
    /// tracker).
    #[must_use]
    pub const fn new(every: u64, replayed: Replayed) -> Self {
        Self {
            every,
            // An interrupted run may have left something to tidy.
            stage: Stage::Tidying,
            since: replayed.since_snapshot,
            size: replayed.from_snapshot,
        }
    }

    /// Counts records that have been appended to the journal.
    pub const fn appended(&mut self, records: u64) {
        self.since += records;
    }

    /// Takes one step of writing a snapshot, or of tidying after one. Called between two batches, when
    /// everything that the state contains is in the journal. `records` are the state's, asked for only when a
    /// snapshot begins.
    ///
    /// # Errors
    /// When the journal fails; it must not be used any more then.
    pub fn advance(
        &mut self,
        records: impl FnOnce() -> Vec<Record>,
        journal: &mut dyn Journal,
    ) -> Result<(), JournalError> {
        match &mut self.stage {
            Stage::None if self.since >= self.every.max(self.size) => {
                let records = records();
                journal.begin_snapshot()?;
                (self.since, self.size) = (0, records.len() as u64);
                self.stage = Stage::Writing(records.into_iter());
            }
            Stage::None => {}
            Stage::Writing(rest) => {
                let step = next_step(rest);
                let is_done = rest.as_slice().is_empty();
                journal.add_to_snapshot(&step)?;
                if is_done {
                    journal.finish_snapshot()?;
                    info!(records = self.size, "snapshot written");
                    self.stage = Stage::Tidying;
                }
            }
            Stage::Tidying => {
                if !journal.tidy()? {
                    self.stage = Stage::None;
                }
            }
        }
        Ok(())
    }
}

/// Takes the records that are added in one step.
fn next_step(rest: &mut impl Iterator<Item = Record>) -> Vec<Record> {
    let (mut step, mut bytes) = (Vec::new(), 0_usize);
    while step.len() < STEP_RECORDS && bytes < STEP_BYTES {
        let Some(record) = rest.next() else {
            break;
        };
        bytes = bytes.saturating_add(record.size());
        step.push(record);
    }
    step
}

#[cfg(test)]
mod tests {
    use shared::model::{
        Digest, Epoch, FragmentLength, Manifest, Name, PeerId, ReplicationTarget, Revision, Timestamp,
    };

    use super::*;
    use crate::journal::codec;
    use crate::state::Fact;

    fn published(fragments: u32) -> Record {
        let roots = (0..fragments).map(|_| Digest::from_bytes([7; 32])).collect();
        let length = u64::from(fragments) * u64::from(FragmentLength::MIN.get());
        Record {
            at: Timestamp::default(),
            fact: Fact::Published {
                name: Name::new("name").expect("a name"),
                revision: Revision::new(1),
                target: ReplicationTarget::new(1).expect("in bounds"),
                manifest: Manifest::from_roots(length, FragmentLength::MIN, roots).expect("as many"),
                publishers: vec![PeerId::from_bytes([1; 16])],
                parts: None,
            },
        }
    }

    #[test]
    fn a_step_is_bounded_by_bytes_and_by_records() {
        let small = Record {
            at: Timestamp::default(),
            fact: Fact::EpochBegun(Epoch::new(1)),
        };
        let mut all = vec![small; 2 * STEP_RECORDS];
        all.extend(vec![published(1 << 13); 10]);
        let mut rest = all.into_iter();
        let mut steps = Vec::new();
        while rest.len() > 0 {
            let step = next_step(&mut rest);
            let bytes: usize = step.iter().map(|record| codec::encode(record).len()).sum();
            assert!(bytes < 2 * STEP_BYTES, "{bytes} bytes");
            steps.push(step.len());
        }
        assert_eq!(steps, [STEP_RECORDS, STEP_RECORDS, 4, 4, 2]);
    }
}
