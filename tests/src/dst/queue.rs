//! Planned events, in order of time; of events at the same moment, the one that was planned first comes
//! first.

use std::collections::BTreeMap;

/// Milliseconds since the history began.
pub(super) type Millis = u64;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Queue<T> {
    planned: BTreeMap<(Millis, u64), T>,
    count: u64,
}

impl<T> Queue<T> {
    pub(super) const fn new() -> Self {
        Self {
            planned: BTreeMap::new(),
            count: 0,
        }
    }

    pub(super) fn plan(&mut self, when: Millis, what: T) {
        self.count += 1;
        self.planned.insert((when, self.count), what);
    }

    /// Takes out the next event, with its time.
    pub(super) fn next(&mut self) -> Option<(Millis, T)> {
        let ((when, _), what) = self.planned.pop_first()?;
        Some((when, what))
    }
}
