//! The ledger keeps its word: acknowledged and shown facts survive a crash.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use shared::Coded as _;
use shared::model::{
    ContentRef, Digest, Epoch, Expectation, FragmentLength, Hello, Incarnation, Manifest, Name, PeerId,
    PinWish, ReplicationTarget, Revision, RunTraits, Timestamp,
};
use shared::runtime::{Clock, Tasks};

use super::{Ledger, LedgerError, LedgerThread, begin};
use crate::journal::{Journal, JournalError, MemoryJournal, Replayed, SqliteJournal};
use crate::state::{Caller, Closing, Fact, Publish, Record, Rejection};
use crate::timing::Timing;

fn open(journal: impl Journal, tasks: &Tasks) -> (Ledger, LedgerThread) {
    Ledger::open(Box::new(journal), Timing::default(), Clock::system(), 1, tasks)
        .expect("the journal is fine")
}

fn open_dir(dir: &Path) -> (Ledger, LedgerThread) {
    open(
        SqliteJournal::open(dir).expect("nobody else has it open"),
        &Tasks::new(),
    )
}

fn hello(incarnation: u64) -> Hello {
    Hello {
        peer: PeerId::from_bytes([1; 16]),
        incarnation: Incarnation::new(incarnation),
        run: None,
        address: "127.0.0.1:1".parse().expect("an address"),
        zone: None,
        capacity: 0,
        used: 0,
        network: None,
        epoch: Epoch::new(0),
        mark: None,
        holdings: None,
        traits: RunTraits::default(),
    }
}

fn publish(name: &str) -> Publish {
    let digest = Digest::from_bytes([7; 32]);
    Publish {
        name: Name::new(name).expect("a name"),
        manifest: Manifest::from_roots(1000, FragmentLength::MIN, vec![digest]).expect("one fragment"),
        target: ReplicationTarget::DEFAULT,
        expectation: Expectation::Unbound,
        publisher: PeerId::from_bytes([1; 16]),
        incarnation: Incarnation::new(1),
        metadata: None,
        replaces_metadata: false,
        keeps_target: false,
        parts: None,
    }
}

async fn revision(ledger: &Ledger, name: &str) -> Option<Revision> {
    let what = ContentRef::Name(Name::new(name).expect("a name"));
    let found = ledger
        .read(|state| state.resolve(&what))
        .await
        .expect("the ledger answers");
    found.ok().map(|(binding, _)| binding.revision)
}

/// Copies the files as a power cut at this moment would leave them.
fn crash(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    for file in ["journal.sqlite", "journal.sqlite-wal"] {
        std::fs::copy(dir.join(file), copy.path().join(file)).expect("copy");
    }
    copy
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ledger, _thread) = open_dir(dir.path());
    let (_, welcome, _orders) = ledger.open_session(hello(1), None, None).await.expect("welcome");
    assert_eq!(welcome.epoch, Epoch::new(1));
    ledger
        .publish(publish("a"), Caller::Anonymous)
        .await
        .expect("published");
    ledger
        .publish(publish("b"), Caller::Anonymous)
        .await
        .expect("published");
    let tombstone = ledger
        .remove(Name::new("b").expect("a name"), None)
        .await
        .expect("removed");
    let after = crash(dir.path());

    let (ledger, thread) = open_dir(after.path());
    assert_eq!(revision(&ledger, "a").await, Some(Revision::new(1)));
    assert_eq!(revision(&ledger, "b").await, None);
    let again = ledger
        .remove(Name::new("b").expect("a name"), Some(Revision::new(1)))
        .await;
    assert_eq!(again, Ok(tombstone), "the tombstone too");
    assert_eq!(ledger.read(|state| state.epoch()).await, Ok(Epoch::new(2)));
    thread.stop().await.expect("the journal is fine");
}

#[tokio::test]
async fn every_publish_of_a_storm_is_there_after_a_crash() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ledger, _thread) = open_dir(dir.path());
    let _session = ledger.open_session(hello(1), None, None).await.expect("welcome");
    let names: Vec<_> = (0..300).map(|n| format!("storm/{n}")).collect();
    let storm = names
        .iter()
        .map(|name| ledger.publish(publish(name), Caller::Anonymous));
    for answer in futures_util::future::join_all(storm).await {
        answer.expect("published");
    }
    let after = crash(dir.path());
    let (ledger, _thread) = open_dir(after.path());
    for name in &names {
        assert_eq!(revision(&ledger, name).await, Some(Revision::new(1)), "{name}");
    }
}

#[test]
fn no_tracker_starts_on_a_journal_that_contradicts_itself() {
    let mut journal = MemoryJournal::new();
    let records = [
        Fact::EpochBegun(Epoch::new(1)),
        Fact::PeerGone(PeerId::from_bytes([1; 16])),
        Fact::PeerForgotten(PeerId::from_bytes([2; 16])),
    ];
    let records = records.map(|fact| Record {
        at: Timestamp::from_millis(1),
        fact,
    });
    journal.append(&records).expect("it takes anything");
    let error = begin(&mut journal, Timing::default(), Timestamp::from_millis(2), 1);
    let error = error.map(drop).expect_err("it contradicts itself");
    assert_eq!(error.code().exit_code(), 8);
    let told = error.to_string();
    assert!(
        told.contains("fact 2: peer 01010101010101010101010101010101 is gone"),
        "{told}"
    );
    assert!(told.contains("start on a backup"), "{told}");
    let mut count = 0;
    journal.replay(&mut |_| count += 1).expect("it can be read");
    assert_eq!(count, 3, "nothing was written");
}

#[tokio::test]
async fn many_records_make_a_snapshot_and_replay_stays_short() {
    let journal = MemoryJournal::new();
    let (ledger, thread) = open(journal.clone(), &Tasks::new());
    let _session = ledger.open_session(hello(1), None, None).await.expect("welcome");
    for round in 0..60 {
        let wishes = (0..200).map(|n| {
            let target = ReplicationTarget::new(1 + round % 32).expect("in bounds");
            let expectation = Expectation::Anything;
            let publish = Publish {
                target,
                expectation,
                ..publish(&format!("n/{n}"))
            };
            ledger.publish(publish, Caller::Anonymous)
        });
        for answer in futures_util::future::join_all(wishes).await {
            answer.expect("published");
        }
    }
    // A step of the snapshot is made after every batch.
    for _ in 0..10 {
        ledger.tick().await.expect("time passes");
    }
    thread.stop().await.expect("the journal is fine");
    let mut count = 0;
    let replayed = journal
        .clone()
        .replay(&mut |_| count += 1)
        .expect("memory is readable");
    assert_eq!(
        replayed.from_snapshot, 204,
        "epoch, network, peer, 200 names and how much came before"
    );
    assert!(count < 3_000, "12,000 records became {count}");
    let (ledger, _thread) = open(journal, &Tasks::new());
    assert_eq!(revision(&ledger, "n/7").await, Some(Revision::new(60)));
}

/// Journal whose appends wait for a word, or fail.
#[derive(Debug)]
struct Stubborn {
    inner: MemoryJournal,
    fails: Arc<AtomicBool>,
    gate: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
}

impl Stubborn {
    fn new() -> Self {
        Self {
            inner: MemoryJournal::new(),
            fails: Arc::default(),
            gate: Arc::default(),
        }
    }
}

impl Journal for Stubborn {
    fn replay(&mut self, take: &mut dyn FnMut(Record)) -> Result<Replayed, JournalError> {
        self.inner.replay(take)
    }

    fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        if self.fails.load(Ordering::SeqCst) {
            let what = "planted".to_owned();
            return Err(JournalError::Damaged {
                path: "memory".into(),
                what,
            });
        }
        if let Some(gate) = &*self.gate.lock().expect("no panic") {
            gate.recv().expect("the test opens the gate");
        }
        self.inner.append(records)
    }

    fn begin_snapshot(&mut self) -> Result<(), JournalError> {
        self.inner.begin_snapshot()
    }

    fn add_to_snapshot(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.inner.add_to_snapshot(records)
    }

    fn finish_snapshot(&mut self) -> Result<(), JournalError> {
        self.inner.finish_snapshot()
    }

    fn tidy(&mut self) -> Result<bool, JournalError> {
        self.inner.tidy()
    }
}

#[tokio::test]
async fn a_failing_journal_stops_the_tracker_before_it_answers() {
    let journal = Stubborn::new();
    let fails = Arc::clone(&journal.fails);
    let tasks = Tasks::new();
    let (ledger, thread) = open(journal, &tasks);
    let (_, _, mut orders) = ledger.open_session(hello(1), None, None).await.expect("welcome");
    fails.store(true, Ordering::SeqCst);
    assert_eq!(
        ledger.publish(publish("a"), Caller::Anonymous).await,
        Err(LedgerError::Unavailable)
    );
    tasks.token().cancelled().await;
    // The binding is in memory by now, but it must not be shown.
    let what = ContentRef::Name(Name::new("a").expect("a name"));
    let shown = ledger.read(|state| state.resolve(&what).is_ok()).await;
    assert_eq!(shown, Err(LedgerError::Unavailable));
    assert_eq!(ledger.tick().await, Err(LedgerError::Unavailable));
    assert_eq!(orders.next().await, Err(Closing::Stopping));
    let why = thread.stop().await.expect_err("the journal failed");
    assert!(why.to_string().contains("planted"), "{why}");
}

#[tokio::test]
async fn a_reader_waits_until_what_it_saw_is_durable() {
    let journal = Stubborn::new();
    let gate = Arc::clone(&journal.gate);
    let (ledger, thread) = open(journal, &Tasks::new());
    let _session = ledger.open_session(hello(1), None, None).await.expect("welcome");
    let (open_gate, closed_gate) = mpsc::channel();
    *gate.lock().expect("no panic") = Some(closed_gate);

    let publishing = ledger.publish(publish("a"), Caller::Anonymous);
    let reading = async {
        let what = ContentRef::Name(Name::new("a").expect("a name"));
        // Until the writer has applied it there is nothing to see, and no reason to wait.
        while ledger
            .read(|state| state.resolve(&what))
            .await
            .expect("the ledger answers")
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::pin!(publishing, reading);
    let early = tokio::time::timeout(Duration::from_millis(200), async {
        tokio::select! {
            _ = &mut publishing => "an acknowledgement",
            () = &mut reading => "an answer",
        }
    });
    assert!(early.await.is_err(), "before the disk has it nobody gets to know");
    open_gate.send(()).expect("the writer waits");
    let (published, ()) = tokio::join!(publishing, reading);
    assert!(published.is_ok());
    drop(open_gate);
    *gate.lock().expect("no panic") = None;
    thread.stop().await.expect("the journal is fine");
}

#[tokio::test]
async fn a_session_that_nobody_waits_for_is_closed() {
    // With this lease only the end of the session can make a suspect.
    let lease = Duration::from_secs(3600);
    let timing = Timing {
        lease,
        ..Timing::default()
    };
    let journal = Box::new(MemoryJournal::new());
    let (ledger, thread) =
        Ledger::open(journal, timing, Clock::system(), 1, &Tasks::new()).expect("an empty journal");
    {
        let opening = ledger.open_session(hello(1), None, None);
        tokio::pin!(opening);
        // Polled once, so the command is on its way; then its caller goes away.
        assert!(futures_util::poll!(&mut opening).is_pending());
    }
    for _ in 0..3 {
        ledger.tick().await.expect("time passes");
    }
    assert_eq!(ledger.read(|state| state.status().suspect_peers).await, Ok(1));
    thread.stop().await.expect("the journal is fine");
}

#[tokio::test]
async fn a_replaced_session_is_told_why_it_ends() {
    let (ledger, thread) = open(MemoryJournal::new(), &Tasks::new());
    let (first, _, mut orders) = ledger.open_session(hello(1), None, None).await.expect("welcome");
    let (_, _, mut newer) = ledger.open_session(hello(1), None, None).await.expect("welcome");
    assert_eq!(orders.next().await, Err(Closing::Replaced));
    let report = shared::model::Numbered {
        sequence: 2,
        message: shared::model::Report::Leave,
    };
    assert_eq!(
        ledger.report(first, report).await,
        Err(LedgerError::Rejected(Rejection::StaleSession))
    );
    thread.stop().await.expect("the journal is fine");
    assert_eq!(newer.next().await, Err(Closing::Stopping));
}

/// Opens a journal that consists of one fact; the error with which no tracker starts on it.
fn opened_on(fact: Fact) -> JournalError {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = SqliteJournal::open(dir.path()).expect("a new journal");
    let at = Timestamp::from_millis(1);
    journal.append(&[Record { at, fact }]).expect("durable");
    begin(&mut journal, Timing::default(), at, 1).expect_err("no tracker starts on it")
}

#[test]
fn no_tracker_starts_on_a_journal_whose_numbers_are_used_up() {
    let last = opened_on(Fact::EpochBegun(Epoch::new(u64::MAX)));
    assert!(
        matches!(last, JournalError::UsedUp(Rejection::EpochsUsedUp)),
        "{last}"
    );
    assert_eq!(last.code(), shared::ErrorCode::Corrupt);
    for facts in [u64::MAX, u64::MAX - 1] {
        let epochs = Vec::new();
        let contradiction = opened_on(Fact::History { facts, epochs });
        assert!(
            matches!(contradiction, JournalError::Contradiction { number: 1, .. }),
            "{contradiction}"
        );
    }
}

#[tokio::test]
async fn a_page_ends_at_its_size_and_knows_whether_names_follow() {
    let (ledger, _thread) = open(MemoryJournal::new(), &Tasks::new());
    let (_, _, _orders) = ledger.open_session(hello(1), None, None).await.expect("welcome");
    for name in ["a", "b", "c", "d"] {
        ledger
            .publish(publish(name), Caller::Anonymous)
            .await
            .expect("published");
    }
    let pinned = |name: &str| PinWish {
        what: format!("{name}@1").parse().expect("a revision"),
        is_pinned: true,
        expected: None,
    };
    for name in ["b", "d"] {
        ledger.pin(pinned(name)).await.expect("pinned");
        let removed = Name::new(name).expect("a name");
        ledger.remove(removed, None).await.expect("removed");
    }
    let page = async |after: Option<&str>, limit| {
        let after = after.map(|after| Name::new(after).expect("a name"));
        let listed = ledger.list("", after.as_ref(), limit).await.expect("answers");
        let names: Vec<_> = listed
            .names
            .iter()
            .map(|name| name.binding.name.to_string())
            .collect();
        let removed: Vec<_> = listed.removed.iter().map(ToString::to_string).collect();
        let next = listed.next().map(Name::to_string).unwrap_or_default();
        format!("{} | {} | {next}", names.join(" "), removed.join(" "))
    };
    assert_eq!(page(None, 9).await, "a c | b@1 d@1 | ");
    assert_eq!(page(None, 1).await, "a |  | a", "b lies behind the page");
    assert_eq!(page(Some("a"), 1).await, "c | b@1 d@1 | ", "no name follows");
    assert_eq!(page(Some("a"), 2).await, "c | b@1 d@1 | ");
}
