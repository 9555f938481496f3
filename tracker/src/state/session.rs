//! Sessions: hello, reports, the end.
//!
//! A session's messages are numbered from 1 (the hello). A number that was seen before is ignored, so a repeated
//! message has one effect; a gap is a breach of the protocol. Messages of a session that is not its peer's current
//! one are refused and change nothing.

use shared::model::{
    AssignmentFailure, ContentId, FragmentSet, Hello, Holding, Manifest, Numbered, Order, PeerId, Report,
    Timestamp, Welcome,
};

use super::command::{Closing, Effect, Rejection, SessionId};
use super::holders::Fragments;
use super::membership::{Life, Session};
use super::record::{Fact, Registration};
use super::{Outcome, State};

/// More peers than this are refused: their leases are looked at one by one every tick.
const MAX_PEERS: usize = 20_000;

impl State {
    pub(super) fn open_session(
        &mut self,
        now: Timestamp,
        id: SessionId,
        hello: Hello,
        out: &mut Outcome,
    ) -> Result<Welcome, Rejection> {
        let declared = self.history.gap().is_some_and(|gap| gap.is_declared);
        if hello.epoch > self.epoch && declared {
            self.outbid(now, hello.epoch, out);
        }
        if hello.epoch > self.epoch {
            return Err(Rejection::OlderEpoch {
                current: self.epoch,
                seen: hello.epoch,
            });
        }
        let (peer, used) = (hello.peer, hello.used);
        if let Some(seen) = hello.mark {
            self.compare(now, peer, seen, out);
        }
        let registration = Registration {
            peer,
            incarnation: hello.incarnation,
            address: hello.address,
            zone: hello.zone,
            capacity: hello.capacity,
        };
        let is_known = match self.members.get(peer) {
            Some(known) => {
                let current = known.registration.incarnation;
                if registration.incarnation < current {
                    return Err(Rejection::OlderIncarnation {
                        peer,
                        current,
                        given: registration.incarnation,
                    });
                }
                known.registration == registration && !known.is_lost()
            }
            None if self.members.len() >= MAX_PEERS => return Err(Rejection::TooManyPeers(MAX_PEERS)),
            None => false,
        };
        if !is_known {
            self.commit(now, Fact::PeerRegistered(registration), out);
        }
        // What it held is believed until it has said what it holds.
        let listing = hello.holdings.map(|said| self.unknown_shelves(peer, &said));
        let mut unconfirmed = self.holders.contents_of(peer).cloned().unwrap_or_default();
        if let Some(listing) = listing {
            unconfirmed.retain(|content| listing.contains(*content));
        }
        let session = Session {
            id,
            sequence: 1,
            told: 0,
            unconfirmed: Some(unconfirmed),
        };
        if let Some(old) = self.members.open(peer, session) {
            out.effects.push(Effect::Close {
                session: old,
                why: Closing::Replaced,
            });
        }
        if let Some(member) = self.members.get_mut(peer) {
            member.used = used;
            member.is_full_until = Timestamp::default();
        }
        self.renew(now, peer);
        self.mark_holdings(peer);
        Ok(Welcome {
            epoch: self.epoch,
            lease: self.timing.lease,
            heartbeat: self.timing.heartbeat,
            listing,
        })
    }

    pub(super) fn report(
        &mut self,
        now: Timestamp,
        id: SessionId,
        report: Numbered<Report>,
        out: &mut Outcome,
    ) -> Result<(), Rejection> {
        let peer = self.members.peer_of(id).ok_or(Rejection::StaleSession)?;
        let session = self.members.get_mut(peer).and_then(|peer| peer.session.as_mut());
        let session = session.ok_or(Rejection::StaleSession)?;
        if report.sequence <= session.sequence {
            return Ok(());
        }
        let expected = session.sequence.saturating_add(1);
        if report.sequence != expected {
            return Err(Rejection::OutOfSequence {
                expected,
                got: report.sequence,
            });
        }
        session.sequence = expected;
        self.renew(now, peer);
        match report.message {
            Report::Heartbeat { used } => {
                if let Some(member) = self.members.get_mut(peer) {
                    member.used = used;
                }
                self.tell_mark(peer, out);
            }
            Report::Announce {
                holdings,
                completes_inventory,
            } => {
                for holding in holdings {
                    self.announced(now, peer, holding);
                }
                if completes_inventory {
                    self.complete_inventory(now, peer, out);
                }
            }
            Report::AssignmentFailed {
                content,
                failure,
                detail,
            } => {
                tracing::debug!(%peer, content = %content.short(), ?failure, detail, "assignment failed");
                self.assignment_failed(now, peer, content, failure);
            }
            Report::Leave => {
                let mode = self.members.get(peer).map(|peer| peer.mode);
                if mode.is_some_and(|mode| mode.is_maintenance_at(now)) {
                    self.step_out(now, peer, out);
                } else {
                    self.lose(now, peer, Closing::Left, out);
                }
            }
        }
        Ok(())
    }

    pub(super) fn close_session(&mut self, now: Timestamp, id: SessionId) {
        let Some(peer) = self.members.close(id) else {
            return;
        };
        if let Some(member) = self.members.get_mut(peer)
            && member.is_live()
        {
            member.life = Life::Suspect { since: now };
        }
        self.mark_holdings(peer);
    }

    /// The peer is gone: what it held no longer counts.
    pub(super) fn lose(&mut self, now: Timestamp, peer: PeerId, why: Closing, out: &mut Outcome) {
        let session = self
            .members
            .get(peer)
            .and_then(|peer| peer.session.as_ref())
            .map(|session| session.id);
        self.commit(now, Fact::PeerGone(peer), out);
        if let Some(member) = self.members.get_mut(peer) {
            member.has_left = why == Closing::Left;
        }
        if let Some(session) = session {
            out.effects.push(Effect::Close { session, why });
        }
        for content in self.assignments.of_peer(peer) {
            self.assignments.cancel(content, peer);
            self.agenda.mark(content);
        }
        self.evictions.retain(|(_, other), _| *other != peer);
        for content in self.holders.drop_peer(peer) {
            self.forget_orphan_without_holders(content);
            self.agenda.mark(content);
        }
        if let Some(safe_mode) = &mut self.safe_mode {
            safe_mode.waiting_for.remove(&peer);
        }
    }

    /// Any message proves that the peer lives.
    fn renew(&mut self, now: Timestamp, peer: PeerId) {
        let lease_until = now.after(self.timing.lease);
        let Some(member) = self.members.get_mut(peer) else {
            return;
        };
        let was_live = member.is_live();
        member.life = Life::Live { lease_until };
        if !was_live {
            self.mark_holdings(peer);
        }
    }

    pub(super) fn mark_holdings(&mut self, peer: PeerId) {
        for content in self.holders.contents_of(peer).into_iter().flatten() {
            self.agenda.mark(*content);
        }
    }

    fn announced(&mut self, now: Timestamp, peer: PeerId, holding: Holding) {
        let content = holding.content;
        if let Some(unconfirmed) = self
            .members
            .get_mut(peer)
            .and_then(|peer| peer.session.as_mut())
            .and_then(|session| session.unconfirmed.as_mut())
        {
            unconfirmed.remove(&content);
        }
        // Whatever was ordered before, the peer has spoken since: decide anew.
        let was_evicting = self.evictions.remove(&(content, peer)).is_some();
        let manifest = self
            .catalogue
            .content(content)
            .map(|content| content.manifest.clone());
        match &manifest {
            // In other fragments it is of no use to anyone.
            Some(manifest) if manifest.fragment_count() != holding.fragments.capacity() => {
                self.holders.drop_one(content, peer);
            }
            Some(manifest) => {
                if holding.keeps {
                    self.advance(now, peer, manifest, &holding.fragments);
                }
                let fragments = match holding.fragments.is_full() && !holding.fragments.is_empty() {
                    true => Fragments::All,
                    false => Fragments::Some(holding.fragments),
                };
                self.holders
                    .set(content, peer, fragments, holding.keeps, holding.is_fetching);
            }
            None => {
                let fragments = Fragments::Some(holding.fragments);
                self.holders
                    .set(content, peer, fragments, holding.keeps, holding.is_fetching);
                let due = now.after(self.timing.orphan);
                if self.holders.of(content).is_empty() {
                    self.orphans.remove(&content);
                } else if was_evicting && self.holders.get(content, peer).is_some_and(|held| held.keeps) {
                    // It was told to drop the content and keeps it: it is about to publish it, perhaps.
                    self.orphans.insert(content, due);
                } else {
                    self.orphans.entry(content).or_insert(due);
                }
            }
        }
        if let Some(held) = self.holders.get_mut(content, peer) {
            held.is_assigned = holding.is_assigned;
        }
        self.agenda.mark(content);
    }

    /// Perhaps something that was assigned has arrived.
    fn advance(&mut self, now: Timestamp, peer: PeerId, manifest: &Manifest, held: &FragmentSet) {
        let arrived = self.assignments.progress(manifest, peer, held, now);
        if arrived == 0 {
            return;
        }
        if let Some(member) = self.members.get_mut(peer) {
            // It says so itself with the next heartbeat; until then the room must not be given away twice.
            member.used = member.used.saturating_add(arrived);
            member.progress_at = now;
        }
        self.pace.add(now, arrived);
        self.agenda.wake(now, self.timing.retry);
    }

    fn complete_inventory(&mut self, now: Timestamp, peer: PeerId, out: &mut Outcome) {
        let session = self.members.get_mut(peer).and_then(|peer| peer.session.as_mut());
        let Some((id, gone)) = session.and_then(|session| Some((session.id, session.unconfirmed.take()?)))
        else {
            return;
        };
        for content in gone {
            self.holders.drop_one(content, peer);
            self.evictions.remove(&(content, peer));
            self.forget_orphan_without_holders(content);
            self.agenda.mark(content);
        }
        if let Some(safe_mode) = &mut self.safe_mode {
            safe_mode.waiting_for.remove(&peer);
        }
        // Orders of the session before may have got lost.
        for content in self.assignments.of_peer(peer) {
            if let Some(order) = self.assignment_order(content, peer) {
                out.effects.push(Effect::Send { session: id, order });
            }
        }
        self.agenda.wake(now, self.timing.retry);
    }

    fn assignment_order(&mut self, content: ContentId, peer: PeerId) -> Option<Order> {
        let fragments = self.assignments.get(content, peer)?.wanted.clone();
        let manifest = self.catalogue.content(content)?.manifest.clone();
        let sources = self.sources(&manifest, peer, &fragments);
        Some(Order::Assign {
            epoch: self.epoch,
            manifest,
            fragments,
            sources,
        })
    }

    fn assignment_failed(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        content: ContentId,
        failure: AssignmentFailure,
    ) {
        if !self.assignments.cancel(content, peer) {
            return;
        }
        let until = now.after(self.timing.cool_down);
        self.assignments.cool(content, peer, until);
        if failure == AssignmentFailure::NoRoom
            && let Some(member) = self.members.get_mut(peer)
        {
            member.is_full_until = until;
        }
        self.agenda.mark(content);
    }

    pub(super) fn forget_orphan_without_holders(&mut self, content: ContentId) {
        if self.holders.of(content).is_empty() {
            self.orphans.remove(&content);
        }
    }
}
