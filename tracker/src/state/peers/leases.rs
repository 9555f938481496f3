//! What happens when a peer dies: the door to the walk through the state.
//!
//! 1. Its heartbeats stop, or its session breaks. The lease runs out ([`Peers::expire_leases`]) or the session is closed
//!    ([`Peers::close`]): the peer is *suspect*. Its replicas still count, so that nothing is copied for a reconnect, and
//!    its contents are put on the agenda: a content of which one live replica is left is repaired at once.
//! 2. Many peers that fall silent together are an [outage](super::outage), and are waited for even then. A peer in
//!    [maintenance](super::modes) is waited for until its time is over, and what it keeps is
//!    [written down](super::absences).
//! 3. The grace time is over ([`Peers::overdue`]): the fact `PeerGone` is journaled, the peer is *lost*, its holdings, its
//!    assignments and its evictions are forgotten, and what it held is put on the agenda.
//! 4. Planning (`replicas/planning.rs`) assesses those contents, the most endangered first; repair (`replicas/repair.rs`)
//!    finds out what they lack, placement chooses peers, and orders go out as far as the budget allows.
//! 5. The peers announce the copies, and the contents are as they should be. Should the lost peer come back, it says hello,
//!    what it has counts again, and a surplus is trimmed after a while.
//!
//! `tick.rs` takes these steps, in this order, every time that the clock ticks.

use std::collections::BTreeSet;

use shared::model::{PeerId, Timestamp};

use super::{Life, Peer, Peers};
use crate::timing::Timing;

/// The time after a restart in which not all holders are known.
#[derive(Debug)]
pub(super) struct SafeMode {
    /// Peers that have not reported yet.
    waiting_for: BTreeSet<PeerId>,
    until: Timestamp,
}

impl Peers {
    /// When time last passed, as far as the state was told.
    pub(crate) const fn ticked_at(&self) -> Timestamp {
        self.ticked_at
    }

    /// Begins a run of the tracker: every peer that is not lost is suspect, and safe mode waits for all of them but those
    /// that are away for maintenance. The time that the tracker was away is not held against anyone.
    pub(crate) fn begin_run(&mut self, now: Timestamp, away: &BTreeSet<PeerId>, timing: &Timing) {
        self.ticked_at = now;
        let mut waiting_for = BTreeSet::new();
        for (id, peer) in self.peers.iter_mut().filter(|(_, peer)| !peer.is_lost()) {
            peer.life = Life::Suspect { since: now };
            self.touched.push(*id);
            if !away.contains(id) {
                waiting_for.insert(*id);
            }
        }
        if !waiting_for.is_empty() {
            self.safe_mode = Some(SafeMode {
                waiting_for,
                until: now.after(timing.safe_mode),
            });
        }
    }

    /// Whether not all holders are known yet after a restart.
    pub(crate) const fn is_in_safe_mode(&self) -> bool {
        self.safe_mode.is_some()
    }

    /// Ends safe mode when every peer has reported or its time is over; true when it has ended now.
    pub(crate) fn leave_safe_mode(&mut self, now: Timestamp) -> bool {
        let is_over = |mode: &SafeMode| mode.waiting_for.is_empty() || mode.until <= now;
        if !self.safe_mode.as_ref().is_some_and(is_over) {
            return false;
        }
        self.safe_mode = None;
        self.touch_all();
        true
    }

    pub(super) fn waits_no_longer_for(&mut self, id: PeerId) {
        if let Some(safe_mode) = &mut self.safe_mode {
            safe_mode.waiting_for.remove(&id);
        }
    }

    /// Lets time pass. When the tracker itself stood still (a suspended machine, a stopped process), heartbeats wait in its
    /// queues: leases that were running then are begun anew.
    pub(crate) fn pass(&mut self, now: Timestamp, timing: &Timing) {
        let away = now.since(self.ticked_at);
        if away >= timing.lease / 2 {
            tracing::warn!(?away, "the tracker stood still; leases are begun anew");
            self.renew_live(now.after(timing.lease));
        }
        self.ticked_at = now;
    }

    /// Renews the lease of a peer, for any message proves that it lives; true when it was suspect.
    pub(crate) fn renew(&mut self, id: PeerId, lease_until: Timestamp) -> bool {
        let Some(peer) = self.get_mut(id) else {
            return false;
        };
        let was_live = peer.is_live();
        peer.life = Life::Live { lease_until };
        !was_live
    }

    /// Makes peers suspect whose lease has run out; returns these.
    pub(crate) fn expire_leases(&mut self, now: Timestamp) -> Vec<PeerId> {
        let expired: Vec<_> = self
            .iter()
            .filter_map(|peer| match peer.life {
                Life::Live { lease_until } if lease_until <= now => Some((peer.id(), lease_until)),
                _ => None,
            })
            .collect();
        for (id, since) in &expired {
            if let Some(peer) = self.get_mut(*id) {
                peer.life = Life::Suspect { since: *since };
            }
        }
        expired.into_iter().map(|(id, _)| id).collect()
    }

    /// Makes a peer suspect whatever it was.
    pub(crate) fn suspect(&mut self, id: PeerId, now: Timestamp) {
        if let Some(peer) = self.get_mut(id) {
            peer.life = Life::Suspect { since: now };
        }
    }

    /// Peers that have been suspect for the grace time, and are not expected back.
    pub(crate) fn overdue(&self, now: Timestamp, timing: &Timing) -> Vec<PeerId> {
        let is_overdue = |peer: &&Peer| {
            let is_expected = peer.mode.is_maintenance_at(now);
            matches!(peer.life, Life::Suspect { since } if !is_expected && now.since(since) >= timing.grace)
        };
        self.iter().filter(is_overdue).map(Peer::id).collect()
    }

    /// Peers that have been lost for so long that nothing is to be remembered of them.
    pub(crate) fn long_lost(&self, now: Timestamp, timing: &Timing) -> Vec<PeerId> {
        let is_old =
            |peer: &&Peer| matches!(peer.life, Life::Lost { since } if now.since(since) >= timing.forget);
        self.iter().filter(is_old).map(Peer::id).collect()
    }
}
