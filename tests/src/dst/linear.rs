//! Linearizability: could a concurrent history have happened one operation after the other (Herlihy & Wing
//! 1990)?
//!
//! The search of Wing & Gong (1993) with the memory of Lowe (2017): take any operation that no other
//! unfinished one had to precede, apply it to the model, go on; a state that was reached before with the same
//! operations done is not tried again. An operation without an answer may have taken effect at any time after
//! it began, or never.
//!
//! This module knows nothing of names or trackers: the [`Model`] says what an operation does.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::hash::Hash;

/// More operations than this are not checked at once: one bit each.
pub const MAX_OPERATIONS: usize = 128;

/// The effects of operations that happen one after the other.
pub trait Model {
    /// The state between two operations.
    type State: Clone + Eq + Hash;
    /// An operation and its answer.
    type Operation;

    /// Returns the state before the first operation.
    fn initial(&self) -> Self::State;

    /// Returns the state after the operation, if its answer is possible in this state.
    fn step(&self, state: &Self::State, operation: &Self::Operation) -> Option<Self::State>;
}

/// An operation in a history.
#[derive(Clone, Debug)]
pub struct Interval<O> {
    /// The operation and its answer.
    pub operation: O,
    /// The time when it began.
    pub from: u64,
    /// The time when its answer came; none if that never came.
    pub until: Option<u64>,
}

/// Returns whether some order of the operations explains every answer, with no operation before another one
/// that had been answered when it began.
///
/// # Panics
/// When there are more than [`MAX_OPERATIONS`].
#[must_use]
pub fn is_linearizable<M: Model>(model: &M, history: &[Interval<M::Operation>]) -> bool {
    assert!(
        history.len() <= MAX_OPERATIONS,
        "a history of {} operations",
        history.len()
    );
    let answered = history.iter().enumerate().filter(|(_, op)| op.until.is_some());
    let goal = answered.fold(0_u128, |bits, (n, _)| bits | 1 << n);
    let mut seen = HashSet::new();
    let mut open = vec![(0_u128, model.initial())];
    while let Some((done, state)) = open.pop() {
        if done & goal == goal {
            return true;
        }
        let rest = || {
            history
                .iter()
                .enumerate()
                .filter(move |(n, _)| done & (1 << n) == 0)
        };
        // An operation that begins after this must wait for the one that ends then.
        let first_end = rest().filter_map(|(_, op)| op.until).min().unwrap_or(u64::MAX);
        let mut next: Vec<_> = rest().filter(|(_, op)| op.from <= first_end).collect();
        // The place that is put down last is tried first: the operation that ends first, of these the one
        // that began first, and unanswered ones at last.
        next.sort_by_key(|(n, op)| Reverse((op.until.unwrap_or(u64::MAX), op.from, *n)));
        for (n, op) in next {
            let Some(next) = model.step(&state, &op.operation) else {
                continue;
            };
            // An unanswered operation that changes nothing now need not have happened now.
            if op.until.is_none() && next == state {
                continue;
            }
            let place = (done | 1 << n, next);
            if seen.insert(place.clone()) {
                open.push(place);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register: `Ok` writes, `Err` reads.
    struct Register;

    impl Model for Register {
        type State = u32;
        type Operation = Result<u32, u32>;

        fn initial(&self) -> u32 {
            0
        }

        fn step(&self, state: &u32, operation: &Self::Operation) -> Option<u32> {
            match *operation {
                Ok(written) => Some(written),
                Err(read) => (read == *state).then_some(read),
            }
        }
    }

    fn check(history: &[(Result<u32, u32>, u64, Option<u64>)]) -> bool {
        let intervals = history.iter().map(|&(operation, from, until)| Interval {
            operation,
            from,
            until,
        });
        is_linearizable(&Register, &intervals.collect::<Vec<_>>())
    }

    const fn write(value: u32, from: u64, until: u64) -> (Result<u32, u32>, u64, Option<u64>) {
        (Ok(value), from, Some(until))
    }

    const fn read(value: u32, from: u64, until: u64) -> (Result<u32, u32>, u64, Option<u64>) {
        (Err(value), from, Some(until))
    }

    #[test]
    fn a_later_read_sees_an_earlier_write() {
        assert!(check(&[]));
        assert!(check(&[write(1, 0, 1), read(1, 2, 3)]));
        assert!(!check(&[write(1, 0, 1), read(0, 2, 3)]), "a stale read");
        assert!(!check(&[read(1, 0, 1), write(1, 2, 3)]), "a read of the future");
        assert!(!check(&[write(1, 0, 1), read(7, 2, 3)]), "a value of nobody's");
    }

    #[test]
    fn overlapping_operations_have_one_order() {
        assert!(check(&[write(1, 0, 9), read(0, 1, 2), read(1, 3, 4)]));
        assert!(
            !check(&[write(1, 0, 9), read(1, 1, 2), read(0, 3, 4)]),
            "it was seen and then gone"
        );
        assert!(check(&[write(1, 0, 9), write(2, 0, 9), read(1, 10, 11)]));
        assert!(
            !check(&[write(1, 0, 9), write(2, 0, 9), read(1, 10, 11), read(2, 12, 13)]),
            "two readers saw two orders"
        );
    }

    #[test]
    fn an_unanswered_operation_may_happen_later_or_never() {
        let lost = (Ok(1), 0, None);
        assert!(check(&[lost, read(0, 5, 6)]));
        assert!(check(&[lost, read(0, 5, 6), read(1, 7, 8)]));
        assert!(
            !check(&[lost, read(1, 5, 6), read(0, 7, 8)]),
            "it does not unhappen"
        );
        assert!(!check(&[(Ok(1), 5, None), read(1, 1, 2)]), "nor before it began");
    }

    #[test]
    fn long_concurrent_histories_are_checked_in_a_moment() {
        let writers = (0..60).map(|n| write(n, 0, 1000));
        let readers = (0..60).map(|n| read(n, u64::from(n) * 10 + 1, u64::from(n) * 10 + 5));
        assert!(check(&writers.chain(readers).collect::<Vec<_>>()));
    }
}
