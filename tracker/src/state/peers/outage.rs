//! Whether so many peers fell silent together that it is not they who failed, but something between them and the
//! tracker: a switch, a zone, or peers that all come and go.
//!
//! Peers that have just fallen silent are waited for then, even where one live replica is left: copying all that
//! they hold would take everyone's time, and most of them are back in a moment. Whoever is not when the grace time is
//! over is lost, and then nobody waits; so an outage delays repair by the grace time at most.

use shared::model::{PeerId, Timestamp};

use super::{Life, Peer, Peers};

/// So many peers may fall silent by themselves, however small the cluster.
const FEW: usize = 2;

/// And one of so many in a large one.
const ONE_OF: usize = 50;

impl Peers {
    /// Looks how many are silent; once a tick, after those that were for too long were given up.
    pub(crate) fn notice_outage(&mut self, now: Timestamp) {
        let present = self.iter().filter(|peer| !peer.is_lost()).count();
        let silent = self.iter().filter(|peer| has_fallen_silent(peer, now)).count();
        let has_outage = silent > FEW.max(present / ONE_OF);
        if has_outage && !self.has_outage {
            tracing::warn!(
                silent,
                of = present,
                "an outage: many peers fell silent together and are waited for"
            );
        }
        self.has_outage = has_outage;
    }

    /// Whether the peer is silent as many others are, and is waited for.
    pub(crate) fn is_excused(&self, peer: PeerId) -> bool {
        self.has_outage
            && self
                .get(peer)
                .is_some_and(|peer| has_fallen_silent(peer, self.ticked_at))
    }
}

/// Nobody is silent for longer than the grace time without being lost, except in maintenance.
fn has_fallen_silent(peer: &Peer, now: Timestamp) -> bool {
    matches!(peer.life, Life::Suspect { .. }) && !peer.mode.is_maintenance_at(now)
}
