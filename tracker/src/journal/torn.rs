//! Torn journals: cut, overwritten or lost at any byte. No acknowledged record is missing, or the journal
//! says so.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::any;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use shared::model::{Epoch, Timestamp};
use shared::{Coded as _, ErrorCode};

use super::directory::Directory;
use super::{Journal as _, JournalError, SqliteJournal, back_up};
use crate::state::{Fact, Record};

const FILES: [&str; 2] = ["journal.sqlite", "journal.sqlite-wal"];

/// Length of the head of a write-ahead log, which is written whole before the first batch.
const LOG_HEAD: usize = 32;

/// Batch that is acknowledged at once: three records, or as many as need several pages.
fn batch(n: u64) -> Vec<Record> {
    let count = if n % 8 == 7 { 100 } else { 3 };
    (0..count)
        .map(|i| Record {
            at: Timestamp::from_millis(n),
            fact: Fact::EpochBegun(Epoch::new(n * 1000 + i)),
        })
        .collect()
}

/// Files of a journal as a crash leaves them, and the length of the log when each batch was acknowledged.
struct Crashed {
    batches: u64,
    database: Vec<u8>,
    log: Vec<u8>,
    acknowledged_at: Vec<usize>,
    /// Log before this one, in the same place.
    old_log: Vec<u8>,
    /// Database after the whole log has been written back into it.
    written_back: Vec<u8>,
}

impl Crashed {
    /// Writes this many batches, of which the log has the last `logged`.
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
        let (_, _, old_log) = append(0..batches - logged);
        let (acknowledged_at, database, log) = append(batches - logged..batches);
        Self {
            batches,
            database,
            log,
            acknowledged_at,
            old_log,
            written_back: read(FILES[0]),
        }
    }

    /// Returns how many batches had been acknowledged when the log was this long.
    fn acknowledged(&self, length: usize) -> u64 {
        let logged = self.acknowledged_at.iter().filter(|end| **end <= length).count();
        self.batches - self.acknowledged_at.len() as u64 + logged as u64
    }

    /// Asserts that a log written up to here has all acknowledged batches, and nothing of the next one. It
    /// may be refused when not even its head is whole: disks do not tear 32 bytes.
    fn loses_nothing_of(&self, log: &[u8], cut: usize, harm: &str) {
        match Self::found(&self.database, log) {
            Ok(records) => assert!(
                records == batches(0..self.acknowledged(cut)),
                "cut at {cut}, {harm} behind: {} records are left",
                records.len()
            ),
            Err(error) => assert!(
                cut < LOG_HEAD && matches!(error, JournalError::Damaged { .. }),
                "cut at {cut}, {harm} behind: {error}"
            ),
        }
    }

    /// Asserts that with this database the tracker does not start, or has all acknowledged batches.
    fn loses_nothing(&self, database: &[u8], harm: &str) {
        if let Ok(records) = Self::found(database, &self.log) {
            let left = records.len();
            assert!(
                records == batches(0..self.batches),
                "{harm}: {left} records are left"
            );
        }
    }

    /// Replays a directory with these files.
    fn found(database: &[u8], log: &[u8]) -> Result<Vec<Record>, JournalError> {
        // In memory where that is possible: thousands of syncs to a disk take minutes.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = dir.expect("a temporary directory");
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

/// Describes a torn point.
fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

type Behind = fn(&Crashed, usize) -> Vec<u8>;

/// Bytes that may follow the last byte that a crash let through to the log.
const BEHIND: [(&str, Behind); 4] = [
    ("nothing", |_, _| Vec::new()),
    ("zeros", |crashed, cut| vec![0; crashed.log.len() - cut]),
    ("rubbish", |crashed, cut| {
        crashed.log[cut..].iter().map(|byte| byte ^ 0x5a).collect()
    }),
    ("the log before", |crashed, cut| crashed.old_log[cut..].to_vec()),
];

#[test]
fn a_log_torn_at_2000_points_has_all_acknowledged_and_no_half_batch() {
    let crashed = Crashed::after(40, 12);
    let end = crashed.log.len();
    assert!(crashed.old_log.len() >= end, "the log before covers this one");
    // Disks write sectors; 131 divides no page; and around the end of every batch each byte counts.
    let sectors = (0..=end).step_by(512);
    let stride = (0..end).step_by(131);
    let ends = crashed
        .acknowledged_at
        .iter()
        .flat_map(|length| length - 4..end.min(length + 4));
    let cuts: BTreeSet<_> = sectors.chain(stride).chain(ends).collect();
    let mut points = BTreeSet::new();
    for cut in cuts {
        for (harm, behind) in BEHIND {
            let mut log = crashed.log[..cut].to_vec();
            log.extend(behind(&crashed, cut));
            // The bytes right behind the cut have been written.
            let written = crashed.log.iter().zip(&log).take_while(|(a, b)| a == b).count();
            if points.insert(fingerprint(&log)) {
                crashed.loses_nothing_of(&log, written, harm);
            }
        }
    }
    assert!(points.len() >= 2000, "only {} points were tried", points.len());
}

#[test]
fn a_checkpoint_torn_at_500_points_loses_nothing() {
    let crashed = Crashed::after(60, 24);
    let (old, new) = (&crashed.database, &crashed.written_back);
    let mut points = BTreeSet::new();
    for cut in (0..new.len()).step_by(61).chain((0..=new.len()).step_by(512)) {
        let mut database = new[..cut].to_vec();
        database.extend(old.iter().skip(cut));
        let page = cut / 4096 * 4096..new.len().min(cut / 4096 * 4096 + 4096);
        let is_written = old.get(page.clone()) != new.get(page);
        let mut torn = database.clone();
        // The sector that was being written may be anything.
        torn.iter_mut()
            .skip(cut)
            .take(512 - cut % 512)
            .for_each(|byte| *byte ^= 0x5a);
        for (database, harm) in [(Some(database), "cut"), (is_written.then_some(torn), "rubbish")] {
            let Some(database) = database else { continue };
            if points.insert(fingerprint(&database)) {
                let records = Crashed::found(&database, &crashed.log).expect("a crash is no damage");
                let left = records.len();
                assert!(
                    records == batches(0..crashed.batches),
                    "cut at {cut}, {harm}: {left} records are left"
                );
            }
        }
    }
    assert!(points.len() >= 500, "only {} points were tried", points.len());
}

#[test]
#[ignore = "minutes: every byte of the last batches"]
fn a_log_cut_at_every_single_byte_of_the_last_batches() {
    let crashed = Crashed::after(40, 12);
    for cut in crashed.acknowledged_at[8]..=crashed.log.len() {
        crashed.loses_nothing_of(&crashed.log[..cut], cut, "nothing");
    }
}

/// Flips bits in the log; returns how many of the logs were refused.
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
                // The last transaction may never have been synced, and where the damaged frame ended one,
                // which of two it is cannot be told.
                assert!(
                    records.len() >= batches(0..38).len(),
                    "byte {at}: {} records are left",
                    records.len()
                );
            }
        }
    }
    refused
}

#[test]
fn flipped_bits_in_the_log_cost_no_more_than_a_crash_or_are_refused() {
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
fn a_backup_of_a_running_tracker_has_all_facts_acknowledged_before() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let copy = tempfile::tempdir().expect("a temporary directory");
    let mut journal = SqliteJournal::open(dir.path()).expect("open");
    (0..50).for_each(|n| journal.append(&batch(n)).expect("append"));
    back_up(dir.path(), copy.path()).expect("backed up");
    let copied = fs::metadata(Directory::journal(copy.path())).expect("there");
    assert_eq!(copied.permissions().mode() & 0o777, 0o600, "it is for its owner");
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
    let inside = dir.path().join("backup");
    assert!(matches!(
        back_up(dir.path(), &inside),
        Err(JournalError::Inside(..))
    ));
    assert!(!inside.exists());
}

/// Mounts a small file system in memory; none when this user may not.
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
fn a_full_or_read_only_disk_is_reported_and_acknowledged_facts_stay() {
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

/// Returns every file of a directory with its bytes.
fn files(dir: &Path) -> BTreeSet<(std::ffi::OsString, Vec<u8>)> {
    let entries = fs::read_dir(dir)
        .expect("lists")
        .map(|entry| entry.expect("lists"));
    entries
        .map(|entry| (entry.file_name(), fs::read(entry.path()).expect("reads")))
        .collect()
}

#[test]
fn a_look_at_a_journal_changes_no_byte_of_its_directory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let killed = tempfile::tempdir().expect("a temporary directory");
    let mut journal = SqliteJournal::open(dir.path()).expect("open");
    (0..20).for_each(|n| journal.append(&batch(n)).expect("append"));
    for (name, bytes) in files(dir.path()) {
        fs::write(killed.path().join(name), bytes).expect("write");
    }
    drop(journal);
    for dir in [dir.path(), killed.path()] {
        let before = files(dir);
        let mut records = Vec::new();
        let mut journal = SqliteJournal::inspect(dir).expect("sound");
        journal.replay(&mut |record| records.push(record)).expect("sound");
        drop(journal);
        assert!(records == batches(0..20), "{} records", records.len());
        assert!(files(dir) == before, "a file was changed, made or removed");
    }
    let copy = killed.path().join("log");
    fs::rename(killed.path().join(FILES[1]), &copy).expect("renames");
    for harm in [None, Some(0), Some(20), Some(32)] {
        if let Some(length) = harm {
            fs::write(
                killed.path().join(FILES[1]),
                &fs::read(&copy).expect("reads")[..length],
            )
            .expect("writes");
        }
        let error = replayed(killed.path()).expect_err("its log is not whole");
        assert!(error.to_string().contains("write-ahead log"), "{error}");
    }
}

#[test]
fn a_journal_of_one_byte_is_damaged_and_not_empty() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join(FILES[0]), "S").expect("write");
    let error = SqliteJournal::open(dir.path()).expect_err("no journal");
    assert_eq!(error.code(), ErrorCode::Corrupt, "{error}");
    assert_eq!(fs::read(dir.path().join(FILES[0])).expect("there"), b"S");
}
