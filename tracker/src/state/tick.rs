//! Ticks: leases run out, assignments stall, safe mode ends, the agenda is worked off.
//!
//! `peers/leases.rs` tells what happens when a peer dies.

use shared::model::{FeedEvent, PeerMode, Timestamp};

use super::State;
use super::command::{Closing, Outcome};
use super::peers::facts_of_maintenance;
use super::record::Fact;

impl State {
    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Outcome) {
        if let Some(away) = self.peers.pass(now, &self.timing) {
            self.replicas.put_off(away);
        }
        self.peers.forget_copies(now);
        let expired = self.peers.expire_leases(now).into_iter();
        for peer in expired.chain(self.peers.late_inventories(now)) {
            self.replicas.mark_held_by(peer);
        }
        if self.peers.leave_safe_mode(now, &self.timing) {
            self.replicas.sweep_anew();
            self.feed.push(self.history.facts(), FeedEvent::Settled);
        }
        for fact in self.peers.returned() {
            self.commit(now, fact, out);
        }
        self.forget_members(now, out);
        self.probe(now, out);
        if self.is_in_safe_mode() {
            return;
        }
        self.check_copies(now, out);
        self.end_maintenances(now, out);
        self.give_up_peers(now, out);
        let (cx, replicas, _) = self.context(now);
        replicas.give_up_assignments(&cx, out);
        self.peers.notice_outage(now);
        self.age_names(now, out);
        self.plan(now, out);
    }

    /// Ends maintenances whose time is over, and writes down what peers keep that have gone into one.
    fn end_maintenances(&mut self, now: Timestamp, out: &mut Outcome) {
        for peer in self.peers.maintenances_over(now) {
            let mode = PeerMode::Active;
            self.commit(now, Fact::ModeChanged { peer, mode }, out);
            self.replicas.mark_held_by(peer);
        }
        for peer in self.peers.newly_away(now) {
            for fact in facts_of_maintenance(peer, &self.replicas.kept_by(peer, &self.names, &self.peers)) {
                self.commit(now, fact, out);
            }
        }
    }

    /// Gives up peers that were silent for too long, and forgets those that have been lost for long.
    fn give_up_peers(&mut self, now: Timestamp, out: &mut Outcome) {
        let silence = self.timing.lease + self.timing.grace;
        for peer in self.peers.overdue(now, &self.timing) {
            self.lose(now, peer, Closing::Lost(silence), out);
        }
        for peer in self.peers.long_lost(now, &self.timing) {
            self.commit(now, Fact::PeerForgotten(peer), out);
        }
    }

    /// Collects revisions that were kept for long enough. With a gap, what was lost may be among what is
    /// kept.
    fn age_names(&mut self, now: Timestamp, out: &mut Outcome) {
        if self.history.gap().is_some() {
            return;
        }
        for fact in self.names.age(now, &self.timing) {
            self.commit(now, fact, out);
        }
    }

    /// Plans for the contents that something happened to, and tells watchers about their replicas.
    fn plan(&mut self, now: Timestamp, out: &mut Outcome) {
        let (cx, replicas, _) = self.context(now);
        for id in replicas.assess_due(&cx) {
            self.feed.mark_dirty(id, &self.names);
        }
        let (cx, replicas, rng) = self.context(now);
        replicas.plan(&cx, rng, out);
        let facts = self.history.facts();
        self.feed
            .push_health(&mut self.names, &self.peers, &self.replicas, facts);
    }
}
