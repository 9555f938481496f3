//! Crowds: as many peers as a tracker knows, most of them gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use shared::model::{
    ContentRef, Hello, Incarnation, Numbered, PeerId, PeerMode, Report, RequestedMode, RunTraits, SourceRank,
    Timestamp,
};

use super::world::{self, World, address, content, name};
use crate::state::peers::{MAX_PEERS, MOST_REMEMBERED, PEER_BYTES};
use crate::state::record::Registration;
use crate::state::{Command, Fact, Record, Rejection, SessionId, State};
use crate::timing::Timing;

fn peer(n: usize) -> PeerId {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    PeerId::from_bytes(bytes)
}

/// Registers a peer, followed by what is said of it.
fn register(state: &mut State, n: usize, of: Vec<Fact>) {
    let registered = Fact::PeerRegistered(Registration {
        peer: peer(n),
        incarnation: Incarnation::new(1),
        address: address(1, None),
        zone: None,
        capacity: 1,
    });
    for fact in std::iter::once(registered).chain(of) {
        let at = Timestamp::from_millis(n as u64);
        state
            .replay(Record { at, fact })
            .expect("each fact finds its peer");
    }
}

/// Returns a tracker that knows this many peers from its journal.
fn crowded(count: usize, of: impl Fn(usize) -> Vec<Fact>) -> State {
    let mut state = State::new(Timing::default(), 1);
    (0..count).for_each(|n| register(&mut state, n, of(n)));
    let begun = state.apply(Timestamp::from_millis(1_000_000), Command::BeginEpoch);
    assert!(begun.reply.is_ok());
    // The first of all can dial others, so that a hello need not look for one that can.
    let session = SessionId::new(u64::MAX);
    let hello = Hello {
        traits: RunTraits {
            can_probe: true,
            ..RunTraits::default()
        },
        peer: PeerId::from_bytes([0; 16]),
        ..hello_of(0)
    };
    let origin = None;
    let open = Command::OpenSession {
        session,
        hello,
        key: None,
        origin,
    };
    let told = Command::Report {
        session,
        report: Numbered {
            sequence: 2,
            message: Report::Announce {
                holdings: Vec::new(),
                completes_inventory: true,
            },
        },
    };
    for command in [open, told] {
        let applied = state.apply(Timestamp::from_millis(1_000_001), command);
        applied.reply.expect("it is welcome");
    }
    state
}

fn hello_of(n: usize) -> Hello {
    Hello {
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
    }
}

/// Returns how many peers are remembered at most, when their addresses are as short as these.
const fn most_remembered() -> usize {
    MOST_REMEMBERED / (PEER_BYTES + "10.0.0.2".len())
}

/// Says hello as a peer; returns the peers that are forgotten for it.
fn hello(state: &mut State, n: usize) -> Result<Vec<PeerId>, Rejection> {
    let hello = hello_of(n);
    let applied = state.apply(
        Timestamp::from_millis(1_000_001),
        Command::OpenSession {
            session: SessionId::new(n as u64),
            hello,
            key: None,
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
    // Of each ten: one kept nothing, one went silent, one is expected, the others are drained and gone.
    let most = most_remembered() / 10 * 10 - 10;
    assert!(
        most > MAX_PEERS,
        "lost peers take no place of those that are there"
    );
    let mut state = crowded(most, |n| match n % 10 {
        0 => vec![Fact::VisitorGone(peer(n))],
        1 => vec![Fact::PeerGone(peer(n))],
        2 => Vec::new(),
        _ => {
            let mode = PeerMode::Draining;
            vec![Fact::ModeChanged { peer: peer(n), mode }, Fact::PeerGone(peer(n))]
        }
    });
    let tenth = most / 10;
    let mut order = Vec::new();
    // All places but those of the expected and of the prober.
    for n in 0..MAX_PEERS - tenth - 1 {
        order.extend(hello(&mut state, most + n).expect("welcome"));
    }
    assert!(order.len() > 2 * tenth + 1_000, "{}", order.len());
    let kinds: Vec<_> = (0..most).map(|n| (peer(n), n % 10)).collect();
    let kinds: BTreeMap<_, _> = kinds.into_iter().collect();
    for (at, forgotten) in order.iter().enumerate() {
        match at / tenth {
            kind @ 0..2 => assert_eq!(kinds[forgotten], kind, "{at}"),
            _ => assert!(kinds[forgotten] > 2, "{at}"),
        }
    }
    let longest_gone: BTreeSet<_> = (0..).map(|n| peer(10 * n)).take(200).collect();
    assert_eq!(BTreeSet::from_iter(order.iter().copied().take(200)), longest_gone);
    let refused = hello(&mut state, 2 * most);
    assert_eq!(refused, Err(Rejection::TooManyPeers(MAX_PEERS)));
    hello(&mut state, 2).expect("a peer that is known is always welcome");
    state.check();
}

#[test]
fn made_up_ids_close_the_network_to_nobody() {
    // Two honest peers: one is lost since long ago, one is silent at this moment and keeps something.
    let mut state = crowded(2, |n| match n {
        0 => vec![Fact::PeerGone(peer(n))],
        _ => Vec::new(),
    });
    // In one moment, ids that say hello and nothing else, and whose sessions break; and some that are said to
    // be in maintenance, so that they are expected back.
    let most = most_remembered() + 5_000;
    for n in 2..most {
        let forgotten = hello(&mut state, n).expect("welcome");
        assert!(
            !forgotten.contains(&peer(0)) && !forgotten.contains(&peer(1)),
            "{n}"
        );
        if n.is_multiple_of(3) {
            let wish = RequestedMode::Maintenance(Duration::from_hours(1));
            let set = Command::SetPeerMode { peer: peer(n), wish };
            state
                .apply(Timestamp::from_millis(1_000_001), set)
                .reply
                .expect("known");
        }
        let session = SessionId::new(n as u64);
        let closed = state.apply(
            Timestamp::from_millis(1_000_001),
            Command::CloseSession { session },
        );
        closed.reply.expect("it may end");
    }
    state.check();
}

#[test]
fn peers_that_leave_politely_close_the_network_to_nobody() {
    let mut state = crowded(1, |n| vec![Fact::PeerGone(peer(n))]);
    for n in 1..most_remembered() + 5_000 {
        let forgotten = hello(&mut state, n).expect("welcome");
        assert!(!forgotten.contains(&peer(0)), "{n}");
        let report = Numbered {
            sequence: 2,
            message: Report::Leave,
        };
        let session = SessionId::new(n as u64);
        let left = state.apply(
            Timestamp::from_millis(1_000_002),
            Command::Report { session, report },
        );
        left.reply.expect("it may leave");
    }
    state.check();
}

#[test]
fn a_crowd_that_holds_nothing_pushes_no_keeper_out_of_an_answer() {
    let (mut world, bytes) = (World::with_peers(2), content(1, 4));
    world.publish(1, "a", &bytes, 2);
    world.obey();
    for n in 3..=250 {
        world.join(n);
        world.holds(n, &bytes, bytes.all_fragments(), false);
    }
    // Each publishes the same content under a name of its own, too; that makes none a publisher of this name.
    for n in 200..=250 {
        world.publish(n, &format!("fake/{n}"), &bytes, 1);
        world.holds(n, &bytes, bytes.all_fragments(), false);
    }
    let mut rng = StdRng::seed_from_u64(7);
    for _ in 0..100 {
        let asked = ContentRef::Name(name("a")).into();
        let location = world.state.locate(&asked, 8, None, &mut rng).expect("bound");
        let ranks: Vec<_> = location.holders.iter().map(|holder| holder.rank).collect();
        assert_eq!(location.holders[0].peer.id, world::peer(1));
        assert_eq!(location.holders[1].peer.id, world::peer(2));
        assert_eq!(
            &ranks[..3],
            [SourceRank::Publisher, SourceRank::Keeper, SourceRank::Holder]
        );
        assert_eq!((location.holders.len(), location.holder_count), (8, 250));
    }
}
