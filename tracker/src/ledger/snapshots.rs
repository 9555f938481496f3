//! Snapshots of the journal: when one is written, and how: in steps between two batches, so that no batch
//! waits for long.

use tracing::info;

use crate::journal::{Journal, JournalError, Replayed};
use crate::state::Record;

/// Number of records after which a snapshot is due, or as many as the last one had if those are more: so
/// writing snapshots costs a constant factor, and replay stays within twice the size of the state.
pub const SNAPSHOT_EVERY: u64 = 10_000;

/// Records added to a snapshot between two batches: some ten milliseconds of writing.
const SNAPSHOT_STEP: usize = 1000;

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
                let step: Vec<_> = rest.by_ref().take(SNAPSHOT_STEP).collect();
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
