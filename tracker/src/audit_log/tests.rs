//! Tests of the log's files and of its writer.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use shared::model::Timestamp;

use super::*;

const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn entry(n: usize) -> Entry {
    Entry {
        who: "token 0101010101010101".to_owned(),
        from: "192.0.2.1".parse().ok(),
        call: "Catalog/Remove".to_owned(),
        object: format!("models/{n}"),
        outcome: Outcome::Done,
        reason: String::new(),
        is_limited: false,
    }
}

fn append(directory: &Path, max: u64, numbers: std::ops::Range<usize>) {
    let mut files = Files::open_with(directory, max).expect("opened");
    for n in numbers {
        files.append(line::of(AT, entry(n))).expect("written");
    }
}

fn whole(directory: &Path) -> (u64, bool) {
    match verify(directory).expect("read") {
        Checked::Whole { lines, has_beginning } => (lines, has_beginning),
        broken @ Checked::Broken { .. } => panic!("{broken:?}"),
    }
}

#[test]
fn the_chain_goes_on_over_restarts_and_files() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for start in [0, 10, 20] {
        append(dir.path(), 2000, start..start + 10);
    }
    assert_eq!(whole(dir.path()), (30, true));
    append(dir.path(), 2000, 30..100);
    let (lines, has_beginning) = whole(dir.path());
    assert!(lines < 60 && !has_beginning, "the oldest files are gone: {lines}");
    let files = files::all(dir.path());
    assert_eq!(files.len(), 5);
    for file in files {
        let found = fs::metadata(file).expect("there");
        assert!(found.len() < 3000 && found.permissions().mode() & 0o777 == 0o600);
    }
    let read = read(dir.path(), Timestamp::default()).expect("read");
    assert_eq!(read.last().expect("lines").object, "models/99");
}

#[test]
fn any_change_in_the_middle_is_found() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    append(dir.path(), 1 << 20, 0..20);
    let path = dir.path().join(files::NAME);
    let text = fs::read_to_string(&path).expect("read");
    let lines: Vec<_> = text.lines().collect();
    let mut swapped = lines.clone();
    swapped.swap(4, 5);
    let mut without = lines.clone();
    without.remove(7);
    let forged = lines[3].replace("192.0.2.1", "192.0.2.2");
    let mut changed = lines.clone();
    changed[3] = &forged;
    for tampered in [swapped, without, changed] {
        fs::write(&path, tampered.join("\n") + "\n").expect("written");
        assert!(matches!(verify(dir.path()), Ok(Checked::Broken { .. })));
    }
    fs::write(&path, text).expect("written");
    assert_eq!(whole(dir.path()), (20, true));
}

#[test]
fn a_line_that_a_crash_has_cut_off_is_left_out() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    append(dir.path(), 1 << 20, 0..3);
    let path = dir.path().join(files::NAME);
    let mut file = OpenOptions::new().append(true).open(path).expect("opened");
    file.write_all(b"{\"at\":\"2027-").expect("written");
    append(dir.path(), 1 << 20, 3..5);
    assert_eq!(whole(dir.path()), (5, true));
}

#[test]
fn a_flood_that_is_denied_costs_no_line_of_what_was_done() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (clock, time) = Clock::manual(AT);
    let log = AuditLog::open(dir.path(), clock).expect("opened");
    for n in 0..1000 {
        log.note(Entry {
            outcome: Outcome::Denied,
            is_limited: true,
            ..entry(n)
        });
        if n % 100 == 0 {
            log.note(entry(n));
        }
    }
    time.advance(Duration::from_mins(2));
    log.close();
    // Nothing is taken any more, and nobody is hurt.
    log.note(entry(0));
    let lines = read(dir.path(), Timestamp::default()).expect("read");
    let of = |result: &str| lines.iter().filter(|line| line.result == result).count();
    assert_eq!((of("done"), of("denied")), (10, 20));
    let held_back = lines
        .iter()
        .find(|line| line.result == "held_back")
        .expect("told");
    assert_eq!(held_back.count, Some(980));
    assert_eq!(whole(dir.path()), (31, true));
}
