//! Whether this tracker's history is the one that its peers have seen, and what follows when it is not.
//!
//! A tracker that was restored from an older backup knows names that were removed since, lacks names that were
//! published since, and may be in an epoch that its peers have passed. None of that can be made good here: what is not
//! in the journal is gone. So it is found, told, and kept from doing harm: until an operator has accepted the gap,
//! nothing is evicted for having no name. Announces carry no names, so they bring none back either.

use shared::model::{Epoch, Mark, Order, PeerId, Timestamp};

use super::command::{Closing, Effect};
use super::membership::Life;
use super::record::{Fact, LineFact};
use super::{Outcome, State};

impl State {
    /// What a journal that was restored from a backup has to say before anyone runs on it: that something is missing, and
    /// that the revisions which may be missing are not given again to other bindings. In an epoch of its own, for the one of
    /// the backup has no further facts: whoever has seen one has seen what is missing.
    #[must_use]
    pub fn restored(&self) -> [Fact; 3] {
        let floor = self.catalogue.next_generation();
        [
            Fact::EpochBegun(self.epoch.next()),
            Fact::GapDeclared,
            Fact::Line(LineFact::FloorRaised(floor)),
        ]
    }

    /// What a peer has seen must be a part of this history.
    pub(super) fn compare(&mut self, now: Timestamp, peer: PeerId, seen: Mark, out: &mut Outcome) {
        let is_told = self.history.gap().is_some_and(|gap| gap.seen.is_some());
        if is_told || self.history.contains(seen) {
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

    /// Begins an epoch above one that peers have seen: a restored tracker, whose operator has said that it is the one.
    pub(super) fn outbid(&mut self, now: Timestamp, seen: Epoch, out: &mut Outcome) {
        self.commit(now, Fact::EpochBegun(seen.next()), out);
        let sessions: Vec<_> = self
            .members
            .iter()
            .filter_map(|peer| Some((peer.registration.peer, peer.session.as_ref()?.id)))
            .collect();
        for (peer, session) in sessions {
            self.members.close(session);
            if let Some(member) = self.members.get_mut(peer) {
                member.life = Life::Suspect { since: now };
            }
            self.mark_holdings(peer);
            let why = Closing::NewEpoch;
            out.effects.push(Effect::Close { session, why });
        }
    }

    /// Tells a peer how far the history has come, if that is news. It is durable before anyone is told.
    pub(super) fn tell_mark(&mut self, peer: PeerId, out: &mut Outcome) {
        let Some(mark) = self.history.mark() else {
            return;
        };
        let session = self.members.get_mut(peer).and_then(|peer| peer.session.as_mut());
        if let Some(session) = session
            && session.told < mark.facts
        {
            session.told = mark.facts;
            let order = Order::Remember(mark);
            out.effects.push(Effect::Send {
                session: session.id,
                order,
            });
        }
    }
}
