//! Leases: what happens when a peer dies. Begin here to follow that walk through the state.
//!
//! 1. The heartbeats stop and the lease runs out ([`Peers::expire_leases`]), or the session breaks
//!    ([`Peers::close`]): the peer is *suspect*. Its replicas still count, so that nothing is copied for a
//!    reconnect, and its contents are put on the agenda. A content with one live replica left is repaired at
//!    once.
//! 2. When many peers fall silent together, something between them and the tracker has failed: a switch, a
//!    zone. In such an *outage* ([`Peers::notice_outage`]) even the last live replica waits, for the grace
//!    time at most: copying everything would take all peers' time, and most of them are back in a moment. A
//!    peer in [maintenance](super::modes) is waited for until its time is over, and its holdings are
//!    [noted](super::maintenance_holdings).
//! 3. After the grace time ([`Peers::overdue`]) the fact `PeerGone` is journaled and the peer is *lost*. Its
//!    holdings, assignments and evictions are forgotten, and its contents are put on the agenda again.
//! 4. Planning (`replicas/planning.rs`) assesses those contents, the most endangered first. Repair
//!    (`replicas/repair.rs`) finds the missing copies, placement chooses peers, and orders go out as far as
//!    the budget allows.
//! 5. The chosen peers announce the copies (`replicas/inventory.rs`), and the contents are at their targets.
//!    Should the lost peer come back, its hello lists its holdings, which count again, and the surplus is
//!    trimmed later.
//!
//! `tick.rs` takes these steps at every tick of the clock; it notices an outage after it has given up
//! overdue peers.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::model::{PeerId, PeerMode, Timestamp, format_duration};

use super::{Life, Peer, Peers};
use crate::state::record::Registration;
use crate::state::steps::visited;
use crate::timing::Timing;

/// Peers that may fall silent by themselves, however small the cluster.
const FEW: usize = 2;

/// Share of the peers in a large cluster that may do so: one of this many.
const ONE_OF: usize = 50;

/// Peers that are forgotten together to make room: looking for them takes a look at all peers.
const FORGOTTEN_AT_ONCE: usize = 256;

/// Time for which a peer is remembered that has gone and kept nothing: long enough to look who was there.
/// Every command with a data directory of its own is such a peer.
const FORGET_VISITOR: Duration = Duration::from_hours(1);

/// Safe mode: the time in which some holders are unknown, after a restart of the tracker or of all others.
#[derive(Debug)]
pub(super) struct SafeMode {
    /// Peers that have not reported yet.
    waiting_for: BTreeSet<PeerId>,
    until: Timestamp,
}

impl Peers {
    /// Returns the time of the latest tick.
    pub(crate) const fn ticked_at(&self) -> Timestamp {
        self.ticked_at
    }

    /// Begins a run of the tracker: every peer that is not lost is suspect, and safe mode waits for all of
    /// them but those that are away for maintenance. The time that the tracker was away is not held against
    /// any peer.
    pub(crate) fn begin_run(&mut self, now: Timestamp, away: &BTreeSet<PeerId>, timing: &Timing) {
        self.ticked_at = now;
        let mut waiting_for = BTreeSet::new();
        self.peers.values_mut().for_each(|peer| peer.is_new = false);
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

    /// Returns whether the peer is lost, kept something, and may come back with it.
    pub(crate) fn is_missed(&self, id: PeerId) -> bool {
        let is_missed = |peer: &Peer| {
            peer.is_lost() && !peer.kept_nothing && !peer.is_transient() && peer.mode != PeerMode::Draining
        };
        self.get(id).is_some_and(is_missed)
    }

    /// Begins safe mode, because a whole cluster that was switched off comes back: waits for every peer that
    /// is missed.
    pub(crate) fn await_missed(&mut self, now: Timestamp, timing: &Timing) {
        let missed: Vec<_> = visited(self.peers.keys())
            .copied()
            .filter(|id| self.is_missed(*id))
            .collect();
        let until = now.after(timing.safe_mode);
        let safe_mode = self.safe_mode.get_or_insert_with(|| SafeMode {
            waiting_for: BTreeSet::new(),
            until,
        });
        safe_mode.waiting_for.extend(missed);
        safe_mode.until = until;
    }

    /// Returns whether some holders are still unknown after a restart.
    pub(crate) const fn is_in_safe_mode(&self) -> bool {
        self.safe_mode.is_some()
    }

    /// Ends safe mode when every peer has reported, or its time is over and none is listing what it holds;
    /// returns whether it has ended now. Inventories that begin later than that prolong it once.
    pub(crate) fn leave_safe_mode(&mut self, now: Timestamp, timing: &Timing) -> bool {
        let is_awaited = |id: &PeerId| self.get(*id).is_some_and(Peer::is_inventory_awaited);
        let is_over = |mode: &SafeMode| {
            let is_late = mode.until.after(timing.inventory) <= now;
            let is_time_over = mode.until <= now && (is_late || !mode.waiting_for.iter().any(is_awaited));
            mode.waiting_for.is_empty() || is_time_over
        };
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

    /// Lets time pass. When the tracker itself stood still (a suspended machine, a stopped process),
    /// heartbeats and hellos wait in its queues: leases that were running then are begun anew, and that time
    /// counts for nobody who is waited for. Returns how long it stood still, if it did.
    pub(crate) fn pass(&mut self, now: Timestamp, timing: &Timing) -> Option<Duration> {
        let away = now.since(self.ticked_at);
        self.ticked_at = now;
        if away < timing.lease / 2 {
            return None;
        }
        tracing::warn!(away = %format_duration(away), "the tracker stood still; leases are begun anew");
        for peer in self.peers.values_mut() {
            match &mut peer.life {
                Life::Live { lease_until } => *lease_until = now.after(timing.lease),
                Life::Suspect { since } => *since = since.after(away).min(now),
                Life::Lost { .. } => {}
            }
            peer.reach.put_off(away);
        }
        self.put_off_inventories(away);
        if let Some(safe_mode) = &mut self.safe_mode {
            safe_mode.until = safe_mode.until.after(away);
        }
        Some(away)
    }

    /// Renews the lease of a peer, because any message proves that it lives; returns whether it was suspect.
    pub(crate) fn renew(&mut self, id: PeerId, lease_until: Timestamp) -> bool {
        let Some(peer) = self.get_mut(id) else {
            return false;
        };
        let was_live = peer.is_live();
        peer.life = Life::Live { lease_until };
        !was_live
    }

    /// Makes peers suspect whose lease has run out, and returns them.
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

    /// Makes a peer suspect.
    pub(crate) fn suspect(&mut self, id: PeerId, now: Timestamp) {
        if let Some(peer) = self.get_mut(id) {
            peer.life = Life::Suspect { since: now };
        }
    }

    /// Returns the peers that have been suspect for the grace time, and are not expected back.
    pub(crate) fn overdue(&self, now: Timestamp, timing: &Timing) -> Vec<PeerId> {
        let is_overdue = |peer: &&Peer| {
            let is_expected = peer.mode.is_maintenance_at(now);
            matches!(peer.life, Life::Suspect { since } if !is_expected && now.since(since) >= timing.grace)
        };
        self.iter().filter(is_overdue).map(Peer::id).collect()
    }

    /// Returns the peers that have been lost for so long that nothing is remembered of them.
    pub(crate) fn long_lost(&self, now: Timestamp, timing: &Timing) -> Vec<PeerId> {
        let is_old = |peer: &&Peer| {
            let limit = match peer.kept_nothing {
                true => timing.forget.min(FORGET_VISITOR),
                false => timing.forget,
            };
            matches!(peer.life, Life::Lost { since } if now.since(since) >= limit)
        };
        self.iter().filter(is_old).map(Peer::id).collect()
    }

    /// Returns the peers that are to be forgotten so that there is room for another one: those that left or
    /// have nothing, lost or just without a session, before lost ones that went silent; in both kinds those
    /// in a mode that is to outlive them last; and the longest gone before others. Peers with a session stay,
    /// and so do those that may come back with something: `keeps` says of a peer whether it is known to keep
    /// anything. None when there is no room all the same.
    pub(crate) fn make_room_for(
        &self,
        registration: &Registration,
        keeps: impl Fn(PeerId) -> bool,
    ) -> Option<Vec<PeerId>> {
        let missed = |peer: &Peer| {
            let is_active = peer.mode == PeerMode::Active;
            let (is_missed, since) = match peer.life {
                // It takes no place of those that are there.
                Life::Lost { .. } if self.is_full() => return None,
                Life::Lost { since } => (!(peer.kept_nothing || peer.has_left && is_active), since),
                Life::Suspect { since } => {
                    let has_nothing = peer.session.is_none() && peer.is_known_whole() && !keeps(peer.id());
                    (!has_nothing.then_some(true)?, since)
                }
                Life::Live { .. } => return None,
            };
            Some((is_missed, !is_active, since, peer.id()))
        };
        let mut gone: Vec<_> = self.iter().filter_map(missed).collect();
        if gone.len() > FORGOTTEN_AT_ONCE {
            gone.select_nth_unstable(FORGOTTEN_AT_ONCE);
            gone.truncate(FORGOTTEN_AT_ONCE);
        }
        gone.sort_unstable();
        let gone: Vec<_> = gone.into_iter().map(|(.., id)| id).collect();
        self.has_room_without(&gone, registration).then_some(gone)
    }

    /// Counts silent peers to notice an outage: once a tick, after overdue peers were given up.
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

    /// Returns whether the peer fell silent in an outage, and is waited for.
    pub(crate) fn is_excused(&self, peer: PeerId) -> bool {
        self.has_outage
            && self
                .get(peer)
                .is_some_and(|peer| has_fallen_silent(peer, self.ticked_at))
    }
}

/// Returns whether a peer has fallen silent within the grace time: after that it is lost, unless it is in
/// maintenance.
fn has_fallen_silent(peer: &Peer, now: Timestamp) -> bool {
    matches!(peer.life, Life::Suspect { .. }) && !peer.mode.is_maintenance_at(now)
}
