//! What peers are used for: maintenance and drain, asked for by operators.
//!
//! Facts, so that they outlive restarts. Nothing is moved here: whoever is not on active mode is given nothing more, a
//! draining peer's replicas no longer count towards the target, and repair does the rest. So a drain that is called
//! off costs nothing but a surplus that is trimmed later.

use shared::model::{PeerId, PeerMode, RequestedMode, Timestamp};

use super::command::{Closing, Effect, Rejection};
use super::membership::{Life, Peer};
use super::record::Fact;
use super::{Outcome, State};

impl State {
    pub(super) fn set_peer_mode(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        wish: RequestedMode,
        out: &mut Outcome,
    ) -> Result<PeerMode, Rejection> {
        let known = self.members.get(peer).ok_or(Rejection::NoSuchPeer(peer))?;
        let mode = match wish {
            RequestedMode::Active => PeerMode::Active,
            RequestedMode::Drain => PeerMode::Draining,
            RequestedMode::Maintenance(length) if length > PeerMode::MAX_MAINTENANCE || length.is_zero() => {
                return Err(Rejection::MaintenanceTooLong(length));
            }
            // Whoever is about to leave for good is not expected back.
            RequestedMode::Maintenance(_) if known.mode == PeerMode::Draining => {
                return Err(Rejection::Draining(peer));
            }
            RequestedMode::Maintenance(length) => PeerMode::Maintenance {
                until: now.after(length),
            },
        };
        if known.mode != mode {
            self.commit(now, Fact::DutyChanged { peer, mode }, out);
            if mode != PeerMode::Active {
                self.cancel_assignments(peer);
            }
            self.mark_holdings(peer);
        }
        Ok(mode)
    }

    /// Ends maintenances whose time is over.
    pub(super) fn end_maintenances(&mut self, now: Timestamp, out: &mut Outcome) {
        let is_over = |peer: &&Peer| {
            matches!(peer.mode, PeerMode::Maintenance { .. }) && !peer.mode.is_maintenance_at(now)
        };
        let over: Vec<_> = self
            .members
            .iter()
            .filter(is_over)
            .map(|peer| peer.registration.peer)
            .collect();
        for peer in over {
            let mode = PeerMode::Active;
            self.commit(now, Fact::DutyChanged { peer, mode }, out);
            self.mark_holdings(peer);
        }
    }

    /// The peer goes on purpose, and is expected back: it is suspect, however long it takes until its maintenance
    /// is over.
    pub(super) fn step_out(&mut self, now: Timestamp, peer: PeerId, out: &mut Outcome) {
        let session = self
            .members
            .get(peer)
            .and_then(|peer| peer.session.as_ref())
            .map(|session| session.id);
        if let Some(session) = session {
            self.members.close(session);
            let why = Closing::Left;
            out.effects.push(Effect::Close { session, why });
        }
        if let Some(member) = self.members.get_mut(peer) {
            member.life = Life::Suspect { since: now };
        }
        self.mark_holdings(peer);
    }

    /// Whether the peer's replicas are to be held by others.
    pub(super) fn is_draining(&self, peer: PeerId) -> bool {
        self.members
            .get(peer)
            .is_some_and(|peer| peer.mode == PeerMode::Draining)
    }

    fn cancel_assignments(&mut self, peer: PeerId) {
        for content in self.assignments.of_peer(peer) {
            self.assignments.cancel(content, peer);
            self.agenda.mark(content);
        }
    }
}
