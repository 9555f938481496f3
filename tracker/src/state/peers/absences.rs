//! What peers keep that are away for maintenance, written down when they fall silent.
//!
//! All else that is believed of holders is learnt from the peers themselves after a restart. From those of whom it is known
//! that they will not be there nothing can be learnt: without this a tracker that restarts meanwhile would repair
//! around them, and wait for them in safe mode.
//!
//! Invariants: only what a silent peer in maintenance keeps is here; it is forgotten with its next hello, when its time is
//! over and when it is given up. It counts as what a suspect peer keeps always does: nothing is evicted, and nobody
//! is let go, because of it. After a restoration from a backup nothing of it is believed: the peer may have been back
//! since.

use std::collections::BTreeMap;

use shared::model::{Holding, PeerId, PeerMode, Timestamp};

use super::{Life, Peer, Peers};
use crate::state::record::{Fact, Record};

/// Holdings in one fact: 2 MiB of the largest bitmaps, and some kilobytes of usual ones.
const PER_FACT: usize = 256;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Absences(BTreeMap<PeerId, Vec<Holding>>);

impl Absences {
    /// Takes in what a peer keeps, or more of it.
    pub(super) fn note(&mut self, peer: PeerId, holdings: Vec<Holding>, is_more: bool) {
        let known = self.0.entry(peer).or_default();
        if !is_more {
            known.clear();
        }
        known.extend(holdings);
    }

    /// It is back, or nobody waits for it any longer.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.0.remove(&peer);
    }

    /// The shortest list of facts that leads here.
    pub(super) fn records(&self, at: Timestamp) -> impl Iterator<Item = Record> + '_ {
        let facts = self
            .0
            .iter()
            .flat_map(|(peer, holdings)| facts_of_absence(*peer, holdings));
        facts.map(move |fact| Record { at, fact })
    }
}

/// What is to be written down of a peer.
pub(crate) fn facts_of_absence(peer: PeerId, holdings: &[Holding]) -> impl Iterator<Item = Fact> + '_ {
    let chunks = holdings.chunks(PER_FACT).enumerate();
    chunks.map(move |(number, holdings)| Fact::WentAway {
        peer,
        holdings: holdings.to_vec(),
        is_more: number > 0,
    })
}

impl Peers {
    /// Peers in maintenance that have fallen silent, and of which nothing is written down yet.
    pub(crate) fn newly_away(&self, now: Timestamp) -> Vec<PeerId> {
        let is_away =
            |peer: &&Peer| matches!(peer.life, Life::Suspect { .. }) && peer.mode.is_maintenance_at(now);
        let away = self.iter().filter(is_away).map(Peer::id);
        away.filter(|peer| !self.absences.0.contains_key(peer)).collect()
    }

    /// Facts about peers that have come back without having been restarted: to register anew takes back what was written
    /// down.
    pub(crate) fn returned(&self) -> Vec<Fact> {
        let away = self.absences.0.keys().filter_map(|peer| self.get(*peer));
        let back = away.filter(|peer| peer.is_live());
        back.map(|peer| Fact::PeerRegistered(peer.registration.clone()))
            .collect()
    }

    /// Peers whose maintenance is not over, with what is written down of them.
    pub(crate) fn away(&self, now: Timestamp) -> impl Iterator<Item = (PeerId, &[Holding])> {
        let all = self.absences.0.iter();
        all.filter(move |(peer, _)| self.is_in_maintenance(**peer, now))
            .map(|(peer, holdings)| (*peer, holdings.as_slice()))
    }

    /// Asserts the invariants.
    pub(crate) fn check_absences(&self) {
        for peer in self.absences.0.keys() {
            let member = self.get(*peer).expect("who is away is a member");
            assert!(!member.is_lost(), "{peer} was given up");
            assert!(
                matches!(member.mode, PeerMode::Maintenance { .. }),
                "{peer} is in maintenance"
            );
        }
    }
}
