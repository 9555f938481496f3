//! Checkers: members that read samples of others' copies for the tracker (`replicas/proofs.rs`).
//!
//! They are chosen in turn, and each choice looks at a few of them, however many there are. Members of
//! earlier versions read no samples and are never asked; where nobody else could look at a copy, it is
//! believed.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use shared::model::{PeerId, Timestamp};

use super::{Peer, Peers};
use crate::state::command::SessionId;
use crate::state::peers::Standing;

/// Members looked at for one choice.
const LOOKED_AT: usize = 8;

/// Samples in a row that were not right, after which nothing that a peer says counts without a proof: two
/// members look at each copy, so these are several copies.
const LIES: u8 = 8;

/// Members that read samples and are not lost, in order of their ids.
#[derive(Debug, Default)]
pub(super) struct Checkers(BTreeSet<PeerId>);

impl Peer {
    /// Whether it reads samples of others' copies when it has a session.
    fn can_check(&self) -> bool {
        self.traits.can_check && !self.is_lost() && !self.is_visitor()
    }

    /// Returns whether its copies have turned out not to be there, again and again.
    pub(crate) const fn is_distrusted(&self) -> bool {
        self.lies >= LIES
    }
}

impl Peers {
    /// Takes note of peers that may have become checkers, or ceased to be.
    pub(crate) fn follow_checkers(&mut self, touched: &[PeerId]) {
        for id in touched {
            match self.peers.get(id).is_some_and(Peer::can_check) {
                true => self.checkers.0.insert(*id),
                false => self.checkers.0.remove(id),
            };
        }
    }

    /// Returns whether a copy at this peer counts only when it is proved: another member could look at it. In
    /// a network of two, a publisher's own copy needs no proof.
    pub(crate) fn needs_proof(&self, holder: PeerId, is_own: bool) -> bool {
        let others = self.checkers.0.len() - usize::from(self.checkers.0.contains(&holder));
        others > 0 && !(is_own && self.rings.len() <= 2)
    }

    pub(crate) fn has_checkers(&self) -> bool {
        !self.checkers.0.is_empty()
    }

    /// Chooses the member after `turn` that looks at a copy of `holder`: one that has not looked before, on
    /// another machine, and in reach itself, if there is one. The turn passes on.
    pub(crate) fn checker(
        &self,
        turn: &mut Option<PeerId>,
        holder: &Peer,
        before: Option<PeerId>,
        is_busy: impl Fn(PeerId) -> bool,
    ) -> Option<(PeerId, SessionId)> {
        let all = &self.checkers.0;
        let after = turn.map_or(Bound::Unbounded, Bound::Excluded);
        let until = turn.map_or(Bound::Excluded(PeerId::from_bytes([0; 16])), Bound::Included);
        let in_turn = all
            .range((after, Bound::Unbounded))
            .chain(all.range((Bound::Unbounded, until)))
            .take(LOOKED_AT);
        let last = in_turn.clone().last().copied();
        let able = in_turn.enumerate().filter_map(|(number, id)| {
            let member = self.get(*id).filter(|_| *id != holder.id() && !is_busy(*id))?;
            let key = (
                before == Some(*id),
                member.is_on_machine_of(holder),
                *member.standing() != Standing::Reachable,
                number,
            );
            Some((key, (*id, member.ready_session()?.id())))
        });
        let chosen = able.min().map(|(_, chosen)| chosen);
        *turn = chosen.map(|(id, _)| id).or(last);
        chosen
    }

    /// Counts a sample that was right or wrong; returns whether the peer is trusted or distrusted since.
    pub(crate) fn note_sample(&mut self, now: Timestamp, holder: PeerId, is_right: bool) -> bool {
        let Some(peer) = self.peers.get_mut(&holder) else {
            return false;
        };
        let was_distrusted = peer.is_distrusted();
        peer.lies = if is_right { 0 } else { peer.lies.saturating_add(1) };
        peer.lied_at = now;
        let has_changed = was_distrusted != peer.is_distrusted();
        if has_changed && !was_distrusted {
            tracing::warn!(%holder, "a peer does not have what it says it holds; its copies count when they are proved");
        }
        has_changed
    }

    /// Trusts peers again that were found to lie, and have not been for some time; returns them. They may
    /// have lost what they had, and have said so since.
    pub(crate) fn forgive(&mut self, now: Timestamp, after: Duration) -> Vec<PeerId> {
        let is_over = |peer: &&mut Peer| peer.is_distrusted() && peer.lied_at.after(after) <= now;
        let forgiven = self.peers.values_mut().filter(is_over).map(|peer| {
            peer.lies = 0;
            peer.id()
        });
        forgiven.collect()
    }
}
