//! Insistence: peers that are told to drop a content and keep it have a reason, and announce the content
//! again.

use std::time::Duration;

use shared::Coded as _;
use shared::model::{Epoch, EvictReason, Expectation};

use super::world::{World, content, peer};
use crate::state::Rejection;
use crate::timing::Timing;

#[test]
fn a_peer_that_keeps_an_evicted_content_has_time_to_publish_it() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 2);
    world.holds(1, &bytes, bytes.all_fragments(), true);
    world.pass(Timing::default().orphan, &[]);
    assert_eq!(world.evicted(), [(peer(1), EvictReason::Unreferenced)]);
    let publish = |world: &mut World| world.try_publish(1, "a", &bytes, 1, Expectation::Unbound);
    let refused = publish(&mut world).expect_err("the order may be carried out any moment");
    assert_eq!(refused, Rejection::Evicting(bytes.content()));
    assert!(
        refused.code().is_retryable(),
        "its answer will be there in a moment"
    );
    world.holds(1, &bytes, bytes.all_fragments(), true);
    world.pass(Duration::from_secs(30), &[]);
    assert_eq!(world.evicted(), [], "there is time to publish it");
    assert!(publish(&mut world).is_ok());
}

#[test]
fn one_insisting_peer_does_not_keep_others_from_being_trimmed() {
    let mut world = World::with_peers(4);
    let bytes = content(1, 2);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    for n in 2..=4 {
        world.holds(n, &bytes, bytes.all_fragments(), true);
    }
    // The peer that is asked first insists; two more are to go until two are left beside it.
    let mut insists = None;
    for _ in 0..1_000 {
        world.pass(Duration::from_secs(5), &[]);
        for (told, _) in world.evicted() {
            let n = told.as_bytes()[0];
            let keeps = *insists.get_or_insert(n) == n;
            let fragments = match keeps {
                true => bytes.all_fragments(),
                false => bytes.no_fragments(),
            };
            world.holds(n, &bytes, fragments, keeps);
        }
    }
    let insists = insists.expect("there is a surplus");
    assert_eq!(world.replicas(&bytes), [peer(1), peer(insists)]);
    assert_eq!(world.evicted(), [], "and it is left alone");
}

#[test]
fn a_publisher_that_lost_its_file_holds_an_assigned_copy_like_anyone() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 2);
    world.publish(2, "a", &bytes, 2);
    world.obey();
    world.holds(2, &bytes, bytes.no_fragments(), false);
    world.obey();
    assert_eq!(
        world.replicas(&bytes).len(),
        2,
        "it was assigned what it has lost"
    );
    world.publish(1, "a", &bytes, 1);
    world.pass(Duration::from_secs(302), &[]);
    assert_eq!(world.evicted(), [(peer(2), EvictReason::Surplus)]);
}

#[test]
fn a_tracker_that_starts_anew_is_told_whose_copy_was_assigned() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 4);
    for n in 1..=3 {
        world.publish(n, "a", &bytes, 3);
    }
    world.holds(2, &bytes, bytes.no_fragments(), false);
    world.obey();
    world.publish(1, "a", &bytes, 1);
    world.restart();
    for n in 1..=3 {
        world.hello(n, 2, Epoch::new(1)).expect("welcome");
    }
    for n in [1, 3] {
        world.holds(n, &bytes, bytes.all_fragments(), true);
    }
    world.holds_as_assigned(2, &bytes, bytes.all_fragments());
    (1..=3).for_each(|n| world.announce(n, Vec::new(), true));
    world.pass(Duration::from_secs(302), &[]);
    assert_eq!(world.evicted(), [(peer(2), EvictReason::Surplus)]);
    // The peer keeps the content that it published, says so, and is not asked again.
    world.holds(2, &bytes, bytes.all_fragments(), true);
    world.pass(Duration::from_secs(302), &[]);
    assert_eq!(world.evicted(), []);
}

#[test]
fn a_late_repetition_of_a_publish_brings_back_no_lost_copy() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    world.holds(1, &bytes, bytes.no_fragments(), false);
    world.publish(1, "a", &bytes, 2);
    assert_eq!(world.replicas(&bytes), [peer(2)]);
}

#[test]
fn a_full_peer_can_be_told_to_keep_its_own_fetched_copy() {
    let mut world = World::with_peers(1);
    let bytes = content(1, 4);
    world.join_zone(2, "small", bytes.length());
    world.publish(1, "a", &bytes, 1);
    world.holds(2, &bytes, bytes.all_fragments(), false);
    world.heartbeat(2, bytes.length()).expect("it has a session");
    world.publish(1, "a", &bytes, 2);
    world.tick();
    assert_eq!(world.assigned(), [(peer(2), bytes.all_fragments())]);
}

#[test]
fn a_late_repetition_by_one_publisher_too_many_brings_back_no_lost_copy() {
    for publishers in [64, 65, 66] {
        let mut world = World::with_peers(publishers);
        let bytes = content(1, 2);
        for n in 1..=publishers {
            world.publish(n, "a", &bytes, 1);
        }
        world.holds(publishers, &bytes, bytes.no_fragments(), false);
        let facts = world.journal.len();
        world.publish(publishers, "a", &bytes, 1);
        assert!(
            !world.replicas(&bytes).contains(&peer(publishers)),
            "{publishers}"
        );
        assert_eq!(world.journal.len(), facts, "a repetition changes nothing");
    }
}
