//! Checks: the tracker has members look at the copies of others (`replicas/proofs.rs`).

use shared::model::{ContentId, PeerId, SampleOutcome, Timestamp};

use super::State;
use super::command::Outcome;

impl State {
    /// Orders the checks that are due.
    pub(super) fn check_copies(&mut self, now: Timestamp, out: &mut Outcome) {
        for peer in self.peers.forgive(now, self.timing.doubt) {
            self.replicas.mark_held_by(peer);
        }
        let (cx, replicas, rng) = self.context(now);
        for (session, order) in replicas.begin_checks(&cx, rng) {
            out.send(session, order);
        }
    }

    /// Takes the result of a check.
    pub(super) fn checked(&mut self, now: Timestamp, by: PeerId, check: u64, outcome: &SampleOutcome) {
        let (cx, replicas, _) = self.context(now);
        let found = replicas.checked(&cx, by, check, outcome);
        self.trust(now, found);
    }

    /// Takes back an eviction that a peer did not obey.
    pub(super) fn kept(
        &mut self,
        now: Timestamp,
        by: PeerId,
        copy: (ContentId, PeerId),
        outcome: &SampleOutcome,
    ) {
        let (cx, replicas, _) = self.context(now);
        let found = replicas.take_back(&cx, by, copy, outcome);
        self.trust(now, found);
    }

    /// Trusts a holder more or less, after what was found of its copies.
    fn trust(&mut self, now: Timestamp, found: Option<(PeerId, bool)>) {
        if let Some((holder, is_right)) = found
            && self.peers.note_sample(now, holder, is_right)
        {
            self.replicas.mark_held_by(holder);
        }
    }
}
