//! The tracker's journal on the simulated disk: the production trait and codec, in a file of checked frames.
//!
//! Every frame is a length, a hash, a kind and a body. A batch is one frame, so that it is replayed whole or
//! not at all; a snapshot is several frames and counts from the last of them on. Replay ends at the first
//! frame that is not whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::hash::leaf;
use tracker::journal::{Journal, JournalError, Replayed, codec};
use tracker::state::Record;

use super::disk::{Disk, WriteFailed};

const BATCH: u8 = 1;
const SNAPSHOT: u8 = 2;
const FINISHED: u8 = 3;

/// Length, hash and kind.
const HEADER: usize = 4 + 8 + 1;

/// A handle on the journal of one data directory.
#[derive(Clone, Debug, Default)]
pub(super) struct DiskJournal {
    disk: Arc<Mutex<Disk>>,
    /// The number of batches that the snapshot under way stands for, and its own number.
    begun: Option<(u64, u64)>,
}

/// The contents of the disk.
#[derive(Debug, Default)]
struct Contents {
    snapshot: Vec<Record>,
    batches: Vec<Vec<Record>>,
    snapshots_begun: u64,
    /// Bytes of whole frames.
    length: usize,
}

impl DiskJournal {
    pub(super) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<Contents, JournalError> {
        let disk = self.disk();
        let (mut contents, mut chunks) = (Contents::default(), Vec::new());
        while let Some((kind, body)) = frame(&disk.bytes()[contents.length..]) {
            contents.length += HEADER + body.len();
            let (first, rest) = body.split_at_checked(8).ok_or_else(damaged)?;
            let first = u64::from_le_bytes(first.try_into().map_err(|_| damaged())?);
            match kind {
                BATCH => contents.batches.push(records(rest)?),
                SNAPSHOT => {
                    if first > contents.snapshots_begun {
                        chunks.clear();
                        contents.snapshots_begun = first;
                    }
                    chunks.extend(records(rest)?);
                }
                _ => {
                    let covered = usize::try_from(first).map_err(|_| damaged())?;
                    contents.batches.drain(..covered.min(contents.batches.len()));
                    contents.snapshot = std::mem::take(&mut chunks);
                }
            }
        }
        Ok(contents)
    }

    fn write(&mut self, kind: u8, first: u64, of: &[Record]) -> Result<(), JournalError> {
        let mut disk = self.disk();
        disk.append(&encoded(kind, first, of))
            .map_err(|WriteFailed| damaged())?;
        disk.sync();
        Ok(())
    }
}

fn encoded(kind: u8, first: u64, of: &[Record]) -> Vec<u8> {
    let mut body = first.to_le_bytes().to_vec();
    for record in of {
        let bytes = codec::encode(record);
        body.extend(length_of(&bytes));
        body.extend(bytes);
    }
    let mut bytes = length_of(&body).to_vec();
    bytes.extend(&leaf(&body).as_bytes()[..8]);
    bytes.push(kind);
    bytes.extend(body);
    bytes
}

fn length_of(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len())
        .expect("batches are far below 4 GiB")
        .to_le_bytes()
}

fn frame(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let length = u32::from_le_bytes(header[..4].try_into().ok()?);
    let body = rest.get(..length as usize)?;
    (leaf(body).as_bytes()[..8] == header[4..12]).then_some((header[12], body))
}

fn records(mut bytes: &[u8]) -> Result<Vec<Record>, JournalError> {
    let mut all = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let (record, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        all.push(codec::decode(record).map_err(|_| damaged())?);
        bytes = rest;
    }
    Ok(all)
}

fn damaged() -> JournalError {
    JournalError::Damaged {
        path: "the simulated disk".into(),
        what: "a frame, or a write that failed".to_owned(),
    }
}

impl Journal for DiskJournal {
    fn replay(&mut self, take: &mut dyn FnMut(Record)) -> Result<Replayed, JournalError> {
        let contents = self.read()?;
        self.disk().truncate(contents.length);
        let since = contents.batches.iter().flatten();
        let replayed = Replayed {
            from_snapshot: contents.snapshot.len() as u64,
            since_snapshot: since.clone().count() as u64,
        };
        contents.snapshot.iter().chain(since).cloned().for_each(take);
        Ok(replayed)
    }

    fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.write(BATCH, 0, records)
    }

    fn begin_snapshot(&mut self) -> Result<(), JournalError> {
        let contents = self.read()?;
        let number = contents.snapshots_begun + 1;
        self.begun = Some((contents.batches.len() as u64, number));
        self.write(SNAPSHOT, number, &[])
    }

    fn add_to_snapshot(&mut self, records: &[Record]) -> Result<(), JournalError> {
        match self.begun {
            Some((_, number)) => self.write(SNAPSHOT, number, records),
            None => Ok(()),
        }
    }

    fn finish_snapshot(&mut self) -> Result<(), JournalError> {
        match self.begun.take() {
            Some((covered, _)) => self.write(FINISHED, covered, &[]),
            None => Ok(()),
        }
    }

    fn tidy(&mut self) -> Result<bool, JournalError> {
        let contents = self.read()?;
        let mut bytes = encoded(SNAPSHOT, 1, &contents.snapshot);
        bytes.extend(encoded(FINISHED, 0, &[]));
        for batch in &contents.batches {
            bytes.extend(encoded(BATCH, 0, batch));
        }
        self.disk().replace(bytes);
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::Xoshiro256PlusPlus;
    use shared::model::{Epoch, Timestamp};
    use tracker::state::Fact;

    use super::*;

    fn epochs(range: std::ops::Range<u64>) -> Vec<Record> {
        let record = |n| Record {
            at: Timestamp::from_millis(n),
            fact: Fact::EpochBegun(Epoch::new(n)),
        };
        range.map(record).collect()
    }

    fn replayed(journal: &DiskJournal) -> Vec<Record> {
        let mut all = Vec::new();
        journal
            .clone()
            .replay(&mut |record| all.push(record))
            .expect("torn is not damaged");
        all
    }

    #[test]
    fn a_crash_leaves_synced_batches_and_no_half_ones() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for _ in 0..500 {
            let mut journal = DiskJournal::default();
            journal.append(&epochs(0..3)).expect("appends");
            journal.begin_snapshot().expect("begins");
            journal.add_to_snapshot(&epochs(1..3)).expect("adds");
            journal.append(&epochs(3..4)).expect("appends");
            if rng.random_bool(0.5) {
                journal.finish_snapshot().expect("finishes");
                journal.tidy().expect("tidies");
                assert_eq!(replayed(&journal), [epochs(1..3), epochs(3..4)].concat());
            }
            let before = replayed(&journal);
            journal.disk().is_dying = true;
            journal.append(&epochs(4..9)).expect("written, not synced");
            journal.disk().crash(&mut rng);
            let after = replayed(&journal);
            assert!(after == before || after == [before, epochs(4..9)].concat());
            journal.append(&epochs(20..21)).expect("appends");
            assert_eq!(replayed(&journal), [after, epochs(20..21)].concat());
        }
    }

    use rand::RngExt as _;
}
