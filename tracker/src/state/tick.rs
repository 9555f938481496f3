//! Time passes: leases run out, assignments stall, safe mode ends, the agenda is worked off.

use std::time::Duration;

use shared::model::{FeedEvent, Timestamp};

use super::command::Closing;
use super::membership::{Life, Peer};
use super::record::Fact;
use super::{Outcome, State};

impl State {
    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Outcome) {
        self.excuse_own_absence(now);
        self.expire_leases(now);
        self.leave_safe_mode(now);
        self.end_absences(now, out);
        if self.is_in_safe_mode() {
            return;
        }
        self.end_maintenances(now, out);
        self.note_absences(now, out);
        self.give_up_peers(now, out);
        self.give_up_assignments(now);
        self.notice_outage(now);
        self.age(now, out);
        self.plan(now, out);
        self.tell_standings();
    }

    /// When the tracker itself stood still (a suspended machine, a stopped process), heartbeats wait in its queues:
    /// leases that were running then are begun anew.
    fn excuse_own_absence(&mut self, now: Timestamp) {
        let was_away = now.since(self.ticked_at) >= self.timing.lease / 2;
        if was_away {
            tracing::warn!(away = ?now.since(self.ticked_at), "the tracker stood still; leases are begun anew");
            self.members.renew_live(now.after(self.timing.lease));
        }
        self.ticked_at = now;
    }

    fn expire_leases(&mut self, now: Timestamp) {
        let expired: Vec<_> = self
            .members
            .iter()
            .filter_map(|peer| match peer.life {
                Life::Live { lease_until } if lease_until <= now => {
                    Some((peer.registration.peer, lease_until))
                }
                _ => None,
            })
            .collect();
        for (id, since) in expired {
            if let Some(peer) = self.members.get_mut(id) {
                peer.life = Life::Suspect { since };
            }
            self.mark_holdings(id);
        }
    }

    fn leave_safe_mode(&mut self, now: Timestamp) {
        let is_over = |mode: &super::SafeMode| mode.waiting_for.is_empty() || mode.until <= now;
        if self.safe_mode.as_ref().is_some_and(is_over) {
            self.safe_mode = None;
            self.swept = None;
            self.members.touch_all();
            self.tell(FeedEvent::Settled);
        }
    }

    fn give_up_peers(&mut self, now: Timestamp, out: &mut Outcome) {
        let is_silent = |peer: &&Peer| {
            let is_expected = peer.mode.is_maintenance_at(now);
            matches!(peer.life, Life::Suspect { since } if !is_expected && now.since(since) >= self.timing.grace)
        };
        let lost: Vec<_> = self
            .members
            .iter()
            .filter(is_silent)
            .map(|p| p.registration.peer)
            .collect();
        for peer in lost {
            self.lose(
                now,
                peer,
                Closing::Lost(self.timing.lease + self.timing.grace),
                out,
            );
        }
        let old = |life| matches!(life, Life::Lost { since } if now.since(since) >= self.timing.forget);
        let forgotten: Vec<_> = self
            .members
            .iter()
            .filter(|p| old(p.life))
            .map(|p| p.registration.peer)
            .collect();
        for peer in forgotten {
            self.commit(now, Fact::PeerForgotten(peer), out);
        }
    }

    fn give_up_assignments(&mut self, now: Timestamp) {
        self.assignments.warm_up(now);
        let stall: Duration = self.timing.stall;
        let progress_of = |peer| {
            self.members
                .get(peer)
                .map_or(Timestamp::default(), |peer| peer.progress_at)
        };
        for (content, peer) in self.assignments.stalled(now, stall, progress_of) {
            self.assignments.cancel(content, peer);
            self.assignments
                .cool(content, peer, now.after(self.timing.cool_down));
            self.agenda.mark(content);
        }
    }
}
