//! Commands that share one commit: applied together, made durable together, and only then answered.
//!
//! This is where "nobody is told what a crash could take back" is enforced: answers and effects come out of
//! [`Batch::commit`] only, which appends to the journal first. Synchronous and without threads, so that the writer and
//! the simulated cluster of the `tests` crate go through the same code. It knows neither sockets nor locks.

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
    /// What the caller gave along.
    pub tag: T,
    /// The answer.
    pub answer: Result<Reply, Rejection>,
    /// What is to be done now.
    pub effects: Vec<Effect>,
}

impl<T> Batch<T> {
    /// Nothing yet.
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

    /// How many records wait to become durable.
    #[must_use]
    pub const fn record_count(&self) -> usize {
        self.records.len()
    }

    /// Makes all of it durable, and hands out what may be told and done now, in order.
    ///
    /// # Errors
    /// When it is not certain that the records are durable. Nobody may be told anything then, and the state, which is
    /// ahead of the journal, must not be used any more.
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
/// When the journal cannot be read or written.
pub fn begin(
    journal: &mut dyn Journal,
    policy: impl Into<Policy>,
    now: Timestamp,
    seed: u64,
) -> Result<(State, crate::journal::Replayed), JournalError> {
    let mut state = State::new(policy, seed);
    let replayed = journal.replay(&mut |record| state.replay(record))?;
    let mut batch = Batch::new();
    batch.apply(&mut state, now, Command::BeginEpoch, ());
    batch.commit(journal)?;
    Ok((state, replayed))
}
