//! Batches of commands that share one commit: applied together, made durable together, and only then
//! answered.
//!
//! This module enforces that no answer can be taken back by a crash: answers and effects come out of
//! [`Batch::commit`] only, which appends to the journal first. It is synchronous and has no threads, sockets
//! or locks, so that the writer and the simulated cluster of the `tests` crate run the same code.

use shared::model::Timestamp;

use crate::journal::{Journal, JournalError};
use crate::policy::Policy;
use crate::state::{Command, Effect, Record, Rejection, Reply, State};

/// Commands that have been applied and are not durable yet. `T` is what the caller needs to answer one.
#[derive(Debug)]
pub struct Batch<T> {
    records: Vec<Record>,
    applied: Vec<Done<T>>,
}

/// A command that has been applied, and whose consequences are durable.
#[derive(Debug)]
pub struct Done<T> {
    /// Tag that the caller gave along.
    pub tag: T,
    /// Answer to the caller.
    pub answer: Result<Reply, Rejection>,
    /// Effects to perform now.
    pub effects: Vec<Effect>,
}

impl<T> Batch<T> {
    /// Creates an empty batch.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            records: Vec::new(),
            applied: Vec::new(),
        }
    }

    /// Applies one more command.
    pub fn apply(&mut self, state: &mut State, now: Timestamp, command: Command, tag: T) {
        let applied = state.apply(now, command);
        self.records.extend(applied.records);
        self.applied.push(Done {
            tag,
            answer: applied.reply,
            effects: applied.effects,
        });
    }

    /// Returns the number of records that wait to become durable.
    #[must_use]
    pub const fn record_count(&self) -> usize {
        self.records.len()
    }

    /// Makes all records durable, and returns the answers and effects, in order.
    ///
    /// # Errors
    /// When it is not certain that the records are durable. Then no command may be answered, and the state,
    /// which is ahead of the journal, must not be used any more.
    pub fn commit(self, journal: &mut dyn Journal) -> Result<Vec<Done<T>>, JournalError> {
        if !self.records.is_empty() {
            journal.append(&self.records)?;
        }
        Ok(self.applied)
    }
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Replays the journal and begins a new epoch, which is durable when this returns.
///
/// # Errors
/// When the journal cannot be read or written, or no epoch can follow.
pub fn begin(
    journal: &mut dyn Journal,
    policy: impl Into<Policy>,
    now: Timestamp,
    seed: u64,
) -> Result<(State, crate::journal::Replayed), JournalError> {
    let mut state = State::new(policy, seed);
    let replayed = crate::journal::replay(journal, &mut state)?;
    let mut batch = Batch::new();
    batch.apply(&mut state, now, Command::BeginEpoch, ());
    for done in batch.commit(journal)? {
        done.answer.map_err(JournalError::UsedUp)?;
    }
    Ok((state, replayed))
}
