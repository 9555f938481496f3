//! Restarts: facts that are kept, and safe mode.

use std::time::Duration;

use shared::model::{ContentState, Epoch, PeerState, Report, RequestedMode};

use super::world::{World, content, peer, some};
use crate::state::{Fact, State};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_restart_keeps_names_tombstones_members_and_moves_the_epoch() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 2);
    world.publish(1, "a", &bytes, 2);
    world.publish(2, "b", &content(2, 1), 1);
    world.remove("b", None).expect("removed");
    world.say(3, Report::Leave).expect("it may leave");
    let before = world.state.epoch();
    world.restart();
    assert_eq!(Some(world.state.epoch()), before.next());
    assert_eq!(world.bound("a"), Some((1, bytes.content())));
    assert_eq!(world.remove("b", Some(1)), Ok(2), "the tombstone is still there");
    assert_eq!(world.peer_state(1), PeerState::Suspect);
    assert_eq!(world.peer_state(3), PeerState::Lost);
    assert_eq!(
        world.content_state(&bytes),
        ContentState::Unavailable,
        "holders are learnt anew"
    );
}

#[test]
fn a_snapshot_leads_to_the_same_state_as_the_journal() {
    let mut world = World::with_peers(3);
    for (n, text) in ["a", "b", "c", "a", "d", "b"].iter().enumerate() {
        let seed = u8::try_from(n).expect("few");
        world.publish(1 + seed % 3, text, &content(seed / 2, 2), 1 + u32::from(seed));
    }
    world.remove("d", None).expect("removed");
    world.say(2, Report::Leave).expect("it may leave");
    let snapshot = world.state.records();
    assert!(snapshot.len() < world.journal.len());
    let replay = |records: &[crate::state::Record]| {
        let mut state = State::new(crate::Timing::default(), 9);
        records
            .iter()
            .cloned()
            .for_each(|record| state.replay(record).expect("sound"));
        state.check();
        state.records()
    };
    assert_eq!(replay(&snapshot), replay(&world.journal));
}

#[test]
fn the_first_start_knows_no_safe_mode() {
    assert!(!World::new().state.is_in_safe_mode());
}

#[test]
fn safe_mode_ends_when_every_known_peer_has_reported() {
    let mut world = World::with_peers(3);
    world.say(3, Report::Leave).expect("it may leave");
    world.restart();
    assert!(world.state.is_in_safe_mode());
    world.hello(1, 1, Epoch::new(1)).expect("welcome");
    world.announce(1, Vec::new(), true);
    world.tick();
    assert!(world.state.is_in_safe_mode(), "peer 2 is missing");
    world.hello(2, 1, Epoch::new(1)).expect("welcome");
    world.tick();
    assert!(world.state.is_in_safe_mode(), "peer 2 has not said what it holds");
    world.announce(2, Vec::new(), true);
    world.tick();
    assert!(
        !world.state.is_in_safe_mode(),
        "peer 3 had left and is not waited for"
    );
}

#[test]
fn in_safe_mode_nothing_is_repaired_given_up_or_evicted() {
    let mut world = World::with_peers(4);
    let (bytes, removed) = (content(1, 2), content(2, 2));
    world.publish(1, "a", &bytes, 2);
    world.publish(1, "b", &removed, 1);
    world.obey();
    world.remove("b", None).expect("removed");
    world.restart();
    world.hello(1, 1, Epoch::new(1)).expect("welcome");
    world.holds(1, &bytes, bytes.all_fragments(), true);
    world.holds(1, &removed, removed.all_fragments(), true);
    world.announce(1, Vec::new(), true);
    world.pass(SECOND * 29, &[2, 3, 4]);
    assert!(world.state.is_in_safe_mode());
    assert_eq!(world.peer_state(2), PeerState::Suspect, "nobody is given up");
    assert_eq!(world.take_orders(), [], "nothing is ordered");
    assert_eq!(
        world.publish(1, "c", &content(3, 1), 1).revision.get(),
        1,
        "publishing goes on"
    );
    // Safe mode ends: a peer that has not come back is lost now.
    world.pass(SECOND * 2, &[2, 3, 4]);
    assert!(!world.state.is_in_safe_mode());
    assert_eq!(world.peer_state(2), PeerState::Lost);
    world.pass(SECOND * 61, &[2, 3, 4]);
    assert!(!world.evicted().is_empty(), "the removed content goes at last");
}

#[test]
fn repair_resumes_after_safe_mode_where_the_holders_say() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 8);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
    world.restart();
    for n in 1..=3 {
        world.hello(n, 2, Epoch::new(1)).expect("welcome");
    }
    world.holds(1, &bytes, bytes.all_fragments(), true);
    (1..=3).for_each(|n| world.announce(n, Vec::new(), true));
    world.tick();
    let assigned = world.assigned();
    assert_eq!(assigned.len(), 1, "the lost copy is made again, once");
    assert_ne!(assigned[0].0, peer(1));
    assert_eq!(assigned[0].1, bytes.all_fragments());
}

#[test]
fn an_order_carries_the_epoch_of_its_run() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 2);
    world.publish(1, "a", &bytes, 2);
    world.restart();
    for n in 1..=2 {
        world.hello(n, 1, Epoch::new(1)).expect("welcome");
    }
    world.holds(1, &bytes, some(&bytes, 0..2), true);
    (1..=2).for_each(|n| world.announce(n, Vec::new(), true));
    world.tick();
    let epochs = world
        .journal
        .iter()
        .filter(|record| matches!(record.fact, Fact::EpochBegun(_)))
        .count();
    assert_eq!(epochs, 2);
    assert!(matches!(
        world.take_orders()[..],
        [(_, shared::model::Order::Assign { epoch, .. })] if epoch == Epoch::new(2)
    ));
}

#[test]
fn a_peer_that_is_away_for_maintenance_with_nothing_is_not_waited_for() {
    let mut world = World::with_peers(2);
    let hour = RequestedMode::Maintenance(Duration::from_hours(1));
    world.set_peer_mode(2, hour).expect("known");
    world.say(2, Report::Leave).expect("it may leave");
    world.tick();
    let facts = world.journal.len();
    world.tick();
    assert_eq!(world.journal.len(), facts, "it is noted once");
    world.restart();
    world.hello(1, 1, world.state.epoch()).expect("welcome");
    world.announce(1, Vec::new(), true);
    world.tick();
    assert!(!world.state.is_in_safe_mode());
}

/// Six peers, three of which keep a content, leave one after the other; then one of these three and another
/// one come back, and the rest of the three later: nothing is copied.
fn switched_off_and_on(mut world: World, restarts: bool) {
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 3);
    world.obey();
    let keepers = world.replicas(&bytes);
    for n in 1..=6 {
        world.say(n, Report::Leave).expect("it may leave");
        world.take_orders();
    }
    world.now = world.now.after(Duration::from_hours(12));
    world.tick();
    if restarts {
        world.restart();
    }
    let (back, others): (Vec<_>, Vec<_>) = (1..=6).partition(|n| keepers.contains(&peer(*n)));
    let comes_back = |world: &mut World, n: u8| {
        world.hello(n, 2, world.state.epoch()).expect("welcome");
        if back.contains(&n) {
            world.holds_as_assigned(n, &bytes, bytes.all_fragments());
        }
        world.announce(n, Vec::new(), true);
    };
    for n in [others[0], back[0]] {
        comes_back(&mut world, n);
        world.pass(SECOND * 5, &[]);
        assert_eq!(world.take_orders(), [], "the others come in a moment");
    }
    comes_back(&mut world, back[1]);
    comes_back(&mut world, back[2]);
    world.tick();
    assert!(!world.state.is_in_safe_mode(), "all that kept something are back");
    world.obey();
    assert_eq!(world.replicas(&bytes), keepers, "nothing had to be copied");
}

#[test]
fn a_cluster_that_was_switched_off_is_learnt_anew_before_it_is_repaired() {
    switched_off_and_on(World::with_peers(6), true);
    switched_off_and_on(World::with_peers(6), false);
}

#[test]
fn a_peer_that_comes_back_alone_is_the_last_one_after_a_while() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    let keepers = world.replicas(&bytes);
    for n in 1..=3 {
        world.say(n, Report::Leave).expect("it may leave");
    }
    world.take_orders();
    for n in (1..=3).filter(|n| peer(*n) != keepers[1]) {
        world.hello(n, 2, world.state.epoch()).expect("welcome");
        if peer(n) == keepers[0] {
            world.holds(n, &bytes, bytes.all_fragments(), true);
        }
        world.announce(n, Vec::new(), true);
    }
    world.pass(SECOND * 29, &[]);
    assert!(world.state.is_in_safe_mode());
    world.pass(SECOND * 2, &[]);
    assert_eq!(world.assigned().len(), 1);
}
