//! Damaged data directories: every file of one that was killed or stopped is cut, flipped, emptied, removed
//! or replaced. The tracker refuses to start, or has every acknowledged record, or says that the end of its
//! log is cut; `tracker check` changes nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use shared::database::{self, Verdict};

use super::directory::Directory;
use super::torn::{batch, batches, files, replayed};
use super::{Journal as _, SqliteJournal};

/// Places in each file at which a bit is flipped, and at which the file is cut.
const PLACES: usize = 24;

/// Batches that the journal has, all of them acknowledged.
const BATCHES: u64 = 30;

type Files = BTreeSet<(OsString, Vec<u8>)>;

/// Returns the files of a data directory after a kill or a clean stop, with `logged` batches since the last
/// orderly stop.
fn directory(logged: u64, is_killed: bool) -> Files {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = SqliteJournal::open(dir.path()).expect("opens");
    (0..BATCHES - logged).for_each(|n| journal.append(&batch(n)).expect("appends"));
    drop(journal);
    let mut journal = SqliteJournal::open(dir.path()).expect("opens");
    (BATCHES - logged..BATCHES).for_each(|n| journal.append(&batch(n)).expect("appends"));
    if is_killed {
        return files(dir.path());
    }
    drop(journal);
    files(dir.path())
}

/// Returns the harmed forms of a file; none stands for one that was removed.
fn harmed(bytes: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let mut all = vec![
        ("removed".to_owned(), None),
        ("emptied".to_owned(), Some(Vec::new())),
        ("replaced".to_owned(), Some(vec![1; 5000])),
        ("made of zeros".to_owned(), Some(vec![0; bytes.len()])),
    ];
    for n in 0..PLACES {
        let at = bytes.len().saturating_sub(1) * n / (PLACES - 1);
        let mut flipped = bytes.to_vec();
        flipped
            .get_mut(at)
            .into_iter()
            .for_each(|byte| *byte ^= 1 << (n % 8));
        all.push((format!("flipped at {at}"), Some(flipped)));
        all.push((format!("cut at {at}"), Some(bytes[..at].to_vec())));
    }
    all
}

#[derive(Debug, Default)]
struct Tally {
    directories: u32,
    refused: u32,
    whole: u32,
    cut_with_a_warning: u32,
}

impl Tally {
    /// Starts a tracker's journal twice on a damaged directory.
    fn try_out(&mut self, dir: &Path, harm: &str) {
        self.directories += 1;
        let before = files(dir);
        let checked = crate::offline::check(dir);
        assert!(files(dir) == before, "{harm}: a check has changed something");
        let verdict = database::examine(&Directory::journal(dir));
        let Ok(records) = replayed(dir) else {
            self.refused += 1;
            assert!(checked.is_err(), "{harm}: the check finds nothing");
            // A second attempt is no better informed.
            assert!(replayed(dir).is_err(), "{harm}: refused, and then not");
            return;
        };
        let again = replayed(dir).expect("nothing has changed since");
        assert!(again == records, "{harm}: the second start is another");
        if records == batches(0..BATCHES) {
            self.whole += 1;
            return;
        }
        let is_said = matches!(verdict, Ok(Verdict::Torn(_)));
        let (left, whole) = (records.len(), batches(0..BATCHES));
        assert!(
            is_said,
            "{harm}: {left} of {} records are left, in silence",
            whole.len()
        );
        assert!(whole.starts_with(&records), "{harm}: nothing is made up");
        self.cut_with_a_warning += 1;
    }
}

#[test]
fn no_damage_to_any_file_loses_a_record_in_silence() {
    let mut tally = Tally::default();
    for is_killed in [false, true] {
        for logged in [1, 20] {
            let whole = directory(logged, is_killed);
            for (name, bytes) in &whole {
                for (harm, harmed) in harmed(bytes) {
                    // In memory where that is possible: thousands of syncs to a disk take minutes.
                    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
                    let dir = dir.expect("a temporary directory");
                    for (other, bytes) in &whole {
                        let bytes = if other == name {
                            harmed.as_ref()
                        } else {
                            Some(bytes)
                        };
                        if let Some(bytes) = bytes {
                            fs::write(dir.path().join(other), bytes).expect("writes");
                        }
                    }
                    let harm = format!(
                        "{} {harm}, killed: {is_killed}, {logged} logged",
                        name.to_string_lossy()
                    );
                    tally.try_out(dir.path(), &harm);
                }
            }
        }
    }
    writeln!(std::io::stderr(), "{tally:?}").expect("someone reads what tests say");
    assert!(tally.directories >= 700, "{tally:?}");
    assert!(tally.refused > 100 && tally.whole > 100, "{tally:?}");
}
