//! Replicas: placement, repair, trimming, eviction.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::model::{
    AssignmentFailure, ContentState, Epoch, EvictReason, FragmentLength, FragmentSet, Holding, Order,
    PeerState, Report,
};

use super::world::{CAPACITY, World, content, content_in, peer, some};
use crate::state::Rejection;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_published_content_gets_its_target_of_replicas() {
    let mut world = World::with_peers(5);
    let bytes = content(1, 10);
    world.publish(1, "a", &bytes, 3);
    assert_eq!(world.content_state(&bytes), ContentState::Degraded);
    world.tick();
    let orders = world.take_orders();
    assert_eq!(orders.len(), 2);
    for (peer_id, order) in &orders {
        let Order::Assign {
            manifest,
            fragments,
            sources,
            ..
        } = order
        else {
            panic!("{order:?}")
        };
        assert_eq!((manifest, fragments), (&bytes, &bytes.all_fragments()));
        assert_ne!(*peer_id, peer(1));
        assert_eq!(
            sources.iter().map(|source| source.peer).collect::<Vec<_>>(),
            [peer(1)]
        );
    }
    assert_eq!(world.health(&bytes).copies_under_way, 20);
    world.pass(SECOND * 20, &[]);
    assert_eq!(world.take_orders(), [], "planning again changes nothing");
    for (peer_id, _) in orders {
        world.holds(peer_id.as_bytes()[0], &bytes, bytes.all_fragments(), true);
    }
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
    assert_eq!(world.health(&bytes).copies_under_way, 0);
}

#[test]
fn a_late_publication_brings_no_lost_fragment_back() {
    let mut world = World::with_peers(1);
    let bytes = content(1, 2);
    world.holds(1, &bytes, some(&bytes, [1]), true);
    world.publish(1, "a", &bytes, 1);
    assert_eq!(world.content_state(&bytes), ContentState::Unavailable);
    world.holds(1, &bytes, bytes.all_fragments(), true);
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
}

#[test]
fn a_lost_holder_is_replaced_after_the_grace_time_only() {
    let mut world = World::with_peers(4);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 3);
    world.obey();
    let gone = *world.replicas(&bytes).last().expect("three replicas");
    let n = gone.as_bytes()[0];
    world.disconnect(n);
    world.pass(SECOND * 3, &[n]);
    assert_eq!(world.take_orders(), [], "a flap makes no copies");
    world.pass(SECOND * 2, &[n]);
    let assigned = world.assigned();
    assert_eq!(assigned.len(), 1);
    assert!(assigned[0].0 != gone && assigned[0].0 != peer(1));
}

#[test]
fn the_last_live_replica_is_copied_without_waiting() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    let other = world
        .replicas(&bytes)
        .into_iter()
        .find(|id| *id != peer(1))
        .expect("two replicas");
    world.disconnect(other.as_bytes()[0]);
    world.tick();
    assert_eq!(world.assigned().len(), 1);
}

#[test]
fn the_most_endangered_content_is_repaired_first() {
    let mut world = World::with_peers(6);
    let (safe, endangered) = (content(1, 1), content(2, 1));
    for (bytes, text) in [(&safe, "safe"), (&endangered, "endangered")] {
        world.publish(1, text, bytes, 3);
    }
    world.obey();
    world.publish(1, "safe", &safe, 4);
    let holding = |bytes: &shared::model::Manifest| Holding {
        content: bytes.content(),
        fragments: bytes.no_fragments(),
        keeps: true,
        is_assigned: false,
        is_fetching: false,
    };
    for id in world.replicas(&endangered) {
        if id != peer(1) {
            world.announce(id.as_bytes()[0], vec![holding(&endangered)], false);
        }
    }
    world.tick();
    let order: Vec<_> = world
        .take_orders()
        .into_iter()
        .map(|(_, order)| match order {
            Order::Assign { manifest, .. } => manifest.content(),
            other => panic!("nothing else is ordered, and {other:?} is"),
        })
        .collect();
    assert_eq!(
        order,
        [endangered.content(), endangered.content(), safe.content()]
    );
}

#[test]
fn only_what_is_missing_is_copied() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 8);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    world.holds(2, &bytes, some(&bytes, [0, 1, 2, 3, 4, 6, 7]), true);
    world.tick();
    assert_eq!(
        world.assigned(),
        [(peer(2), some(&bytes, [5]))],
        "who has the rest completes it"
    );
}

#[test]
fn copies_that_a_user_fetched_are_sources_and_not_replicas() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 2);
    world.publish(1, "a", &bytes, 2);
    world.holds(2, &bytes, bytes.all_fragments(), false);
    assert_eq!(world.content_state(&bytes), ContentState::Degraded);
    world.say(1, Report::Leave).expect("it may leave");
    assert_eq!(
        world.content_state(&bytes),
        ContentState::Degraded,
        "it can still be read"
    );
    world.join(3);
    world.obey();
    assert_eq!(world.replicas(&bytes), [peer(2), peer(3)], "and copied, and kept");
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
}

#[test]
fn a_content_without_sources_is_unavailable_until_one_returns() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 2);
    world.publish(1, "a", &bytes, 2);
    world.say(1, Report::Leave).expect("it may leave");
    assert_eq!(world.content_state(&bytes), ContentState::Unavailable);
    world.pass(SECOND * 10, &[]);
    assert_eq!(world.take_orders(), []);
    world.hello(1, 2, Epoch::new(1)).expect("welcome");
    world.holds(1, &bytes, bytes.all_fragments(), true);
    world.announce(1, Vec::new(), true);
    world.obey();
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
}

#[test]
fn many_that_cannot_be_helped_do_not_hold_up_one_that_can() {
    let mut world = World::with_peers(3);
    for n in 0..2_000_u16 {
        let [high, low] = n.to_be_bytes();
        world.publish_unchecked(2, &format!("lost/{n}"), &content(high, 1 + u32::from(low)), 2);
    }
    world.say(2, Report::Leave).expect("it may leave");
    world.pass(SECOND * 5, &[]);
    world.take_orders();
    let bytes = content(200, 1);
    world.publish(1, "a", &bytes, 2);
    world.tick();
    assert_eq!(world.assigned(), [(peer(3), bytes.all_fragments())]);
}

#[test]
fn too_few_peers_leave_a_content_degraded_until_one_joins() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 2);
    world.publish(1, "a", &bytes, 3);
    world.obey();
    let health = world.health(&bytes);
    assert_eq!(
        (health.state, health.fewest, health.fragments_at_target),
        (ContentState::Degraded, 2, 0)
    );
    world.join(3);
    world.obey();
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
}

#[test]
fn replicas_are_in_distinct_zones() {
    for _ in 0..5 {
        let mut world = World::new();
        for (n, zone) in [(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "c"), (6, "a")] {
            world.join_zone(n, zone, CAPACITY);
        }
        let bytes = content(1, 2);
        world.publish(1, "a", &bytes, 3);
        world.obey();
        assert_eq!(world.replicas(&bytes), [peer(1), peer(4), peer(5)]);
        world.publish(1, "a", &bytes, 4);
        world.obey();
        assert_eq!(
            world.replicas(&bytes).len(),
            4,
            "zones are preferred, not demanded"
        );
    }
}

#[test]
fn room_is_reserved_before_anything_is_assigned() {
    let mut world = World::with_peers(1);
    world.join_zone(2, "a", 150 << 10);
    let contents: Vec<_> = (1..=4).map(|seed| content(seed, 1)).collect();
    for (bytes, text) in contents.iter().zip(["a", "b", "c", "d"]) {
        world.publish(1, text, bytes, 2);
    }
    world.tick();
    assert_eq!(world.assigned().len(), 2, "two of 64 KiB fit into 150 KiB");
    world.pass(SECOND * 10, &[]);
    assert_eq!(world.take_orders(), []);
}

#[test]
fn what_has_arrived_uses_room_before_the_peer_says_so() {
    let mut world = World::with_peers(1);
    world.join_zone(2, "a", 100 << 10);
    let (first, second) = (content(1, 1), content(2, 1));
    world.publish(1, "first", &first, 2);
    world.obey();
    assert_eq!(world.content_state(&first), ContentState::Replicated);
    world.publish(1, "second", &second, 2);
    world.tick();
    assert_eq!(world.take_orders(), [], "64 KiB of 100 are used");
    world.heartbeat(2, 0).expect("the peer knows better");
    world.pass(SECOND * 3, &[]);
    assert_eq!(world.assigned().len(), 1);
}

#[test]
fn a_content_larger_than_any_peer_is_spread_extent_by_extent() {
    const GIB: u64 = 1 << 30;
    let mut world = World::with_peers(1);
    for n in 2..=5 {
        world.join_zone(n, "a", GIB + GIB / 2);
    }
    // Four extents of 1 GiB each.
    let bytes = content_in(FragmentLength::MAX, 1, 256);
    world.publish(1, "big", &bytes, 2);
    world.tick();
    let assigned = world.assigned();
    assert_eq!(
        assigned
            .iter()
            .map(|(peer, _)| *peer)
            .collect::<BTreeSet<_>>()
            .len(),
        4
    );
    let mut all = bytes.no_fragments();
    for (_, fragments) in &assigned {
        assert_eq!(fragments.len(), 64, "whole extents");
        assert!(!all.intersects(fragments), "each once");
        all.union_with(fragments);
    }
    assert!(all.is_full());
}

#[test]
fn a_peer_that_copies_several_extents_is_told_once() {
    let mut world = World::with_peers(2);
    let bytes = content_in(FragmentLength::MAX, 1, 256);
    world.publish(1, "big", &bytes, 2);
    world.tick();
    assert_eq!(world.assigned(), [(peer(2), bytes.all_fragments())]);
}

#[test]
fn a_failed_assignment_goes_to_someone_else() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 2);
    world.publish(1, "a", &bytes, 2);
    world.tick();
    let first = world.assigned()[0].0;
    let report = Report::AssignmentFailed {
        content: bytes.content(),
        failure: AssignmentFailure::NoRoom,
        detail: "disk full".to_owned(),
    };
    world.say(first.as_bytes()[0], report).expect("taken in");
    world.tick();
    let second = world.assigned();
    assert_eq!(second.len(), 1);
    assert_ne!(second[0].0, first);
}

#[test]
fn an_assignment_that_does_not_move_goes_to_someone_else() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 2);
    world.tick();
    let first = world.assigned()[0].0;
    world.pass(SECOND * 50, &[]);
    world.holds(first.as_bytes()[0], &bytes, some(&bytes, [0]), true);
    world.pass(SECOND * 50, &[]);
    assert_eq!(world.take_orders(), [], "it has moved");
    world.pass(SECOND * 11, &[]);
    let second = world.assigned();
    assert_eq!(second.len(), 1);
    assert_ne!(second[0].0, first);
}

#[test]
fn an_assignment_of_which_nothing_came_is_withdrawn() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 2);
    world.tick();
    assert_eq!(world.assigned().len(), 1);
    // The peer looks for sources, and finds none.
    let fetching = Holding {
        content: bytes.content(),
        fragments: bytes.no_fragments(),
        keeps: true,
        is_assigned: true,
        is_fetching: true,
    };
    world.announce(2, vec![fetching], false);
    world.pass(SECOND * 59, &[]);
    assert_eq!(world.take_orders(), []);
    world.pass(SECOND * 2, &[]);
    assert_eq!(world.evicted(), [(peer(2), EvictReason::Surplus)]);
    world.pass(SECOND * 20, &[]);
    assert_eq!(world.take_orders(), [], "it is told once");
}

#[test]
fn orders_are_repeated_to_a_peer_that_comes_back() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 3);
    world.tick();
    world.take_orders();
    world.disconnect(2);
    world.hello(2, 1, Epoch::new(1)).expect("welcome");
    assert_eq!(world.take_orders(), [], "not before it has said what it holds");
    world.holds(2, &bytes, some(&bytes, [1]), true);
    world.announce(2, Vec::new(), true);
    assert_eq!(world.assigned(), [(peer(2), some(&bytes, [0, 2, 3]))]);
}

#[test]
fn a_surplus_is_trimmed_later_and_never_below_the_target() {
    let mut world = World::with_peers(4);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 3);
    world.obey();
    let away = world
        .replicas(&bytes)
        .into_iter()
        .find(|id| *id != peer(1))
        .expect("a replica");
    let n = away.as_bytes()[0];
    world.disconnect(n);
    world.pass(SECOND * 5, &[n]);
    world.obey();
    assert_eq!(world.replicas(&bytes).len(), 3);
    world.hello(n, 2, Epoch::new(1)).expect("welcome");
    world.holds(n, &bytes, bytes.all_fragments(), true);
    world.announce(n, Vec::new(), true);
    assert_eq!(world.replicas(&bytes).len(), 4);
    world.pass(SECOND * 299, &[]);
    assert_eq!(world.take_orders(), []);
    world.pass(SECOND * 2, &[]);
    let evicted = world.evicted();
    assert!(
        matches!(evicted[..], [(id, EvictReason::Surplus)] if id != peer(1)),
        "{evicted:?}"
    );
    assert_eq!(
        world.replicas(&bytes).len(),
        3,
        "it counts no longer, though it still holds"
    );
    world.pass(SECOND * 5, &[]);
    assert_eq!(world.take_orders(), []);
    // The peer has announced something meanwhile and ignores the order, so the decision is made anew.
    world.holds(evicted[0].0.as_bytes()[0], &bytes, bytes.all_fragments(), true);
    assert_eq!(world.replicas(&bytes).len(), 4);
}

#[test]
fn a_surplus_that_hides_a_suspect_is_not_trimmed() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 1);
    world.publish(1, "a", &bytes, 3);
    world.obey();
    world.publish(1, "a", &bytes, 2);
    world.pass(SECOND * 290, &[]);
    world.pass(SECOND * 12, &[3]);
    assert_eq!(world.peer_state(3), PeerState::Suspect);
    assert_eq!(
        world.take_orders(),
        [],
        "two of three are live: none is superfluous"
    );
}

#[test]
fn a_removed_content_is_evicted_everywhere() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 2);
    world.publish(1, "a", &bytes, 3);
    world.publish(1, "b", &bytes, 1);
    world.obey();
    world.remove("a", None).expect("removed");
    world.pass(SECOND * 5, &[]);
    assert_eq!(world.take_orders(), [], "another name refers to it");
    world.remove("b", None).expect("removed");
    world.pass(SECOND, &[]);
    assert_eq!(world.take_orders(), [], "not at once");
    world.pass(SECOND * 2, &[]);
    let evicted: BTreeSet<_> = world.evicted().into_iter().map(|(id, _)| id).collect();
    assert_eq!(evicted, BTreeSet::from([peer(1), peer(2), peer(3)]));
    world.tick();
    assert_eq!(world.take_orders(), [], "once is enough");
    for n in 1..=3 {
        world.holds(n, &bytes, bytes.no_fragments(), false);
    }
    world.pass(SECOND * 120, &[]);
    assert_eq!(world.take_orders(), []);
}

#[test]
fn a_content_that_is_never_published_is_evicted_after_a_while() {
    let mut world = World::with_peers(1);
    let (never, soon) = (content(1, 2), content(2, 2));
    world.holds(1, &never, never.all_fragments(), true);
    world.holds(1, &soon, soon.all_fragments(), true);
    world.pass(SECOND * 30, &[]);
    world.publish(1, "soon", &soon, 1);
    world.pass(SECOND * 31, &[]);
    let orders = world.take_orders();
    assert!(matches!(
        &orders[..],
        [(_, Order::Evict { content, as_of_sequence, reason: EvictReason::Unreferenced, .. })]
            if *content == never.content() && *as_of_sequence > 4
    ));
    assert_eq!(
        world.try_publish(1, "late", &never, 1, shared::model::Expectation::Anything),
        Err(Rejection::Evicting(never.content())),
        "who has been told to drop it must say first that it still holds it"
    );
    world.holds(1, &never, never.all_fragments(), true);
    world.publish(1, "late", &never, 1);
    world.pass(SECOND * 120, &[]);
    assert_eq!(world.take_orders(), []);
}

#[test]
fn holdings_in_other_fragments_are_of_no_use() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 4);
    let other = FragmentSet::full(2);
    world.announce(
        2,
        vec![Holding {
            content: bytes.content(),
            fragments: other.clone(),
            keeps: true,
            is_assigned: false,
            is_fetching: false,
        }],
        false,
    );
    world.publish(1, "a", &bytes, 2);
    assert_eq!(world.health(&bytes).fewest, 1);
    world.announce(
        2,
        vec![Holding {
            content: bytes.content(),
            fragments: other,
            keeps: true,
            is_assigned: false,
            is_fetching: false,
        }],
        false,
    );
    assert_eq!(world.health(&bytes).fewest, 1);
}

#[test]
fn the_empty_content_needs_no_replicas() {
    let mut world = World::with_peers(2);
    let empty = content(1, 0);
    world.publish(1, "empty", &empty, 3);
    world.pass(SECOND * 5, &[]);
    assert_eq!(world.content_state(&empty), ContentState::Replicated);
    assert_eq!(world.health(&empty).fewest, 0);
    world.remove("empty", None).expect("removed");
    world.pass(SECOND * 5, &[]);
    assert_eq!(world.take_orders(), []);
}
