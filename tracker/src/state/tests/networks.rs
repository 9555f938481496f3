//! Networks: an id that stays, and what peers say of another one.

use shared::model::{Epoch, Mark, NetworkId, Timestamp};

use super::world::{World, content, peer};
use crate::state::{Command, Fact, Record, Rejection, State};

const OTHER: NetworkId = NetworkId::from_bytes([0x0e; 16]);

/// Returns a state that has replayed these records and begun its epoch.
fn begun(records: impl IntoIterator<Item = Record>) -> (State, Vec<Record>) {
    let mut state = State::new(crate::Timing::default(), 9);
    records
        .into_iter()
        .for_each(|record| state.replay(record).expect("sound"));
    let begun = state.apply(Timestamp::from_millis(1), Command::BeginEpoch);
    begun.reply.expect("it begins");
    (state, begun.records)
}

#[test]
fn a_network_keeps_the_id_that_its_first_start_draws() {
    let mut world = World::with_peers(2);
    world.publish(1, "a", &content(1, 2), 1);
    let id = world.state.network().expect("drawn at the first start");
    world.restart();
    assert_eq!(world.state.network(), Some(id));
    assert_eq!(world.state.status().network, Some(id));
    let named = |record: &&Record| matches!(record.fact, Fact::NetworkNamed(_));
    assert_eq!(world.journal.iter().filter(named).count(), 1, "it is said once");
    assert_eq!(
        begun(world.state.records()).0.network(),
        Some(id),
        "in a snapshot"
    );
    assert_ne!(begun([]).0.network(), Some(id), "another seed draws another one");
}

#[test]
fn a_journal_of_an_older_tracker_gets_an_id_at_its_first_start() {
    let mut world = World::with_peers(1);
    world.publish(1, "a", &content(1, 2), 1);
    let old = world.journal.clone().into_iter();
    let old: Vec<_> = old
        .filter(|record| !matches!(record.fact, Fact::NetworkNamed(_)))
        .collect();
    let (state, records) = begun(old.clone());
    let id = state.network().expect("it has one now");
    assert_eq!(
        records.last().map(|record| &record.fact),
        Some(&Fact::NetworkNamed(id))
    );
    let (later, records) = begun(old.into_iter().chain(records));
    assert_eq!(later.network(), Some(id));
    assert!(
        !records
            .iter()
            .any(|record| matches!(record.fact, Fact::NetworkNamed(_)))
    );
    let again = Record {
        at: Timestamp::default(),
        fact: Fact::NetworkNamed(OTHER),
    };
    let refused = later.audit(&again).expect_err("it has one");
    assert!(refused.contains("has one"), "{refused}");
}

#[test]
fn what_was_seen_in_another_network_says_nothing() {
    let mut world = World::with_peers(2);
    let id = world.state.network().expect("an id");
    let mark = Mark {
        epoch: Epoch::new(1),
        began: Timestamp::from_millis(7),
        facts: 1_000_000,
    };
    world.marks.insert(peer(3), mark);
    world.networks.insert(3, OTHER);
    let facts = world.journal.len();
    // Neither its epochs nor its marks are compared with this history.
    for epoch in [0, 1, 2, 77, u64::MAX] {
        let refused = world.hello(3, 1, Epoch::new(epoch));
        let expected = Rejection::OtherNetwork {
            current: id,
            said: OTHER,
        };
        assert_eq!(refused, Err(expected));
    }
    assert_eq!(world.journal.len(), facts, "nothing is written");
    assert_eq!(world.state.status().gap, None);

    // As a peer of this network it is welcome, and its mark counts.
    world.marks.remove(&peer(3));
    world.networks.insert(3, id);
    world.hello(3, 1, Epoch::new(0)).expect("welcome");
    assert_eq!(world.state.status().gap, None);
    world.marks.insert(peer(3), mark);
    world.hello(3, 1, Epoch::new(0)).expect("welcome");
    assert!(world.state.status().gap.is_some(), "its own history lacks it");
}
