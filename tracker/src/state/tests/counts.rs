//! Copies that their peer has not confirmed, and what a copy counts for.

use std::time::Duration;

use shared::model::{Absence, ContentState, FileNews, Holding, Manifest, ReasonCode, Report, RequestedMode};

use super::world::{World, content, name, peer};
use crate::Timing;
use crate::state::Rejection;
use crate::state::replicas::Purpose;

const SECOND: Duration = Duration::from_secs(1);

/// Returns the fragments that a peer keeps because they were assigned to it.
fn assigned(bytes: &Manifest) -> Holding {
    Holding {
        content: bytes.content(),
        fragments: bytes.all_fragments(),
        keeps: true,
        is_assigned: true,
        is_fetching: false,
    }
}

/// A content with a target of one that peer 1 has published, and that peer 2 has copied because peer 1 is
/// drained; peer 2 was restarted and says in short that it holds nothing.
fn drained_to_a_peer_that_lost_it() -> (World, Manifest) {
    let (mut world, bytes) = (World::with_peers(2), content(1, 2));
    world.publish(1, "a", &bytes, 1);
    world.set_peer_mode(1, RequestedMode::Drain).expect("known");
    world.obey();
    assert_eq!(world.replicas(&bytes), [peer(1), peer(2)]);
    assert!(world.drain_status(1).is_safe);
    world.disconnect(2);
    world.hello_saying(2, 2, &[]);
    (world, bytes)
}

#[test]
fn nobody_is_promised_a_copy_that_its_peer_has_just_disowned() {
    let (mut world, bytes) = (World::with_peers(2), content(1, 2));
    world.publish(1, "a", &bytes, 2);
    world.obey();
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
    world.disconnect(2);
    world.hello_saying(2, 2, &[]);
    assert_eq!(world.content_state(&bytes), ContentState::Degraded, "at once");
    // It hangs while it lists: heartbeats come, the inventory does not.
    world.pass(SECOND * 600, &[]);
    assert_eq!(world.content_state(&bytes), ContentState::Degraded);
    let why = world
        .state
        .why(&shared::model::ContentRef::Name(name("a")).into());
    let mut reasons = why.expect("bound").reasons.into_iter();
    assert!(
        reasons.any(|reason| reason.code == ReasonCode::InventoryPending),
        "people are told"
    );
}

#[test]
fn a_copy_whose_file_is_away_is_replaced_at_once_and_trimmed_later() {
    let (mut world, bytes) = (World::with_peers(3), content(1, 2));
    world.publish(1, "a", &bytes, 2);
    world.obey();
    let before = world.replicas(&bytes);
    assert_eq!(before.len(), 2);
    // Its peer lives, and says that nobody can read it: there is nothing to wait for.
    world.holds(1, &bytes, bytes.no_fragments(), false);
    let gone = FileNews {
        content: bytes.content(),
        absence: Some(Absence::Gone),
    };
    world.say(1, Report::Files(vec![gone])).expect("taken");
    world.tick();
    let assigned = world.assigned();
    assert!(
        matches!(&assigned[..], [(to, all)] if !before.contains(to) && *all == bytes.all_fragments()),
        "{assigned:?}"
    );
    let to = assigned[0].0.as_bytes()[0];
    world.holds_as_assigned(to, &bytes, bytes.all_fragments());
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
    world.holds(1, &bytes, bytes.all_fragments(), true);
    assert_eq!(world.replicas(&bytes).len(), 3);
    world.pass(SECOND * 600, &[]);
    world.obey();
    assert_eq!(
        world.replicas(&bytes).len(),
        2,
        "the copy in its place goes, later"
    );
}

#[test]
fn a_copy_that_nothing_has_changed_about_counts_with_the_hello() {
    let (mut world, bytes) = (World::with_peers(2), content(1, 2));
    world.publish(1, "a", &bytes, 2);
    world.obey();
    world.disconnect(2);
    assert_eq!(world.content_state(&bytes), ContentState::Degraded);
    world.hello_saying(2, 2, &[assigned(&bytes)]);
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
    // Of an older peer, which says nothing in short, each copy counts from its announce on.
    world.disconnect(2);
    world.hello(2, 2, world.state.epoch()).expect("welcome");
    assert_eq!(world.content_state(&bytes), ContentState::Degraded);
    world.holds_as_assigned(2, &bytes, bytes.all_fragments());
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
}

#[test]
fn the_last_replica_is_not_trimmed_for_one_that_its_peer_disowned() {
    let (mut world, bytes) = (World::with_peers(3), content(1, 2));
    world.publish(1, "a", &bytes, 2);
    world.obey();
    // The publisher goes for good, and its place is taken; then one replica is enough.
    world.say(1, Report::Leave).expect("it may leave");
    world.obey();
    assert_eq!(world.replicas(&bytes), [peer(2), peer(3)]);
    world.set_target("a", 1).expect("bound");
    world.pass(SECOND * 299, &[1]);
    assert_eq!(world.take_orders(), [], "the surplus is young");
    world.disconnect(2);
    world.hello_saying(2, 2, &[]);
    world.pass(SECOND * 20, &[1]);
    assert_eq!(world.take_orders(), [], "peer 3 has the last replica");
    world.announce(2, Vec::new(), true);
    world.pass(SECOND * 600, &[1]);
    assert_eq!(world.take_orders(), []);
    assert_eq!(world.replicas(&bytes), [peer(3)]);
}

#[test]
fn no_drain_is_safe_because_of_a_copy_that_its_peer_disowned() {
    let (mut world, bytes) = drained_to_a_peer_that_lost_it();
    assert!(
        !world.drain_status(1).is_safe,
        "peer 2 has said that it holds nothing"
    );
    world.holds_as_assigned(2, &bytes, bytes.all_fragments());
    assert!(world.drain_status(1).is_safe, "it has taken that back");
}

#[test]
fn no_copy_is_released_because_of_one_that_its_peer_disowned() {
    let (mut world, bytes) = drained_to_a_peer_that_lost_it();
    let release = |world: &mut World| world.release(1, bytes.content(), None);
    assert!(matches!(
        release(&mut world),
        Err(Rejection::Missed { left: 0, .. })
    ));
    world.holds_as_assigned(2, &bytes, bytes.all_fragments());
    release(&mut world).expect("it can be spared");
}

/// Three peers, of which 1 and 2 keep a content with a target of two; peer 2 does not say what it holds.
fn silent_about_its_holdings() -> (World, Manifest) {
    let (mut world, bytes) = (World::with_peers(2), content(1, 2));
    world.publish(1, "a", &bytes, 2);
    world.obey();
    world.join(3);
    world.disconnect(2);
    world.hello(2, 2, world.state.epoch()).expect("welcome");
    (world, bytes)
}

#[test]
fn what_is_not_confirmed_puts_off_repair_until_the_inventory_is_late() {
    let (mut world, bytes) = silent_about_its_holdings();
    let time = Timing::default().inventory;
    world.pass(time - SECOND, &[]);
    assert_eq!(world.assigned(), [], "most of what it held is still there");
    world.pass(SECOND * 2, &[]);
    assert_eq!(world.assigned(), [(peer(3), bytes.all_fragments())]);
    // A late confirmation is welcome, and the surplus goes in time.
    world.holds_as_assigned(2, &bytes, bytes.all_fragments());
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
}

#[test]
fn sessions_that_break_again_and_again_put_off_repair_no_longer() {
    let (mut world, _) = silent_about_its_holdings();
    let mut copies = 0;
    for _ in 0..20 {
        world.pass(SECOND * 2, &[]);
        world.disconnect(2);
        world.hello(2, 2, world.state.epoch()).expect("welcome");
        copies += world.assigned().len();
    }
    assert_eq!(copies, 1, "40 seconds are enough, and one copy is");
}

#[test]
fn the_trackers_own_absence_is_not_held_against_an_inventory() {
    let (mut world, _) = silent_about_its_holdings();
    world.now = world.now.after(SECOND * 60);
    world.tick();
    world.pass(SECOND * 20, &[]);
    assert_eq!(world.assigned(), [], "its announces wait to be read");
    world.pass(SECOND * 12, &[]);
    assert_eq!(world.assigned().len(), 1);
}

#[test]
fn safe_mode_waits_for_inventories_that_are_on_their_way() {
    let timing = Timing::default();
    let (mut world, bytes) = (World::with_peers(3), content(1, 2));
    world.publish(1, "a", &bytes, 2);
    world.obey();
    world.restart();
    for n in [1, 3] {
        world.hello(n, 1, world.state.epoch()).expect("welcome");
        world.holds(n, &bytes, bytes.all_fragments(), n == 1);
        world.announce(n, Vec::new(), true);
    }
    world.pass(timing.safe_mode - SECOND * 2, &[]);
    world.hello(2, 1, world.state.epoch()).expect("welcome");
    world.pass(timing.inventory - SECOND, &[]);
    assert!(world.state.is_in_safe_mode(), "it lists what it holds");
    assert_eq!(world.take_orders(), []);
    world.pass(SECOND * 4, &[]);
    assert!(!world.state.is_in_safe_mode(), "not for ever");
    assert_eq!(world.assigned().len(), 1, "what it does not name is made again");
}

#[test]
fn what_was_not_confirmed_is_not_noted_for_a_maintenance() {
    let (mut world, bytes) = (World::with_peers(3), content(1, 2));
    world.publish(1, "a", &bytes, 2);
    world.obey();
    let keeper = (2..=3)
        .find(|n| world.replicas(&bytes).contains(&peer(*n)))
        .expect("one");
    let hour = RequestedMode::Maintenance(Duration::from_hours(1));
    world.set_peer_mode(keeper, hour).expect("known");
    world.disconnect(keeper);
    world.hello_saying(keeper, 2, &[]);
    world.disconnect(keeper);
    world.pass(SECOND, &[keeper]);
    world.restart();
    let others: Vec<_> = (1..=3).filter(|n| *n != keeper).collect();
    for n in others {
        world.hello(n, 2, world.state.epoch()).expect("welcome");
        if n == 1 {
            world.holds(n, &bytes, bytes.all_fragments(), true);
        }
        world.announce(n, Vec::new(), true);
    }
    world.pass(SECOND * 40, &[keeper]);
    assert_eq!(world.assigned().len(), 1, "the copy is made again at once");
}

/// All purposes.
const PURPOSES: [Purpose; 11] = [
    Purpose::Offer,
    Purpose::Read,
    Purpose::ReadNow,
    Purpose::Durable,
    Purpose::Spare,
    Purpose::Stay,
    Purpose::Suffice,
    Purpose::SufficeAtOnce,
    Purpose::Remain,
    Purpose::Expect,
    Purpose::Note,
];

/// Returns what the copy of peer 2 counts for.
fn purposes(world: &World, bytes: &Manifest) -> Vec<Purpose> {
    let held = world.state.replicas.held(bytes.content(), peer(2)).expect("held");
    let counts = PURPOSES.into_iter();
    counts
        .filter(|purpose| held.counts(*purpose, &world.state.peers))
        .collect()
}

#[test]
fn a_copy_counts_for_what_the_table_says() {
    use Purpose::{Durable, Expect, Note, Offer, Read, ReadNow, Remain, Suffice, SufficeAtOnce};
    let (mut world, bytes) = (World::with_peers(2), content(1, 2));
    world.publish(1, "a", &bytes, 2);
    world.holds(2, &bytes, bytes.all_fragments(), false);
    assert_eq!(purposes(&world, &bytes), [Offer, Read, ReadNow], "fetched");
    world.holds_as_assigned(2, &bytes, bytes.all_fragments());
    assert_eq!(purposes(&world, &bytes), PURPOSES, "kept");
    world.set_peer_mode(2, RequestedMode::Drain).expect("known");
    let draining = [Offer, Read, ReadNow, Durable, Remain, Expect, Note];
    assert_eq!(purposes(&world, &bytes), draining);
    world.set_peer_mode(2, RequestedMode::Active).expect("known");
    world.disconnect(2);
    let silent = [Offer, Read, Suffice, Remain, Note];
    assert_eq!(purposes(&world, &bytes), silent);
    world.hello_saying(2, 2, &[]);
    let unconfirmed = [Offer, Read, ReadNow, Suffice, SufficeAtOnce, Remain, Expect];
    assert_eq!(purposes(&world, &bytes), unconfirmed);
    world.pass(SECOND * 31, &[]);
    assert_eq!(purposes(&world, &bytes), [Offer], "late");
}
