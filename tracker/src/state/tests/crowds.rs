//! Crowds: as many peers as a tracker knows, most of them gone.

use std::collections::BTreeSet;

use shared::model::{Hello, Incarnation, PeerId, PeerMode, RunTraits, Timestamp};

use super::world::address;
use crate::state::peers::MAX_PEERS;
use crate::state::record::Registration;
use crate::state::{Command, Fact, Record, Rejection, SessionId, State};
use crate::timing::Timing;

fn peer(n: usize) -> PeerId {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    PeerId::from_bytes(bytes)
}

/// Returns a tracker that knows as many peers as it can; each was registered, then came what is said of it.
fn crowded(of: impl Fn(usize) -> Vec<Fact>) -> State {
    let mut state = State::new(Timing::default(), 1);
    for n in 0..MAX_PEERS {
        let registered = Fact::PeerRegistered(Registration {
            peer: peer(n),
            incarnation: Incarnation::new(1),
            address: address(1, None),
            zone: None,
            capacity: 1,
        });
        for fact in std::iter::once(registered).chain(of(n)) {
            let at = Timestamp::from_millis(n as u64);
            state
                .replay(Record { at, fact })
                .expect("each fact finds its peer");
        }
    }
    let begun = state.apply(Timestamp::from_millis(1_000_000), Command::BeginEpoch);
    assert!(begun.reply.is_ok());
    state
}

/// Says hello as a peer; returns the peers that are forgotten for it.
fn hello(state: &mut State, n: usize) -> Result<Vec<PeerId>, Rejection> {
    let hello = Hello {
        peer: peer(n),
        incarnation: Incarnation::new(1),
        run: None,
        address: address(2, None),
        zone: None,
        capacity: 1,
        used: 0,
        network: None,
        epoch: shared::model::Epoch::new(0),
        mark: None,
        holdings: None,
        traits: RunTraits::default(),
    };
    let applied = state.apply(
        Timestamp::from_millis(1_000_001),
        Command::OpenSession {
            session: SessionId::new(n as u64),
            hello,
            origin: None,
        },
    );
    let forgotten = |record: &Record| match record.fact {
        Fact::PeerForgotten(peer) => Some(peer),
        _ => None,
    };
    let (was_welcome, forgotten): (_, Vec<_>) = (
        applied.reply.map(drop),
        applied.records.iter().filter_map(forgotten).collect(),
    );
    if was_welcome.is_err() {
        assert!(applied.records.is_empty(), "a refusal changes nothing");
    }
    was_welcome.map(|()| forgotten)
}

#[test]
fn who_left_or_kept_nothing_makes_room_first_and_at_once() {
    // Of each four: one kept nothing, one went silent, one is drained and gone, one is expected.
    let mut state = crowded(|n| match n % 4 {
        0 => vec![Fact::VisitorGone(peer(n))],
        1 => vec![Fact::PeerGone(peer(n))],
        2 => {
            let mode = PeerMode::Draining;
            vec![Fact::ModeChanged { peer: peer(n), mode }, Fact::PeerGone(peer(n))]
        }
        _ => Vec::new(),
    });
    let first = hello(&mut state, MAX_PEERS).expect("welcome");
    let longest_gone: BTreeSet<_> = (0..).map(|n| peer(4 * n)).take(first.len()).collect();
    assert_eq!(BTreeSet::from_iter(first.iter().copied()), longest_gone);
    assert!(first.len() < MAX_PEERS / 20, "no more than is needed for a while");
    let mut order = first;
    for n in 1..MAX_PEERS * 3 / 4 {
        order.extend(hello(&mut state, MAX_PEERS + n).expect("welcome"));
    }
    let quarter = MAX_PEERS / 4;
    for (kind, part) in order.chunks(quarter).enumerate() {
        let mut expected = (0..quarter).map(|n| peer(4 * n + kind));
        let part = BTreeSet::from_iter(part.iter().copied());
        assert!(expected.all(|peer| part.contains(&peer)), "kind {kind}");
    }
    let refused = hello(&mut state, 2 * MAX_PEERS);
    assert_eq!(refused, Err(Rejection::TooManyPeers(MAX_PEERS)));
    hello(&mut state, 3).expect("a peer that is known is always welcome");
    state.check();
}
