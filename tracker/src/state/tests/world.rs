//! World: a state, a clock, and peers that obey their orders when the story says so.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::model::{
    Attributes, Binding, ContentId, ContentRef, ContentState, Digest, DrainStatus, Epoch, EvictReason,
    Expectation, FileMetadata, FragmentLength, FragmentSet, Health, Hello, Holding, HoldingsDigest, HostPort,
    Incarnation, KeyHash, Manifest, Mark, Mode, ModifiedAt, Name, NetworkId, Numbered, Order, Parts, PeerId,
    PeerMode, PeerState, ReplicationTarget, Report, RequestedMode, Revision, RunId, RunTraits, Timestamp,
    Welcome,
};

use crate::state::replicas::Purpose;
use crate::state::{
    Caller, Closing, Command, DrainSurvey, Effect, Origin, Publish, Record, Rejection, Reply, SessionId,
    State,
};
use crate::timing::Timing;

/// Bytes that a peer of the world lends.
pub(super) const CAPACITY: u64 = 1 << 40;

pub(super) fn peer(n: u8) -> PeerId {
    PeerId::from_bytes([n; 16])
}

/// Returns the usual address of a peer.
pub(super) fn address(n: u8, run: Option<u8>) -> HostPort {
    let text = format!("10.0.{}.{n}:50053", run.unwrap_or(0));
    text.parse().expect("an address")
}

/// Returns metadata with this mode, and a hole.
pub(super) fn metadata(mode: u32) -> FileMetadata {
    let attributes = Attributes {
        mode: Mode::of(mode),
        modified: ModifiedAt::new(1_700_000_000, 5).expect("within a second"),
    };
    FileMetadata::new(attributes, std::iter::once(0..4096).collect()).expect("one hole")
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub(super) fn target(replicas: u32) -> ReplicationTarget {
    ReplicationTarget::new(replicas).expect("in bounds")
}

/// Returns a content of this many fragments of 64 KiB; the seed tells contents apart.
pub(super) fn content(seed: u8, fragments: u32) -> Manifest {
    content_in(FragmentLength::MIN, seed, fragments)
}

pub(super) fn content_in(fragment_length: FragmentLength, seed: u8, fragments: u32) -> Manifest {
    let length = u64::from(fragments) * u64::from(fragment_length.get());
    let roots = (0..fragments).map(|n| {
        let mut bytes = [seed; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        Digest::from_bytes(bytes)
    });
    Manifest::from_roots(length, fragment_length, roots.collect()).expect("as many roots as fragments")
}

/// Returns the fragments with these numbers.
pub(super) fn some(manifest: &Manifest, numbers: impl IntoIterator<Item = u32>) -> FragmentSet {
    let mut set = manifest.no_fragments();
    for n in numbers {
        set.insert(manifest.index(n).expect("such a fragment"));
    }
    set
}

#[derive(Clone, Debug)]
pub(super) struct SimPeer {
    pub(super) session: SessionId,
    pub(super) incarnation: Incarnation,
    pub(super) zone: Option<&'static str>,
    pub(super) capacity: u64,
    sequence: u64,
}

pub(super) struct World {
    timing: Timing,
    pub(super) state: State,
    pub(super) now: Timestamp,
    pub(super) journal: Vec<Record>,
    pub(super) peers: BTreeMap<PeerId, SimPeer>,
    /// Orders that were sent and that the story has not looked at yet.
    pub(super) orders: Vec<(PeerId, Order)>,
    pub(super) closed: Vec<(SessionId, Closing)>,
    /// Marks that the peers remember.
    pub(super) marks: BTreeMap<PeerId, Mark>,
    /// Traits of the peers, their addresses and their connections, where a story says so.
    pub(super) traits: BTreeMap<u8, RunTraits>,
    pub(super) addresses: BTreeMap<u8, HostPort>,
    pub(super) origins: BTreeMap<u8, Origin>,
    /// Networks of which the peers' hellos are.
    pub(super) networks: BTreeMap<u8, NetworkId>,
    /// Keys that the peers prove in their hellos, where a story says so.
    pub(super) keys: BTreeMap<u8, KeyHash>,
    sessions: u64,
    /// Whether the world is too large to check every invariant at every step.
    is_crowded: bool,
    /// Whether files are published with metadata.
    pub(super) describes: bool,
}

impl World {
    pub(super) fn new() -> Self {
        Self::timed(Timing::default())
    }

    pub(super) fn timed(timing: Timing) -> Self {
        let mut world = Self {
            timing,
            state: State::new(timing, 1),
            now: Timestamp::from_millis(1_000_000),
            journal: Vec::new(),
            peers: BTreeMap::new(),
            orders: Vec::new(),
            closed: Vec::new(),
            marks: BTreeMap::new(),
            traits: BTreeMap::new(),
            addresses: BTreeMap::new(),
            origins: BTreeMap::new(),
            networks: BTreeMap::new(),
            keys: BTreeMap::new(),
            sessions: 0,
            is_crowded: false,
            describes: false,
        };
        world
            .apply(Command::BeginEpoch)
            .expect("a tracker can always begin");
        world
    }

    /// Creates a world with peers 1 to `count`.
    pub(super) fn with_peers(count: u8) -> Self {
        let mut world = Self::new();
        (1..=count).for_each(|n| world.join(n));
        world
    }

    /// Checks no invariants from now on.
    pub(super) const fn check_no_more(&mut self) {
        self.is_crowded = true;
    }

    pub(super) fn apply(&mut self, command: Command) -> Result<Reply, Rejection> {
        let applied = self.state.apply(self.now, command);
        self.journal.extend(applied.records);
        for effect in applied.effects {
            match effect {
                Effect::Send { session, order } => {
                    let to = self.peers.iter().find(|(_, peer)| peer.session == session);
                    let (peer, _) = to.expect("orders go to current sessions only");
                    match order {
                        Order::Remember(mark) => drop(self.marks.insert(*peer, mark)),
                        order => self.orders.push((*peer, order)),
                    }
                }
                Effect::Close { session, why } => self.closed.push((session, why)),
            }
        }
        if !self.is_crowded {
            self.state.check();
        }
        applied.reply
    }

    /// Restarts the tracker with its journal after a crash; no peer is connected.
    pub(super) fn restart(&mut self) {
        self.state = State::new(self.timing, 2);
        for record in self.journal.clone() {
            self.state.replay(record).expect("sound");
        }
        self.orders.clear();
        self.apply(Command::BeginEpoch)
            .expect("a tracker can always begin");
    }

    pub(super) fn hello(&mut self, n: u8, incarnation: u64, epoch: Epoch) -> Result<Welcome, Rejection> {
        self.hello_of_run(n, incarnation, epoch, None)
    }

    /// Says hello as this run of a peer; an older peer says none.
    pub(super) fn hello_of_run(
        &mut self,
        n: u8,
        incarnation: u64,
        epoch: Epoch,
        run: Option<u8>,
    ) -> Result<Welcome, Rejection> {
        self.hello_with(n, incarnation, epoch, run, None)
    }

    /// Says hello with these holdings in short, in the tracker's epoch.
    pub(super) fn try_hello_saying(
        &mut self,
        n: u8,
        incarnation: u64,
        holdings: &[Holding],
    ) -> Result<Welcome, Rejection> {
        let (epoch, digest) = (self.state.epoch(), holdings.iter().collect());
        self.hello_with(n, incarnation, epoch, None, Some(digest))
    }

    /// Does so as a peer that is welcome.
    pub(super) fn hello_saying(&mut self, n: u8, incarnation: u64, holdings: &[Holding]) -> Welcome {
        self.try_hello_saying(n, incarnation, holdings).expect("welcome")
    }

    fn hello_with(
        &mut self,
        n: u8,
        incarnation: u64,
        epoch: Epoch,
        run: Option<u8>,
        holdings: Option<HoldingsDigest>,
    ) -> Result<Welcome, Rejection> {
        self.sessions += 1;
        let session = SessionId::new(self.sessions);
        let known = self.peers.get(&peer(n)).cloned();
        let capacity = known.as_ref().map_or(CAPACITY, |known| known.capacity);
        let zone = known.and_then(|known| known.zone);
        let hello = Hello {
            peer: peer(n),
            incarnation: Incarnation::new(incarnation),
            run: run.map(|run| RunId::from_bytes([run; 16])),
            address: self.addresses.get(&n).cloned().unwrap_or_else(|| address(n, run)),
            zone: zone.map(|zone| zone.parse().expect("a zone")),
            capacity,
            used: 0,
            network: self.networks.get(&n).copied(),
            epoch,
            mark: self.marks.get(&peer(n)).copied(),
            holdings,
            traits: self.traits.get(&n).copied().unwrap_or_default(),
        };
        let incarnation = hello.incarnation;
        let origin = self.origins.get(&n).copied();
        let command = Command::OpenSession {
            session,
            hello,
            key: self.keys.get(&n).copied(),
            origin,
        };
        match self.apply(command)? {
            Reply::Welcomed(welcome) => {
                self.peers.insert(
                    peer(n),
                    SimPeer {
                        session,
                        incarnation,
                        zone,
                        capacity,
                        sequence: 1,
                    },
                );
                Ok(welcome)
            }
            other => panic!("hello is answered by {other:?}"),
        }
    }

    /// Returns the session that was opened `back` sessions ago; 0 is the latest.
    pub(super) fn session_ago(&self, back: u64) -> SessionId {
        SessionId::new(self.sessions.saturating_sub(back))
    }

    /// Joins a new peer, which holds nothing.
    pub(super) fn join(&mut self, n: u8) {
        self.hello(n, 1, Epoch::new(0)).expect("welcome");
        self.announce(n, Vec::new(), true);
    }

    pub(super) fn join_zone(&mut self, n: u8, zone: &'static str, capacity: u64) {
        let session = SessionId::new(0);
        let incarnation = Incarnation::new(1);
        self.peers.insert(
            peer(n),
            SimPeer {
                session,
                incarnation,
                zone: Some(zone),
                capacity,
                sequence: 0,
            },
        );
        self.join(n);
    }

    pub(super) fn say(&mut self, n: u8, message: Report) -> Result<(), Rejection> {
        let peer = self.peers.get_mut(&peer(n)).expect("the peer has joined");
        peer.sequence += 1;
        let (session, sequence) = (peer.session, peer.sequence);
        self.apply(Command::Report {
            session,
            report: Numbered { sequence, message },
        })
        .map(drop)
    }

    /// Says that a peer is alive, and that this many bytes are used there.
    pub(super) fn heartbeat(&mut self, n: u8, used: u64) -> Result<(), Rejection> {
        let disk_free = None;
        self.say(
            n,
            Report::Heartbeat {
                used,
                disk_free,
                received: Vec::new(),
            },
        )
    }

    pub(super) fn announce(&mut self, n: u8, holdings: Vec<Holding>, completes_inventory: bool) {
        self.say(
            n,
            Report::Announce {
                holdings,
                completes_inventory,
            },
        )
        .expect("announced");
    }

    pub(super) fn holds(&mut self, n: u8, manifest: &Manifest, fragments: FragmentSet, keeps: bool) {
        self.announce_one(n, manifest.content(), fragments, (keeps, false));
    }

    /// Announces fragments that a peer keeps because they were assigned to it.
    pub(super) fn holds_as_assigned(&mut self, n: u8, manifest: &Manifest, fragments: FragmentSet) {
        self.announce_one(n, manifest.content(), fragments, (true, true));
    }

    fn announce_one(&mut self, n: u8, content: ContentId, fragments: FragmentSet, why: (bool, bool)) {
        let holding = Holding {
            content,
            fragments,
            keeps: why.0,
            is_assigned: why.1,
            is_fetching: false,
        };
        self.announce(n, vec![holding], false);
    }

    /// Does the same without checks, for one of thousands.
    pub(super) fn holds_unchecked(
        &mut self,
        n: u8,
        manifest: &Manifest,
        fragments: FragmentSet,
        keeps: bool,
    ) {
        self.is_crowded = true;
        self.holds(n, manifest, fragments, keeps);
    }

    pub(super) fn disconnect(&mut self, n: u8) {
        let session = self.peers[&peer(n)].session;
        self.apply(Command::CloseSession { session })
            .expect("sessions can always end");
    }

    pub(super) fn try_publish(
        &mut self,
        n: u8,
        text: &str,
        manifest: &Manifest,
        replicas: u32,
        expectation: Expectation,
    ) -> Result<Binding, Rejection> {
        self.try_publish_with(n, text, manifest, replicas, expectation, None)
    }

    /// Publishes a collection: the manifest of its catalog, and its parts.
    pub(super) fn publish_collection(
        &mut self,
        n: u8,
        text: &str,
        catalog: &Manifest,
        parts: &[Manifest],
        replicas: u32,
    ) -> Binding {
        let parts = Parts::new(parts.to_vec()).expect("few");
        self.try_publish_with(n, text, catalog, replicas, Expectation::Anything, Some(parts))
            .expect("published")
    }

    pub(super) fn try_publish_with(
        &mut self,
        n: u8,
        text: &str,
        manifest: &Manifest,
        replicas: u32,
        expectation: Expectation,
        parts: Option<Parts>,
    ) -> Result<Binding, Rejection> {
        let publish = self.publication(n, text, manifest, replicas);
        self.bind(Publish {
            expectation,
            metadata: publish.metadata.filter(|_| parts.is_none()),
            parts,
            ..publish
        })
    }

    /// Returns a file as a peer would publish it over whatever the name is bound to.
    pub(super) fn publication(&self, n: u8, text: &str, manifest: &Manifest, replicas: u32) -> Publish {
        Publish {
            name: name(text),
            manifest: manifest.clone(),
            target: target(replicas),
            expectation: Expectation::Anything,
            publisher: peer(n),
            incarnation: self
                .peers
                .get(&peer(n))
                .map_or(Incarnation::new(1), |peer| peer.incarnation),
            metadata: self.describes.then(|| metadata(0o600 + u32::from(n))),
            replaces_metadata: n.is_multiple_of(2),
            keeps_target: false,
            parts: None,
        }
    }

    /// Binds a name at the wish of its publisher.
    pub(super) fn bind(&mut self, publish: Publish) -> Result<Binding, Rejection> {
        let caller = self.caller(publish.publisher.as_bytes()[0]);
        self.bind_for(caller, publish)
    }

    pub(super) fn bind_for(&mut self, caller: Caller, publish: Publish) -> Result<Binding, Rejection> {
        match self.apply(Command::Publish { publish, caller })? {
            Reply::Published(binding) => Ok(binding),
            other => panic!("publish is answered by {other:?}"),
        }
    }

    /// Returns a caller that is this peer, in the session that it last opened.
    pub(super) fn caller(&self, n: u8) -> Caller {
        let known = self.peers.get(&peer(n));
        known.map_or(Caller::Anonymous, |known| Caller::Peer {
            id: peer(n),
            session: known.session,
        })
    }

    /// Lets a peer drop its copy at its own wish.
    pub(super) fn release(&mut self, n: u8, content: ContentId, run: Option<RunId>) -> Result<(), Rejection> {
        let (peer, caller) = (peer(n), self.caller(n));
        let command = Command::Release {
            peer,
            content,
            run,
            caller,
        };
        self.apply(command).map(drop)
    }

    pub(super) fn publish(&mut self, n: u8, text: &str, manifest: &Manifest, replicas: u32) -> Binding {
        self.try_publish(n, text, manifest, replicas, Expectation::Anything)
            .expect("published")
    }

    /// Does the same without checks, for one of thousands.
    pub(super) fn publish_unchecked(&mut self, n: u8, text: &str, manifest: &Manifest, replicas: u32) {
        self.is_crowded = true;
        self.publish(n, text, manifest, replicas);
    }

    pub(super) fn remove(&mut self, text: &str, expected: Option<u64>) -> Result<u64, Rejection> {
        match self.apply(Command::Remove {
            name: name(text),
            expected: expected.map(Revision::new),
        })? {
            Reply::Removed(revision) => Ok(revision.get()),
            other => panic!("remove is answered by {other:?}"),
        }
    }

    pub(super) fn set_target(&mut self, text: &str, replicas: u32) -> Result<Binding, Rejection> {
        let command = Command::SetTarget {
            name: name(text),
            expected: None,
            target: target(replicas),
        };
        match self.apply(command)? {
            Reply::Published(binding) => Ok(binding),
            other => panic!("a new target is answered by {other:?}"),
        }
    }

    pub(super) fn set_peer_mode(&mut self, n: u8, wish: RequestedMode) -> Result<PeerMode, Rejection> {
        match self.apply(Command::SetPeerMode { peer: peer(n), wish })? {
            Reply::ModeReport(mode) => Ok(mode),
            other => panic!("a new mode is answered by {other:?}"),
        }
    }

    pub(super) fn drain_status(&self, n: u8) -> DrainStatus {
        let mut survey = DrainSurvey::new(peer(n));
        loop {
            if let Some(status) = self.state.drain_step(&mut survey).expect("a known peer") {
                return status;
            }
        }
    }

    pub(super) fn tick(&mut self) {
        self.apply(Command::Tick).expect("time can always pass");
    }

    /// Lets time pass; connected peers send heartbeats, unless they are among the `silent`.
    pub(super) fn pass(&mut self, duration: Duration, silent: &[u8]) {
        let end = self.now.after(duration);
        while self.now < end {
            self.now = end.min(self.now.after(Duration::from_secs(1)));
            for id in self.peers.keys().copied().collect::<Vec<_>>() {
                let n = id.as_bytes()[0];
                if !silent.contains(&n) {
                    // A disconnected peer is not heard.
                    drop(self.heartbeat(n, 0));
                }
            }
            self.tick();
        }
    }

    pub(super) fn take_orders(&mut self) -> Vec<(PeerId, Order)> {
        std::mem::take(&mut self.orders)
    }

    /// Returns the assignments since the last call; panics at an eviction.
    pub(super) fn assigned(&mut self) -> Vec<(PeerId, FragmentSet)> {
        let orders = self.take_orders().into_iter();
        orders
            .map(|(peer, order)| match order {
                Order::Assign { fragments, .. } => (peer, fragments),
                other => panic!("{peer:?} is told {other:?}"),
            })
            .collect()
    }

    /// Returns the evictions since the last call; panics at an assignment.
    pub(super) fn evicted(&mut self) -> Vec<(PeerId, EvictReason)> {
        let orders = self.take_orders().into_iter();
        orders
            .map(|(peer, order)| match order {
                Order::Evict { reason, .. } => (peer, reason),
                other => panic!("{peer:?} is told {other:?}"),
            })
            .collect()
    }

    /// Has every peer obey its orders at once, until there are none.
    pub(super) fn obey(&mut self) {
        for _ in 0..20 {
            self.tick();
            for (peer, order) in self.take_orders() {
                let n = peer.as_bytes()[0];
                match order {
                    Order::Assign {
                        manifest, fragments, ..
                    } => {
                        let mut held = self.held_by(n, &manifest);
                        held.union_with(&fragments);
                        self.holds_as_assigned(n, &manifest, held);
                    }
                    Order::Evict { content, .. } => {
                        let fragments = FragmentSet::empty(self.capacity_of(content, peer));
                        self.announce_one(n, content, fragments, (false, false));
                    }
                    Order::Remember(_)
                    | Order::Probe { .. }
                    | Order::Check { .. }
                    | Order::Ask { .. }
                    | Order::Reach { .. }
                    | Order::Adopt { .. } => {}
                }
            }
        }
        assert!(self.orders.is_empty(), "orders come to an end");
    }

    fn held_by(&self, n: u8, manifest: &Manifest) -> FragmentSet {
        let held = self.state.replicas.held(manifest.content(), peer(n));
        held.map_or(manifest.no_fragments(), |held| {
            held.fragments().to_set(manifest.fragment_count())
        })
    }

    fn capacity_of(&self, content: ContentId, peer: PeerId) -> u32 {
        let known = self
            .state
            .names
            .content(content)
            .map(|content| content.manifest().fragment_count());
        known.unwrap_or_else(|| {
            self.state
                .replicas
                .held(content, peer)
                .map_or(0, |h| h.fragments().to_set(0).capacity())
        })
    }

    pub(super) fn health(&self, manifest: &Manifest) -> Health {
        self.state
            .health(manifest.content())
            .expect("the content has a name")
    }

    pub(super) fn content_state(&self, manifest: &Manifest) -> ContentState {
        self.health(manifest).state
    }

    pub(super) fn peer_state(&self, n: u8) -> PeerState {
        let all = self.state.peers(None, 1000).peers;
        all.iter()
            .find(|info| info.id == peer(n))
            .expect("a known peer")
            .state
    }

    pub(super) fn bound(&self, text: &str) -> Option<(u64, ContentId)> {
        let found = self.state.resolve(&ContentRef::Name(name(text))).ok()?;
        Some((found.0.revision.get(), found.0.content))
    }

    /// Returns peers that count as replicas of every fragment of the content.
    pub(super) fn replicas(&self, manifest: &Manifest) -> Vec<PeerId> {
        let held = self.state.replicas.holders_of(manifest.content()).iter();
        held.filter(|held| {
            held.counts(Purpose::Remain, &self.state.peers)
                && held.fragments().covers(&manifest.all_fragments())
        })
        .map(|held| held.peer())
        .collect()
    }
}
