//! Tests of the observations that the ledger permits, and of those that it rejects.

use rand::SeedableRng as _;

use super::*;

fn content(seed: u64) -> Content {
    Content {
        seed,
        length: 10,
        digest: format!("digest-{seed}"),
    }
}

fn digest(seed: u64) -> String {
    content(seed).digest
}

impl Ledger {
    fn bind(&mut self, name: &str, seed: u64) {
        let change = self.begin(name, Some(content(seed)));
        self.end(change, Answer::Done);
    }

    fn unanswered(&mut self, name: &str, seed: u64) {
        let change = self.begin(name, Some(content(seed)));
        self.end(change, Answer::Unknown);
    }

    fn remove(&mut self, name: &str) {
        let change = self.begin(name, None);
        self.end(change, Answer::Done);
    }

    fn read(&mut self, name: &str, seen: Seen<'_>) -> Result<(), Violation> {
        let reading = self.begin_reading(name);
        self.end_quiescent_reading(reading, seen)
    }
}

#[test]
fn a_planted_wrong_read_is_reported() {
    let mut ledger = Ledger::default();
    ledger.bind("a", 1);
    assert_eq!(ledger.read("a", Seen::Bytes(&digest(1))), Ok(()));
    let wrong = ledger.read("a", Seen::Bytes("digest-of-something-else"));
    assert!(matches!(wrong, Err(Violation::WrongBytes { .. })), "{wrong:?}");
    assert!(wrong.unwrap_err().to_string().contains("10 bytes of seed 1"));
}

#[test]
fn what_was_acknowledged_is_neither_absent_nor_unreadable() {
    let mut ledger = Ledger::default();
    ledger.bind("a", 1);
    let lost = ledger.read("a", Seen::Absent);
    assert!(matches!(lost, Err(Violation::Lost { .. })), "{lost:?}");
    let unreadable = ledger.read("a", Seen::Nothing);
    assert!(
        matches!(unreadable, Err(Violation::Unreadable { .. })),
        "{unreadable:?}"
    );
    let reading = ledger.begin_reading("a");
    assert_eq!(
        ledger.end_reading(reading, Seen::Nothing),
        Ok(()),
        "while faults go on it may be out of reach"
    );
}

#[test]
fn what_was_removed_or_replaced_does_not_come_back() {
    let mut ledger = Ledger::default();
    ledger.bind("a", 1);
    ledger.bind("a", 2);
    let stale = ledger.read("a", Seen::Bytes(&digest(1)));
    assert!(matches!(stale, Err(Violation::Stale { .. })), "{stale:?}");
    ledger.remove("a");
    assert_eq!(ledger.read("a", Seen::Absent), Ok(()));
    let back = ledger.read("a", Seen::Bytes(&digest(2)));
    assert!(matches!(back, Err(Violation::Stale { .. })), "{back:?}");
}

#[test]
fn a_reader_may_see_whatever_was_right_while_it_read() {
    let mut ledger = Ledger::default();
    ledger.bind("a", 1);
    let early = ledger.begin_reading("a");
    let change = ledger.begin("a", Some(content(2)));
    let during = ledger.begin_reading("a");
    assert_eq!(ledger.end_reading(during, Seen::Bytes(&digest(1))), Ok(()));
    ledger.end(change, Answer::Done);
    let late = ledger.begin_reading("a");
    assert_eq!(ledger.end_reading(early.clone(), Seen::Bytes(&digest(1))), Ok(()));
    assert_eq!(ledger.end_reading(early, Seen::Bytes(&digest(2))), Ok(()));
    assert!(ledger.end_reading(late, Seen::Bytes(&digest(1))).is_err());
}

#[test]
fn what_one_reader_has_seen_no_later_reader_unsees() {
    let mut ledger = Ledger::default();
    ledger.bind("a", 1);
    let change = ledger.begin("a", Some(content(2)));
    assert_eq!(ledger.read("a", Seen::Bytes(&digest(1))), Ok(()));
    assert_eq!(ledger.read("a", Seen::Bytes(&digest(2))), Ok(()));
    assert!(ledger.read("a", Seen::Bytes(&digest(1))).is_err());
    ledger.end(change, Answer::Done);
}

#[test]
fn a_change_without_an_answer_is_open_until_a_reader_has_seen_it() {
    let mut ledger = Ledger::default();
    let rng = &mut SmallRng::seed_from_u64(1);
    ledger.bind("a", 1);
    ledger.unanswered("a", 2);
    assert_eq!(ledger.read("a", Seen::Bytes(&digest(1))), Ok(()));
    assert_eq!(ledger.free(rng, true), None, "it may still happen");
    assert_eq!(ledger.open(), 1);
    assert_eq!(
        ledger.read("a", Seen::Nothing),
        Ok(()),
        "nobody promised that it could be read"
    );
    assert_eq!(ledger.read("a", Seen::Bytes(&digest(2))), Ok(()));
    assert_eq!((ledger.free(rng, true), ledger.open()), (Some("a".to_owned()), 0));
    assert!(ledger.read("a", Seen::Bytes(&digest(1))).is_err());
    assert!(
        ledger.read("a", Seen::Nothing).is_err(),
        "seen is as good as told"
    );
    ledger.unanswered("b", 3);
    assert_eq!(ledger.read("b", Seen::Absent), Ok(()));
    assert!(ledger.read("b", Seen::Bytes("something else")).is_err());
}

#[test]
fn a_restored_tracker_may_lack_changes_after_its_backup_only() {
    let mut ledger = Ledger::default();
    ledger.bind("before", 1);
    ledger.bind("changed", 2);
    ledger.bind("removed", 3);
    let backup = ledger.moment();
    ledger.bind("changed", 4);
    ledger.remove("removed");
    ledger.bind("after", 5);
    ledger.taken_back_to(backup);
    let taken_back = ["after", "changed", "removed"].map(str::to_owned);
    assert_eq!(ledger.taken_back(), taken_back.into());
    assert!(ledger.read("before", Seen::Absent).is_err());
    for seen in [2, 4, 2] {
        assert_eq!(ledger.read("changed", Seen::Bytes(&digest(seen))), Ok(()));
    }
    assert_eq!(ledger.read("removed", Seen::Bytes(&digest(3))), Ok(()));
    assert_eq!(ledger.read("removed", Seen::Absent), Ok(()));
    assert_eq!(ledger.read("after", Seen::Absent), Ok(()));
    assert_eq!(ledger.read("after", Seen::Nothing), Ok(()));
    assert!(
        ledger.read("after", Seen::Bytes(&digest(1))).is_err(),
        "never wrong"
    );
    let rng = &mut SmallRng::seed_from_u64(1);
    assert_eq!(ledger.bound(rng), Some(("before".to_owned(), content(1))));
}

#[test]
fn the_latest_names_come_first() {
    let mut ledger = Ledger::default();
    for name in ["a", "b", "c"] {
        ledger.bind(name, 1);
    }
    ledger.bind("a", 2);
    assert_eq!(ledger.latest(2), ["a", "c"]);
    assert_eq!((ledger.len(), ledger.acknowledged()), (3, 4));
    assert!(ledger.knows("b") && !ledger.knows("d"));
}

#[test]
fn a_bound_name_is_not_absent_after_an_unanswered_change() {
    let mut ledger = Ledger::default();
    ledger.bind("a", 1);
    ledger.unanswered("a", 2);
    assert!(ledger.read("a", Seen::Absent).is_err());
    let reading = ledger.begin_reading("a");
    assert_eq!(
        ledger.end_reading(reading, Seen::Absent),
        Ok(()),
        "the first content may go while it is fetched"
    );
}
