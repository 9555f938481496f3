//! Keys of peers: an id belongs to whoever registered it, and nobody else speaks for it.

use std::time::Duration;

use shared::model::{Epoch, KeyHash, PeerState};
use shared::{Coded as _, ErrorCode};

use super::world::{World, content, peer};
use crate::Timing;
use crate::state::{Caller, Command, Fact, Rejection, State};

const SECOND: Duration = Duration::from_secs(1);

fn key(n: u8) -> KeyHash {
    KeyHash::from_bytes([n; 32])
}

/// A world of peers 1 to 3, of which 1 and 2 have keys, and 3 is of an earlier version.
fn world() -> World {
    let mut world = World::new();
    world.keys.extend([(1, key(1)), (2, key(2))]);
    (1..=3).for_each(|n| world.join(n));
    world
}

/// Says hello as peer 1 with this key; returns the answer if that is a refusal which has changed nothing.
fn refusal_of(world: &mut World, shown: Option<KeyHash>) -> Option<Rejection> {
    let (journaled, before) = (world.journal.len(), world.peers[&peer(1)].session);
    let own = world.keys.remove(&1);
    world.keys.extend(shown.map(|shown| (1, shown)));
    let answer = world.hello_of_run(1, 9, Epoch::new(1), Some(8));
    world.keys.remove(&1);
    world.keys.extend(own.map(|own| (1, own)));
    let is_untouched =
        world.journal.len() == journaled && world.state.peers.session_of(peer(1)) == Some(before);
    answer
        .err()
        .filter(|_| is_untouched && world.take_orders().is_empty())
}

#[test]
fn an_id_with_a_key_is_for_nobody_without_it() {
    let mut world = world();
    for _ in 0..3 {
        assert_eq!(
            refusal_of(&mut world, Some(key(2))),
            Some(Rejection::OtherKey(peer(1)))
        );
        assert_eq!(refusal_of(&mut world, None), Some(Rejection::NoKey(peer(1))));
    }
    world.pass(SECOND * 30, &[1]);
    assert_eq!(world.peer_state(1), PeerState::Lost);
    // Neither the loss of a peer nor a restart of the tracker makes its id anybody's.
    for _ in 0..2 {
        assert!(world.hello(1, 2, Epoch::new(0)).is_ok(), "it comes back itself");
        world.disconnect(1);
        world.restart();
        world.keys.insert(1, key(2));
        assert_eq!(
            world.hello(1, 3, Epoch::new(0)),
            Err(Rejection::OtherKey(peer(1)))
        );
        world.keys.insert(1, key(1));
    }
}

#[test]
fn an_id_without_a_key_gets_that_of_its_first_hello_with_one() {
    let mut world = world();
    world.disconnect(3);
    world
        .hello(3, 2, Epoch::new(0))
        .expect("an earlier version goes on as before");
    world.disconnect(3);
    world.keys.insert(3, key(3));
    let journaled = world.journal.len();
    world.hello(3, 3, Epoch::new(0)).expect("it was upgraded");
    let (id, keyed) = (peer(3), key(3));
    let facts: Vec<_> = world.journal[journaled..]
        .iter()
        .map(|record| &record.fact)
        .collect();
    let recorded = Fact::KeyRecorded { peer: id, key: keyed };
    assert!(
        matches!(facts[..], [Fact::PeerRegistered(_), fact] if *fact == recorded),
        "{facts:?}"
    );
    world.disconnect(3);
    let journaled = world.journal.len();
    world.hello(3, 3, Epoch::new(0)).expect("again");
    assert_eq!(world.journal.len(), journaled, "a key is recorded once");
    world.disconnect(3);
    world.keys.remove(&3);
    let older = world
        .hello(3, 4, Epoch::new(0))
        .expect_err("it went back to an earlier version");
    assert_eq!(
        (older.code(), &older),
        (ErrorCode::Unauthenticated, &Rejection::NoKey(id))
    );
}

#[test]
fn a_peer_that_was_removed_comes_back_with_any_key() {
    let mut world = world();
    world.disconnect(1);
    world.pass(SECOND * 30, &[1]);
    world.apply(Command::ForgetPeer(peer(1))).expect("it is lost");
    world.keys.insert(1, key(7));
    world.hello(1, 1, Epoch::new(0)).expect("as a new one");
    world.disconnect(1);
    world.keys.insert(1, key(1));
    let first = world.hello(1, 1, Epoch::new(0));
    assert_eq!(first, Err(Rejection::OtherKey(peer(1))));
}

#[test]
fn only_a_peer_itself_publishes_in_its_name() {
    let mut world = world();
    let (bytes, former) = (content(1, 1), world.caller(1));
    let publish = world.publication(1, "a", &bytes, 1);
    let bind = |world: &mut World, caller| world.bind_for(caller, publish.clone()).map(drop);
    let by_another = world.caller(2);
    // Only the last refusal is final for whoever publishes.
    for (caller, refusal, code) in [
        (
            Caller::Anonymous,
            Rejection::NoKey(peer(1)),
            ErrorCode::Unauthenticated,
        ),
        (
            Caller::Former,
            Rejection::SessionOver(peer(1)),
            ErrorCode::Unauthenticated,
        ),
        (
            by_another,
            Rejection::NotItself(peer(1)),
            ErrorCode::PermissionDenied,
        ),
    ] {
        assert_eq!(refusal.code(), code);
        assert_eq!(bind(&mut world, caller), Err(refusal), "{caller:?}");
    }
    // The answer to a call of an earlier session passes: the peer calls again.
    world.hello(1, 1, Epoch::new(0)).expect("a new session");
    let late = bind(&mut world, former).expect_err("its session is over");
    assert_eq!(late.code(), ErrorCode::Unauthenticated, "{late}");
    let own = world.caller(1);
    bind(&mut world, own).expect("itself");
}

#[test]
fn whoever_has_proved_to_be_one_peer_is_no_other() {
    let mut world = world();
    let bytes = content(1, 1);
    let publish = world.publication(3, "a", &bytes, 1);
    let by_another = world.caller(2);
    let refused = world.bind_for(by_another, publish.clone()).map(drop);
    assert_eq!(refused, Err(Rejection::NotItself(peer(3))));
    // Of a peer without a key nothing is asked.
    world
        .bind_for(Caller::Anonymous, publish)
        .expect("it is of an earlier version");
}

#[test]
fn only_a_peer_itself_lets_its_copy_go() {
    let mut world = world();
    let bytes = content(1, 1);
    world.publish(1, "a", &bytes, 1);
    let by_another = world.caller(2);
    for (caller, refusal) in [
        (Caller::Anonymous, Rejection::NoKey(peer(1))),
        (Caller::Former, Rejection::SessionOver(peer(1))),
        (by_another, Rejection::NotItself(peer(1))),
    ] {
        let command = Command::Release {
            peer: peer(1),
            content: bytes.content(),
            run: None,
            caller,
        };
        assert_eq!(world.apply(command).map(drop), Err(refusal), "{caller:?}");
    }
    let missed = world.release(1, bytes.content(), None);
    assert!(
        matches!(missed, Err(Rejection::Missed { .. })),
        "itself, it is told why: {missed:?}"
    );
}

#[test]
fn a_second_key_of_a_peer_in_a_journal_is_an_error() {
    let world = world();
    let mut state = State::new(Timing::default(), 9);
    for record in &world.journal {
        state.replay(record.clone()).expect("sound");
    }
    let (id, at) = (peer(1), world.now);
    let replay = |state: &mut State, peer, key| {
        let fact = Fact::KeyRecorded { peer, key };
        state.replay(crate::state::Record { at, fact })
    };
    assert_eq!(replay(&mut state, id, key(1)), Ok(()));
    let other = replay(&mut state, id, key(2)).expect_err("another key");
    assert!(other.contains("has another key than before"), "{other}");
    let unknown = replay(&mut state, peer(9), key(9)).expect_err("nobody");
    assert!(
        unknown.contains("has a key, which was never registered"),
        "{unknown}"
    );
}
