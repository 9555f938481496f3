//! Offers: the number of sources that offer each fragment, kept up to date change by change.

use shared::model::{FragmentIndex, FragmentSet};

use super::source_state::Announced;

/// Counts, by fragment.
#[derive(Debug)]
pub(super) struct Offers {
    /// Members of the swarm that hold the fragment or to which it is coming.
    offered: Vec<u32>,
    /// Seeders that have lately handed the fragment out.
    handed_out: Vec<u32>,
    /// Members that hold the fragment.
    copies: Vec<u32>,
    /// Seeders that hold the fragment.
    seeded: Vec<u32>,
}

impl Offers {
    /// Starts without any offer.
    pub(super) fn new(count: u32) -> Self {
        let zeros = vec![0; count as usize];
        Self {
            offered: zeros.clone(),
            handed_out: zeros.clone(),
            copies: zeros.clone(),
            seeded: zeros,
        }
    }

    /// Takes in that a source announces `after` instead of `before`.
    pub(super) fn change(&mut self, before: &Announced<'_>, after: &Announced<'_>) {
        recount(
            &mut self.offered,
            before.offered_by_member(),
            after.offered_by_member(),
        );
        recount(&mut self.copies, before.held_by_member(), after.held_by_member());
        recount(
            &mut self.handed_out,
            before.handed_out_by_seeder(),
            after.handed_out_by_seeder(),
        );
        recount(&mut self.seeded, before.held_by_seeder(), after.held_by_seeder());
    }

    /// Whether a member offers the fragment or a seeder has handed it out: then it is in the swarm, or soon
    /// will be, and no seeder needs to send it once more.
    pub(super) fn is_in_swarm(&self, fragment: FragmentIndex) -> bool {
        let at = fragment.get() as usize;
        self.offered[at] > 0 || self.handed_out[at] > 0
    }

    /// Whether a member holds the fragment.
    pub(super) fn is_passed_on(&self, fragment: FragmentIndex) -> bool {
        self.copies[fragment.get() as usize] > 0
    }

    /// Number of sources that offer the fragment.
    pub(super) fn of(&self, fragment: FragmentIndex) -> u32 {
        self.offered[fragment.get() as usize] + self.seeded[fragment.get() as usize]
    }
}

/// Counts the fragments of a set that is replaced; an absent set is empty.
fn recount(counts: &mut [u32], before: Option<&FragmentSet>, after: Option<&FragmentSet>) {
    let mut gain = |fragment: FragmentIndex| counts[fragment.get() as usize] += 1;
    match (before, after) {
        (Some(before), Some(after)) => after.difference(before).for_each(gain),
        (None, Some(after)) => after.iter().for_each(&mut gain),
        (_, None) => {}
    }
    let mut lose = |fragment: FragmentIndex| counts[fragment.get() as usize] -= 1;
    match (before, after) {
        (Some(before), Some(after)) => before.difference(after).for_each(lose),
        (Some(before), None) => before.iter().for_each(&mut lose),
        (None, _) => {}
    }
}
