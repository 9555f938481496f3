//! Peers are revoked while a history runs, and their machines join again as new peers.
//!
//! The administrator tries until the tracker has acknowledged, whatever happens meanwhile. The invariants
//! from then on, also after restarts of the tracker (15 of ARCHITECTURE.md): the peer has no session, its
//! copies count for nothing, and nothing that it says changes the state. Its machine keeps its disk, makes a
//! new id and a new key, and joins again; so everything must be well in the end. A journal that is restored
//! from an older backup may lack a revocation, which the administrator makes again.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt as _;
use shared::model::{Location, MemberId, Order, PeerId, PeerState, TokenId};
use shared::security::{Grant, Role, SecretHash};
use store::{FragmentStore as _, MemoryStore};
use tracker::state::{Command, Enrolment, Refused, Rejection, SecurityCommand};

use super::calls::{CallId, Question};
use super::connections::ConnectionId;
use super::peer::PeerNumber;
use super::tracker::Tag;
use super::world::{Event, World};

/// Time between two attempts of the administrator.
const RETRY: u64 = 2_000;

/// Life of a certificate.
const LIFE: Duration = Duration::from_hours(30 * 24);

/// Revocations of a history.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    /// Peers that the administrator wants to revoke.
    wanted: BTreeSet<PeerNumber>,
    /// Peers whose revocation the tracker has acknowledged.
    done: BTreeSet<PeerId>,
}

impl Revocations {
    pub(super) fn includes(&self, peer: PeerId) -> bool {
        self.done.contains(&peer)
    }

    /// Returns a peer whose machine has not joined again.
    pub(super) fn pending(&self) -> Option<PeerNumber> {
        self.wanted.first().copied()
    }
}

impl World {
    /// Begins to revoke a peer. Those of earlier versions have no keys, and are no members.
    pub(super) fn want_revoked(&mut self, number: PeerNumber) {
        let peer = &self.peers[number];
        if peer.is_gone || peer.key(number).is_none() || !self.oracle.revocations.wanted.insert(number) {
            return;
        }
        self.say(format_args!("peer {number}: is to be revoked"));
        self.plan(1, Event::Revokes(number));
    }

    /// Has a peer certified, as it was when it joined, and revoked a moment later.
    pub(super) fn revoke(&mut self, number: PeerNumber) {
        let peer = &self.peers[number];
        let (id, key) = (peer.id, peer.key(number));
        let revocations = &self.oracle.revocations;
        let Some(key) = key.filter(|_| revocations.wanted.contains(&number) && !revocations.includes(id))
        else {
            return;
        };
        self.plan(RETRY, Event::Revokes(number));
        let member = MemberId::from(id);
        let (token, hash) = (
            TokenId::from_bytes(self.rng.random()),
            SecretHash::from_bytes(self.rng.random()),
        );
        let grant = Grant::Join {
            role: Role::Peer,
            uses: Some(1),
            zone: None,
        };
        let ends = self.tracker_clock().after(LIFE);
        let is_member = self
            .tracker
            .settled()
            .is_some_and(|state| state.role_of(member).is_some());
        if !is_member {
            let made = SecurityCommand::MakeToken {
                token,
                hash,
                grant,
                ends: None,
            };
            let enrolled = SecurityCommand::Enrol(Enrolment {
                token,
                hash,
                role: Role::Peer,
                member,
                key,
                ends,
            });
            for command in [made, enrolled] {
                self.submit(Command::Security(command), Tag::Nobody);
            }
        }
        let command = SecurityCommand::RevokeMember(member);
        self.submit(Command::Security(command), Tag::Revocation(number));
    }

    /// The tracker has answered the administrator. Its own acts that follow are checked from here on.
    pub(super) fn revocation_answered(&mut self, number: PeerNumber, refused: Option<&Rejection>) {
        let id = self.peers[number].id;
        match refused {
            None if self.oracle.revocations.done.insert(id) => {
                self.say(format_args!("peer {number}: is revoked"));
                // Sooner or later than everybody forgets it.
                let wait = match self.rng.random_bool(0.7) {
                    true => self.rng.random_range(1..10_000),
                    false => self.rng.random_range(10_000..100_000),
                };
                self.plan(wait, Event::JoinsAgain(number));
            }
            // The certification was lost with the tracker, and is made again.
            None | Some(Rejection::Security(Refused::NoSuchMember(_))) => {}
            Some(other) => self.violated(format_args!("peer {number} cannot be revoked: {other}")),
        }
    }

    /// The machine of a revoked peer joins as a new peer, with its disk.
    pub(super) fn join_again(&mut self, number: PeerNumber) {
        let id = self.peers[number].id;
        if !self.oracle.revocations.includes(id) || !self.oracle.revocations.wanted.remove(&number) {
            return;
        }
        self.crash_peer(number);
        self.add_peer();
        let new = self.peers.len() - 1;
        self.say(format_args!("peer {number}: joins again as peer {new}"));
        let old = &mut self.peers[number];
        old.is_gone = true;
        let empty = MemoryStore::new(old.capacity);
        let store = std::mem::replace(&mut old.store, empty);
        let (rotten, capacity) = (std::mem::take(&mut old.rotten), old.capacity);
        let is_fake = old.is_fake;
        old.outbox.clear();
        let peer = &mut self.peers[new];
        (peer.store, peer.capacity, peer.is_fake) = (store, capacity, is_fake);
        let id = peer.id;
        for (content, _) in &rotten {
            self.oracle.destroyed.insert((id, *content));
        }
        self.peers[new].rotten = rotten;
        for entry in self.peers[new].store.entries() {
            self.touched.insert(entry.manifest.content());
        }
    }

    /// The journal is restored from a backup, which may lack revocations.
    pub(super) fn forget_revocations(&mut self) -> BTreeSet<PeerId> {
        std::mem::take(&mut self.oracle.revocations.done)
    }

    /// Makes the revocations again that a restored journal lacks.
    pub(super) fn revoke_again(&mut self, mut revoked: BTreeSet<PeerId>) {
        let Some(process) = &self.tracker.process else {
            return;
        };
        let members = process.state.members();
        let known: BTreeSet<_> = members
            .iter()
            .filter(|member| member.is_revoked)
            .map(|member| member.id)
            .collect();
        revoked.retain(|peer| known.contains(&MemberId::from(*peer)));
        self.oracle.revocations.done = revoked;
        for number in self.oracle.revocations.wanted.clone() {
            self.plan(RETRY, Event::Revokes(number));
        }
    }

    /// Checks that the durable state has forgotten no revocation, and that no revoked peer is live.
    pub(super) fn check_revoked(&mut self) {
        let Some(state) = self
            .tracker
            .settled()
            .filter(|_| !self.oracle.revocations.done.is_empty())
        else {
            return;
        };
        let is_revoked = |peer| self.oracle.revocations.includes(peer);
        let live = state.peers(None, usize::MAX).peers;
        let live = live
            .iter()
            .find(|peer| is_revoked(peer.id) && peer.state != PeerState::Lost);
        let known: BTreeSet<_> = state
            .members()
            .iter()
            .filter(|member| member.is_revoked)
            .map(|member| member.id)
            .collect();
        let forgotten = self
            .oracle
            .revocations
            .done
            .iter()
            .find(|peer| !known.contains(&MemberId::from(**peer)));
        let wrong = match (live, forgotten) {
            (Some(live), _) => format!("{} was revoked, and is {:?}", live.id, live.state),
            (_, Some(forgotten)) => format!("the revocation of {forgotten} is forgotten"),
            (None, None) => return,
        };
        self.violated(format_args!("{wrong}"));
    }

    /// Checks that the tracker has welcomed nobody who is revoked.
    pub(super) fn check_welcomed(&mut self, peer: PeerId) {
        if self.oracle.revocations.includes(peer) {
            self.violated(format_args!("{peer} was revoked, and is welcomed"));
        }
    }

    /// Checks that a report that was heard is of nobody who is revoked.
    pub(super) fn check_heard(&mut self, connection: ConnectionId) {
        let number = self
            .connections
            .get(&connection)
            .map(|connection| connection.peer);
        let id = number.map(|number| self.peers[number].id);
        if let Some(id) = id.filter(|id| self.oracle.revocations.includes(*id)) {
            self.violated(format_args!("{id} was revoked, and is heard"));
        }
    }

    /// Checks that a publication that was made is of nobody who is revoked.
    pub(super) fn check_publisher(&mut self, call: CallId) {
        let question = self.calls.get(&call).map(|call| &call.question);
        let Some(Question::Publish(publish)) = question else {
            return;
        };
        let publisher = publish.publisher;
        if self.oracle.revocations.includes(publisher) {
            self.violated(format_args!("{publisher} was revoked, and publishes"));
        }
    }

    /// Checks that no order relies on a revoked peer.
    pub(super) fn check_relied_upon(&mut self, order: &Order) {
        let relied: Vec<PeerId> = match order {
            Order::Evict { remaining, .. } => remaining.iter().map(|copy| copy.holder.peer).collect(),
            Order::Assign { sources, .. } => sources.iter().map(|source| source.peer).collect(),
            _ => return,
        };
        if let Some(revoked) = relied
            .into_iter()
            .find(|peer| self.oracle.revocations.includes(*peer))
        {
            self.violated(format_args!(
                "{revoked} was revoked, and {order:?} relies on its copy"
            ));
        }
    }

    /// Checks that no revoked peer is among the holders of a content.
    pub(super) fn check_holders(&mut self, location: &Location) {
        let mut holders = location.holders.iter().map(|holder| holder.peer.id);
        if let Some(revoked) = holders.find(|peer| self.oracle.revocations.includes(*peer)) {
            let content = location.manifest.content();
            self.violated(format_args!(
                "{revoked} was revoked, and its copy of {} counts",
                content.short()
            ));
        }
    }
}
