//! Peers, their lives and their sessions: which peers can be given work, and whose replicas count. The walk
//! of a peer that dies begins in `leases.rs`.
//!
//! Invariants: a session that is known is the current one of exactly one peer; a live peer has a session; a
//! lost peer has none. This part knows no names, and of holdings only those of peers that are away for
//! maintenance; the others are in [`replicas`](super::replicas).

mod checkers;
mod copies;
mod inventories;
mod keys;
mod leases;
mod maintenance_holdings;
mod modes;
mod reach;

use std::collections::{BTreeMap, BTreeSet};

use shared::model::{
    DialFailure, Hello, HostPort, Incarnation, KeyHash, Numbered, PeerId, PeerMode, PeerState, Report,
    RunTraits, Timestamp, Zone,
};

use super::command::{Origin, Rejection, SessionId};
use super::record::{Fact, Record, Registration, require};
use super::steps::visited;
use crate::placement::Rings;
use crate::timing::Timing;
use checkers::Checkers;
pub(crate) use copies::Contest;
use copies::{Copied, Rivals, Run};
use inventories::Inventory;
use leases::SafeMode;
use maintenance_holdings::MaintenanceHoldings;
use reach::{Probe, Reachability};

pub(crate) use maintenance_holdings::facts_of_maintenance;
pub(crate) use reach::Standing;

/// Limit of peers that are not lost: every tick looks at their leases one by one.
pub(crate) const MAX_PEERS: usize = 20_000;

/// Limit of the bytes that are remembered of all peers, lost ones among them: the journal's snapshots have
/// them. As many peers as there may be fit, with the longest addresses and zones.
pub(crate) const MOST_REMEMBERED: usize = 20 << 20;

/// Bytes that are remembered of a peer, besides its address and its zone.
pub(crate) const PEER_BYTES: usize = 512;

/// All peers, by id.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    peers: BTreeMap<PeerId, Peer>,
    sessions: BTreeMap<SessionId, PeerId>,
    /// Bytes that are remembered of all peers.
    remembered: usize,
    /// Peers with a session that can be told to dial others.
    dialers: BTreeSet<PeerId>,
    /// Peers that are not lost.
    rings: Rings,
    /// Peers that may have changed since the last event.
    touched: Vec<PeerId>,
    /// Holdings of peers that are away for maintenance.
    absences: MaintenanceHoldings,
    safe_mode: Option<SafeMode>,
    /// Whether many peers have fallen silent together.
    has_outage: bool,
    /// Time of the latest tick.
    ticked_at: Timestamp,
    /// Probes that are under way, by their numbers.
    probes: BTreeMap<u64, Probe>,
    last_probe: u64,
    checkers: Checkers,
}

/// A peer.
#[derive(Debug)]
pub(crate) struct Peer {
    registration: Registration,
    /// Time at which the registration was journaled.
    registered_at: Timestamp,
    /// Key that it has proved, in its first hello with one; none of earlier versions.
    key: Option<KeyHash>,
    life: Life,
    mode: PeerMode,
    mode_since: Timestamp,
    /// Bytes of its capacity that are used: as it last said, and those that were assigned and have arrived
    /// since.
    used: u64,
    /// Bytes that its disk has free, if it knows.
    disk_free: Option<u64>,
    /// The smallest copy that it has lately refused for want of room, and when it may be given such again.
    refused: Option<(u64, Timestamp)>,
    /// Time at which an assignment of it last moved.
    progress_at: Timestamp,
    session: Option<Session>,
    /// Inventory that it has begun and not completed; none for a peer that has not said hello.
    inventory: Option<Inventory>,
    /// Whether it is lost because it left.
    has_left: bool,
    /// Traits of its latest run.
    traits: RunTraits,
    reach: Reachability,
    /// Whether it was first seen in this run of the tracker: nothing is known of it from before.
    is_new: bool,
    /// Whether it has said everything that it holds, in this run of the tracker.
    has_told: bool,
    /// Whether it is lost and kept nothing.
    kept_nothing: bool,
    /// Samples of its copies in a row that were not right.
    lies: u8,
    /// Time of the latest sample.
    lied_at: Timestamp,
    /// The latest copy of its data directory that was refused.
    copied: Option<Copied>,
}

/// Belief of the tracker about a peer's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Live { lease_until: Timestamp },
    Suspect { since: Timestamp },
    Lost { since: Timestamp },
}

/// A peer's current session.
#[derive(Debug)]
pub(crate) struct Session {
    id: SessionId,
    /// The run that said hello, and others that did so since.
    run: Run,
    rivals: Rivals,
    /// Number of the last message that was taken in.
    sequence: u64,
    /// Facts of the last mark that it was sent.
    sent_facts: u64,
    /// Failure to dial it that it was told.
    told_failure: Option<DialFailure>,
}

impl Session {
    pub(crate) const fn id(&self) -> SessionId {
        self.id
    }

    /// Number of the last message that was taken in.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl Life {
    pub(crate) fn state(self) -> PeerState {
        match self {
            Self::Live { .. } => PeerState::Live,
            Self::Suspect { .. } => PeerState::Suspect,
            Self::Lost { .. } => PeerState::Lost,
        }
    }
}

impl Peer {
    pub(crate) const fn id(&self) -> PeerId {
        self.registration.peer
    }

    pub(crate) const fn incarnation(&self) -> Incarnation {
        self.registration.incarnation
    }

    pub(crate) const fn address(&self) -> &HostPort {
        &self.registration.address
    }

    pub(crate) const fn zone(&self) -> Option<&Zone> {
        self.registration.zone.as_ref()
    }

    pub(crate) const fn capacity(&self) -> u64 {
        self.registration.capacity
    }

    /// Returns the bytes of the capacity that are used.
    pub(crate) const fn used(&self) -> u64 {
        self.used
    }

    pub(crate) const fn life(&self) -> Life {
        self.life
    }

    pub(crate) const fn mode(&self) -> PeerMode {
        self.mode
    }

    pub(crate) const fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    pub(crate) const fn progress_at(&self) -> Timestamp {
        self.progress_at
    }

    /// Returns the bytes that its disk has free; without limit when it does not know.
    pub(crate) fn disk_free(&self) -> u64 {
        self.disk_free.unwrap_or(u64::MAX)
    }

    /// Returns the largest copy that it may be given, after those that it has lately refused.
    pub(crate) fn largest_copy(&self, now: Timestamp) -> u64 {
        let refused = self.refused.filter(|(_, until)| *until > now);
        refused.map_or(u64::MAX, |(bytes, _)| bytes.saturating_sub(1))
    }

    /// Returns whether it runs for one command only.
    pub(crate) const fn is_transient(&self) -> bool {
        self.traits.is_transient
    }

    /// Whether the tracker knows all that there is to know of its holdings: it has told them, or has never
    /// had time to tell any.
    pub(crate) const fn is_known_whole(&self) -> bool {
        self.has_told || self.is_new
    }

    pub(crate) const fn has_left(&self) -> bool {
        self.has_left
    }

    /// Returns the address of a copy of its data directory that was refused a short while ago.
    pub(crate) fn copy(&self) -> Option<&HostPort> {
        self.copied.as_ref().map(Copied::address)
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.life, Life::Live { .. })
    }

    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.life, Life::Lost { .. })
    }

    /// Returns whether it can be given work: it is active, live, in reach, there for more than one command,
    /// was not found to lie, and its inventory is known.
    pub(crate) fn can_be_given(&self) -> bool {
        self.mode == PeerMode::Active
            && self.ready_session().is_some()
            && *self.standing() == Standing::Reachable
            && !self.is_visitor()
            && !self.is_distrusted()
    }

    /// Returns the session in which the peer can be sent orders: it is live and its inventory is known.
    pub(crate) fn ready_session(&self) -> Option<&Session> {
        self.session
            .as_ref()
            .filter(|_| self.is_live() && self.inventory.is_none())
    }
}

impl Peers {
    /// Creates a state without peers, whose probes are numbered from here on.
    pub(crate) fn new(first_probe: u64) -> Self {
        Self {
            last_probe: first_probe,
            ..Self::default()
        }
    }

    pub(crate) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    /// Returns a peer to be changed, and marks it as touched.
    fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.touch(id);
        self.peers.get_mut(&id)
    }

    /// Returns the orders of all peers that are not lost, from which replica sets are read off.
    pub(crate) const fn rings(&self) -> &Rings {
        &self.rings
    }

    /// Whether there are as many peers as there may be, lost ones not counted.
    fn is_full(&self) -> bool {
        self.rings.len() >= MAX_PEERS
    }

    /// Whether one more peer may be known when these are forgotten.
    fn has_room_without(&self, gone: &[PeerId], registration: &Registration) -> bool {
        let gone = gone.iter().filter_map(|id| self.get(*id));
        let present = gone.clone().filter(|peer| !peer.is_lost()).count();
        let freed: usize = gone.map(|peer| bytes_of(&peer.registration)).sum();
        let remembered = self.remembered + bytes_of(registration) - freed;
        self.rings.len() - present < MAX_PEERS && remembered <= MOST_REMEMBERED
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> + Clone {
        visited(self.peers.values())
    }

    /// Returns the peers after `id` (or from the first one), in order of ids.
    pub(crate) fn after(&self, id: Option<PeerId>) -> impl Iterator<Item = &Peer> {
        use std::ops::Bound;
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        visited(self.peers.range((from, Bound::Unbounded))).map(|(_, peer)| peer)
    }

    pub(crate) fn is_live(&self, id: PeerId) -> bool {
        self.get(id).is_some_and(Peer::is_live)
    }

    pub(crate) fn is_in_reach(&self, id: PeerId) -> bool {
        let standing = self.get(id).map(Peer::standing);
        standing.is_some_and(|standing| !matches!(standing, Standing::Unreachable { .. }))
    }

    pub(crate) fn is_lost(&self, id: PeerId) -> bool {
        self.get(id).is_none_or(Peer::is_lost)
    }

    pub(crate) fn is_draining(&self, id: PeerId) -> bool {
        self.get(id).is_some_and(|peer| peer.mode == PeerMode::Draining)
    }

    /// Returns the peer's failure domain, if the peer is known and has one.
    pub(crate) fn zone(&self, id: PeerId) -> Option<&Zone> {
        self.get(id)?.zone()
    }

    /// Returns the peer's session, if it has one.
    pub(crate) fn session_of(&self, id: PeerId) -> Option<SessionId> {
        self.get(id)?.session.as_ref().map(Session::id)
    }

    /// Returns the session in which the peer can be sent orders.
    pub(crate) fn ready_session(&self, id: PeerId) -> Option<&Session> {
        self.get(id)?.ready_session()
    }

    /// Returns every open session and its peer.
    pub(crate) fn sessions(&self) -> Vec<(SessionId, PeerId)> {
        visited(self.sessions.iter())
            .map(|(session, peer)| (*session, *peer))
            .collect()
    }

    /// Checks whether a peer may register; returns the fact, unless the registration is known.
    pub(crate) fn admit(&self, registration: Registration) -> Result<Option<Fact>, Rejection> {
        let (peer, given) = (registration.peer, registration.incarnation);
        let known = self.get(peer);
        let current = known.map_or(Incarnation::new(0), Peer::incarnation);
        if given.ahead_of(current) > Incarnation::MAX_STEP {
            return Err(Rejection::RunTooFar { peer, current, given });
        }
        let is_known = match known {
            Some(known) => {
                if given < current {
                    return Err(Rejection::OlderIncarnation { peer, current, given });
                }
                known.registration == registration && !known.is_lost()
            }
            None if !self.has_room_without(&[], &registration) => {
                return Err(Rejection::TooManyPeers(MAX_PEERS));
            }
            None => false,
        };
        Ok((!is_known).then_some(Fact::PeerRegistered(registration)))
    }

    /// Checks that a publisher is connected in this run of it.
    pub(crate) fn check_publisher(&self, id: PeerId, incarnation: Incarnation) -> Result<(), Rejection> {
        let peer = self.get(id).ok_or(Rejection::NoSession(id))?;
        let current = peer.registration.incarnation;
        if incarnation < current {
            return Err(Rejection::OlderIncarnation {
                peer: id,
                current,
                given: incarnation,
            });
        }
        match peer.session {
            Some(_) if incarnation == current => Ok(()),
            _ => Err(Rejection::NoSession(id)),
        }
    }

    /// Applies a fact about peers; any other one changes nothing.
    pub(crate) fn evolve(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::PeerRegistered(registration) => {
                self.absences.forget(registration.peer);
                self.register(registration.clone(), at);
            }
            Fact::KeyRecorded { peer, key } => self.record_key(*peer, *key),
            Fact::PeerGone(peer) => {
                self.absences.forget(*peer);
                self.lose(*peer, at, false);
            }
            Fact::VisitorGone(peer) => {
                self.absences.forget(*peer);
                self.lose(*peer, at, true);
            }
            Fact::PeerForgotten(peer) => {
                self.absences.forget(*peer);
                self.forget(*peer);
            }
            Fact::WentAway {
                peer,
                holdings,
                is_more,
            } => self.absences.note(*peer, holdings.clone(), *is_more),
            Fact::ModeChanged { peer, mode } => {
                if !matches!(mode, PeerMode::Maintenance { .. }) {
                    self.absences.forget(*peer);
                }
                self.set_mode(*peer, *mode, at);
            }
            _ => {}
        }
    }

    /// Registers a peer; a new or returning one is suspect until it says hello.
    fn register(&mut self, registration: Registration, at: Timestamp) {
        let id = registration.peer;
        self.rings.insert(id);
        self.touch(id);
        self.remembered += bytes_of(&registration);
        self.remembered -= self.get(id).map_or(0, |known| bytes_of(&known.registration));
        match self.peers.get_mut(&id) {
            Some(peer) => {
                if peer.registration.address != registration.address {
                    peer.reach = Reachability::new();
                }
                (peer.registration, peer.registered_at) = (registration, at);
                if peer.is_lost() {
                    peer.life = Life::Suspect { since: at };
                    peer.kept_nothing = false;
                }
            }
            None => {
                let peer = Peer {
                    registration,
                    registered_at: at,
                    key: None,
                    life: Life::Suspect { since: at },
                    mode: PeerMode::Active,
                    mode_since: at,
                    used: 0,
                    disk_free: None,
                    refused: None,
                    progress_at: Timestamp::default(),
                    session: None,
                    inventory: None,
                    has_left: false,
                    traits: RunTraits::default(),
                    reach: Reachability::new(),
                    is_new: true,
                    has_told: false,
                    kept_nothing: false,
                    lies: 0,
                    lied_at: Timestamp::default(),
                    copied: None,
                };
                self.peers.insert(id, peer);
            }
        }
    }

    /// Sets the mode of a peer, which outlives its sessions.
    fn set_mode(&mut self, id: PeerId, mode: PeerMode, at: Timestamp) {
        self.touch(id);
        if let Some(peer) = self.peers.get_mut(&id) {
            (peer.mode, peer.mode_since) = (mode, at);
        }
    }

    /// Returns the peers that may have changed since the last call.
    pub(crate) fn take_touched(&mut self) -> Vec<PeerId> {
        std::mem::take(&mut self.touched)
    }

    /// Marks all peers as touched.
    fn touch_all(&mut self) {
        self.touched = self.peers.keys().copied().collect();
    }

    fn touch(&mut self, id: PeerId) {
        // Consecutive changes are often of the same peer.
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }

    /// Makes a peer lost, and ends its session.
    fn lose(&mut self, id: PeerId, at: Timestamp, kept_nothing: bool) {
        self.touch(id);
        self.waits_no_longer_for(id);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.life = Life::Lost { since: at };
            (peer.kept_nothing, peer.has_told, peer.reach) = (kept_nothing, false, Reachability::new());
            peer.is_new &= kept_nothing;
            peer.inventory = None;
            self.rings.remove(id);
            if let Some(session) = peer.session.take() {
                self.sessions.remove(&session.id);
                self.dialers.remove(&id);
            }
        }
    }

    /// Records that a lost peer left on purpose.
    pub(crate) fn set_left(&mut self, id: PeerId) {
        if let Some(peer) = self.get_mut(id) {
            peer.has_left = true;
        }
    }

    fn forget(&mut self, id: PeerId) {
        self.rings.remove(id);
        self.dialers.remove(&id);
        self.waits_no_longer_for(id);
        if let Some(peer) = self.peers.remove(&id) {
            self.remembered -= bytes_of(&peer.registration);
            if let Some(session) = peer.session {
                self.sessions.remove(&session.id);
            }
        }
    }

    /// Opens the session of a peer that has said hello, and lets its lease run; returns the session that it
    /// replaces. The peer's inventory begins.
    pub(crate) fn open(
        &mut self,
        id: SessionId,
        hello: &Hello,
        now: Timestamp,
        timing: &Timing,
        origin: Option<Origin>,
    ) -> Option<SessionId> {
        self.touch(hello.peer);
        let must_wait = self.has_probers(hello.peer);
        let peer = self.peers.get_mut(&hello.peer)?;
        (peer.used, peer.disk_free, peer.refused) = (hello.used, hello.traits.disk_free, None);
        (peer.has_left, peer.traits) = (false, hello.traits);
        peer.reach.greet(hello, origin, now, must_wait);
        peer.inventory = Some(Inventory::begin(peer.inventory.take(), now, timing));
        let lease_until = now.after(timing.lease);
        peer.life = Life::Live { lease_until };
        self.sessions.insert(id, hello.peer);
        match hello.traits.can_probe {
            true => self.dialers.insert(hello.peer),
            false => self.dialers.remove(&hello.peer),
        };
        let old = peer.session.replace(Session {
            id,
            run: Run::of(hello),
            rivals: Rivals::default(),
            sequence: 1,
            sent_facts: 0,
            told_failure: None,
        })?;
        self.sessions.remove(&old.id);
        Some(old.id)
    }

    /// Checks the number of a session's next message and returns the peer; none when the message was taken in
    /// before.
    pub(crate) fn receive(
        &mut self,
        session: SessionId,
        report: &Numbered<Report>,
    ) -> Result<Option<PeerId>, Rejection> {
        let id = self
            .sessions
            .get(&session)
            .copied()
            .ok_or(Rejection::StaleSession)?;
        let session = self.peers.get_mut(&id).and_then(|peer| peer.session.as_mut());
        let session = session.ok_or(Rejection::StaleSession)?;
        if report.sequence <= session.sequence {
            return Ok(None);
        }
        let expected = session.sequence.saturating_add(1);
        if report.sequence != expected {
            return Err(Rejection::OutOfSequence {
                expected,
                got: report.sequence,
            });
        }
        session.sequence = expected;
        Ok(Some(id))
    }

    /// Ends a session; returns its peer, which is suspect from now on, if it was the current one.
    pub(crate) fn close(&mut self, session: SessionId, now: Timestamp) -> Option<PeerId> {
        let id = self.sessions.remove(&session)?;
        self.dialers.remove(&id);
        let peer = self.get_mut(id)?;
        peer.session = None;
        if peer.is_live() {
            peer.life = Life::Suspect { since: now };
        }
        Some(id)
    }

    /// Sets how many bytes of its capacity a peer uses, and how many its disk has free.
    pub(crate) fn set_used(&mut self, id: PeerId, used: u64, disk_free: Option<u64>) {
        if let Some(peer) = self.peers.get_mut(&id) {
            (peer.used, peer.disk_free) = (used, disk_free);
        }
    }

    /// Counts bytes that were assigned to a peer and have arrived. Its next heartbeat counts them too; until
    /// then the room must not be given away twice.
    pub(crate) fn advance(&mut self, id: PeerId, arrived: u64, now: Timestamp) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.used = peer.used.saturating_add(arrived);
            peer.disk_free = peer.disk_free.map(|free| free.saturating_sub(arrived));
            peer.progress_at = now;
        }
    }

    /// Notes that a peer has no room for a copy of so many bytes, nor for a larger one, until a time.
    pub(crate) fn refuse_copies(&mut self, id: PeerId, bytes: u64, until: Timestamp, now: Timestamp) {
        if let Some(peer) = self.peers.get_mut(&id) {
            let least = bytes.min(peer.largest_copy(now).saturating_add(1));
            peer.refused = Some((least, until));
        }
    }

    /// Returns the session in which a peer is to be sent a mark of this many facts; none when it was sent as
    /// much.
    pub(crate) fn send_facts(&mut self, id: PeerId, facts: u64) -> Option<SessionId> {
        let session = self.peers.get_mut(&id)?.session.as_mut()?;
        let is_news = session.sent_facts < facts;
        session.sent_facts = session.sent_facts.max(facts);
        is_news.then_some(session.id)
    }

    /// Returns the shortest list of facts that leads to these peers.
    pub(crate) fn records(&self, epoch_at: Timestamp) -> impl Iterator<Item = Record> + '_ {
        let peers = self.peers.values().flat_map(|peer| {
            let registered = Record {
                at: peer.registered_at,
                fact: Fact::PeerRegistered(peer.registration.clone()),
            };
            let gone = match peer.life {
                Life::Lost { since } => Some(Record {
                    at: since,
                    fact: match peer.kept_nothing {
                        true => Fact::VisitorGone(peer.registration.peer),
                        false => Fact::PeerGone(peer.registration.peer),
                    },
                }),
                Life::Live { .. } | Life::Suspect { .. } => None,
            };
            let in_mode = (peer.mode != PeerMode::Active).then_some(Record {
                at: peer.mode_since,
                fact: Fact::ModeChanged {
                    peer: peer.registration.peer,
                    mode: peer.mode,
                },
            });
            let keyed = peer.key.map(|key| Record {
                at: peer.registered_at,
                fact: Fact::KeyRecorded {
                    peer: peer.registration.peer,
                    key,
                },
            });
            std::iter::once(registered)
                .chain(keyed)
                .chain(in_mode)
                .chain(gone)
        });
        peers.chain(self.absences.records(epoch_at))
    }

    /// Checks the invariants; the complaint is in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (id, peer) in &self.peers {
            let known_as = peer.registration.peer;
            require(known_as == *id, || {
                format!("peer {id} is registered as {known_as}")
            })?;
            match (&peer.life, &peer.session) {
                (Life::Live { .. }, None) => return Err(format!("peer {id} lives without a session")),
                (Life::Lost { .. }, Some(_)) => return Err(format!("peer {id} is lost but has a session")),
                (_, Some(session)) => require(self.sessions.get(&session.id) == Some(id), || {
                    format!("the session of peer {id} is not known as its")
                })?,
                (_, None) => {}
            }
        }
        let remembered: usize = self.iter().map(|peer| bytes_of(&peer.registration)).sum();
        require(remembered == self.remembered, || {
            format!(
                "{remembered} bytes are remembered of peers, not {}",
                self.remembered
            )
        })?;
        let present: Vec<_> = self.iter().filter(|peer| !peer.is_lost()).collect();
        let is_there = |id| self.get(id).is_some_and(|peer| !peer.is_lost());
        require(
            self.rings.len() == present.len() && self.rings.peers().all(is_there),
            || "replica sets are not read off from who is there".to_owned(),
        )?;
        let dials = |peer: &&Peer| peer.session.is_some() && peer.traits.can_probe;
        let dialers = self.peers.values().filter(dials).map(Peer::id);
        require(dialers.eq(self.dialers.iter().copied()), || {
            "peers that dial others are not those that can".to_owned()
        })?;
        let open = self.peers.values().filter(|peer| peer.session.is_some()).count();
        require(open == self.sessions.len(), || {
            "there is a session without a peer".to_owned()
        })
    }
}

/// Returns the bytes that are remembered of a peer.
fn bytes_of(registration: &Registration) -> usize {
    let zone = registration.zone.as_ref().map_or(0, |zone| zone.as_str().len());
    PEER_BYTES + registration.address.host().len() + zone
}
