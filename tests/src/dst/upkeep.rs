//! Upkeep by operators: draining a peer and switching it off when that is safe, maintenance, other targets.
//!
//! A peer that is safe to switch off is switched off for good, and its disk with it, in the same moment. Its
//! copies do not count as destroyed for that: the invariants have to hold all the same.

use std::time::Duration;

use rand::RngExt as _;
use shared::model::{PeerMode, RequestedMode};
use store::Publication;
use tracker::state::{Command, DrainSurvey};

use super::calls::{Purpose, Question};
use super::naming::Asked;
use super::peer::PeerNumber;
use super::tracker::Tag;
use super::world::World;

impl World {
    pub(super) fn upkeep(&mut self, number: PeerNumber) {
        if let Some(safe) = (0..self.peers.len()).find(|number| self.is_safe_to_switch_off(*number)) {
            return self.switch_off(safe);
        }
        if !self.peers[number].is_up || self.peers[number].is_fake {
            return;
        }
        match self.rng.random_range(0..10) {
            0..4 => self.want_replicas(number),
            4..6 => self.wish(number, RequestedMode::Drain),
            6..8 => {
                let length = Duration::from_millis(self.rng.random_range(500..30_000));
                self.wish(number, RequestedMode::Maintenance(length));
            }
            _ => self.wish(number, RequestedMode::Active),
        }
    }

    fn want_replicas(&mut self, number: PeerNumber) {
        let (name, target) = (self.any_name(), self.any_target());
        if !self.has_place_for(&name) {
            return;
        }
        let expected = self.rng.random_bool(0.5).then(|| self.known_revision(&name));
        let asked = Asked::Replicas {
            target: target.get(),
            expected,
        };
        // A second attempt would have its effect after the operations of others in between.
        let operation = self.begins(&name, asked, true);
        let question = Question::SetTarget {
            name,
            expected,
            target,
        };
        self.call(number, question, Purpose::Operation(operation), 1);
    }

    fn wish(&mut self, number: PeerNumber, wish: RequestedMode) {
        self.say(format_args!("peer {number}: is wanted for {wish:?}"));
        let peer = self.peers[number].id;
        self.call(number, Question::SetPeerMode { peer, wish }, Purpose::PeerMode, 1);
    }

    /// Whether `peer drain` says so: the tracker can do without it, and nothing waits here to be published.
    fn is_safe_to_switch_off(&self, number: PeerNumber) -> bool {
        let peer = &self.peers[number];
        let waits = peer.outbox.values().any(Publication::is_pending) || peer.is_lending();
        let Some(state) = self
            .tracker
            .settled()
            .filter(|_| !waits && !peer.is_gone && !self.oracle.revocations.includes(peer.id))
        else {
            return false;
        };
        let mut survey = DrainSurvey::new(peer.id);
        loop {
            match state.drain_step(&mut survey) {
                Ok(Some(status)) => return status.mode == PeerMode::Draining && status.is_safe,
                Ok(None) => {}
                Err(_) => return false,
            }
        }
    }

    fn switch_off(&mut self, number: PeerNumber) {
        self.say(format_args!("peer {number}: is drained and switched off"));
        self.oracle.switched_off.insert(self.peers[number].id);
        for entry in self.take_away(number) {
            self.touched.insert(entry.manifest.content());
        }
    }

    /// Ends all drains and maintenances when the faults have stopped; whether some are left.
    pub(super) fn end_duties(&mut self) -> bool {
        let Some(state) = self.tracker.settled() else {
            return true;
        };
        let all = state.peers(None, 1_000).peers;
        let off_duty: Vec<_> = all
            .iter()
            .filter(|peer| match peer.mode {
                PeerMode::Active => false,
                // Nobody calls off the drain of a machine that is off: it would count until its lease ends.
                PeerMode::Draining => !self.oracle.switched_off.contains(&peer.id),
                PeerMode::Maintenance { .. } => true,
            })
            .map(|peer| peer.id)
            .collect();
        for peer in &off_duty {
            let wish = RequestedMode::Active;
            self.submit(Command::SetPeerMode { peer: *peer, wish }, Tag::Nobody);
        }
        !off_duty.is_empty()
    }
}
