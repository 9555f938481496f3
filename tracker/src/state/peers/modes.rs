//! Modes of peers: operators ask for maintenance and drain.
//!
//! Modes are facts, so they outlive restarts. A change of mode moves no data: a peer that is not active is
//! given nothing more, a draining peer's replicas no longer count towards the target, and repair does the
//! rest. So a drain that is called off costs nothing but a surplus that is trimmed later.

use shared::model::{PeerId, PeerMode, RequestedMode, Timestamp};

use super::{Peer, Peers};
use crate::state::command::Rejection;
use crate::state::record::Fact;

impl Peers {
    /// Decides about the mode that an operator asks for; returns the fact as well, unless the peer has that
    /// mode.
    pub(crate) fn request_mode(
        &self,
        now: Timestamp,
        peer: PeerId,
        wish: RequestedMode,
    ) -> Result<(PeerMode, Option<Fact>), Rejection> {
        let known = self.get(peer).ok_or(Rejection::NoSuchPeer(peer))?;
        let mode = match wish {
            RequestedMode::Active => PeerMode::Active,
            RequestedMode::Drain => PeerMode::Draining,
            RequestedMode::Maintenance(length) if length > PeerMode::MAX_MAINTENANCE || length.is_zero() => {
                return Err(Rejection::MaintenanceTooLong(length));
            }
            // A peer that is about to leave for good is not expected back.
            RequestedMode::Maintenance(_) if known.mode == PeerMode::Draining => {
                return Err(Rejection::Draining(peer));
            }
            RequestedMode::Maintenance(length) => PeerMode::Maintenance {
                until: now.after(length),
            },
        };
        let fact = (known.mode != mode).then_some(Fact::ModeChanged { peer, mode });
        Ok((mode, fact))
    }

    /// Returns the peers whose maintenance is over.
    pub(crate) fn maintenances_over(&self, now: Timestamp) -> Vec<PeerId> {
        let is_over = |peer: &&Peer| {
            matches!(peer.mode, PeerMode::Maintenance { .. }) && !peer.mode.is_maintenance_at(now)
        };
        self.iter().filter(is_over).map(Peer::id).collect()
    }

    /// Returns whether the peer is in maintenance, and expected back.
    pub(crate) fn is_in_maintenance(&self, id: PeerId, now: Timestamp) -> bool {
        self.get(id).is_some_and(|peer| peer.mode.is_maintenance_at(now))
    }
}
