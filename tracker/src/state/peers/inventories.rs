//! Inventories: a peer that says hello confirms what it holds.
//!
//! Until then its copies are *unconfirmed*: the peer may have lost them, so nobody is promised them and no
//! other copy is dropped because of them; they put off repair, because most of them are there. An inventory
//! has a deadline (`timing.inventory`), after which they put off nothing more. A peer that says hello again
//! before its inventory is complete goes on with the same deadline: one whose sessions break all the time is
//! not waited for without end.

use std::time::Duration;

use shared::model::{PeerId, Timestamp};

use super::{Peer, Peers};
use crate::state::steps::visited;
use crate::timing::Timing;

/// An inventory that is not complete.
#[derive(Debug)]
pub(super) struct Inventory {
    until: Timestamp,
    is_late: bool,
}

impl Inventory {
    /// Begins an inventory, or an earlier one again.
    pub(super) fn begin(earlier: Option<Self>, now: Timestamp, timing: &Timing) -> Self {
        earlier.unwrap_or_else(|| Self {
            until: now.after(timing.inventory),
            is_late: false,
        })
    }
}

impl Peer {
    /// Returns whether it has begun an inventory and not completed it.
    pub(crate) const fn is_listing(&self) -> bool {
        self.inventory.is_some()
    }

    /// Returns whether its inventory is not complete although its time is over.
    pub(crate) fn is_inventory_late(&self) -> bool {
        self.inventory.as_ref().is_some_and(|inventory| inventory.is_late)
    }

    /// Returns whether it is connected and lists what it holds, in time.
    pub(crate) fn is_inventory_awaited(&self) -> bool {
        self.is_live() && self.is_listing() && !self.is_inventory_late()
    }
}

impl Peers {
    /// Notes that a peer has said everything that it holds; returns whether that is news.
    pub(crate) fn complete_inventory(&mut self, id: PeerId) -> bool {
        let Some(peer) = self.get_mut(id) else {
            return false;
        };
        let is_news = peer.inventory.take().is_some();
        (peer.has_told, peer.is_new) = (true, false);
        self.waits_no_longer_for(id);
        is_news
    }

    /// Returns the peers whose inventories are late from now on.
    pub(crate) fn late_inventories(&mut self, now: Timestamp) -> Vec<PeerId> {
        let mut late = Vec::new();
        for (id, peer) in visited(self.peers.iter_mut()) {
            if let Some(inventory) = peer
                .inventory
                .as_mut()
                .filter(|one| !one.is_late && one.until <= now)
            {
                inventory.is_late = true;
                late.push(*id);
                tracing::warn!(peer = %id, "a peer does not say what it holds; its copies are no longer waited for");
            }
        }
        late
    }

    /// Puts off the deadlines by a time in which the tracker itself stood still.
    pub(super) fn put_off_inventories(&mut self, away: Duration) {
        for inventory in self.peers.values_mut().filter_map(|peer| peer.inventory.as_mut()) {
            inventory.until = inventory.until.after(away);
        }
    }
}
