//! Modes: maintenance, drain, and changed targets.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::model::{ContentState, Epoch, Manifest, PeerMode, PeerState, ReasonCode, Report, RequestedMode};

use super::world::{World, content, peer, some};
use crate::state::{DrainSurvey, Rejection, State};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn number(id: shared::model::PeerId) -> u8 {
    id.as_bytes()[0]
}

#[test]
fn a_drained_peers_replicas_move_away_and_then_it_can_go() {
    let mut world = World::with_peers(5);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 3);
    world.obey();
    let leaver = number(*world.replicas(&bytes).last().expect("three replicas"));
    world.set_peer_mode(leaver, RequestedMode::Drain).expect("it may");
    let status = world.drain_status(leaver);
    assert_eq!((status.contents, status.contents_left), (1, 1));
    assert_eq!(status.bytes_left, bytes.length());
    assert!(!status.is_safe);
    assert_eq!(
        world.content_state(&bytes),
        ContentState::Replicated,
        "until it goes"
    );
    world.obey();
    let status = world.drain_status(leaver);
    assert!(status.is_safe && status.contents_left == 0, "{status:?}");
    world.say(leaver, Report::Leave).expect("it may leave");
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
    world.pass(SECOND * 30, &[leaver]);
    assert_eq!(world.take_orders(), [], "nothing is missing");
}

#[test]
fn a_publisher_can_be_drained_too() {
    let mut world = World::with_peers(4);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 3);
    world.set_peer_mode(1, RequestedMode::Drain).expect("it may");
    assert!(!world.drain_status(1).is_safe);
    world.obey();
    assert!(world.drain_status(1).is_safe);
    assert_eq!(world.replicas(&bytes).len(), 4, "its own file stays where it is");
    world.pass(MINUTE * 10, &[]);
    assert_eq!(world.take_orders(), [], "what is shared in place is not trimmed");
}

#[test]
fn a_draining_peer_is_given_nothing_and_what_it_was_given_goes_to_others() {
    let mut world = World::with_peers(3);
    let (first, second) = (content(1, 2), content(2, 2));
    world.publish(1, "first", &first, 2);
    world.tick();
    let assigned = number(world.assigned()[0].0);
    world
        .set_peer_mode(assigned, RequestedMode::Drain)
        .expect("it may");
    world.tick();
    let instead = world.assigned();
    assert!(instead.len() == 1 && number(instead[0].0) != assigned);
    world.publish(1, "second", &second, 3);
    world.obey();
    assert_eq!(world.health(&second).fewest, 2);
    let why = world
        .state
        .why(&shared::model::ContentRef::Id(second.content()).into());
    let codes: Vec<_> = why
        .expect("known")
        .reasons
        .iter()
        .map(|reason| reason.code)
        .collect();
    assert_eq!(codes, [ReasonCode::TooFewPeers]);
}

#[test]
fn nobody_is_let_go_while_a_replica_would_be_missing() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 3);
    world.obey();
    world.set_peer_mode(3, RequestedMode::Drain).expect("it may");
    world.obey();
    let status = world.drain_status(3);
    assert!(!status.is_safe);
    assert_eq!(status.reasons[0].code, ReasonCode::TooFewPeers);
    // Most fragments elsewhere are not enough either.
    world.join(4);
    world.tick();
    world.holds(4, &bytes, some(&bytes, [0, 1, 2]), true);
    let status = world.drain_status(3);
    assert!(!status.is_safe);
    assert_eq!(status.bytes_left, bytes.length() / 4);
    world.holds(4, &bytes, bytes.all_fragments(), true);
    assert!(world.drain_status(3).is_safe);
    // A peer that takes its place must stay.
    world.disconnect(4);
    assert!(!world.drain_status(3).is_safe);
}

#[test]
fn fewer_replicas_wanted_are_another_way_to_let_a_peer_go() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 3);
    world.obey();
    world.set_peer_mode(3, RequestedMode::Drain).expect("it may");
    assert!(!world.drain_status(3).is_safe);
    world.set_target("a", 2).expect("bound");
    assert!(world.drain_status(3).is_safe);
    world.pass(MINUTE * 6, &[]);
    let evicted: BTreeSet<_> = world.evicted().into_iter().map(|(id, _)| id).collect();
    assert_eq!(
        evicted,
        BTreeSet::from([peer(3)]),
        "of a surplus the leaver's goes first"
    );
}

#[test]
fn a_drain_outlives_restarts_of_both_and_can_be_called_off() {
    let mut world = World::with_peers(4);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    let holder = world.replicas(&bytes).into_iter().map(number).find(|n| *n != 1);
    let leaver = holder.expect("two replicas");
    world.set_peer_mode(leaver, RequestedMode::Drain).expect("it may");
    world
        .set_peer_mode(leaver, RequestedMode::Drain)
        .expect("said twice");
    world.restart();
    for n in 1..=4 {
        world.hello(n, 2, Epoch::new(1)).expect("welcome");
        if n == 1 || n == leaver {
            world.holds(n, &bytes, bytes.all_fragments(), true);
        }
        world.announce(n, Vec::new(), true);
    }
    assert_eq!(world.drain_status(leaver).mode, PeerMode::Draining);
    let duty_in = |state: &State| {
        let mut known = state.peers(None, 10).peers.into_iter();
        known.find(|info| info.id == peer(leaver)).map(|info| info.mode)
    };
    let mut copy = State::new(crate::Timing::default(), 3);
    world
        .state
        .records()
        .into_iter()
        .for_each(|record| copy.replay(record).expect("sound"));
    assert_eq!(duty_in(&copy), Some(PeerMode::Draining), "in a snapshot too");
    world.obey();
    assert!(world.drain_status(leaver).is_safe);
    world
        .set_peer_mode(leaver, RequestedMode::Active)
        .expect("it may stay");
    let status = world.drain_status(leaver);
    assert_eq!((status.mode, status.is_safe), (PeerMode::Active, false));
    world.pass(MINUTE * 6, &[]);
    let evicted: BTreeSet<_> = world.evicted().into_iter().map(|(id, _)| id).collect();
    assert_eq!(evicted.len(), 1, "the surplus is trimmed later");
}

#[test]
fn in_safe_mode_and_while_it_is_away_nobody_knows_whether_a_peer_can_go() {
    let mut world = World::with_peers(3);
    world.set_peer_mode(3, RequestedMode::Drain).expect("it may");
    assert!(world.drain_status(3).is_safe, "it holds nothing");
    world.disconnect(3);
    let status = world.drain_status(3);
    assert!(!status.is_safe && status.reasons[0].code == ReasonCode::NotConnected);
    world.restart();
    world.hello(3, 2, Epoch::new(1)).expect("welcome");
    world.announce(3, Vec::new(), true);
    let status = world.drain_status(3);
    assert!(!status.is_safe && status.reasons[0].code == ReasonCode::SafeMode);
}

/// Takes a peer with one of three replicas away for this long.
fn ten_minutes_of_maintenance() -> (World, Manifest, u8) {
    let mut world = World::with_peers(5);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 3);
    world.obey();
    let away = number(*world.replicas(&bytes).last().expect("three replicas"));
    world
        .set_peer_mode(away, RequestedMode::Maintenance(MINUTE * 10))
        .expect("it may");
    (world, bytes, away)
}

#[test]
fn a_peer_in_maintenance_is_not_repaired_around_until_its_time_is_over() {
    let (mut world, bytes, away) = ten_minutes_of_maintenance();
    world.say(away, Report::Leave).expect("it may leave");
    world.pass(MINUTE * 9, &[away]);
    assert_eq!(world.take_orders(), []);
    assert_eq!(world.peer_state(away), PeerState::Suspect);
    let why = world
        .state
        .why(&shared::model::ContentRef::Id(bytes.content()).into());
    assert_eq!(why.expect("known").reasons[0].code, ReasonCode::Maintenance);
    world.pass(MINUTE + SECOND, &[away]);
    assert_eq!(world.peer_state(away), PeerState::Lost);
    assert_eq!(world.assigned().len(), 1);
}

#[test]
fn a_peer_that_comes_back_from_maintenance_has_missed_nothing() {
    let (mut world, bytes, away) = ten_minutes_of_maintenance();
    world.disconnect(away);
    world.pass(MINUTE * 5, &[away]);
    world.hello(away, 2, Epoch::new(1)).expect("welcome");
    world.holds(away, &bytes, bytes.all_fragments(), true);
    world.announce(away, Vec::new(), true);
    world
        .set_peer_mode(away, RequestedMode::Active)
        .expect("it is back");
    world.pass(MINUTE * 10, &[]);
    assert_eq!(world.take_orders(), []);
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
}

/// Restarts the tracker; all peers are back but one.
fn restart_without(world: &mut World, bytes: &Manifest, away: u8) {
    let holders: Vec<_> = world.replicas(bytes).into_iter().map(number).collect();
    world.restart();
    for n in (1..=5).filter(|n| *n != away) {
        world.hello(n, 2, Epoch::new(1)).expect("welcome");
        if holders.contains(&n) {
            world.holds(n, bytes, bytes.all_fragments(), true);
        }
        world.announce(n, Vec::new(), true);
    }
    world.tick();
}

#[test]
fn a_restart_during_a_maintenance_keeps_the_absent_peers_holdings() {
    let (mut world, bytes, away) = ten_minutes_of_maintenance();
    world.say(away, Report::Leave).expect("it may leave");
    world.tick();
    let mut copy = State::new(crate::Timing::default(), 3);
    for record in world.state.records() {
        copy.replay(record).expect("sound");
    }
    assert_eq!(copy.records(), world.state.records(), "in a snapshot too");
    restart_without(&mut world, &bytes, away);
    assert!(!world.state.is_in_safe_mode(), "nobody else is missing");
    world.pass(MINUTE * 9, &[away]);
    assert_eq!(world.take_orders(), [], "it is not repaired around");
    assert_eq!(world.peer_state(away), PeerState::Suspect);
    assert_eq!(world.health(&bytes).fewest, 2, "and is not counted upon");
    world.pass(MINUTE + SECOND, &[away]);
    assert_eq!(world.peer_state(away), PeerState::Lost);
    assert_eq!(world.assigned().len(), 1);
    world.state.check();
}

#[test]
fn what_a_peer_kept_when_it_went_away_is_forgotten_in_the_end() {
    let (mut world, bytes, away) = ten_minutes_of_maintenance();
    let counted = |world: &World| world.state.replicas.holders_of(bytes.content()).len();
    // Only the connection had broken; then the peer falls silent together with the tracker, and its holdings
    // are unknown.
    world.disconnect(away);
    world.tick();
    world.hello(away, 1, Epoch::new(1)).expect("welcome");
    world.announce(away, Vec::new(), true);
    world.tick();
    restart_without(&mut world, &bytes, away);
    assert!(world.state.is_in_safe_mode(), "it is waited for");
    assert_eq!(counted(&world), 2);

    let (mut world, bytes, away) = ten_minutes_of_maintenance();
    world.say(away, Report::Leave).expect("it may leave");
    world.tick();
    world.remove("a", None).expect("bound");
    restart_without(&mut world, &bytes, away);
    assert!(world.state.replicas.held(bytes.content(), peer(away)).is_none());
    world.state.check();
}

#[test]
fn the_last_live_replica_is_copied_although_the_other_is_expected_back() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    let holder = world.replicas(&bytes).into_iter().map(number).find(|n| *n != 1);
    let away = holder.expect("two replicas");
    world
        .set_peer_mode(away, RequestedMode::Maintenance(MINUTE * 10))
        .expect("it may");
    world.say(away, Report::Leave).expect("it may leave");
    world.tick();
    assert_eq!(world.assigned().len(), 1);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut world = World::with_peers(1);
    let day = PeerMode::MAX_MAINTENANCE;
    for length in [Duration::ZERO, day + SECOND] {
        assert_eq!(
            world.set_peer_mode(1, RequestedMode::Maintenance(length)),
            Err(Rejection::MaintenanceTooLong(length))
        );
    }
    assert_eq!(
        world.set_peer_mode(9, RequestedMode::Drain),
        Err(Rejection::NoSuchPeer(peer(9)))
    );
    world.set_peer_mode(1, RequestedMode::Drain).expect("it may");
    assert_eq!(
        world.set_peer_mode(1, RequestedMode::Maintenance(day)),
        Err(Rejection::Draining(peer(1)))
    );
    assert!(matches!(world.set_target("a", 2), Err(Rejection::NoSuchName(_))));
}

#[test]
fn another_target_is_kept_through_a_restart_and_leaves_the_revision() {
    let mut world = World::with_peers(4);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    let before = world.journal.len();
    let bound = world.set_target("a", 4).expect("bound");
    assert_eq!((bound.revision.get(), bound.target.get()), (1, 4));
    world.set_target("a", 4).expect("said twice");
    assert_eq!(world.journal.len(), before + 1);
    world.obey();
    assert_eq!(world.replicas(&bytes).len(), 4);
    world.set_target("a", 2).expect("bound");
    world.pass(MINUTE * 4, &[]);
    assert_eq!(world.take_orders(), [], "a surplus is trimmed later");
    world.restart();
    assert_eq!(world.health(&bytes).target.get(), 2);
    let mut copy = State::new(crate::Timing::default(), 3);
    for record in world.state.records() {
        copy.replay(record).expect("sound");
    }
    let what = shared::model::ContentRef::Id(bytes.content());
    assert_eq!(
        copy.resolve(&what).expect("known").0.target.get(),
        2,
        "in a snapshot too"
    );
}

/// Begins a survey of peer 1, which is drained and holds more than is looked at in one step; in between,
/// something happens to a content that was looked at, or would have been. Returns whether it is safe to go.
fn is_safe_when(happens: impl FnOnce(&mut World, &Manifest)) -> bool {
    let mut world = World::with_peers(2);
    let all = (0..=255_u8).map(|seed| content(seed, 1));
    let early = all.min_by_key(Manifest::content).expect("some");
    world.publish(1, "early", &early, 1);
    world.set_peer_mode(1, RequestedMode::Drain).expect("known");
    world.obey();
    let nameless = |n: u32| {
        let mut bytes = [0xee; 32];
        bytes[..4].copy_from_slice(&(0x8000_0000 + n).to_be_bytes());
        shared::model::Holding {
            content: shared::model::ContentId::from_bytes(bytes),
            fragments: shared::model::FragmentSet::full(1),
            keeps: false,
            is_assigned: false,
            is_fetching: false,
        }
    };
    world.announce(1, (0..2_100).map(nameless).collect(), false);
    assert!(world.drain_status(1).is_safe);
    let mut survey = DrainSurvey::new(peer(1));
    assert_eq!(world.state.drain_step(&mut survey), Ok(None), "there is more");
    happens(&mut world, &early);
    let status = world.state.drain_step(&mut survey).expect("known").expect("done");
    assert_eq!(
        status.is_safe,
        world.drain_status(1).is_safe,
        "as if counted anew"
    );
    assert!(status.contents_left <= status.contents);
    status.is_safe
}

#[test]
fn a_drained_peer_is_safe_only_if_it_is_so_in_the_end() {
    assert!(is_safe_when(|_, _| {}));
    assert!(is_safe_when(|world, early| {
        world.holds(2, early, early.all_fragments(), true);
    }));
    assert!(!is_safe_when(|world, _| {
        let all = (0..=255_u8).map(|seed| content(seed, 2));
        let new = all.min_by_key(Manifest::content).expect("some");
        world.publish(1, "new", &new, 1);
    }));
    assert!(!is_safe_when(|world, early| {
        world.holds(2, early, early.no_fragments(), false);
    }));
    assert!(!is_safe_when(|world, _| world.disconnect(2)));
    assert!(!is_safe_when(|world, _| drop(world.set_target("early", 2))));
}
