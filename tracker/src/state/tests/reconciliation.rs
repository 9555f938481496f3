//! Reconciliation: a peer that is back lists only what the tracker does not know of it; afterwards both
//! agree.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use shared::model::{
    ContentId, Epoch, EvictReason, FragmentLength, FragmentSet, Hello, Holding, HoldingsDigest, Incarnation,
    Manifest, Numbered, Report, RunTraits, Timestamp, Welcome,
};

use super::fleet::Fleet;
use super::world::{World, content, peer};
use crate::Timing;
use crate::state::{Command, Reply, SessionId, State};

/// One peer and a state.
struct Pair {
    state: State,
    now: Timestamp,
    session: u64,
    sequence: u64,
}

impl Pair {
    fn new() -> Self {
        let mut state = State::new(Timing::default(), 1);
        let now = Timestamp::from_millis(1_000_000);
        state.apply(now, Command::BeginEpoch).reply.expect("begins");
        Self {
            state,
            now,
            session: 0,
            sequence: 0,
        }
    }

    fn hello(&mut self, holdings: Option<HoldingsDigest>) -> Welcome {
        (self.session, self.sequence) = (self.session + 1, 1);
        let hello = Hello {
            peer: peer(1),
            incarnation: Incarnation::new(1),
            run: None,
            address: "10.0.0.1:1".parse().expect("an address"),
            zone: None,
            capacity: 1 << 40,
            used: 0,
            network: None,
            epoch: Epoch::new(0),
            mark: None,
            holdings,
            traits: RunTraits::default(),
        };
        let session = SessionId::new(self.session);
        match self
            .state
            .apply(
                self.now,
                Command::OpenSession {
                    session,
                    hello,
                    key: None,
                    origin: None,
                },
            )
            .reply
        {
            Ok(Reply::Welcomed(welcome)) => welcome,
            other => panic!("{other:?}"),
        }
    }

    fn announce(&mut self, holdings: Vec<Holding>, completes_inventory: bool) {
        self.sequence += 1;
        let message = Report::Announce {
            holdings,
            completes_inventory,
        };
        let report = Numbered {
            sequence: self.sequence,
            message,
        };
        let session = SessionId::new(self.session);
        let applied = self.state.apply(self.now, Command::Report { session, report });
        applied.reply.expect("in sequence");
    }

    /// Returns the holdings that the tracker believes.
    fn believed(&self) -> BTreeMap<ContentId, (FragmentSet, bool, bool)> {
        let all = self
            .state
            .replicas
            .holdings()
            .filter(|(_, held)| held.peer() == peer(1));
        all.map(|(content, held)| {
            let fragments = held.fragments().to_set(0);
            (content, (fragments, held.keeps(), held.is_assigned()))
        })
        .collect()
    }

    /// Comes back with these holdings; returns how many were listed.
    fn come_back(&mut self, holdings: &[Holding]) -> usize {
        let welcome = self.hello(Some(holdings.iter().collect()));
        let listing = welcome.listing.expect("it was told in short");
        let asked = holdings
            .iter()
            .filter(|holding| listing.contains(holding.content));
        let listed: Vec<_> = asked.cloned().collect();
        let count = listed.len();
        let chunks: Vec<_> = listed.chunks(1_000).map(<[Holding]>::to_vec).collect();
        for chunk in chunks {
            self.announce(chunk, false);
        }
        self.announce(Vec::new(), true);
        count
    }
}

fn id(n: u32) -> ContentId {
    ContentId::from_bytes(*shared::hash::leaf(&n.to_be_bytes()).as_bytes())
}

/// Origin of a holding: not kept, published, assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Fetched,
    Published,
    Assigned,
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![Just(How::Fetched), Just(How::Published), Just(How::Assigned)]
}

/// Returns the fragments, of eight, whose bits are set.
fn holding(n: u32, bits: u8, how: How) -> Holding {
    Holding {
        content: id(n),
        fragments: FragmentSet::from_bytes(8, &[bits]).expect("eight"),
        keeps: how != How::Fetched,
        is_assigned: how == How::Assigned,
        is_fetching: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_was_lost_gained_changed_or_told_twice_both_agree_afterwards(
        before in proptest::collection::btree_map(0_u32..2_000, (1_u8.., how()), 0..300),
        lost in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        gained in proptest::collection::btree_map(0_u32..4_000, (1_u8.., how()), 0..6),
        twice in any::<prop::sample::Index>(),
        is_cut_short: bool,
    ) {
        let all = |of: &BTreeMap<u32, (u8, How)>| -> Vec<_> {
            of.iter().map(|(n, (bits, how))| holding(*n, *bits, *how)).collect()
        };
        let mut pair = Pair::new();
        prop_assert_eq!(pair.hello(None).listing, None, "who does not say it in short lists everything");
        let first = all(&before);
        pair.announce(first.clone(), false);
        if !first.is_empty() {
            pair.announce(vec![twice.get(&first).clone()], false);
        }
        if !is_cut_short {
            pair.announce(Vec::new(), true);
        }

        let mut now = before.clone();
        for index in &lost {
            let keys: Vec<_> = now.keys().copied().collect();
            if !keys.is_empty() {
                now.remove(index.get(&keys));
            }
        }
        now.extend(gained.clone());
        let holdings = all(&now);
        let listed = pair.come_back(&holdings);
        let expected: BTreeMap<_, _> = holdings
            .iter()
            .map(|holding| {
                let fragments = holding.fragments.clone();
                (holding.content, (fragments, holding.keeps, holding.is_assigned))
            })
            .collect();
        prop_assert_eq!(pair.believed(), expected);
        pair.state.check();
        prop_assert!(listed <= holdings.len());
        prop_assert_eq!(pair.come_back(&holdings), 0, "the second time nothing is new");
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "figures for the docs")]
fn a_hundred_thousand_contents_that_have_not_changed_are_not_listed() {
    let holdings: Vec<_> = (0..100_000).map(|n| holding(n, u8::MAX, How::Assigned)).collect();
    let mut pair = Pair::new();
    pair.hello(None);
    let from = std_time();
    for chunk in holdings.chunks(1_000) {
        pair.announce(chunk.to_vec(), false);
    }
    pair.announce(Vec::new(), true);
    let listing = from.elapsed();
    let from = std_time();
    assert_eq!(pair.come_back(&holdings), 0);
    let unchanged = from.elapsed();
    let (one, rest) = holdings.split_first().expect("many");
    let listed = pair.come_back(rest);
    assert!((100..1_000).contains(&listed), "{listed}");
    assert!(!pair.believed().contains_key(&one.content));
    println!(
        "everything listed: {listing:?}; nothing changed: {unchanged:?}, both sides' digests included; one lost: {listed} listed"
    );
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn std_time() -> Instant {
    Instant::now()
}

#[test]
fn what_is_being_evicted_is_listed_so_that_it_is_decided_anew() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 1);
    world.obey();
    world.remove("a", None).expect("bound");
    world.pass(Duration::from_secs(3), &[]);
    let evicted = world.evicted();
    assert_eq!(evicted.iter().map(|(who, _)| *who).collect::<Vec<_>>(), [peer(1)]);
    // The peer never got the order.
    let held = Holding {
        content: bytes.content(),
        fragments: bytes.all_fragments(),
        keeps: true,
        is_assigned: false,
        is_fetching: false,
    };
    let said = [&held].into_iter().collect();
    let unknown = world
        .state
        .replicas
        .unknown_buckets(peer(1), &said, &world.state.names);
    assert!(unknown.contains(bytes.content()) && unknown.len() == 1);
}

#[test]
fn peers_that_come_back_unchanged_list_nothing_unless_they_are_older() {
    let mut fleet = Fleet::new(Timing::default(), 40, 0);
    fleet.fill(400, 1, |_| 3);
    for number in [1, 2, 3] {
        fleet.down(number);
        fleet.tick();
        fleet.up(number);
    }
    assert_eq!(fleet.listed, 0);
    fleet.down(4);
    fleet.up(4);
    assert!(fleet.listed > 0);
    fleet.pass(Duration::from_secs(5));
    fleet.state.check();
}

#[test]
fn the_order_to_drop_a_copy_ends_with_the_copy_that_it_is_about() {
    let mut world = World::with_peers(2);
    let narrow = content(7, 4);
    let roots = narrow.roots().chunks(2);
    let roots = roots.map(|pair| shared::hash::content_root(pair, FragmentLength::MIN));
    let twice = FragmentLength::new(u64::from(FragmentLength::MIN.get()) * 2).expect("a length");
    let wide = Manifest::from_roots(narrow.length(), twice, roots.collect()).expect("half as many");
    assert_eq!(wide.content(), narrow.content());
    world.holds(2, &narrow, narrow.all_fragments(), true);
    world.pass(Duration::from_secs(70), &[]);
    assert_eq!(world.evicted(), [(peer(2), EvictReason::Unreferenced)]);
    // Every step checks that evictions are of what is held.
    world.publish(1, "a", &wide, 1);
    assert_eq!(world.replicas(&wide), [peer(1)]);
}
