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

use std::collections::{BTreeMap, BTreeSet};

use shared::model::{Holding, PeerId, PeerMode, Timestamp};

use super::holders::Fragments;
use super::membership::Life;
use super::record::{Fact, Record};
use super::{Outcome, State};

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

    /// Of whom something is written down.
    pub(super) fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.0.keys().copied()
    }

    /// The shortest list of facts that leads here.
    pub(super) fn records(&self, at: Timestamp) -> impl Iterator<Item = Record> + '_ {
        let facts = self.0.iter().flat_map(|(peer, holdings)| facts(*peer, holdings));
        facts.map(move |fact| Record { at, fact })
    }
}

/// What is to be written down of a peer.
fn facts(peer: PeerId, holdings: &[Holding]) -> impl Iterator<Item = Fact> + '_ {
    let chunks = holdings.chunks(PER_FACT).enumerate();
    chunks.map(move |(number, holdings)| Fact::WentAway {
        peer,
        holdings: holdings.to_vec(),
        is_more: number > 0,
    })
}

impl State {
    /// Writes down what peers in maintenance keep that have fallen silent since the last time.
    pub(super) fn note_absences(&mut self, now: Timestamp, out: &mut Outcome) {
        let is_away = |peer: PeerId| {
            let member = self.members.get(peer);
            member.is_some_and(|member| {
                matches!(member.life, Life::Suspect { .. }) && member.mode.is_maintenance_at(now)
            })
        };
        let all = self.members.iter().map(|member| member.registration.peer);
        let away: Vec<_> = all
            .filter(|peer| is_away(*peer) && !self.absences.0.contains_key(peer))
            .collect();
        for peer in away {
            for fact in facts(peer, &self.kept_by(peer)) {
                self.commit(now, fact, out);
            }
        }
    }

    /// Whoever has come back without having been restarted registers anew, which takes back what was written down.
    pub(super) fn end_absences(&mut self, now: Timestamp, out: &mut Outcome) {
        let back: Vec<_> = self
            .absences
            .peers()
            .filter_map(|peer| self.members.get(peer).filter(|member| member.is_live()))
            .map(|member| member.registration.clone())
            .collect();
        for registration in back {
            self.commit(now, Fact::PeerRegistered(registration), out);
        }
    }

    /// After a restart: believes what is written down of peers whose maintenance is not over; returns these.
    pub(super) fn believe_absences(&mut self, now: Timestamp) -> BTreeSet<PeerId> {
        if self.history.gap().is_some() {
            return BTreeSet::new();
        }
        let mut believed = BTreeSet::new();
        for (peer, holdings) in &self.absences.0 {
            let mode = self.members.get(*peer).map(|member| member.mode);
            if !mode.is_some_and(|mode| mode.is_maintenance_at(now)) {
                continue;
            }
            believed.insert(*peer);
            for holding in holdings {
                let known = self.catalogue.content(holding.content);
                let count = known.map(|content| content.manifest.fragment_count());
                // Its name may have been removed since, or the same bytes published in other fragments.
                if count != Some(holding.fragments.capacity()) {
                    continue;
                }
                let fragments = match holding.fragments.is_full() {
                    true => Fragments::All,
                    false => Fragments::Some(holding.fragments.clone()),
                };
                self.holders.set(holding.content, *peer, fragments, true, false);
                if let Some(held) = self.holders.get_mut(holding.content, *peer) {
                    held.is_assigned = holding.is_assigned;
                }
            }
        }
        believed
    }

    /// What the peer keeps of named contents.
    fn kept_by(&self, peer: PeerId) -> Vec<Holding> {
        let contents = self.holders.contents_of(peer).into_iter().flatten();
        let kept = contents.filter_map(|content| {
            let held = self.holders.get(*content, peer)?;
            let manifest = &self.catalogue.content(*content)?.manifest;
            let fragments = held.fragments.to_set(manifest.fragment_count());
            // Of what it was only about to hold nothing is there.
            (held.keeps && !held.is_evicting && !fragments.is_empty()).then_some(Holding {
                content: *content,
                fragments,
                keeps: true,
                is_assigned: held.is_assigned,
                is_fetching: false,
            })
        });
        kept.collect()
    }

    /// Asserts the invariants.
    pub(super) fn check_absences(&self) {
        for peer in self.absences.peers() {
            let member = self.members.get(peer).expect("who is away is a member");
            assert!(!member.is_lost(), "{peer} was given up");
            assert!(
                matches!(member.mode, PeerMode::Maintenance { .. }),
                "{peer} is in maintenance"
            );
        }
    }
}
