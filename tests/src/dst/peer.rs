//! A simulated peer: the production store (in memory), session, publisher, open orders and eviction
//! rules, with a process that dies and a disk that remembers.

mod copying;
mod publishing;
mod session;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use peer::orders::OpenOrders;
use peer::publisher::Rounds;
use peer::session::{Input, Protected, ProtectionGuard};
use rand::RngExt as _;
use shared::model::{
    ContentId, Epoch, FragmentIndex, Incarnation, Mark, Name, NetworkId, PeerId, Received, Report, RunId,
};
use store::{FragmentStore as _, MemoryStore, Publication};
use tokio::sync::broadcast;

use super::connections::End;
use super::oracle::OperationId;
use super::queue::Millis;
use super::world::{Act, Event, World};
use copying::Copying;
use publishing::SimAttempt;
use session::SimSession;

/// A peer's place in the world; a machine that was wiped gets a new peer.
pub(super) type PeerNumber = usize;

/// Everything of this world's network that a peer sets apart while it is in another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Apart {
    pub(super) network: NetworkId,
    pub(super) epoch: Epoch,
    pub(super) mark: Option<Mark>,
}

/// A peer's disk, and its process if there is one.
pub(super) struct SimPeer {
    pub(super) id: PeerId,
    pub(super) zone: Option<String>,
    pub(super) capacity: u64,
    // The disk.
    pub(super) store: MemoryStore,
    pub(super) outbox: BTreeMap<Name, Publication>,
    incarnation: u64,
    pub(super) network: Option<NetworkId>,
    /// None while the peer is in this world's network.
    pub(super) apart: Option<Apart>,
    pub(super) epoch: Epoch,
    pub(super) mark: Option<Mark>,
    /// Fragments whose bytes have rotted; the store does not know.
    pub(super) rotten: BTreeSet<(ContentId, FragmentIndex)>,
    pub(super) is_disk_broken: bool,
    /// The peer never comes back.
    pub(super) is_gone: bool,
    /// The peer says that it keeps everything, obeys nothing, and never has a byte.
    pub(super) is_fake: bool,
    // The process.
    pub(super) run: u64,
    /// Drawn by every start.
    pub(super) run_id: RunId,
    pub(super) is_up: bool,
    pub(super) session: Option<SimSession>,
    /// Deliveries that no heartbeat has told of.
    received: Vec<Received>,
    protected: Protected,
    changes: broadcast::Receiver<ContentId>,
    will_notice: bool,
    orders: OpenOrders,
    /// When the orders are looked at next, if that is planned.
    works_at: Option<Millis>,
    copies: BTreeMap<ContentId, Copying>,
    failures: VecDeque<Report>,
    rounds: Rounds,
    /// Publications whose callers wait for their turn.
    callers: VecDeque<Publication>,
    attempt: Option<SimAttempt>,
    /// When the next attempt may begin, if that is planned.
    publishes_at: Option<Millis>,
    /// Contents that a client publishes in this peer's name, each protected until then.
    lent: Vec<(Millis, ProtectionGuard)>,
    /// The operations that added each name.
    additions: BTreeMap<Name, OperationId>,
}

impl SimPeer {
    pub(super) const fn is_in(&self, run: u64) -> bool {
        self.is_up && self.run == run
    }

    pub(super) const fn incarnation(&self) -> Incarnation {
        Incarnation::new(self.incarnation)
    }

    /// Whether it was in another network last.
    pub(super) const fn is_abroad(&self) -> bool {
        self.apart.is_some()
    }

    /// Whether a client is publishing something in its name.
    pub(super) const fn is_lending(&self) -> bool {
        self.attempt.is_some() || !self.lent.is_empty()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.orders.is_empty() && self.copies.is_empty()
    }

    /// Whether the peer really has the fragment: synced and right.
    pub(super) fn has(&self, content: ContentId, index: FragmentIndex) -> bool {
        let held = self.store.entry(content).map(|entry| entry.held);
        held.is_some_and(|held| held.contains(index)) && !self.rotten.contains(&(content, index))
    }
}

impl World {
    /// Adds a machine, which starts soon.
    pub(super) fn add_peer(&mut self) {
        let zones = self.profile.zones;
        let number = self.peers.len();
        let store = MemoryStore::new(self.profile.capacity);
        let changes = store.subscribe();
        let delay = self.rng.random_range(0..3_000);
        self.peers.push(SimPeer {
            id: PeerId::from_bytes(self.rng.random()),
            zone: (zones > 0).then(|| format!("zone-{}", number % zones)),
            capacity: self.profile.capacity,
            store,
            outbox: BTreeMap::new(),
            incarnation: 0,
            network: None,
            apart: None,
            epoch: Epoch::new(0),
            mark: None,
            rotten: BTreeSet::new(),
            is_disk_broken: false,
            is_gone: false,
            is_fake: false,
            received: Vec::new(),
            run: 0,
            run_id: RunId::from_bytes([0; 16]),
            is_up: false,
            session: None,
            protected: Protected::default(),
            changes,
            will_notice: false,
            orders: OpenOrders::default(),
            works_at: None,
            copies: BTreeMap::new(),
            failures: VecDeque::new(),
            rounds: Rounds::default(),
            callers: VecDeque::new(),
            attempt: None,
            publishes_at: None,
            lent: Vec::new(),
            additions: BTreeMap::new(),
        });
        self.plan(delay, Event::PeerStarts(number));
    }

    /// Adds a liar.
    pub(super) fn add_fake(&mut self) {
        self.add_peer();
        if let Some(peer) = self.peers.last_mut() {
            (peer.is_fake, peer.capacity) = (true, 0);
        }
    }

    pub(super) fn start_peer(&mut self, number: PeerNumber) {
        let delay = self.rng.random_range(1..300);
        let run_id = RunId::from_bytes(self.rng.random());
        let peer = &mut self.peers[number];
        if peer.is_up || peer.is_gone {
            return;
        }
        peer.run_id = run_id;
        peer.is_up = true;
        peer.run += 1;
        peer.incarnation += 1;
        peer.changes = peer.store.subscribe();
        peer.protected = Protected::default();
        let incarnation = peer.incarnation;
        self.say(format_args!("peer {number}: starts its run {incarnation}"));
        self.will(number, delay, Act::Dials);
    }

    /// Ends the process, by a signal or with its machine.
    pub(super) fn crash_peer(&mut self, number: PeerNumber) {
        let peer = &mut self.peers[number];
        if !peer.is_up {
            return;
        }
        peer.is_up = false;
        peer.store.crash();
        peer.attempt = None;
        peer.callers.clear();
        peer.rounds = Rounds::default();
        peer.publishes_at = None;
        peer.lent.clear();
        peer.orders = OpenOrders::default();
        peer.works_at = None;
        peer.copies.clear();
        peer.received.clear();
        peer.failures.clear();
        peer.will_notice = false;
        self.say(format_args!("peer {number}: crashes"));
        if let Some(session) = self.peers[number].session.take() {
            // The tracker may find out at once, or by the lease only.
            if self.rng.random_bool(0.5) {
                self.end_breaks(session.connection, End::Peer(number));
            } else {
                self.break_connection(session.connection);
            }
        }
    }

    /// The process says that it leaves, and dies.
    pub(super) fn leave(&mut self, number: PeerNumber) {
        self.tell(number, Input::Leave);
    }

    pub(super) fn will(&mut self, number: PeerNumber, after: u64, act: Act) {
        let run = self.peers[number].run;
        self.plan(after, Event::Peer(number, run, act));
    }

    /// Protects a content that a client is about to publish in the peer's name, as long as that may take.
    pub(super) fn lend(&mut self, number: PeerNumber, content: ContentId) {
        let longest = 20_000 + 4 * self.profile.longest_delay;
        let peer = &mut self.peers[number];
        let guard = peer.protected.begin(content);
        peer.lent.push((self.now + longest, guard));
    }

    pub(super) fn peer_of(&self, id: PeerId) -> Option<PeerNumber> {
        self.peers.iter().position(|peer| peer.id == id)
    }
}
