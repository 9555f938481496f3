//! What will happen, in order of time; of what happens at the same moment, what was planned first comes first.

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

    /// What happens next, and when.
    pub(super) fn next(&mut self) -> Option<(Millis, T)> {
        let ((when, _), what) = self.planned.pop_first()?;
        Some((when, what))
    }
}
