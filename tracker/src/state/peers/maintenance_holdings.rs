//! Holdings of peers that are away for maintenance, written down when they fall silent.
//!
//! After a restart the tracker learns all other holdings from the peers themselves. It cannot learn them from
//! a peer that is away: without these notes it would repair around such peers, and wait for them in safe
//! mode.
//!
//! Invariants: a note is of a silent peer in maintenance; it is forgotten with the peer's next hello, when
//! the maintenance is over and when the peer is given up. The holdings count as those of any suspect peer: no
//! copy is evicted or released because of them. After a restoration from a backup they are not believed,
//! because the peer may have been back since.

use std::collections::BTreeMap;

use shared::model::{Holding, PeerId, PeerMode, Timestamp};

use super::{Life, Peer, Peers};
use crate::state::record::{Fact, Record};

/// Holdings in one fact: 2 MiB of the largest bitmaps, and some kilobytes of usual ones.
const PER_FACT: usize = 256;

/// Notes about peers that are away.
#[derive(Debug, Default)]
pub(super) struct MaintenanceHoldings(BTreeMap<PeerId, Vec<Holding>>);

impl MaintenanceHoldings {
    /// Notes the holdings of a peer, or more of them.
    pub(super) fn note(&mut self, peer: PeerId, holdings: Vec<Holding>, is_more: bool) {
        let known = self.0.entry(peer).or_default();
        if !is_more {
            known.clear();
        }
        known.extend(holdings);
    }

    /// Forgets a peer that is back, or that nobody waits for any longer.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.0.remove(&peer);
    }

    /// Returns the shortest list of facts that leads to these notes.
    pub(super) fn records(&self, at: Timestamp) -> impl Iterator<Item = Record> + '_ {
        let facts = self
            .0
            .iter()
            .flat_map(|(peer, holdings)| facts_of_maintenance(*peer, holdings));
        facts.map(move |fact| Record { at, fact })
    }
}

/// Returns the facts that note the holdings of a peer; one also when it has none, so that nobody waits for
/// it.
pub(crate) fn facts_of_maintenance(peer: PeerId, holdings: &[Holding]) -> impl Iterator<Item = Fact> + '_ {
    let none = holdings.is_empty().then_some(holdings);
    let chunks = none.into_iter().chain(holdings.chunks(PER_FACT));
    chunks.enumerate().map(move |(number, holdings)| Fact::WentAway {
        peer,
        holdings: holdings.to_vec(),
        is_more: number > 0,
    })
}

impl Peers {
    /// Returns peers in maintenance that have fallen silent, and of which nothing is noted yet.
    pub(crate) fn newly_away(&self, now: Timestamp) -> Vec<PeerId> {
        let is_away =
            |peer: &&Peer| matches!(peer.life, Life::Suspect { .. }) && peer.mode.is_maintenance_at(now);
        let away = self.iter().filter(is_away).map(Peer::id);
        away.filter(|peer| !self.absences.0.contains_key(peer)).collect()
    }

    /// Returns registrations of peers that have come back: to register anew takes back the notes.
    pub(crate) fn returned(&self) -> Vec<Fact> {
        let away = self.absences.0.keys().filter_map(|peer| self.get(*peer));
        let back = away.filter(|peer| peer.is_live());
        back.map(|peer| Fact::PeerRegistered(peer.registration.clone()))
            .collect()
    }

    /// Returns the peers whose maintenance is not over, with the holdings that are noted of them.
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
