//! Damaged data directories: every file of a peer's and of a tracker's, as a kill or a clean stop left it, is
//! cut, flipped, emptied, removed or replaced, by rubbish and by another's. No fragment that proves itself is
//! deleted, and no acknowledged fact is lost in silence.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use harness::{Cluster, Program, copy, eventually};
use shared::database::{self, Verdict};
use shared::own_data::{KEY_FILE, MEMBERSHIP_FILE};
use store::DiskStore;
use tempfile::TempDir;
use tracker::journal::{Journal as _, JournalError, SqliteJournal};
use tracker::offline::{self, Unsound};
use tracker::state::Record;

use crate::pipes::starts_and_stops;
use crate::{PATIENCE, all_below, publish, text};

/// Bytes of a fragment here.
const FRAGMENT: usize = 64 << 10;

/// The harm of a file that is another peer's or tracker's, or of another content.
const OF_ANOTHER: &str = "of another";

/// A peer with a copy and a tracker that are killed early, with everything in their logs; killed later; and
/// stopped in order.
const STATES: [&str; 3] = ["killed", "killed-later", "stopped"];

/// Data directories in each of these states, and those of another peer and another tracker.
struct Left {
    cluster: Cluster,
}

impl Left {
    fn new() -> Result<Self> {
        let mut cluster = Cluster::builder().peers(2).start()?;
        publish(&cluster, 0, "data", 200_000, 2)?;
        for state in STATES {
            for n in (0..6).filter(|_| state == "killed-later") {
                let (key, value) = (format!("key-{n}"), "a value ".repeat(20 + n));
                drop(cluster.peer(1).run(["put", &key, &value]).expect(0));
            }
            if state == "stopped" {
                cluster.peer_mut(1).program.stop()?;
                cluster.tracker.stop()?;
            } else {
                cluster.peer_mut(1).program.kill();
                cluster.tracker.kill();
            }
            for program in ["peer-1", "tracker"] {
                copy(&cluster.path(program), &cluster.path(state).join(program))?;
            }
            cluster.tracker.restart()?;
            cluster.peer_mut(1).program.restart()?;
            cluster.wait_for_live_peers(2)?;
        }
        cluster.peer_mut(0).program.kill();
        let arguments = vec!["--data-dir".into(), cluster.path("other").into()];
        Program::start("tracker", arguments, &cluster.path("other.log"))?.stop()?;
        Ok(Self { cluster })
    }

    /// Calls `look` with each directory in which one file of `program` is harmed, where it came from, the
    /// file, and the harm; each file is cut and flipped at as many places as `places` says.
    fn harm(
        &self,
        program: &str,
        another: &str,
        places: impl Fn(&Path) -> usize,
        mut look: impl FnMut(&Path, &Path, &Path, &str) -> Result<()>,
    ) -> Result<()> {
        for state in STATES {
            let from = self.cluster.path(state).join(program);
            for file in all_below(&from).into_iter().filter(|path| path.is_file()) {
                let below = file.strip_prefix(&from)?;
                let bytes = fs::read(&file)?;
                let another = of_another(&self.cluster.path(another), &file, below, &bytes);
                for (harm, bytes) in harmed(&bytes, another, places(below)) {
                    // In memory where that is possible: thousands of syncs to a disk take minutes.
                    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| TempDir::new())?;
                    let dir = dir.path().join("data");
                    copy(&from, &dir)?;
                    match bytes {
                        Some(bytes) => fs::write(dir.join(below), bytes)?,
                        None => fs::remove_file(dir.join(below))?,
                    }
                    let harm = format!("{state}, {} {harm}", below.display());
                    look(&dir, &from, below, &harm).context(harm)?;
                }
            }
        }
        Ok(())
    }
}

/// Returns the same file of another directory, or one of the same kind beside it, with other bytes.
fn of_another(another: &Path, file: &Path, below: &Path, bytes: &[u8]) -> Option<Vec<u8>> {
    let beside = all_below(file.ancestors().nth(2)?).into_iter();
    let beside = beside.filter(|path| path.extension().is_some() && path.extension() == file.extension());
    let candidates = std::iter::once(another.join(below)).chain(beside);
    candidates
        .filter_map(|path| fs::read(path).ok())
        .find(|found| found != bytes)
}

/// Returns the harmed forms of a file; none stands for one that was removed.
fn harmed(bytes: &[u8], another: Option<Vec<u8>>, places: usize) -> Vec<(String, Option<Vec<u8>>)> {
    let mut all = vec![
        ("removed".to_owned(), None),
        ("emptied".to_owned(), Some(Vec::new())),
        ("replaced".to_owned(), Some(vec![1; 5000])),
        ("made of zeros".to_owned(), Some(vec![0; bytes.len()])),
    ];
    all.extend(another.map(|bytes| (OF_ANOTHER.to_owned(), Some(bytes))));
    for n in 0..places {
        let at = bytes.len().saturating_sub(1) * n / (places - 1);
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

fn tell(line: &dyn std::fmt::Debug) {
    writeln!(std::io::stderr(), "{line:?}").expect("someone reads what tests say");
}

/// Fragments of the contents in `from` that are somewhere below the directory with the bytes that they have
/// there.
fn intact(home: &Path, from: &Path) -> Result<usize> {
    let is_data = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "data");
    let here: Vec<_> = all_below(home).into_iter().filter(is_data).collect();
    let mut count = 0;
    for original in all_below(&from.join("contents"))
        .iter()
        .filter(|path| is_data(path))
    {
        let name = original
            .file_name()
            .and_then(|name| name.to_str())
            .context("text")?;
        let copies = here
            .iter()
            .filter(|path| text(path).ends_with(name))
            .map(fs::read);
        let copies = copies.collect::<Result<Vec<_>, _>>()?;
        let bytes = fs::read(original)?;
        let fragments = bytes.chunks(FRAGMENT).enumerate();
        let is_here = |(n, fragment): &(usize, &[u8])| {
            let part = |copy: &Vec<u8>| {
                copy.get(n * FRAGMENT..)?
                    .get(..fragment.len())
                    .map(<[u8]>::to_vec)
            };
            copies.iter().any(|copy| part(copy).as_deref() == Some(*fragment))
        };
        count += fragments.filter(is_here).count();
    }
    Ok(count)
}

/// Whether a file is the store's, which a library opens; all others are read by a whole node.
fn is_of_the_store(below: &Path) -> bool {
    let name = text(below);
    name.starts_with("index.db") || name.contains('/') || ["lock", "reserve"].contains(&name)
}

#[test]
fn no_damage_to_any_file_of_a_peer_deletes_a_fragment() -> Result<()> {
    const CAPACITY: u64 = 1 << 30;
    let left = Left::new()?;
    let places = |below: &Path| if is_of_the_store(below) { 6 } else { 2 };
    let mut tally = BTreeMap::<&str, u32>::new();
    left.harm("peer-1", "peer-0", places, |dir, from, below, harm| {
        let before = intact(dir, from)?;
        if is_of_the_store(below) {
            let outcome = if DiskStore::open(dir, CAPACITY).is_ok() {
                "started"
            } else {
                "refused"
            };
            drop(DiskStore::open(dir, CAPACITY));
            *tally.entry(outcome).or_default() += 1;
        } else {
            let serve = [
                "serve",
                "--tracker",
                "127.0.0.1:9",
                "--port",
                "0",
                "--data-dir",
                text(dir),
            ];
            // A node whose key is damaged is nobody; the other files are only a help.
            let outcome = match starts_and_stops("peer", &serve, harm)? {
                true => "started as nodes",
                false if [KEY_FILE, MEMBERSHIP_FILE].contains(&text(below)) => "refused for their keys",
                false => panic!("{harm}: it is only a help"),
            };
            *tally.entry(outcome).or_default() += 1;
        }
        assert_eq!(intact(dir, from)?, before, "{harm}: a fragment is gone");
        Ok(())
    })?;
    tell(&tally);
    let all: u32 = tally.values().sum();
    assert!(all >= 700 && tally.values().all(|count| *count > 10), "{tally:?}");
    Ok(())
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| fs::read(&path).ok().map(|bytes| (path, bytes));
    all_below(dir).into_iter().filter_map(read).collect()
}

/// Looks at a journal when its lock is free: a program that another test is just starting shares it until it
/// runs.
fn locked<T: std::fmt::Debug>(look: impl Fn() -> Result<T, Unsound>) -> Result<T, Unsound> {
    let is_free = |looked: &_| !matches!(looked, Err(Unsound::Journal(JournalError::InUse(_))));
    eventually("the journal's lock", PATIENCE, look, is_free).expect("nobody keeps it")
}

fn replayed(dir: &Path) -> Result<Vec<Record>, Unsound> {
    locked(|| {
        let mut records = Vec::new();
        SqliteJournal::open(dir)?.replay(&mut |record| records.push(record))?;
        Ok(records)
    })
}

/// Replays a copy of a journal, whose log stays as it is.
fn replayed_copy(from: &Path) -> Result<Vec<Record>> {
    let dir = TempDir::new()?;
    copy(from, dir.path())?;
    Ok(replayed(dir.path())?)
}

#[test]
fn no_damage_to_any_file_of_a_tracker_loses_a_fact_in_silence() -> Result<()> {
    let left = Left::new()?;
    let others = replayed_copy(&left.cluster.path("other"))?;
    let mut acknowledged = BTreeMap::new();
    for from in STATES.map(|state| left.cluster.path(state).join("tracker")) {
        acknowledged.insert(from.clone(), replayed_copy(&from)?);
    }
    let mut tally = BTreeMap::<&str, u32>::new();
    left.harm(
        "tracker",
        "other",
        |_| 24,
        |dir, from, _, harm| {
            let whole = &acknowledged[from];
            let before = files(dir);
            let checked = locked(|| offline::check(dir));
            assert!(files(dir) == before, "{harm}: a check has changed something");
            let verdict = database::examine(&dir.join("journal.sqlite"));
            let outcome = match replayed(dir) {
                Err(_) => {
                    assert!(checked.is_err(), "{harm}: the check finds nothing");
                    // A second attempt is no better informed.
                    assert!(replayed(dir).is_err(), "{harm}: refused, and then not");
                    "refused"
                }
                Ok(records) => {
                    assert!(replayed(dir)? == records, "{harm}: the second start is another");
                    match (records == *whole, verdict) {
                        (true, _) => "whole",
                        (false, Ok(Verdict::Torn(_))) => {
                            assert!(whole.starts_with(&records), "{harm}: nothing is made up");
                            "cut, with a warning"
                        }
                        // A sound journal in the place of a sound one is a backup for all that a
                        // tracker can tell; peers notice it by their marks.
                        _ if harm.ends_with(OF_ANOTHER) && records == others => "another's",
                        _ => anyhow::bail!("{} of {} records, in silence", records.len(), whole.len()),
                    }
                }
            };
            *tally.entry(outcome).or_default() += 1;
            Ok(())
        },
    )?;
    tell(&tally);
    let all: u32 = tally.values().sum();
    assert!(
        all >= 600 && tally["refused"] > 50 && tally["whole"] > 100,
        "{tally:?}"
    );
    assert!(
        tally.get("another's").is_none_or(|count| *count == 1),
        "{tally:?}"
    );
    Ok(())
}
