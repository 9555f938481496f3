//! Probes: the tracker has members dial others, and replicas follow what they find (`peers/reach.rs`).

use shared::model::{Answer, Order, PeerId, Timestamp};

use super::State;
use super::command::Outcome;
use super::peers::Standing;

impl State {
    /// Lets time pass for the reach of peers, and orders probes.
    pub(super) fn probe(&mut self, now: Timestamp, out: &mut Outcome) {
        let passed = self.peers.pass_reach(now);
        let (dials, changed) = self.peers.begin_probes(now, self.timing.grace);
        for dial in dials {
            let order = Order::Probe {
                epoch: self.history.epoch(),
                probe: dial.probe,
                peer: dial.peer,
                address: dial.address,
            };
            out.send(dial.session, order);
        }
        for peer in passed.into_iter().chain(changed) {
            self.reach_changed(now, peer);
        }
    }

    /// Takes the result of a probe.
    pub(super) fn probed(&mut self, now: Timestamp, by: PeerId, probe: u64, outcome: Result<Answer, String>) {
        if let Some(peer) = self.peers.probed(by, probe, outcome, now, &self.timing) {
            self.reach_changed(now, peer);
        }
    }

    /// Lets replicas follow a change of a peer's reach.
    pub(super) fn reach_changed(&mut self, now: Timestamp, peer: PeerId) {
        match self.peers.get(peer).map(|peer| peer.standing()) {
            Some(Standing::Unreachable { failure, grace }) => {
                tracing::warn!(%peer, address = %failure.address, error = failure.error, "a peer is out of reach");
                // Nobody can read a copy there; one that is under way may still be made while it is waited
                // for.
                if grace.is_none() {
                    self.replicas.cancel_assignments(peer);
                }
            }
            Some(_) => tracing::info!(%peer, "a peer is in reach"),
            None => return,
        }
        self.replicas.mark_held_by(peer);
        let (cx, replicas, _) = self.context(now);
        replicas.wake(&cx);
    }
}
