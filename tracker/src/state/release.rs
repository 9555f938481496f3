//! A peer's user wants to drop its copy: whether the others can do without it is decided here, one after the other.
//!
//! Whoever is let go counts for nothing from that moment, so of several who ask at once only as many are let go as others
//! make up for. It is told by an eviction, which the peer refuses if it does not know of its latest announce: then it
//! counts again, and nothing has happened.

use shared::model::{ContentId, EvictReason, PeerId, Timestamp};

use super::command::Rejection;
use super::{Outcome, State};

impl State {
    /// Lets the peer drop what it holds of the content.
    ///
    /// A copy that counts as a replica is spared when the target is kept without it; any other one, when every fragment of
    /// it has a replica.
    pub(super) fn release(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        content: ContentId,
        out: &mut Outcome,
    ) -> Result<(), Rejection> {
        if self.is_in_safe_mode() {
            return Err(Rejection::NotAllKnown);
        }
        let not_announced = Rejection::NotAnnounced { peer, content };
        let held = self.holders.get(content, peer).ok_or(not_announced.clone())?;
        match self.catalogue.content(content) {
            None if self.history.gap().is_some() => return Err(Rejection::NameMayBeMissing(content)),
            None => {}
            Some(known) => {
                let staying = self.assess(known).staying;
                let itself = u32::from(self.is_staying(held) && self.members.is_live(peer));
                let wanted = if held.keeps { known.target.get() } else { 1 };
                let fragments = held.fragments.to_set(known.manifest.fragment_count());
                let others = |index| staying.of(index).saturating_sub(itself);
                let left = fragments.iter().map(others).min().unwrap_or(wanted);
                if left < wanted {
                    return Err(Rejection::Missed {
                        content,
                        left,
                        wanted,
                    });
                }
            }
        }
        match self.order_eviction(now, content, peer, EvictReason::Released, out) {
            true => {
                self.agenda.mark(content);
                Ok(())
            }
            false => Err(not_announced),
        }
    }
}
