//! Room on the peers: free bytes, and peers that are fuller than others.

use shared::model::PeerId;

use super::Replicas;
use crate::state::peers::{Peer, Peers};

/// Unit of shares: the whole.
const WHOLE: u64 = 1 << 16;

impl Replicas {
    /// Returns the bytes of the peer's capacity that are neither used nor reserved, as far as its disk has
    /// them.
    pub(crate) fn free(&self, peer: &Peer) -> u64 {
        let reserved = self.assignments.load(peer.id()).bytes;
        let lent = peer.capacity().saturating_sub(peer.used());
        lent.min(peer.disk_free()).saturating_sub(reserved)
    }

    /// Returns the bytes of a copy that the peer may be given now; nothing if the peer is unknown.
    pub(super) fn room_on(&self, peer: PeerId, peers: &Peers) -> u64 {
        let room = |peer: &Peer| self.free(peer).min(peer.largest_copy(peers.ticked_at()));
        peers.get(peer).map_or(0, room)
    }

    /// Returns the free bytes of a peer that may be unknown, and has none then.
    pub(super) fn free_on(&self, peer: PeerId, peers: &Peers) -> u64 {
        peers.get(peer).map_or(0, |peer| self.free(peer))
    }

    /// Returns whether less than half of the average share of its capacity is free.
    pub(super) fn is_fuller(&self, peer: PeerId, peers: &Peers) -> bool {
        let capacity = peers.get(peer).map_or(0, Peer::capacity);
        share(self.free_on(peer, peers).into(), capacity.into()) < self.free_share / 2
    }

    /// Computes the average free share; once a tick is often enough for the decisions that use it.
    pub(super) fn survey_room(&mut self, peers: &Peers) {
        let ready = peers.iter().filter(|peer| peer.ready_session().is_some());
        let (free, capacity) = ready.fold((0_u128, 0_u128), |(free, capacity), peer| {
            (
                free + u128::from(self.free(peer)),
                capacity + u128::from(peer.capacity()),
            )
        });
        self.free_share = share(free, capacity);
    }
}

fn share(part: u128, of: u128) -> u64 {
    let share = part.saturating_mul(WHOLE.into()) / of.max(1);
    u64::try_from(share).unwrap_or(WHOLE)
}
