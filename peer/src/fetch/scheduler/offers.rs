//! How many sources offer each fragment, kept up to date change by change.

use shared::model::{FragmentIndex, FragmentSet};

use super::standing::Standing;

/// Counts, by fragment.
#[derive(Debug)]
pub(super) struct Offers {
    /// Members of the swarm that hold it or to which it is coming.
    offered: Vec<u32>,
    /// Seeders that have lately handed it out.
    handed_out: Vec<u32>,
    /// Members that hold it.
    copies: Vec<u32>,
    /// Seeders that hold it.
    seeded: Vec<u32>,
    none: FragmentSet,
}

impl Offers {
    /// Nobody offers anything.
    pub(super) fn new(count: u32) -> Self {
        let zeros = vec![0; count as usize];
        Self {
            offered: zeros.clone(),
            handed_out: zeros.clone(),
            copies: zeros.clone(),
            seeded: zeros,
            none: FragmentSet::empty(count),
        }
    }

    /// A source no longer stands as `before` but as `after`.
    pub(super) fn change(&mut self, before: &Standing, after: &Standing) {
        let none = &self.none;
        let parts = |standing: &'_ Standing| match standing.is_member() {
            true => [
                standing.offered.clone(),
                none.clone(),
                standing.held.clone(),
                none.clone(),
            ],
            false => [
                none.clone(),
                standing.handed_out.clone(),
                none.clone(),
                standing.held.clone(),
            ],
        };
        let (before, after) = (parts(before), parts(after));
        let counts = [
            &mut self.offered,
            &mut self.handed_out,
            &mut self.copies,
            &mut self.seeded,
        ];
        for ((count, before), after) in counts.into_iter().zip(&before).zip(&after) {
            recount(count, before, after);
        }
    }

    /// Whether a member offers it or a seeder has handed it out: then it is in the swarm, or soon will be, and no seeder
    /// needs to send it once more.
    pub(super) fn is_in_swarm(&self, fragment: FragmentIndex) -> bool {
        let at = fragment.get() as usize;
        self.offered[at] > 0 || self.handed_out[at] > 0
    }

    /// Whether a member holds it.
    pub(super) fn is_passed_on(&self, fragment: FragmentIndex) -> bool {
        self.copies[fragment.get() as usize] > 0
    }

    /// How many sources offer it.
    pub(super) fn of(&self, fragment: FragmentIndex) -> u32 {
        self.offered[fragment.get() as usize] + self.seeded[fragment.get() as usize]
    }
}

fn recount(counts: &mut [u32], before: &FragmentSet, after: &FragmentSet) {
    if before == after {
        return;
    }
    let mut gained = after.clone();
    gained.subtract(before);
    let mut lost = before.clone();
    lost.subtract(after);
    gained
        .iter()
        .for_each(|fragment| counts[fragment.get() as usize] += 1);
    lost.iter()
        .for_each(|fragment| counts[fragment.get() as usize] -= 1);
}
