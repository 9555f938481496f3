//! Replay: a fact that finds nothing is an error, and snapshots of earlier versions lead to the same state.

use std::time::Duration;

use shared::model::{PeerMode, PinCount, Revision};

use super::pins::facts;
use super::world::{World, content, metadata, name, peer, target};
use crate::Timing;
use crate::state::{Fact, NameFact, Record, State};

const HOUR: Duration = Duration::from_hours(1);

fn replayed(records: &[Record]) -> State {
    let mut state = State::new(Timing::default(), 9);
    for record in records {
        assert_eq!(state.replay(record.clone()), Ok(()), "{record:?}");
    }
    state
}

#[test]
fn a_fact_that_finds_nothing_is_an_error_that_names_it() {
    let mut world = World::with_peers(1);
    world.publish(1, "a", &content(1, 1), 1);
    let (unknown, revision) = (name("b"), Revision::new(1));
    let facts = [
        (Fact::PeerGone(peer(9)), "is gone"),
        (Fact::VisitorGone(peer(9)), "is gone"),
        (Fact::PeerForgotten(peer(9)), "is forgotten"),
        (
            Fact::ModeChanged {
                peer: peer(9),
                mode: PeerMode::Draining,
            },
            "has another mode",
        ),
        (
            Fact::TargetChanged {
                name: unknown.clone(),
                target: target(2),
            },
            "the target of b changes",
        ),
        (
            Fact::Renamed {
                from: unknown.clone(),
                tombstone: revision,
                to: name("c"),
                revision,
            },
            "b is renamed to c",
        ),
        (
            // A further publisher of a binding that there is not.
            Fact::Published {
                name: name("a"),
                revision,
                target: target(1),
                manifest: content(2, 1),
                publishers: vec![peer(1)],
                parts: None,
            },
            "a goes from revision 1 to 1",
        ),
        (
            Fact::Name(NameFact::Collected {
                name: unknown.clone(),
                revision,
            }),
            "b@1 is collected",
        ),
        (
            Fact::Name(NameFact::PinChanged {
                name: name("a"),
                revision: Revision::new(2),
                pins: PinCount::new(1),
            }),
            "a@2 is pinned",
        ),
        (
            Fact::Name(NameFact::Described {
                name: unknown.clone(),
                revision,
                metadata: metadata(0o600),
            }),
            "b@1 gets metadata",
        ),
        (Fact::Name(NameFact::NameForgotten(unknown)), "b is forgotten"),
    ];
    for (fact, words) in facts {
        let mut state = replayed(&world.journal);
        let answer = state.replay(Record { at: world.now, fact });
        let why = answer.expect_err(words);
        assert!(why.contains(words), "{why}");
    }
}

/// Puts the facts of each name in the order in which earlier versions wrote them: its past first.
fn as_earlier_versions_wrote(mut records: Vec<Record>) -> Vec<Record> {
    let is_past = |record: &Record| matches!(record.fact, Fact::Name(NameFact::Remembered { .. }));
    let revision_of = |record: &Record| match &record.fact {
        Fact::Published { name, revision, .. } => Some((name.clone(), *revision)),
        Fact::Name(
            NameFact::Remembered { name, revision, .. }
            | NameFact::PinChanged { name, revision, .. }
            | NameFact::Described { name, revision, .. },
        ) => Some((name.clone(), *revision)),
        _ => None,
    };
    let first = records.iter().position(|record| revision_of(record).is_some());
    let last = records.iter().rposition(|record| revision_of(record).is_some());
    let (first, last) = (first.expect("names"), last.expect("names"));
    records[first..=last].sort_by_key(revision_of);
    let past = records.iter().position(is_past).expect("some past");
    assert!(past < last, "the past comes before a binding");
    records
}

/// A name with two bindings more than are remembered, the first of which was unpinned a moment ago.
fn with_a_past() -> World {
    let mut world = World::with_peers(1);
    world.keep(2);
    world.publish(1, "a", &content(1, 2), 1);
    world.set_pin("a@1", true, None).expect("pinned");
    for seed in 2..=4 {
        world.publish(1, "a", &content(seed, 1), 1);
    }
    world.set_pin("a@1", false, None).expect("unpinned");
    world.publish(1, "b", &content(5, 1), 1);
    world
}

#[test]
fn snapshots_of_earlier_versions_lose_nothing_that_was_unpinned() {
    let mut world = with_a_past();
    let mut journal = as_earlier_versions_wrote(world.state.records());
    let since = world.journal.len();
    // The unpinned revision is pinned again, and the other past revision is collected in its time.
    world.set_pin("a@1", true, None).expect("it is there");
    world.publish(1, "a", &content(6, 1), 1);
    world.pass(HOUR * 2, &[]);
    journal.extend_from_slice(&world.journal[since..]);
    let restarted = replayed(&journal);
    assert_eq!(facts(&restarted), facts(&world.state));
    restarted.check();
}

#[test]
fn the_name_whose_past_came_last_is_trimmed_when_it_is_bound_again() {
    let mut world = with_a_past();
    world.remove("b", None).expect("bound");
    for seed in 7..=8 {
        world.publish(1, "z", &content(seed, 1), 1);
    }
    let mut journal = world.state.records();
    let since = world.journal.len();
    world.publish(1, "z", &content(9, 1), 1);
    journal.extend_from_slice(&world.journal[since..]);
    assert_eq!(facts(&replayed(&journal)), facts(&world.state));
}
