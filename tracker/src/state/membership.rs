//! Peers, their lives and their sessions.
//!
//! Invariants: a session that is known is the current one of exactly one peer; a live peer has a session; a lost
//! peer has none. Who holds what is not here.

use std::collections::{BTreeMap, BTreeSet};

use shared::model::{ContentId, PeerId, PeerMode, PeerState, Timestamp};

use super::check::require;
use super::command::SessionId;
use super::record::{Fact, Record, Registration};
use crate::placement::Rings;

/// All peers, by id.
#[derive(Debug, Default)]
pub(super) struct Membership {
    peers: BTreeMap<PeerId, Peer>,
    sessions: BTreeMap<SessionId, PeerId>,
    /// Everyone who is not lost.
    rings: Rings,
    /// To whom something may have happened since somebody asked.
    touched: Vec<PeerId>,
}

/// A peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) registration: Registration,
    /// When the registration was journaled.
    pub(super) registered_at: Timestamp,
    pub(super) life: Life,
    pub(super) mode: PeerMode,
    duty_since: Timestamp,
    /// Bytes of its capacity that are used: as it last said, and what was assigned and has arrived since.
    pub(super) used: u64,
    /// It said that it has no room: nothing is assigned to it before.
    pub(super) is_full_until: Timestamp,
    /// When an assignment of it last moved.
    pub(super) progress_at: Timestamp,
    pub(super) session: Option<Session>,
    /// Whether it is lost because it left.
    pub(super) has_left: bool,
    /// How watchers know it.
    pub(super) told: Option<(PeerState, PeerMode)>,
}

/// What the tracker believes about a peer's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Live { lease_until: Timestamp },
    Suspect { since: Timestamp },
    Lost { since: Timestamp },
}

/// A peer's current session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// The last message that was taken in.
    pub(super) sequence: u64,
    /// The facts of the last mark that it was told.
    pub(super) told: u64,
    /// What it was known to hold when it said hello and has not announced since; dropped when its inventory is
    /// complete. None from then on.
    pub(super) unconfirmed: Option<BTreeSet<ContentId>>,
}

impl Session {
    /// Whether the peer has announced everything that it holds.
    pub(super) fn has_inventory(&self) -> bool {
        self.unconfirmed.is_none()
    }
}

impl Life {
    pub(super) fn state(self) -> PeerState {
        match self {
            Self::Live { .. } => PeerState::Live,
            Self::Suspect { .. } => PeerState::Suspect,
            Self::Lost { .. } => PeerState::Lost,
        }
    }
}

impl Peer {
    pub(super) fn is_live(&self) -> bool {
        matches!(self.life, Life::Live { .. })
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.life, Life::Lost { .. })
    }

    /// Whether it is there and used for what comes.
    pub(super) fn can_be_given(&self) -> bool {
        self.mode == PeerMode::Active && self.ready_session().is_some()
    }

    /// The session of a peer that may be given something to do: it lives and its inventory is known.
    pub(super) fn ready_session(&self) -> Option<&Session> {
        self.session
            .as_ref()
            .filter(|session| self.is_live() && session.has_inventory())
    }
}

impl Membership {
    pub(super) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    /// Whoever gets this may change the peer: it counts as touched.
    pub(super) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.touch(id);
        self.peers.get_mut(&id)
    }

    /// The orders from which replica sets are read off: of everyone who is not lost.
    pub(super) const fn rings(&self) -> &Rings {
        &self.rings
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// The peers after `id` (or from the first one), in order of ids.
    pub(super) fn after(&self, id: Option<PeerId>) -> impl Iterator<Item = &Peer> {
        use std::ops::Bound;
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.peers.range((from, Bound::Unbounded)).map(|(_, peer)| peer)
    }

    pub(super) fn is_live(&self, id: PeerId) -> bool {
        self.get(id).is_some_and(Peer::is_live)
    }

    pub(super) fn is_lost(&self, id: PeerId) -> bool {
        self.get(id).is_none_or(Peer::is_lost)
    }

    pub(super) fn peer_of(&self, session: SessionId) -> Option<PeerId> {
        self.sessions.get(&session).copied()
    }

    /// Takes in a registration; a new or returning peer is suspect until it says hello.
    pub(super) fn register(&mut self, registration: Registration, at: Timestamp) {
        let id = registration.peer;
        self.rings.insert(id);
        self.touch(id);
        match self.peers.get_mut(&id) {
            Some(peer) => {
                (peer.registration, peer.registered_at) = (registration, at);
                if peer.is_lost() {
                    peer.life = Life::Suspect { since: at };
                }
            }
            None => {
                let peer = Peer {
                    registration,
                    registered_at: at,
                    life: Life::Suspect { since: at },
                    mode: PeerMode::Active,
                    duty_since: at,
                    used: 0,
                    is_full_until: Timestamp::default(),
                    progress_at: Timestamp::default(),
                    session: None,
                    has_left: false,
                    told: None,
                };
                self.peers.insert(id, peer);
            }
        }
    }

    /// The peer is used for this from now on, through all its lives.
    pub(super) fn set_peer_mode(&mut self, id: PeerId, mode: PeerMode, at: Timestamp) {
        self.touch(id);
        if let Some(peer) = self.peers.get_mut(&id) {
            (peer.mode, peer.duty_since) = (mode, at);
        }
    }

    /// Lets the leases of all live peers run until then.
    pub(super) fn renew_live(&mut self, until: Timestamp) {
        for peer in self.peers.values_mut().filter(|peer| peer.is_live()) {
            peer.life = Life::Live { lease_until: until };
        }
    }

    /// To whom something may have happened since the last call.
    pub(super) fn take_touched(&mut self) -> Vec<PeerId> {
        std::mem::take(&mut self.touched)
    }

    /// Everyone is to be looked at.
    pub(super) fn touch_all(&mut self) {
        self.touched = self.peers.keys().copied().collect();
    }

    fn touch(&mut self, id: PeerId) {
        // Many changes in a row are of the same peer.
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }

    /// Watchers know the peer so.
    pub(super) fn set_told(&mut self, id: PeerId, told: (PeerState, PeerMode)) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.told = Some(told);
        }
    }

    /// The peer is gone; returns the session that it had.
    pub(super) fn lose(&mut self, id: PeerId, at: Timestamp) -> Option<SessionId> {
        self.touch(id);
        let peer = self.peers.get_mut(&id)?;
        peer.life = Life::Lost { since: at };
        self.rings.remove(id);
        let session = peer.session.take()?;
        self.sessions.remove(&session.id);
        Some(session.id)
    }

    pub(super) fn forget(&mut self, id: PeerId) {
        self.rings.remove(id);
        if let Some(Peer {
            session: Some(session),
            ..
        }) = self.peers.remove(&id)
        {
            self.sessions.remove(&session.id);
        }
    }

    /// Makes this the peer's session; returns the one that it replaces.
    pub(super) fn open(&mut self, id: PeerId, session: Session) -> Option<SessionId> {
        let peer = self.peers.get_mut(&id)?;
        self.sessions.insert(session.id, id);
        let old = peer.session.replace(session)?;
        self.sessions.remove(&old.id);
        Some(old.id)
    }

    /// The session is over; returns its peer if it was the current one.
    pub(super) fn close(&mut self, session: SessionId) -> Option<PeerId> {
        let id = self.sessions.remove(&session)?;
        self.peers.get_mut(&id)?.session = None;
        Some(id)
    }

    /// The shortest list of facts that leads here.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.peers.values().flat_map(|peer| {
            let registered = Record {
                at: peer.registered_at,
                fact: Fact::PeerRegistered(peer.registration.clone()),
            };
            let gone = match peer.life {
                Life::Lost { since } => Some(Record {
                    at: since,
                    fact: Fact::PeerGone(peer.registration.peer),
                }),
                Life::Live { .. } | Life::Suspect { .. } => None,
            };
            let on_duty = (peer.mode != PeerMode::Active).then_some(Record {
                at: peer.duty_since,
                fact: Fact::DutyChanged {
                    peer: peer.registration.peer,
                    mode: peer.mode,
                },
            });
            std::iter::once(registered).chain(on_duty).chain(gone)
        })
    }

    /// The first invariant that does not hold, in words.
    pub(super) fn check(&self) -> Result<(), String> {
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
        let present: Vec<_> = self.iter().filter(|peer| !peer.is_lost()).collect();
        let is_there = |id| self.get(id).is_some_and(|peer| !peer.is_lost());
        require(
            self.rings.len() == present.len() && self.rings.peers().all(is_there),
            || "replica sets are not read off from who is there".to_owned(),
        )?;
        let open = self.peers.values().filter(|peer| peer.session.is_some()).count();
        require(open == self.sessions.len(), || {
            "there is a session without a peer".to_owned()
        })
    }
}
