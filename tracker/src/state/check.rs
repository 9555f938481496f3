//! The invariants of the whole state, for tests to assert after every step; and what of them can be asked of a
//! journal that nobody runs on.

use shared::model::PeerMode;

use super::State;
use super::holders::Fragments;
use super::membership::Life;

/// An invariant, and what it means that it does not hold.
pub(super) fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl State {
    /// Asserts every invariant that concerns more than one part, and each part's own.
    ///
    /// Costs as much as looking at everything: for tests.
    ///
    /// # Panics
    /// When an invariant does not hold.
    pub fn check(&self) {
        if let Err(fault) = self.check_facts() {
            panic!("{fault}");
        }
        self.holders.check();
        self.assignments.check();
        self.assignments.check_budget(self.spending.budget());
        self.agenda.check();
        self.news.feed.check();
        self.check_holders();
        self.check_absences();
        for (content, peer) in self.assignments.keys() {
            let known = self
                .catalogue
                .content(content)
                .expect("only named contents are assigned");
            let job = self.assignments.get(content, peer).expect("just listed");
            assert_eq!(job.wanted.capacity(), known.manifest.fragment_count());
            assert!(!self.members.is_lost(peer), "nothing is assigned to a lost peer");
            let mode = self.members.get(peer).map(|peer| peer.mode);
            assert_eq!(
                mode,
                Some(PeerMode::Active),
                "nothing is assigned to who is to leave"
            );
        }
        for content in self.orphans.keys() {
            assert!(
                self.catalogue.content(*content).is_none(),
                "an orphan {content:?} has no name"
            );
            assert!(
                !self.holders.of(*content).is_empty(),
                "an orphan {content:?} is held by someone"
            );
        }
        for (content, peer) in self.evictions.keys() {
            let held = self
                .holders
                .get(*content, *peer)
                .expect("only what is held is evicted");
            assert!(held.is_evicting);
        }
        for content in self.surplus.keys() {
            assert!(
                self.catalogue.content(*content).is_some(),
                "only named contents have a surplus"
            );
        }
    }

    /// The invariants of what is journaled; the first that does not hold, in words.
    ///
    /// # Errors
    /// When one does not hold.
    pub fn check_facts(&self) -> Result<(), String> {
        self.catalogue.check()?;
        self.members.check()
    }

    fn check_holders(&self) {
        for held in self.holders.iter() {
            let (content, held) = held;
            let peer = self.members.get(held.peer).expect("holders are members");
            assert!(
                !matches!(peer.life, Life::Lost { .. }),
                "a lost peer holds nothing"
            );
            assert_eq!(
                held.is_evicting,
                self.evictions.contains_key(&(content, held.peer)),
                "evictions are remembered"
            );
            match (self.catalogue.content(content), &held.fragments) {
                (Some(known), Fragments::Some(set)) => {
                    assert_eq!(set.capacity(), known.manifest.fragment_count());
                    assert!(!set.is_full(), "full sets are kept short");
                }
                (Some(known), Fragments::All) => assert!(known.manifest.fragment_count() > 0),
                (None, Fragments::All) => panic!("{content:?} has no manifest to be full of"),
                (None, Fragments::Some(_)) => {
                    assert!(
                        self.orphans.contains_key(&content),
                        "what has no name is an orphan"
                    );
                }
            }
        }
    }
}
