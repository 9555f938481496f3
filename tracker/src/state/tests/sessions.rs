//! Sessions, incarnations, leases.

use std::time::Duration;

use shared::model::{
    ContentState, Epoch, FragmentLength, Mark, NetworkDefaults, Numbered, Order, PeerState, Report, Timestamp,
};

use super::world::{World, content, peer, some, target};
use crate::policy::Policy;
use crate::state::{Closing, Command, Rejection};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_silent_peer_becomes_suspect_and_then_lost_within_fifteen_seconds() {
    let mut world = World::with_peers(2);
    world.pass(SECOND * 9, &[2]);
    assert_eq!(world.peer_state(2), PeerState::Live);
    world.pass(SECOND, &[2]);
    assert_eq!(world.peer_state(2), PeerState::Suspect);
    world.pass(SECOND * 4, &[2]);
    assert_eq!(world.peer_state(2), PeerState::Lost);
    assert_eq!(world.peer_state(1), PeerState::Live);
    let session = world.peers[&peer(2)].session;
    assert!(matches!(world.closed[..], [(closed, Closing::Lost(_))] if closed == session));
    assert_eq!(world.heartbeat(2, 0), Err(Rejection::StaleSession));
}

#[test]
fn the_trackers_own_absence_is_not_held_against_anyone() {
    let mut world = World::with_peers(2);
    world.disconnect(2);
    world.now = world.now.after(SECOND * 60);
    world.tick();
    assert_eq!(
        world.peer_state(1),
        PeerState::Live,
        "its heartbeats wait to be read"
    );
    assert_eq!(
        world.peer_state(2),
        PeerState::Suspect,
        "its hello waits there too"
    );
    world.pass(SECOND * 4, &[2]);
    assert_eq!(world.peer_state(2), PeerState::Lost);
}

#[test]
fn a_late_heartbeat_revives_a_suspect() {
    let mut world = World::with_peers(1);
    world.pass(SECOND * 12, &[1]);
    assert_eq!(world.peer_state(1), PeerState::Suspect);
    world.heartbeat(1, 0).expect("the session is still there");
    assert_eq!(world.peer_state(1), PeerState::Live);
}

#[test]
fn a_broken_session_makes_a_suspect_at_once_and_a_new_one_a_live_peer() {
    let mut world = World::with_peers(1);
    world.disconnect(1);
    assert_eq!(world.peer_state(1), PeerState::Suspect);
    world.pass(SECOND * 3, &[1]);
    world
        .hello(1, 1, Epoch::new(0))
        .expect("the same run may come back");
    assert_eq!(world.peer_state(1), PeerState::Live);
    world.disconnect(1);
    world.pass(SECOND * 4, &[1]);
    assert_eq!(world.peer_state(1), PeerState::Lost);
    world
        .hello(1, 2, Epoch::new(0))
        .expect("a lost peer may come back");
    assert_eq!(world.peer_state(1), PeerState::Live);
}

#[test]
fn a_peer_that_leaves_is_lost_at_once() {
    let mut world = World::with_peers(1);
    world.say(1, Report::Leave).expect("it may leave");
    assert_eq!(world.peer_state(1), PeerState::Lost);
    assert!(matches!(world.closed[..], [(_, Closing::Left)]));
}

#[test]
fn a_newer_session_replaces_the_older_one() {
    let mut world = World::with_peers(1);
    let old = world.peers[&peer(1)].session;
    world.hello(1, 1, Epoch::new(0)).expect("again");
    assert_eq!(world.closed, [(old, Closing::Replaced)]);
    let late = Numbered {
        sequence: 3,
        message: Report::Leave,
    };
    let answer = world.apply(Command::Report {
        session: old,
        report: late,
    });
    assert_eq!(answer, Err(Rejection::StaleSession));
    world
        .apply(Command::CloseSession { session: old })
        .expect("closing is always possible");
    assert_eq!(
        world.peer_state(1),
        PeerState::Live,
        "what the old session says changes nothing"
    );
}

#[test]
fn an_older_run_and_a_peer_of_a_newer_epoch_are_refused() {
    let mut world = World::with_peers(1);
    world.disconnect(1);
    world.hello(1, 3, Epoch::new(1)).expect("a newer run");
    world.disconnect(1);
    let journaled = world.journal.len();
    assert!(matches!(
        world.hello(1, 2, Epoch::new(1)),
        Err(Rejection::OlderIncarnation { .. })
    ));
    assert!(matches!(
        world.hello(1, 3, Epoch::new(2)),
        Err(Rejection::OlderEpoch { .. })
    ));
    assert!(matches!(
        world.hello(9, 1, Epoch::new(2)),
        Err(Rejection::OlderEpoch { .. })
    ));
    assert_eq!(world.journal.len(), journaled);
    assert_eq!(world.state.status().live_peers, 0);
    assert_eq!(world.closed, [], "no session was replaced");
}

#[test]
fn a_repeated_message_has_one_effect_and_a_missing_one_is_noticed() {
    let mut world = World::with_peers(1);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 1);
    world.holds(1, &bytes, some(&bytes, 0..2), true);
    world.holds(1, &bytes, some(&bytes, 0..3), true);
    let session = world.peers[&peer(1)].session;
    let repeat = |sequence, fragments| {
        let holding = shared::model::Holding {
            content: bytes.content(),
            fragments,
            keeps: true,
            is_assigned: false,
            is_fetching: false,
        };
        let message = Report::Announce {
            holdings: vec![holding],
            completes_inventory: false,
        };
        Command::Report {
            session,
            report: Numbered { sequence, message },
        }
    };
    world
        .apply(repeat(3, some(&bytes, 0..2)))
        .expect("seen before, ignored");
    assert_eq!(world.health(&bytes).fragments_at_target, 3);
    let gap = world.apply(repeat(9, some(&bytes, 0..1)));
    assert_eq!(gap, Err(Rejection::OutOfSequence { expected: 5, got: 9 }));
    assert_eq!(world.health(&bytes).fragments_at_target, 3);
}

#[test]
fn a_complete_inventory_ends_the_holdings_that_were_not_announced() {
    let mut world = World::with_peers(1);
    let (kept, lost) = (content(1, 2), content(2, 2));
    world.publish(1, "kept", &kept, 1);
    world.publish(1, "lost", &lost, 1);
    world.disconnect(1);
    world.hello(1, 2, Epoch::new(1)).expect("welcome");
    assert_eq!(
        (world.health(&kept).fewest, world.health(&lost).fewest),
        (0, 0),
        "nobody is promised what the peer has not confirmed"
    );
    assert_eq!(world.replicas(&lost), [peer(1)], "but it is believed until then");
    world.holds(1, &kept, kept.all_fragments(), true);
    world.announce(1, Vec::new(), true);
    assert_eq!((world.health(&kept).fewest, world.health(&lost).fewest), (1, 0));
}

#[test]
fn peers_that_have_long_been_lost_are_forgotten() {
    let mut world = World::with_peers(2);
    world.publish(2, "a", &content(1, 1), 1);
    world.say(2, Report::Leave).expect("it may leave");
    world.now = world.now.after(Duration::from_secs(29 * 86_400));
    world.tick();
    assert_eq!(world.state.status().lost_peers, 1);
    world.now = world.now.after(Duration::from_secs(2 * 86_400));
    world.tick();
    assert!(
        !world
            .state
            .peers(None, 9)
            .peers
            .iter()
            .any(|info| info.id == peer(2))
    );
}

#[test]
fn peers_are_told_the_defaults_when_they_come_and_when_they_change() {
    let mut world = World::new();
    let welcome = world.hello_of_run(1, 1, Epoch::new(0), Some(1)).expect("welcome");
    assert_eq!(welcome.defaults, NetworkDefaults::default());
    world.announce(1, Vec::new(), true);
    world.join(2);
    let defaults = NetworkDefaults {
        replicas: target(5),
        fragment_length: Some(FragmentLength::MIN),
    };
    for _ in 0..2 {
        let policy = Policy {
            defaults,
            ..Policy::default()
        };
        world.apply(Command::Adopt(Box::new(policy))).expect("adopted");
    }
    let epoch = Epoch::new(1);
    assert_eq!(
        world.take_orders(),
        [(peer(1), Order::Adopt { epoch, defaults })],
        "once, and no older peer, which would not understand it"
    );
    let welcome = world.hello_of_run(3, 1, Epoch::new(0), Some(3)).expect("welcome");
    assert_eq!(welcome.defaults, defaults);
}

#[test]
fn a_replica_on_a_suspect_peer_is_not_promised_to_anyone() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 2);
    world.tick();
    world.obey();
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
    let holder = (2..=3)
        .find(|n| world.replicas(&bytes).contains(&peer(*n)))
        .expect("assigned");
    world.disconnect(holder);
    assert_eq!(world.peer_state(holder), PeerState::Suspect);
    assert_eq!(world.content_state(&bytes), ContentState::Degraded);
    assert_eq!(world.health(&bytes).fewest, 1);
}

#[test]
fn a_hello_that_is_refused_leaves_nothing_in_the_journal() {
    let mut world = World::with_peers(1);
    world.disconnect(1);
    world.hello(1, 5, Epoch::new(0)).expect("welcome");
    world.disconnect(1);
    let mark = Mark {
        epoch: Epoch::new(1),
        began: Timestamp::from_millis(7),
        facts: 99,
    };
    world.marks.insert(peer(1), mark);
    let before = world.journal.len();
    let answer = world.hello(1, 2, Epoch::new(0));
    assert!(matches!(answer, Err(Rejection::OlderIncarnation { .. })));
    assert_eq!((world.journal.len(), world.state.status().gap), (before, None));
    world.hello(1, 5, Epoch::new(0)).expect("welcome");
    assert!(world.state.status().gap.is_some(), "the mark proves a gap");
}

#[test]
fn safe_mode_and_a_surplus_do_not_end_while_the_tracker_stands_still() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 2);
    world.publish(1, "a", &bytes, 3);
    world.obey();
    world.set_target("a", 1).expect("bound");
    world.tick();
    world.now = world.now.after(SECOND * 600);
    world.tick();
    world.tick();
    assert_eq!(world.take_orders(), [], "some of them may have died meanwhile");
    world.restart();
    world.now = world.now.after(SECOND * 600);
    world.tick();
    assert!(world.state.is_in_safe_mode(), "the hellos wait to be read");
}
