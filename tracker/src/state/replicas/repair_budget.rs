//! Budget of repair: whether another copy fits.
//!
//! [`Assignments`] counts the bytes that are under way. The bytes that the rate allows are saved up here, for
//! a few seconds at most, and the last copy that began may overdraw them.

use std::time::Duration;

use shared::model::{ByteRate, PeerId, Timestamp};

use super::assignments::Assignments;
use crate::policy::Budget;

/// Time for which the rate saves up: longer than the time between two ticks.
const SAVES: Duration = Duration::from_secs(3);

/// The budget, and the bytes that may begin.
#[derive(Debug)]
pub(super) struct RepairBudget {
    budget: Budget,
    /// Bytes that may begin at the rate; below zero the rate has to make up for them first.
    saved: i128,
    at: Timestamp,
}

impl RepairBudget {
    pub(super) const fn new(budget: Budget) -> Self {
        Self {
            budget,
            saved: 0,
            at: Timestamp::from_millis(0),
        }
    }

    /// Adopts another budget. Bytes saved or overdrawn at another rate do not count for the new one.
    pub(super) fn adopt(&mut self, budget: Budget) {
        if self.budget.rate != budget.rate {
            self.saved = 0;
        }
        self.budget = budget;
    }

    /// Adds what the rate gives for the time since the last call.
    pub(super) fn refill(&mut self, now: Timestamp) {
        let Some(rate) = self.budget.rate else {
            return;
        };
        let millis = i128::try_from(now.since(self.at).as_millis()).unwrap_or_default();
        let earned = i128::from(rate.get()) * millis / 1_000;
        (self.saved, self.at) = ((self.saved + earned).min(most(rate)), now);
    }

    /// Takes the bytes of a copy that begins.
    pub(super) fn take(&mut self, bytes: u64) {
        if self.budget.rate.is_some() {
            self.saved -= i128::from(bytes);
        }
    }

    /// Gives back the bytes of a copy that was not made.
    pub(super) fn give_back(&mut self, bytes: u64) {
        if let Some(rate) = self.budget.rate {
            self.saved = (self.saved + i128::from(bytes)).min(most(rate));
        }
    }

    /// Returns whether the cluster can take on another copy.
    pub(super) fn has_room(&self, under_way: &Assignments) -> bool {
        let is_affordable = self.budget.rate.is_none() || self.saved > 0;
        is_affordable && under_way.budgeted() < self.budget.total
    }

    /// Returns whether the peer can be given another copy.
    pub(super) fn has_target(&self, under_way: &Assignments, peer: PeerId) -> bool {
        under_way.load(peer).budgeted < self.budget.per_target
    }

    /// Returns whether another copy can be made from the peer.
    pub(super) fn has_source(&self, under_way: &Assignments, peer: PeerId) -> bool {
        under_way.taken_from(peer) < self.budget.per_source
    }

    /// Returns the limits.
    pub(super) const fn limits(&self) -> &Budget {
        &self.budget
    }
}

/// Returns the most that is saved up.
fn most(rate: ByteRate) -> i128 {
    i128::from(rate.get()) * i128::from(SAVES.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_rate_counts_from_now_on_whatever_was_overdrawn() {
        let rated = |rate| Budget {
            rate: ByteRate::new(rate),
            ..Budget::default()
        };
        let (mut repair, none) = (RepairBudget::new(rated(1_000_000)), Assignments::default());
        let at = Timestamp::from_millis(10_000_000);
        repair.refill(at);
        repair.take(1 << 30);
        repair.adopt(Budget {
            total: 1 << 20,
            ..rated(1_000_000)
        });
        repair.refill(at.after(Duration::from_secs(1)));
        assert!(
            !repair.has_room(&none),
            "the debt is not forgotten with another total"
        );
        repair.adopt(rated(100_000_000));
        repair.refill(at.after(Duration::from_secs(2)));
        assert!(repair.has_room(&none));
        repair.take(1 << 30);
        repair.adopt(Budget::default());
        assert!(repair.has_room(&none), "there is no limit any more");
    }

    #[test]
    fn the_rate_is_kept_over_time_and_saved_up_for_seconds_only() {
        let budget = Budget {
            rate: ByteRate::new(1_000_000),
            ..Budget::default()
        };
        let (mut repair, none) = (RepairBudget::new(budget), Assignments::default());
        let mut begun = 0_u64;
        let from = 10_000_000;
        for tick in 0..400 {
            repair.refill(Timestamp::from_millis(from + tick * 250));
            while repair.has_room(&none) {
                repair.take(30_000);
                begun += 30_000;
            }
        }
        // 100 s, what was saved at first, and the last one overdrawn.
        assert!((102_750_000..=103_000_000).contains(&begun), "{begun}");
        repair.take(10_000_000);
        repair.refill(Timestamp::from_millis(from + 100_000 + 9_000));
        assert!(
            !repair.has_room(&none),
            "a large copy is paid off before the next one"
        );
        repair.refill(Timestamp::from_millis(from + 100_000 + 15_000));
        assert!(repair.has_room(&none));
        repair.take(3_000_000);
        assert!(!repair.has_room(&none), "three seconds are saved up at most");
    }
}
