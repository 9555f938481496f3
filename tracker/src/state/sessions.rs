//! Sessions of peers: hello, reports and the end; and the comparison of this tracker's history with what its
//! peers have seen.
//!
//! A session's messages are numbered from 1 (the hello). A number that was seen before is ignored, so a
//! repeated message has one effect; a gap is a breach of the protocol. Messages of a session that is not its
//! peer's current one are refused and change nothing. While a session is live, only its own run replaces
//! it; the hello of another run comes from a copy of the data directory, or too early (`peers/copies.rs`).
//!
//! A tracker that was restored from an older backup knows names that were removed since, lacks names that
//! were published since, and may be in an epoch that its peers have passed. The tracker cannot repair that:
//! facts that are not in the journal are gone. It finds such a gap, reports it, and keeps it from doing harm:
//! until an operator has accepted the gap, no content is evicted for having no name. Announces carry no
//! names, so they bring none back either. Only a peer of this network has seen anything of its history: a
//! hello that is about another network is refused, and the peer says what it has seen in this one.

use shared::model::{
    Epoch, FileNews, Hello, KeyHash, Mark, Numbered, Order, PeerId, PeerMode, Report, Timestamp, Welcome,
};

use super::State;
use super::command::{Closing, Origin, Outcome, Rejection, SessionId};
use super::peers::{Contest, Peer};
use super::record::{Fact, NameFact, Registration};
use super::replicas::NoRoom;

impl State {
    pub(super) fn open_session(
        &mut self,
        now: Timestamp,
        id: SessionId,
        (hello, key): (&Hello, Option<KeyHash>),
        origin: Option<Origin>,
        out: &mut Outcome,
    ) -> Result<Welcome, Rejection> {
        self.check_network(hello)?;
        let peer = hello.peer;
        // An impostor's hello has no effect, not even a question to the peer itself.
        self.check_member(peer, key)?;
        let keyed = self.peers.check_key(peer, key)?;
        self.contest(now, hello, out)?;
        let registration = Registration {
            peer,
            incarnation: hello.incarnation,
            address: hello.address.clone(),
            zone: hello.zone.clone(),
            capacity: hello.capacity,
        };
        let begun = self.epoch_above(hello.epoch)?;
        // A hello that is refused has changed nothing: only for want of room others are forgotten first.
        let registered = match self.peers.admit(registration.clone()) {
            Err(Rejection::TooManyPeers(_)) => {
                self.make_room_for(now, &registration, out);
                self.peers.admit(registration)?
            }
            admitted => admitted?,
        };
        if let Some(epoch) = begun {
            self.begin_epoch_at(now, epoch, out);
        }
        if let Some(seen) = hello.mark {
            self.compare(now, peer, seen, out);
        }
        // A cluster that was switched off comes back one by one; the first one is not the last that is left.
        if self.peers.is_missed(peer) && !self.replicas.is_any_kept(&self.peers) {
            self.peers.await_missed(now, &self.timing);
        }
        for fact in registered.into_iter().chain(keyed) {
            self.commit(now, fact, out);
        }
        let said = hello.holdings.as_ref();
        let listing = said.map(|said| self.replicas.unknown_buckets(peer, said, &self.names));
        if let Some(old) = self.peers.open(id, hello, now, &self.timing, origin) {
            out.close(old, Closing::Replaced);
        }
        self.replicas.begin_inventory(peer, listing.as_ref());
        self.replicas.doubt_absences(peer);
        Ok(Welcome {
            network: self.history.network(),
            epoch: self.history.epoch(),
            lease: self.timing.lease,
            heartbeat: self.timing.heartbeat,
            listing,
            defaults: self.defaults,
            visitor_host: origin
                .filter(|origin| !origin.is_here() && hello.address.is_loopback())
                .map(|origin| origin.remote.to_canonical()),
            takes_file_news: true,
            secret: None,
        })
    }

    /// Checks that the hello is about this network: what another one's tracker has said says nothing here.
    fn check_network(&self, hello: &Hello) -> Result<(), Rejection> {
        match (self.history.network(), hello.network) {
            (Some(current), Some(said)) if current != said => Err(Rejection::OtherNetwork { current, said }),
            _ => Ok(()),
        }
    }

    /// Forgets peers that nobody misses, if that makes room for another one.
    fn make_room_for(&mut self, now: Timestamp, registration: &Registration, out: &mut Outcome) {
        let keeps = |peer| self.replicas.keeps_anything(peer);
        let gone = self.peers.make_room_for(registration, keeps);
        for gone in gone.into_iter().flatten() {
            if !self.peers.is_lost(gone) {
                self.replicas.lose_peer(gone);
            }
            self.commit(now, Fact::PeerForgotten(gone), out);
        }
    }

    /// Checks that no other run of the peer has a live session, and has that run asked whether it lives.
    fn contest(&mut self, now: Timestamp, hello: &Hello, out: &mut Outcome) -> Result<(), Rejection> {
        match self.peers.contest(now, hello) {
            Contest::None => Ok(()),
            Contest::Refused(rejection) => Err(rejection),
            Contest::Begun {
                session,
                question,
                rejection,
            } => {
                let epoch = self.history.epoch();
                out.send(session, Order::Ask { epoch, question });
                Err(rejection)
            }
        }
    }

    pub(super) fn report(
        &mut self,
        now: Timestamp,
        id: SessionId,
        report: Numbered<Report>,
        out: &mut Outcome,
    ) -> Result<(), Rejection> {
        let Some(peer) = self.peers.receive(id, &report)? else {
            return Ok(());
        };
        if self.peers.renew(peer, now.after(self.timing.lease)) {
            self.replicas.mark_held_by(peer);
        }
        match report.message {
            Report::Heartbeat {
                used,
                disk_free,
                received,
            } => {
                self.peers.set_used(peer, used, disk_free);
                let (cx, replicas, _) = self.context(now);
                replicas.received(&cx, peer, received);
                self.send_mark(peer, out);
                self.send_reach(peer, out);
            }
            Report::Announce {
                holdings,
                completes_inventory,
            } => {
                // A peer that is back may have more than there is room for, and cannot help it: the rest is
                // not remembered.
                let is_listing = self.peers.get(peer).is_some_and(Peer::is_listing);
                let mut has_room = true;
                for holding in holdings {
                    let (cx, replicas, _) = self.context(now);
                    match replicas.announced(&cx, peer, holding) {
                        Ok(0) => {}
                        Ok(arrived) => self.peers.advance(peer, arrived, now),
                        Err(NoRoom) => has_room = false,
                    }
                }
                if !has_room && !is_listing {
                    return Err(Rejection::TooMuchUnknown(peer));
                }
                if completes_inventory && self.peers.complete_inventory(peer) {
                    let (cx, replicas, rng) = self.context(now);
                    replicas.complete_inventory(&cx, peer, rng, out);
                    self.settle_files(peer);
                }
            }
            Report::AssignmentFailed {
                content,
                failure,
                detail,
            } => {
                tracing::debug!(%peer, content = %content.short(), ?failure, detail, "assignment failed");
                let (cx, replicas, _) = self.context(now);
                if let Some(bytes) = replicas.assignment_failed(&cx, peer, content, failure) {
                    let until = now.after(self.timing.cool_down);
                    self.peers.refuse_copies(peer, bytes, until, now);
                }
            }
            Report::Alive { question } => self.peers.prove(peer, question),
            Report::Probed { probe, outcome } => self.probed(now, peer, probe, outcome),
            Report::Checked { check, outcome } => self.checked(now, peer, check, &outcome),
            Report::Kept {
                content,
                holder,
                outcome,
            } => self.kept(now, peer, (content, holder), &outcome),
            Report::Files(news) => self.take_file_news(peer, news),
            Report::Unreached { peer: subject, error } => {
                tracing::debug!(%peer, %subject, error, "a reader could not dial a peer");
                self.peers.unreached(subject, now);
            }
            // A peer in maintenance is expected back: it is suspect until its time is over.
            Report::Leave if self.peers.is_in_maintenance(peer, now) => {
                self.close_session(now, id);
                out.close(id, Closing::Left);
            }
            Report::Leave => self.lose(now, peer, Closing::Left, out),
        }
        Ok(())
    }

    /// Tells watchers of files that came back while their peer had no session.
    fn settle_files(&mut self, peer: PeerId) {
        for content in self.replicas.settle_absences(peer) {
            let (news, facts) = (
                FileNews {
                    content,
                    absence: None,
                },
                self.history.facts(),
            );
            self.feed.push_file(peer, news, &self.names, &self.peers, facts);
        }
    }

    /// Takes news of files that a peer shares, and tells watchers.
    fn take_file_news(&mut self, peer: PeerId, news: Vec<FileNews>) {
        for news in news {
            if self.replicas.take_absence(peer, news, &self.names) {
                let facts = self.history.facts();
                self.feed.push_file(peer, news, &self.names, &self.peers, facts);
            }
        }
    }

    pub(super) fn close_session(&mut self, now: Timestamp, id: SessionId) {
        if let Some(peer) = self.peers.close(id, now) {
            self.replicas.mark_held_by(peer);
        }
    }

    /// Gives up a peer that is gone: its holdings no longer count.
    pub(super) fn lose(&mut self, now: Timestamp, peer: PeerId, why: Closing, out: &mut Outcome) {
        let session = self.peers.session_of(peer);
        // A peer that is drained comes back as one that is drained.
        let is_known = |known: &Peer| known.is_known_whole() && known.mode() == PeerMode::Active;
        let is_visitor = self.peers.get(peer).is_some_and(is_known) && !self.replicas.keeps_anything(peer);
        let fact = match is_visitor {
            true => Fact::VisitorGone(peer),
            false => Fact::PeerGone(peer),
        };
        self.commit(now, fact, out);
        if why == Closing::Left {
            self.peers.set_left(peer);
        }
        if let Some(session) = session {
            out.close(session, why);
        }
        self.replicas.lose_peer(peer);
    }

    /// Returns the facts that a journal restored from a backup needs before a tracker runs on it: something
    /// is missing, and the revisions that may be missing are not given again to other bindings. They are in
    /// an epoch of their own: the backup's epoch has no further facts, so a peer that has seen one has seen
    /// what is missing.
    ///
    /// # Errors
    /// When there is no further epoch, or no further generation of revisions.
    pub fn restored(&self) -> Result<[Fact; 3], Rejection> {
        let floor = self.names.next_generation().ok_or(Rejection::GenerationsUsedUp)?;
        Ok([
            Fact::EpochBegun(self.history.next_epoch()?),
            Fact::GapDeclared,
            Fact::Name(NameFact::FloorRaised(floor)),
        ])
    }

    /// Compares the mark that a peer has seen with this history, which must contain it.
    fn compare(&mut self, now: Timestamp, peer: PeerId, seen: Mark, out: &mut Outcome) {
        if !self.history.lacks(seen) {
            return;
        }
        tracing::error!(
            %peer,
            epoch = %seen.epoch,
            facts = seen.facts,
            own_facts = self.history.facts(),
            "a peer has seen what this journal does not contain: it was restored from an older backup, or lost its end; \
             nothing is evicted for having no name until `tracker accept-loss`"
        );
        self.commit(now, Fact::GapFound { peer, seen }, out);
    }

    /// Checks that a peer has seen no epoch after this one. A restored tracker whose operator has said that
    /// it takes over begins an epoch above that one instead, which this returns, if it is near enough to be
    /// one of its own.
    fn epoch_above(&self, seen: Epoch) -> Result<Option<Epoch>, Rejection> {
        let current = self.history.epoch();
        if seen <= current {
            return Ok(None);
        }
        let next = seen.next().filter(|_| seen.ahead_of(current) <= Epoch::MAX_STEP);
        if next.is_none() {
            return Err(Rejection::EpochTooFar { current, seen });
        }
        match self.history.is_restored() {
            true => Ok(next),
            false => Err(Rejection::OlderEpoch { current, seen }),
        }
    }

    /// Begins an epoch above one that a peer has seen; everybody says hello again.
    fn begin_epoch_at(&mut self, now: Timestamp, epoch: Epoch, out: &mut Outcome) {
        self.commit(now, Fact::EpochBegun(epoch), out);
        for (session, peer) in self.peers.sessions() {
            self.close_session(now, session);
            self.peers.suspect(peer, now);
            out.close(session, Closing::NewEpoch);
        }
    }

    /// Tells a peer whether others can dial it, unless it knows.
    fn send_reach(&mut self, peer: PeerId, out: &mut Outcome) {
        if let Some((session, failure)) = self.peers.reach_to_tell(peer) {
            let epoch = self.history.epoch();
            out.send(session, Order::Reach { epoch, failure });
        }
    }

    /// Sends a peer the mark of the newest fact, unless it was sent as much. The facts are durable before the
    /// order leaves.
    fn send_mark(&mut self, peer: PeerId, out: &mut Outcome) {
        if let Some(mark) = self.history.mark()
            && let Some(session) = self.peers.send_facts(peer, mark.facts)
        {
            out.send(session, Order::Remember(mark));
        }
    }
}
