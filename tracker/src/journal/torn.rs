//! A journal that was cut, overwritten or lost at any byte: nothing acknowledged is missing, or it says so.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::any;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use shared::model::{Epoch, Timestamp};
use shared::{Coded as _, ErrorCode};

use super::{Journal as _, JournalError, SqliteJournal, back_up};
use crate::state::{Fact, Record};

const FILES: [&str; 2] = ["journal.sqlite", "journal.sqlite-wal"];

fn batch(n: u64) -> Vec<Record> {
    let fact = |n| Fact::EpochBegun(Epoch::new(n));
    (n * 3..n * 3 + 3)
        .map(|n| Record {
            at: Timestamp::from_millis(n),
            fact: fact(n),
        })
        .collect()
}

/// The files of a journal as a crash leaves them, and how long the log was when each batch was acknowledged.
struct Crashed {
    batches: u64,
    database: Vec<u8>,
    log: Vec<u8>,
    acknowledged_at: Vec<usize>,
}

impl Crashed {
    /// After this many batches, of which the log has the last `logged`.
    fn after(batches: u64, logged: u64) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let read = |file: &str| fs::read(dir.path().join(file)).expect("read");
        let append = |batches: std::ops::Range<u64>| {
            let mut journal = SqliteJournal::open(dir.path()).expect("open");
            let mut lengths = Vec::new();
            for n in batches {
                journal.append(&batch(n)).expect("append");
                lengths.push(read(FILES[1]).len());
            }
            (lengths, read(FILES[0]), read(FILES[1]))
        };
        append(0..batches - logged);
        let (acknowledged_at, database, log) = append(batches - logged..batches);
        Self {
            batches,
            database,
            log,
            acknowledged_at,
        }
    }

    /// With this in place of its database the tracker does not start, or it has all that was acknowledged.
    fn loses_nothing(&self, database: &[u8], harm: &str) {
        if let Ok(records) = Self::found(database, &self.log) {
            let left = records.len();
            assert!(
                records == batches(0..self.batches),
                "{harm}: {left} records are left"
            );
        }
    }

    /// What a tracker finds in a directory with these files.
    fn found(database: &[u8], log: &[u8]) -> Result<Vec<Record>, JournalError> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join(FILES[0]), database).expect("write");
        fs::write(dir.path().join(FILES[1]), log).expect("write");
        fs::write(dir.path().join("tracker.lock"), "a journal was begun here\n").expect("write");
        replayed(dir.path())
    }
}

fn replayed(dir: &Path) -> Result<Vec<Record>, JournalError> {
    let mut records = Vec::new();
    SqliteJournal::open(dir)?.replay(&mut |record| records.push(record))?;
    Ok(records)
}

fn batches(range: std::ops::Range<u64>) -> Vec<Record> {
    range.flat_map(batch).collect()
}

#[test]
fn a_log_cut_at_any_byte_has_what_was_acknowledged_until_then_and_no_half_batch() {
    let crashed = Crashed::after(40, 12);
    let start = crashed.acknowledged_at[8];
    // Every byte of the last batches is too slow for every run: every sector's edge, and a stride that no page divides.
    let edges = (start..=crashed.log.len()).step_by(512);
    let stride = (0..crashed.log.len()).step_by(131);
    for cut in edges.chain(stride) {
        let records = Crashed::found(&crashed.database, &crashed.log[..cut]).expect("a crash is no damage");
        let logged = crashed
            .acknowledged_at
            .iter()
            .filter(|length| **length <= cut)
            .count() as u64;
        assert!(
            records == batches(0..28 + logged),
            "cut at {cut}: {} are left",
            records.len()
        );
    }
}

#[test]
#[ignore = "minutes: every byte of the last batches"]
fn a_log_cut_at_every_single_byte_of_the_last_batches() {
    let crashed = Crashed::after(40, 12);
    for cut in crashed.acknowledged_at[8]..=crashed.log.len() {
        let records = Crashed::found(&crashed.database, &crashed.log[..cut]).expect("a crash is no damage");
        let logged = crashed
            .acknowledged_at
            .iter()
            .filter(|length| **length <= cut)
            .count() as u64;
        assert!(
            records == batches(0..28 + logged),
            "cut at {cut}: {} are left",
            records.len()
        );
    }
}

/// Flips bits in the log; returns how often that was refused.
fn flipped_in_the_log(crashed: &Crashed, places: impl Iterator<Item = (usize, u8)>) -> usize {
    let mut refused = 0;
    for (at, bits) in places {
        let mut log = crashed.log.clone();
        log[at] ^= bits;
        match Crashed::found(&crashed.database, &log) {
            Err(error) => {
                assert!(
                    matches!(error, JournalError::Damaged { .. }),
                    "byte {at}: {error}"
                );
                refused += 1;
            }
            Ok(records) => {
                let whole = batches(0..40);
                assert!(whole.starts_with(&records), "byte {at}: nothing is made up");
                // The last transaction may never have been synced, and where the damaged frame ended one, which of
                // two it is cannot be told.
                assert!(
                    records.len() >= 3 * 38,
                    "byte {at}: {} records are left",
                    records.len()
                );
            }
        }
    }
    refused
}

#[test]
fn bits_flipped_in_the_log_cost_at_most_what_a_crash_could_have_cost_or_are_refused() {
    let crashed = Crashed::after(40, 12);
    let mut runner = TestRunner::deterministic();
    let places = (0..crashed.log.len(), 1_u8..);
    let random = (0..500).map(|_| places.new_tree(&mut runner).expect("in bounds").current());
    let header = (0..56).map(|at| (at, 0x10));
    let refused = flipped_in_the_log(&crashed, header.chain(random));
    assert!(refused > 300, "only {refused} were refused");
}

#[test]
fn a_database_cut_anywhere_is_refused_or_loses_nothing() {
    let crashed = Crashed::after(60, 2);
    let mut runner = TestRunner::deterministic();
    let ends = (0..300).map(|_| {
        (0..crashed.database.len())
            .new_tree(&mut runner)
            .expect("in bounds")
            .current()
    });
    for cut in ends.chain((0..crashed.database.len()).step_by(4096)) {
        crashed.loses_nothing(&crashed.database[..cut], &format!("cut at {cut}"));
    }
}

#[test]
fn bits_flipped_in_the_database_are_found_or_change_nothing() {
    let crashed = Crashed::after(60, 1);
    let mut runner = TestRunner::deterministic();
    let places = (0..crashed.database.len(), any::<u8>());
    for _ in 0..700 {
        let (at, bits) = places.new_tree(&mut runner).expect("in bounds").current();
        let mut database = crashed.database.clone();
        database[at] ^= bits;
        crashed.loses_nothing(&database, &format!("byte {at}, bits {bits:#x}"));
    }
}

#[test]
fn a_journal_that_is_gone_is_not_begun_anew() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    SqliteJournal::open(dir.path())
        .expect("a new one")
        .append(&batch(0))
        .expect("append");
    for harm in [
        (|path: &Path| fs::remove_file(path)) as fn(&Path) -> std::io::Result<()>,
        |path| fs::write(path, ""),
    ] {
        harm(&dir.path().join(FILES[0])).expect("harm");
        let error = replayed(dir.path()).expect_err("it is gone");
        assert!(error.to_string().contains("gone"), "{error}");
    }
}

#[test]
fn a_backup_is_taken_while_the_tracker_writes_and_has_what_was_acknowledged_before() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let copy = tempfile::tempdir().expect("a temporary directory");
    let mut journal = SqliteJournal::open(dir.path()).expect("open");
    (0..50).for_each(|n| journal.append(&batch(n)).expect("append"));
    back_up(dir.path(), copy.path()).expect("backed up");
    journal.append(&batch(50)).expect("the tracker goes on");
    assert_eq!(replayed(copy.path()).expect("whole"), batches(0..50));
    assert!(matches!(
        back_up(dir.path(), copy.path()),
        Err(JournalError::Exists(_))
    ));
    assert!(matches!(
        back_up(&copy.path().join("nothing"), dir.path()),
        Err(JournalError::Missing(_))
    ));
}

/// A small file system in memory; none when this user may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(dir))
    }

    fn remount(&self, options: &str) {
        let mounted = Command::new("mount")
            .args(["-o", options])
            .arg(self.0.path())
            .status();
        assert!(mounted.expect("mount").success(), "{options}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

#[test]
fn a_full_or_read_only_disk_is_told_as_such_and_what_was_acknowledged_stays() {
    let Some(disk) = SmallDisk::mount() else {
        let skipped = writeln!(
            std::io::stderr(),
            "skipped: this user may not mount a small file system"
        );
        return skipped.expect("someone reads what tests say");
    };
    let path = disk.0.path();
    let mut journal = SqliteJournal::open(path).expect("open");
    let mut acknowledged = 0;
    let full = loop {
        match journal.append(&batch(acknowledged)) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 100_000, "the disk never gets full");
    };
    assert_eq!(full.code(), ErrorCode::Exhausted, "{full}");
    assert!(full.to_string().contains("make room"), "{full}");
    drop(journal);
    disk.remount("remount,size=8m");
    assert!(replayed(path).expect("whole") == batches(0..acknowledged));

    disk.remount("remount,ro");
    let error = SqliteJournal::open(path).expect_err("nothing can be written");
    assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
}
