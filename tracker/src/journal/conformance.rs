//! Conformance suite of journals, run for each of them; and damage that only a file can suffer.

use std::path::Path;

use proptest::prelude::*;
use shared::model::{
    Attributes, CollectionSize, ContentId, Digest, Epoch, FileMetadata, FragmentLength, FragmentSet, Holding,
    Incarnation, KeyHash, Manifest, Mark, MemberId, Mode, ModifiedAt, Name, NetworkId, Parts, PeerId,
    PeerMode, PinCount, ReplicationTarget, RevisedContent, Revision, RevisionLimit, Timestamp, TokenId,
};
use shared::security::{Grant, Right, Role, Scope, SecretHash};

use super::{Journal, JournalError, MemoryJournal, Replayed, SqliteJournal};
use crate::state::{Command, EpochBegin, Fact, NameFact, Past, Record, Registration, SecurityFact};

/// Generates facts about the history.
fn any_gap(peer: impl Strategy<Value = PeerId>) -> impl Strategy<Value = Fact> {
    let begins = any::<(u64, u64, u64)>().prop_map(|(epoch, at, facts)| EpochBegin {
        epoch: Epoch::new(epoch),
        at: Timestamp::from_millis(at),
        facts,
    });
    let history = (any::<u64>(), proptest::collection::vec(begins, 0..4))
        .prop_map(|(facts, epochs)| Fact::History { facts, epochs });
    let found = (peer, any::<(u64, u64, u64)>()).prop_map(|(peer, (epoch, began, facts))| {
        let (epoch, began) = (Epoch::new(epoch), Timestamp::from_millis(began));
        let seen = Mark { epoch, began, facts };
        Fact::GapFound { peer, seen }
    });
    let named = any::<[u8; 16]>().prop_map(|id| Fact::NetworkNamed(NetworkId::from_bytes(id)));
    prop_oneof![
        Just(Fact::GapDeclared),
        Just(Fact::GapAccepted),
        found,
        history,
        named
    ]
}

/// Generates facts about revisions.
fn any_revision_fact(
    name: impl Strategy<Value = Name> + Clone,
    published: impl Strategy<Value = Fact>,
) -> impl Strategy<Value = Fact> {
    let revised = (name.clone(), any::<u64>().prop_map(Revision::new));
    let pins = any::<u32>().prop_map(PinCount::new);
    let size = (any::<u32>(), any::<u64>()).prop_map(|(parts, length)| CollectionSize { parts, length });
    let target = (1_u32..=32).prop_map(|target| ReplicationTarget::new(target).expect("in bounds"));
    let was = (
        any::<[u8; 32]>(),
        any::<u64>(),
        target,
        proptest::option::of(size),
    )
        .prop_map(|(content, length, target, collection)| RevisedContent {
            attributes: None,
            content: ContentId::from_bytes(content),
            length,
            target,
            collection,
        });
    // A kept revision consists of its binding, and more.
    let kept = (published, any::<u64>(), pins.clone()).prop_map(|(fact, since, pins)| match fact {
        Fact::Published {
            target,
            manifest,
            publishers,
            parts,
            ..
        } => Past::Kept {
            since: Timestamp::from_millis(since),
            pins,
            target,
            manifest,
            publishers,
            parts,
        },
        _ => Past::Removed,
    });
    let collected = (was, pins.clone()).prop_map(|(was, pins)| Past::Collected { was, pins });
    let past = prop_oneof![Just(Past::Removed), Just(Past::Moved), collected, kept];
    let fact = prop_oneof![
        (1_u32..=64).prop_map(|limit| NameFact::RevisionsKept(RevisionLimit::new(limit).expect("in bounds"))),
        (revised.clone()).prop_map(|(name, revision)| NameFact::Collected { name, revision }),
        (revised.clone(), pins).prop_map(|((name, revision), pins)| NameFact::PinChanged {
            name,
            revision,
            pins
        }),
        (revised.clone(), any::<u32>()).prop_map(|((name, revision), n)| NameFact::Described {
            name,
            revision,
            metadata: FileMetadata::new(
                Attributes {
                    mode: Mode::of(n),
                    modified: ModifiedAt::new(-i64::from(n), n % 1000).expect("within a second"),
                },
                (0..u64::from(n % 4))
                    .map(|hole| 10 * hole..10 * hole + 5)
                    .collect(),
            )
            .expect("apart"),
        }),
        name.prop_map(NameFact::NameForgotten),
        any::<u64>().prop_map(|floor| NameFact::FloorRaised(Revision::new(floor))),
        (revised, past).prop_map(|((name, revision), past)| NameFact::Remembered { name, revision, past }),
    ];
    fact.prop_map(Fact::Name)
}

fn any_absence(peer: impl Strategy<Value = PeerId> + Clone) -> impl Strategy<Value = Fact> {
    let holding =
        (any::<[u8; 32]>(), 0_u32..40, any::<(u8, bool)>()).prop_map(|(id, count, (first, is_assigned))| {
            let mut bytes = FragmentSet::empty(count).to_bytes();
            if let Some(byte) = bytes.first_mut().filter(|_| count >= 8) {
                *byte = first;
            }
            Holding {
                content: ContentId::from_bytes(id),
                fragments: FragmentSet::from_bytes(count, &bytes).expect("within bounds"),
                keeps: true,
                is_assigned,
                is_fetching: false,
            }
        });
    let holdings = proptest::collection::vec(holding, 0..5);
    (peer, holdings, any::<bool>()).prop_map(|(peer, holdings, is_more)| Fact::WentAway {
        peer,
        holdings,
        is_more,
    })
}

/// Generates facts about tokens and members.
fn any_security_fact() -> impl Strategy<Value = Fact> {
    let token = any::<[u8; 8]>().prop_map(TokenId::from_bytes);
    let member = any::<[u8; 16]>().prop_map(MemberId::from_bytes);
    let role = (0..Role::ALL.len()).prop_map(|role| Role::ALL[role]);
    let zone = proptest::option::of("[a-z0-9.-]{1,20}".prop_map(|text| text.parse().expect("a zone")));
    let join = (role.clone(), proptest::option::of(1_u32..), zone)
        .prop_map(|(role, uses, zone)| Grant::Join { role, uses, zone });
    let scope = (0..Right::ALL.len(), "([a-zñ][a-z/]{0,9})?")
        .prop_map(|(right, prefix)| Scope::new(Right::ALL[right], prefix).expect("a prefix of names"));
    let api = proptest::collection::vec(scope, 0..4).prop_map(|scopes| Grant::Api { scopes });
    let time = (1_u64..).prop_map(Timestamp::from_millis);
    let made = (
        token.clone(),
        any::<[u8; 32]>(),
        prop_oneof![join, api],
        proptest::option::of(time.clone()),
    )
        .prop_map(|(token, hash, grant, ends)| SecurityFact::TokenMade {
            token,
            hash: SecretHash::from_bytes(hash),
            grant,
            ends,
        });
    let by = proptest::option::of(token.clone());
    let joined = (member.clone(), role, any::<[u8; 32]>(), by).prop_map(|(member, role, key, by)| {
        SecurityFact::MemberJoined {
            member,
            role,
            key: KeyHash::from_bytes(key),
            by,
        }
    });
    let fact = prop_oneof![
        made,
        (token.clone(), any::<u32>()).prop_map(|(token, used)| SecurityFact::TokenUsed { token, used }),
        token.clone().prop_map(SecurityFact::TokenRevoked),
        token.prop_map(SecurityFact::TokenForgotten),
        joined,
        (member.clone(), time).prop_map(|(member, ends)| SecurityFact::CertifiedUntil { member, ends }),
        member.clone().prop_map(SecurityFact::MemberRevoked),
        member.prop_map(SecurityFact::MemberForgotten),
    ];
    fact.prop_map(Fact::Security)
}

fn any_target(name: impl Strategy<Value = Name>) -> impl Strategy<Value = Fact> {
    (name, 1_u32..=32).prop_map(|(name, target)| {
        let target = ReplicationTarget::new(target).expect("in bounds");
        Fact::TargetChanged { name, target }
    })
}

/// Generates any record that can exist.
pub(super) fn any_record() -> impl Strategy<Value = Record> {
    let peer = any::<[u8; 16]>().prop_map(PeerId::from_bytes);
    let name = "[a-zñ]{1,12}(/[a-z.]{3,12})?".prop_map(|text| Name::new(text).expect("a name"));
    let revision = any::<u64>().prop_map(Revision::new);
    let manifest = proptest::collection::vec(any::<[u8; 32]>(), 0..9).prop_map(|roots| {
        let length = roots.len() as u64 * u64::from(FragmentLength::MIN.get());
        let roots = roots.into_iter().map(Digest::from_bytes).collect();
        Manifest::from_roots(length, FragmentLength::MIN, roots).expect("as many roots as fragments")
    });
    let zone = proptest::option::of("[a-z0-9.-]{1,20}");
    let registered = (peer.clone(), any::<u64>(), 1_u16.., zone, any::<u64>()).prop_map(
        |(peer, incarnation, port, zone, capacity)| {
            Fact::PeerRegistered(Registration {
                peer,
                incarnation: Incarnation::new(incarnation),
                address: format!("10.1.2.3:{port}").parse().expect("an address"),
                zone: zone.map(|text| text.parse().expect("a zone")),
                capacity,
            })
        },
    );
    let publishers = proptest::collection::vec(peer.clone(), 0..4);
    let parts = proptest::option::of(proptest::collection::vec(manifest.clone(), 0..4));
    let published = (
        name.clone(),
        revision.clone(),
        1_u32..=32,
        manifest,
        publishers,
        parts,
    )
        .prop_map(|(name, revision, target, manifest, publishers, parts)| {
            let target = ReplicationTarget::new(target).expect("in bounds");
            Fact::Published {
                name,
                revision,
                target,
                manifest,
                publishers,
                parts: parts.map(|parts| Parts::new(parts).expect("few")),
            }
        });
    let until = any::<u64>().prop_map(|at| PeerMode::Maintenance {
        until: Timestamp::from_millis(at),
    });
    let mode = prop_oneof![Just(PeerMode::Active), Just(PeerMode::Draining), until];
    let renamed = (name.clone(), revision.clone(), name.clone(), revision.clone()).prop_map(
        |(from, tombstone, to, revision)| Fact::Renamed {
            from,
            tombstone,
            to,
            revision,
        },
    );
    let published = published.boxed();
    let fact = prop_oneof![
        renamed,
        any_revision_fact(name.clone(), published.clone()),
        any_gap(peer.clone()),
        any_security_fact(),
        any::<u64>().prop_map(|epoch| Fact::EpochBegun(Epoch::new(epoch))),
        registered,
        (peer.clone(), any::<[u8; 32]>()).prop_map(|(peer, key)| Fact::KeyRecorded {
            peer,
            key: KeyHash::from_bytes(key),
        }),
        peer.clone().prop_map(Fact::PeerGone),
        peer.clone().prop_map(Fact::VisitorGone),
        peer.clone().prop_map(Fact::PeerForgotten),
        (peer.clone(), mode).prop_map(|(peer, mode)| Fact::ModeChanged { peer, mode }),
        any_absence(peer),
        any_target(name.clone()),
        published,
        (name, revision).prop_map(|(name, revision)| Fact::Removed { name, revision }),
    ];
    (any::<u64>(), fact).prop_map(|(at, fact)| Record {
        at: Timestamp::from_millis(at),
        fact,
    })
}

fn epoch(n: u64) -> Record {
    Record {
        at: Timestamp::from_millis(n),
        fact: Fact::EpochBegun(Epoch::new(n)),
    }
}

fn epochs(range: std::ops::Range<u64>) -> Vec<Record> {
    range.map(epoch).collect()
}

fn replayed(journal: &mut dyn Journal) -> (Vec<Record>, Replayed) {
    let mut records = Vec::new();
    let count = journal
        .replay(&mut |record| records.push(record))
        .expect("the journal is whole");
    (records, count)
}

/// Runs the suite; `reopen` returns the journal as a new process would find it.
fn conforms(mut reopen: impl FnMut() -> Box<dyn Journal>) {
    let mut journal = reopen();
    assert_eq!(
        replayed(&mut *journal),
        (Vec::new(), Replayed::default()),
        "a new journal is empty"
    );

    journal.append(&epochs(0..3)).expect("append");
    journal.append(&[]).expect("nothing is no problem");
    journal.append(&epochs(3..5)).expect("append");
    drop(journal);
    let mut journal = reopen();
    assert_eq!(
        replayed(&mut *journal).0,
        epochs(0..5),
        "what was appended is replayed in order"
    );

    // A snapshot that was begun and not finished counts for nothing.
    journal.begin_snapshot().expect("begin");
    journal.add_to_snapshot(&epochs(90..99)).expect("add");
    journal.append(&epochs(5..6)).expect("append");
    drop(journal);
    let mut journal = reopen();
    assert_eq!(replayed(&mut *journal).0, epochs(0..6));

    // A finished one takes the place of the records before its beginning, and of nothing else.
    journal.begin_snapshot().expect("begin");
    journal.add_to_snapshot(&epochs(100..102)).expect("add");
    journal.append(&epochs(6..8)).expect("append in between");
    journal.add_to_snapshot(&epochs(102..103)).expect("add");
    journal.finish_snapshot().expect("finish");
    journal.append(&epochs(8..9)).expect("append after");
    let expected = [epochs(100..103), epochs(6..9)].concat();
    assert_eq!(replayed(&mut *journal).0, expected);
    while journal.tidy().expect("tidy") {}
    drop(journal);
    let mut journal = reopen();
    let count = Replayed {
        from_snapshot: 3,
        since_snapshot: 3,
    };
    assert_eq!(
        replayed(&mut *journal),
        (expected, count),
        "tidying up changes nothing"
    );

    // An empty state has an empty snapshot; snapshots follow one another.
    journal.begin_snapshot().expect("begin");
    journal.finish_snapshot().expect("finish");
    while journal.tidy().expect("tidy") {}
    assert_eq!(replayed(&mut *journal).0, []);
    journal.append(&epochs(9..10)).expect("append");
    drop(journal);
    assert_eq!(replayed(&mut *reopen()).0, epochs(9..10));
}

#[test]
fn the_memory_journal_conforms() {
    let journal = MemoryJournal::new();
    conforms(|| {
        let mut records = journal.clone();
        // A new process knows nothing of a snapshot that was begun.
        records.begin_snapshot().expect("begin");
        Box::new(records)
    });
}

#[test]
fn the_sqlite_journal_conforms() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    conforms(|| Box::new(SqliteJournal::open(dir.path()).expect("open")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn any_batches_come_back_as_they_were(batches in proptest::collection::vec(proptest::collection::vec(any_record(), 0..5), 0..6)) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for batch in &batches {
            SqliteJournal::open(dir.path()).expect("open").append(batch).expect("append");
        }
        let mut journal = SqliteJournal::open(dir.path()).expect("open");
        prop_assert_eq!(replayed(&mut journal).0, batches.concat());
    }
}

#[test]
fn a_second_tracker_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = SqliteJournal::open(dir.path()).expect("open");
    assert!(matches!(
        SqliteJournal::open(dir.path()),
        Err(JournalError::InUse(_))
    ));
    drop(first);
    assert!(SqliteJournal::open(dir.path()).is_ok());
}

/// Returns a journal of five records and a snapshot of two before them, damaged by `harm`.
fn harmed(harm: &str) -> Result<Replayed, JournalError> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = SqliteJournal::open(dir.path()).expect("open");
    journal.append(&epochs(0..2)).expect("append");
    journal.begin_snapshot().expect("begin");
    journal.add_to_snapshot(&epochs(0..2)).expect("add");
    journal.finish_snapshot().expect("finish");
    journal.append(&epochs(2..7)).expect("append");
    drop(journal);
    let file = rusqlite::Connection::open(dir.path().join("journal.sqlite")).expect("open");
    file.execute_batch(harm).expect("harm");
    drop(file);
    SqliteJournal::open(dir.path())?.replay(&mut drop)
}

#[test]
fn damage_is_named_and_never_skipped_over() {
    assert_eq!(
        harmed("").ok(),
        Some(Replayed {
            from_snapshot: 2,
            since_snapshot: 5
        })
    );
    for (harm, says) in [
        (
            "UPDATE records SET body = zeroblob(17) WHERE position = 4",
            "row 4 of records does not match",
        ),
        (
            "UPDATE records SET body = x'' WHERE position = 4",
            "row 4 of records does not match",
        ),
        (
            "DELETE FROM records WHERE position = 5",
            "row 5 of records is missing",
        ),
        (
            "DELETE FROM records WHERE position = 3",
            "row 3 of records is missing",
        ),
        (
            "UPDATE records SET position = 99 WHERE position = 7",
            "row 7 of records is missing",
        ),
        (
            "UPDATE snapshot SET body = zeroblob(17)",
            "of snapshot does not match",
        ),
        (
            "DELETE FROM snapshot WHERE position = (SELECT max(position) FROM snapshot)",
            "1 rows instead of 2",
        ),
        ("DELETE FROM snapshot", "0 rows instead of 2"),
        ("DELETE FROM head", "no head"),
        ("PRAGMA user_version = 2", "version 2"),
        ("PRAGMA application_id = 7", "version"),
    ] {
        let error = harmed(harm).expect_err(harm).to_string();
        assert!(error.contains(says), "{harm}: {error}");
    }
}

/// Journal written by the last version that knew nothing of revisions: `models/a` was bound twice,
/// `models/a@1` renamed to `b`, `gone` bound and removed twice, the collection `tree` bound twice; with a
/// snapshot in between.
#[test]
fn a_journal_from_before_revisions_is_read_as_it_was_meant() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let bytes = include_bytes!("fixtures/before_revisions.sqlite");
    std::fs::write(dir.path().join("journal.sqlite"), bytes).expect("write");
    let sound = crate::offline::check(dir.path()).expect("the journal is sound");
    assert_eq!((sound.names, sound.contents, sound.peers), (3, 4, 3));
    let mut journal = SqliteJournal::open(dir.path()).expect("open");
    let mut state = crate::state::State::new(crate::Timing::default(), 1);
    let mut replay = |record| state.replay(record).expect("sound");
    journal.replay(&mut replay).expect("whole");
    state.check();
    let past = |state: &crate::state::State, name: &str| -> Vec<String> {
        let all = state.revisions(&Name::new(name).expect("a name")).expect("known");
        let told = all
            .iter()
            .map(|entry| format!("{} {}", entry.revision, entry.state));
        told.collect()
    };
    // No past is there, because that version kept none.
    assert_eq!(past(&state, "models/a"), ["2 current"]);
    assert_eq!(past(&state, "gone"), ["4 removed"]);
    assert_eq!(past(&state, "tree"), ["2 current"]);
    // From now on it is kept.
    let now = Timestamp::from_millis(9_000_000);
    for command in [
        Command::BeginEpoch,
        Command::KeepRevisions(RevisionLimit::default()),
        Command::Remove {
            name: Name::new("tree").expect("a name"),
            expected: None,
        },
    ] {
        let applied = state.apply(now, command);
        applied.reply.expect("allowed");
        journal.append(&applied.records).expect("append");
    }
    assert_eq!(past(&state, "tree"), ["3 removed", "2 collected"]);
    drop(journal);
    let sound = crate::offline::check(dir.path()).expect("the journal is sound");
    assert_eq!((sound.names, sound.epoch), (2, Epoch::new(2)));
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(
        dir.path().join("journal.sqlite"),
        "not a database, but long enough to look at".repeat(100),
    )
    .expect("write");
    assert!(matches!(
        SqliteJournal::open(dir.path()),
        Err(JournalError::Damaged { .. })
    ));
}

#[test]
fn flipped_bits_in_the_file_are_found() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("journal.sqlite");
    {
        let mut journal = SqliteJournal::open(dir.path()).expect("open");
        journal.append(&epochs(1_000_000..1_000_500)).expect("append");
    }
    checkpoint(&path);
    let whole = std::fs::read(&path).expect("read");
    // Wherever the bit is, the change is noticed or has no effect.
    let mut found = 0;
    for at in (100..whole.len()).step_by(211) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).expect("write");
        let mut records = Vec::new();
        let result =
            SqliteJournal::open(dir.path()).and_then(|mut journal| journal.replay(&mut |r| records.push(r)));
        match result {
            Err(error) => {
                assert!(
                    matches!(error, JournalError::Damaged { .. } | JournalError::Engine { .. }),
                    "{error}"
                );
                found += 1;
            }
            Ok(_) => assert_eq!(
                records,
                epochs(1_000_000..1_000_500),
                "byte {at}: not noticed, so it changed nothing"
            ),
        }
    }
    assert!(
        found > 20,
        "rows were hit, not only unused space: {found} of {} bytes",
        whole.len()
    );
}

fn checkpoint(path: &Path) {
    let connection = rusqlite::Connection::open(path).expect("open");
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .expect("checkpoint");
}
