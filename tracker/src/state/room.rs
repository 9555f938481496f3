//! Room on the peers: what is free, and who is fuller than the others.

use shared::model::{PeerId, Zone};

use super::State;

/// Shares of a whole are counted in these.
const WHOLE: u64 = 1 << 16;

impl State {
    /// Bytes of the peer's capacity that are neither used nor reserved.
    pub(super) fn free(&self, peer: PeerId) -> u64 {
        let reserved = self.assignments.load(peer).bytes;
        self.members.get(peer).map_or(0, |peer| {
            peer.registration
                .capacity
                .saturating_sub(peer.used)
                .saturating_sub(reserved)
        })
    }

    /// Whether less than half of the average share of its capacity is free.
    pub(super) fn is_fuller(&self, peer: PeerId) -> bool {
        let capacity = self
            .members
            .get(peer)
            .map_or(0, |peer| peer.registration.capacity);
        share(self.free(peer).into(), capacity.into()) < self.free_share / 2
    }

    /// Takes the average anew; once a tick is often enough for what it decides.
    pub(super) fn survey_room(&mut self) {
        let ready = self.members.iter().filter(|peer| peer.ready_session().is_some());
        let (free, capacity) = ready.fold((0_u128, 0_u128), |(free, capacity), peer| {
            let of = &peer.registration;
            (
                free + u128::from(self.free(of.peer)),
                capacity + u128::from(of.capacity),
            )
        });
        self.free_share = share(free, capacity);
    }

    /// The peer's failure domain, if it is known and has one.
    pub(super) fn zone(&self, peer: PeerId) -> Option<&Zone> {
        self.members.get(peer)?.registration.zone.as_ref()
    }
}

fn share(part: u128, of: u128) -> u64 {
    let share = part.saturating_mul(WHOLE.into()) / of.max(1);
    u64::try_from(share).unwrap_or(WHOLE)
}
