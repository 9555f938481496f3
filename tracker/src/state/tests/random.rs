//! Random histories: anything may happen in any order. The invariants hold after every step, and calm heals
//! everything.

use std::time::Duration;

use proptest::prelude::*;
use shared::model::{
    AssignmentFailure, ContentState, Epoch, Expectation, Holding, KeyHash, Manifest, Numbered, Order, Parts,
    PeerId, PeerMode, PeerState, Report, RequestedMode, Revision,
};

use super::feed::Reader;
use super::pins::{Pins, facts};
use super::world::{World, content, peer, some};
use crate::Timing;
use crate::state::{Command, Rejection, State};

const PEERS: u8 = 5;
const CONTENTS: u8 = 4;
const NAMES: [&str; 3] = ["a", "b", "c/d"];

#[derive(Clone, Debug)]
enum Step {
    Hello {
        peer: u8,
        incarnation: u64,
        epoch: u64,
        /// Key that is proved: none, the peer's own, or somebody else's.
        key: Option<u8>,
    },
    /// Comes back and says in short that it holds what the tracker believes, but for these contents.
    ComeBack {
        peer: u8,
        incarnation: u64,
        lost: u8,
    },
    Disconnect {
        peer: u8,
    },
    Say {
        peer: u8,
        what: What,
    },
    /// Message of the session that was opened `back` sessions ago.
    Stray {
        back: u64,
        sequence: u64,
    },
    Publish {
        peer: u8,
        name: usize,
        content: u8,
        target: u32,
        expectation: u64,
        /// Parts of a collection, as a bit mask.
        parts: Option<u8>,
    },
    Remove {
        name: usize,
        expected: Option<u64>,
    },
    Rename {
        from: usize,
        to: usize,
        expected: Option<u64>,
    },
    SetTarget {
        name: usize,
        target: u32,
    },
    SetPeerMode {
        peer: u8,
        wish: RequestedMode,
    },
    Keep {
        revisions: u32,
    },
    Pin {
        name: usize,
        revision: u64,
        is_pinned: bool,
        seen: Option<u32>,
    },
    /// Something about tokens and members, none of whom is a peer of the world.
    Secure([u8; 4]),
    /// Carries out the n-th order that waits, or loses it.
    Obey {
        nth: prop::sample::Index,
        is_lost: bool,
    },
    Pass {
        millis: u64,
    },
    Restart,
}

#[derive(Clone, Debug)]
enum What {
    Holds {
        content: u8,
        mask: u8,
        keeps: bool,
        is_assigned: bool,
    },
    IsComplete,
    Leaves,
    Failed {
        content: u8,
    },
}

fn what() -> impl Strategy<Value = What> {
    let content = 1..=CONTENTS;
    prop_oneof![
        4 => (content.clone(), any::<u8>(), any::<(bool, bool)>())
            .prop_map(|(content, mask, (keeps, is_assigned))| What::Holds { content, mask, keeps, is_assigned }),
        4 => Just(What::IsComplete),
        1 => Just(What::Leaves),
        1 => content.prop_map(|content| What::Failed { content }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (peer, name) = (1..=PEERS, 0..NAMES.len());
    let key = prop_oneof![3 => Just(None), 3 => Just(Some(1)), 1 => Just(Some(2))];
    let hello = (peer.clone(), 1_u64..4, 0_u64..4, key);
    let wish = prop_oneof![
        2 => Just(RequestedMode::Drain),
        1 => Just(RequestedMode::Active),
        1 => (1_u64..60).prop_map(|seconds| RequestedMode::Maintenance(Duration::from_secs(seconds))),
    ];
    let mode = (peer.clone(), wish);
    let publish = (
        peer.clone(),
        name.clone(),
        1..=CONTENTS,
        1_u32..5,
        0_u64..5,
        proptest::option::weighted(0.4, any::<u8>()),
    );
    prop_oneof![
        4 => hello.prop_map(|(peer, incarnation, epoch, key)| Step::Hello { peer, incarnation, epoch, key }),
        2 => (peer.clone(), 1_u64..4, any::<u8>())
            .prop_map(|(peer, incarnation, lost)| Step::ComeBack { peer, incarnation, lost }),
        1 => peer.clone().prop_map(|peer| Step::Disconnect { peer }),
        10 => (peer, what()).prop_map(|(peer, what)| Step::Say { peer, what }),
        1 => (0_u64..4, 0_u64..9).prop_map(|(back, sequence)| Step::Stray { back, sequence }),
        5 => publish.prop_map(|(peer, name, content, target, expectation, parts)| {
            Step::Publish { peer, name, content, target, expectation, parts }
        }),
        1 => (name.clone(), 1_u32..5).prop_map(|(name, target)| Step::SetTarget { name, target }),
        2 => mode.prop_map(|(peer, wish)| Step::SetPeerMode { peer, wish }),
        1 => (1_u32..5).prop_map(|revisions| Step::Keep { revisions }),
        3 => (name.clone(), 1_u64..7, prop::bool::weighted(0.6), proptest::option::weighted(0.3, 0_u32..4))
            .prop_map(|(name, revision, is_pinned, seen)| Step::Pin { name, revision, is_pinned, seen }),
        2 => (name.clone(), name.clone(), proptest::option::weighted(0.3, 0_u64..6))
            .prop_map(|(from, to, expected)| Step::Rename { from, to, expected }),
        1 => (name, proptest::option::of(0_u64..6)).prop_map(|(name, expected)| Step::Remove { name, expected }),
        3 => (0_u8..7, 1_u8..4, 11_u8..14, 11_u8..14)
            .prop_map(|(what, token, member, key)| Step::Secure([what, token, member, key])),
        8 => (any::<prop::sample::Index>(), prop::bool::weighted(0.1))
            .prop_map(|(nth, is_lost)| Step::Obey { nth, is_lost }),
        6 => (0_u64..20_000).prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Restart),
    ]
}

/// Returns a content of 0 to 3 fragments.
fn bytes(n: u8) -> Manifest {
    content(n, u32::from(n) - 1)
}

fn numbered(mask: u8, manifest: &Manifest) -> shared::model::FragmentSet {
    some(
        manifest,
        (0..manifest.fragment_count()).filter(|n| mask >> n & 1 == 1),
    )
}

fn carry_out(world: &mut World, to: PeerId, order: Order) {
    let n = to.as_bytes()[0];
    let (content, fragments, keeps) = match order {
        Order::Assign {
            manifest, fragments, ..
        } => (manifest.content(), fragments, true),
        Order::Evict { content, .. } => {
            let Some(manifest) = (1..=CONTENTS).map(bytes).find(|bytes| bytes.content() == content) else {
                return;
            };
            (content, manifest.no_fragments(), false)
        }
        Order::Remember(_)
        | Order::Probe { .. }
        | Order::Check { .. }
        | Order::Ask { .. }
        | Order::Reach { .. }
        | Order::Adopt { .. } => return,
    };
    // The session may have ended meanwhile.
    let holdings = vec![Holding {
        content,
        fragments,
        keeps,
        is_assigned: keeps,
        is_fetching: false,
    }];
    drop(world.say(
        n,
        Report::Announce {
            holdings,
            completes_inventory: false,
        },
    ));
}

fn report(what: &What) -> Report {
    match *what {
        What::Holds {
            content,
            mask,
            keeps,
            is_assigned,
        } => {
            let manifest = bytes(content);
            let fragments = numbered(mask, &manifest);
            let holdings = vec![Holding {
                content: manifest.content(),
                fragments,
                keeps,
                is_assigned,
                is_fetching: false,
            }];
            Report::Announce {
                holdings,
                completes_inventory: false,
            }
        }
        What::IsComplete => Report::Announce {
            holdings: Vec::new(),
            completes_inventory: true,
        },
        What::Leaves => Report::Leave,
        What::Failed { content } => {
            let (content, failure) = (bytes(content).content(), AssignmentFailure::NoRoom);
            Report::AssignmentFailed {
                content,
                failure,
                detail: String::new(),
            }
        }
    }
}

fn key_of(n: u8) -> KeyHash {
    KeyHash::from_bytes([n; 32])
}

/// Has a peer prove this key in its hellos from now on, or none.
fn prove(world: &mut World, n: u8, key: Option<KeyHash>) {
    match key {
        Some(key) => world.keys.insert(n, key),
        None => world.keys.remove(&n),
    };
}

/// Says hello with this key, or none. One that is not the peer's changes nothing.
fn hello(world: &mut World, n: u8, incarnation: u64, epoch: u64, key: Option<KeyHash>) {
    prove(world, n, key);
    let (known, journaled) = (world.state.peers.key(peer(n)), world.journal.len());
    let answer = world.hello(n, incarnation, Epoch::new(epoch));
    if known.is_some() && known != key {
        let is_refused = matches!(answer, Err(Rejection::OtherKey(_) | Rejection::NoKey(_)));
        assert!(is_refused && world.journal.len() == journaled, "{answer:?}");
    }
}

/// Returns the contents of a bit mask as parts.
fn chosen(mask: u8) -> Parts {
    let chosen = (1..=CONTENTS).filter(|n| mask >> n & 1 == 1).map(bytes);
    Parts::new(chosen.collect()).expect("few")
}

/// Carries out a step, which may be rejected: only the invariants count.
fn act(world: &mut World, pins: &mut Pins, step: &Step) {
    match *step {
        Step::Hello {
            peer: n,
            incarnation,
            epoch,
            key,
        } => hello(world, n, incarnation, epoch, key.map(key_of)),
        Step::ComeBack {
            peer: n,
            incarnation,
            lost,
        } => {
            let held: Vec<_> = believed(world, n)
                .into_iter()
                .filter(|(content, _)| lost >> content & 1 == 0)
                .map(|(_, holding)| holding)
                .collect();
            drop(world.try_hello_saying(n, incarnation, &held));
        }
        Step::Disconnect { peer: n } if world.peers.contains_key(&peer(n)) => world.disconnect(n),
        Step::Say { peer: n, ref what } if world.peers.contains_key(&peer(n)) => {
            drop(world.say(n, report(what)));
        }
        Step::Stray { back, sequence } => {
            let session = world.session_ago(back);
            if world.peers.values().all(|peer| peer.session != session) {
                let report = Numbered {
                    sequence,
                    message: Report::Leave,
                };
                let answer = world.apply(Command::Report { session, report });
                assert_eq!(answer, Err(Rejection::StaleSession));
            }
        }
        Step::Publish {
            peer,
            name,
            content,
            target,
            expectation,
            parts,
        } => {
            let expectation = match expectation {
                0 => Expectation::Anything,
                1 => Expectation::Unbound,
                n => Expectation::Revision(Revision::new(n - 1)),
            };
            let parts = parts.map(chosen);
            let (name, catalog) = (NAMES[name], bytes(content));
            drop(world.try_publish_with(peer, name, &catalog, target, expectation, parts));
        }
        Step::Remove { name, expected } => drop(world.remove(NAMES[name], expected)),
        Step::Rename { from, to, expected } => drop(world.rename(NAMES[from], NAMES[to], expected)),
        Step::SetTarget { name, target } => drop(world.set_target(NAMES[name], target)),
        Step::SetPeerMode { peer, wish } => drop(world.set_peer_mode(peer, wish)),
        Step::Keep { revisions } => world.keep(revisions),
        Step::Pin {
            name,
            revision,
            is_pinned,
            seen,
        } => pins.change(world, &format!("{}@{revision}", NAMES[name]), is_pinned, seen),
        Step::Secure(wish) => super::security::anything(world, wish),
        Step::Obey { nth, is_lost } if !world.orders.is_empty() => {
            let (to, order) = world.orders.remove(nth.index(world.orders.len()));
            if !is_lost {
                carry_out(world, to, order);
            }
        }
        Step::Pass { millis } => {
            // Time passes mostly in steps, sometimes at a leap.
            for _ in 0..if millis % 8 == 0 { 1 } else { 8 } {
                world.now = world.now.after(Duration::from_millis(millis / 8));
                world.tick();
            }
        }
        Step::Restart => world.restart(),
        Step::Disconnect { .. } | Step::Say { .. } | Step::Obey { .. } => {}
    }
}

/// Asserts that a peer that can go is not missed: replicas are counted anew, fragment by fragment.
fn check_who_can_go(world: &World) {
    let known = world.state.peers(None, 100).peers;
    for leaver in known.iter().filter(|info| info.mode == PeerMode::Draining) {
        if !world.drain_status(leaver.id.as_bytes()[0]).is_safe {
            continue;
        }
        for manifest in (1..=CONTENTS).map(bytes) {
            let Ok(health) = world.state.health(manifest.content()) else {
                continue;
            };
            let holders = world.state.replicas.holders_of(manifest.content());
            let Some(held) = holders
                .iter()
                .find(|held| held.peer() == leaver.id && held.keeps())
            else {
                continue;
            };
            let stays = |id| {
                known.iter().any(|info| {
                    info.id == id && info.state == PeerState::Live && info.mode != PeerMode::Draining
                })
            };
            for index in held.fragments().to_set(manifest.fragment_count()).iter() {
                let mut left = holders.iter().filter(|held| {
                    held.keeps() && held.is_confirmed() && !held.is_evicting() && stays(held.peer())
                });
                let count = left
                    .by_ref()
                    .filter(|held| held.fragments().to_set(manifest.fragment_count()).contains(index))
                    .count();
                assert!(
                    count >= health.target.get() as usize,
                    "{index:?} has {count} replicas without the leaver"
                );
            }
        }
    }
}

/// Returns a world in which the past is soon forgotten.
fn forgetful() -> World {
    let mut world = World::timed(Timing {
        history_grace: Duration::from_secs(20),
        forget_names: Duration::from_secs(60),
        ..Timing::default()
    });
    world.describes = true;
    world
}

/// Returns what the tracker believes that a peer holds, with the numbers of the contents.
fn believed(world: &World, n: u8) -> Vec<(u8, Holding)> {
    let held = |number| {
        let manifest = bytes(number);
        let held = world.state.replicas.held(manifest.content(), peer(n))?;
        let holding = Holding {
            content: manifest.content(),
            fragments: held.fragments().to_set(manifest.fragment_count()),
            keeps: held.keeps(),
            is_assigned: held.is_assigned(),
            is_fetching: false,
        };
        Some((number, holding))
    };
    (1..=CONTENTS).filter_map(held).collect()
}

/// Calms the world: every peer is connected, announces its holdings, and obeys its orders.
fn calm(world: &mut World) {
    for n in 1..=PEERS {
        let incarnation = world
            .peers
            .get(&peer(n))
            .map_or(9, |peer| peer.incarnation.get().max(9));
        let held = believed(world, n)
            .into_iter()
            .map(|(_, holding)| holding)
            .collect();
        if world.peers.contains_key(&peer(n)) {
            world.disconnect(n);
        }
        let key = world.state.peers.key(peer(n));
        prove(world, n, key);
        world.hello(n, incarnation, Epoch::new(0)).expect("welcome");
        world.announce(n, held, true);
        world
            .set_peer_mode(n, RequestedMode::Active)
            .expect("a known peer");
    }
    world.orders.clear();
    for _ in 0..150 {
        world.pass(Duration::from_secs(5), &[]);
        for (to, order) in world.take_orders() {
            let order = match order {
                // Fragments that were held before stay.
                Order::Assign {
                    epoch,
                    manifest,
                    mut fragments,
                    sources,
                } => {
                    if let Some(held) = world.state.replicas.held(manifest.content(), to) {
                        fragments.union_with(&held.fragments().to_set(manifest.fragment_count()));
                    }
                    Order::Assign {
                        epoch,
                        manifest,
                        fragments,
                        sources,
                    }
                }
                other => other,
            };
            carry_out(world, to, order);
        }
    }
}

/// Returns the number of random histories in one run of the tests: `PROPTEST_CASES`, by default as many as
/// take some seconds. A failure prints its seed, and stores it in `proptest-regressions`.
fn cases() -> u32 {
    let given = std::env::var("PROPTEST_CASES").ok();
    given.map_or(200, |given| given.parse().expect("PROPTEST_CASES is a number"))
}

/// Trackers that have started from a snapshot, and replay the facts since.
#[derive(Default)]
struct Successors {
    states: Vec<State>,
    facts: usize,
}

impl Successors {
    /// Replays the newest facts, and asserts that each is what the tracker itself is.
    fn follow(&mut self, world: &World) {
        for record in &world.journal[self.facts..] {
            for state in &mut self.states {
                assert_eq!(state.replay(record.clone()), Ok(()), "{record:?}");
            }
        }
        self.facts = world.journal.len();
        for state in &self.states {
            assert_eq!(state.records(), world.state.records());
            assert_eq!(facts(state), facts(&world.state), "not only to the same snapshot");
        }
    }

    /// Starts another one from a snapshot of the newest, which has started from one itself.
    fn start(&mut self, world: &World) {
        let mut state = State::new(Timing::default(), 5);
        for record in self.states.last().unwrap_or(&world.state).records() {
            assert_eq!(state.replay(record.clone()), Ok(()), "{record:?}");
        }
        self.states.push(state);
        self.facts = world.journal.len();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold_and_calm_heals(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut world, mut pins) = (forgetful(), Pins::default());
        // One reader reads at every step, one when all is over.
        let (mut reader, mut sleeper) = (Reader::new(&world.state), Reader::new(&world.state));
        let mut newest = [0; NAMES.len()];
        for step in steps {
            // `World::apply` checks every invariant after every command.
            act(&mut world, &mut pins, &step);
            pins.check(&world);
            check_who_can_go(&world);
            drop(reader.read(&world.state));
            reader.check(&world.state, false);
            for (name, newest) in NAMES.iter().zip(&mut newest) {
                let revision = world.state.names.revision(&super::world::name(name)).get();
                prop_assert!(revision >= *newest, "revisions only grow");
                *newest = revision;
            }
        }
        calm(&mut world);
        pins.check(&world);
        for reader in [&mut reader, &mut sleeper] {
            drop(reader.read(&world.state));
            reader.check(&world.state, true);
            prop_assert_eq!(reader.gaps, 0);
        }
        for n in 1..=CONTENTS {
            let manifest = bytes(n);
            let holders = world.state.replicas.holders_of(manifest.content());
            let Ok(health) = world.state.health(manifest.content()) else {
                prop_assert!(holders.is_empty(), "what has no name is gone");
                continue;
            };
            if health.state == ContentState::Unavailable {
                // The content is lost: the last holder of some fragment dropped it.
                continue;
            }
            prop_assert_eq!(health.state, ContentState::Replicated);
            prop_assert_eq!(health.copies_under_way, 0);
            let known = world.state.names.content(manifest.content()).expect("it has a health");
            let replicas = holders.iter().filter(|held| held.keeps() && !known.publishers().contains(held.peer()));
            prop_assert!(replicas.count() <= health.target.get() as usize, "a surplus is trimmed");
        }
        prop_assert_eq!(world.take_orders(), []);
    }

    #[test]
    fn snapshot_and_log_lead_to_the_same_state_at_any_cut(
        steps in proptest::collection::vec((step(), prop::bool::weighted(0.1)), 1..60),
    ) {
        let (mut world, mut pins) = (forgetful(), Pins::default());
        let mut successors = Successors::default();
        for (step, is_cut) in steps {
            if is_cut {
                successors.start(&world);
            }
            act(&mut world, &mut pins, &step);
            successors.follow(&world);
        }
        // The log alone, from the first fact on.
        let mut whole = State::new(Timing::default(), 6);
        for record in &world.journal {
            prop_assert_eq!(whole.replay(record.clone()), Ok(()));
        }
        prop_assert_eq!(whole.records(), world.state.records());
        prop_assert_eq!(facts(&whole), facts(&world.state));
    }

    #[test]
    fn the_same_seed_and_commands_give_the_same_state(steps in proptest::collection::vec(step(), 1..40)) {
        let run = || {
            let (mut world, mut pins) = (forgetful(), Pins::default());
            let mut orders = Vec::new();
            for step in steps.clone() {
                act(&mut world, &mut pins, &step);
                orders.extend(world.orders.clone());
            }
            (world.journal, orders)
        };
        prop_assert_eq!(run(), run());
    }
}
