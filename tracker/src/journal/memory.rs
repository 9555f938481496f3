//! Journal in memory, which lasts as long as its last handle: for tests, and for trackers that need not
//! remember.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Journal, JournalError, Replayed};
use crate::state::Record;

/// Facts in memory; a clone is another handle on the same facts, as a reopened file would be.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    kept: Arc<Mutex<Kept>>,
    begun: Option<Begun>,
}

#[derive(Debug, Default)]
struct Kept {
    snapshot: Vec<Record>,
    appended: Vec<Record>,
}

#[derive(Clone, Debug)]
struct Begun {
    /// Number of appended records that the snapshot stands for.
    covers: usize,
    records: Vec<Record>,
}

impl MemoryJournal {
    /// Creates an empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn replay(&mut self, take: &mut dyn FnMut(Record)) -> Result<Replayed, JournalError> {
        let kept = self.kept();
        kept.snapshot.iter().chain(&kept.appended).cloned().for_each(take);
        let count = |records: &Vec<Record>| records.len() as u64;
        Ok(Replayed {
            from_snapshot: count(&kept.snapshot),
            since_snapshot: count(&kept.appended),
        })
    }

    fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.kept().appended.extend_from_slice(records);
        Ok(())
    }

    fn begin_snapshot(&mut self) -> Result<(), JournalError> {
        let covers = self.kept().appended.len();
        self.begun = Some(Begun {
            covers,
            records: Vec::new(),
        });
        Ok(())
    }

    fn add_to_snapshot(&mut self, records: &[Record]) -> Result<(), JournalError> {
        if let Some(begun) = &mut self.begun {
            begun.records.extend_from_slice(records);
        }
        Ok(())
    }

    fn finish_snapshot(&mut self) -> Result<(), JournalError> {
        if let Some(begun) = self.begun.take() {
            let mut kept = self.kept();
            kept.snapshot = begun.records;
            kept.appended.drain(..begun.covers);
        }
        Ok(())
    }

    fn tidy(&mut self) -> Result<bool, JournalError> {
        Ok(false)
    }
}
