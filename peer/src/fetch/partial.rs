//! Fragments of which a part has come: whoever is asked next is asked only for the rest.
//!
//! One request at a time works on a fragment. What is kept has been verified and written; it is in the memory of the
//! session alone, so what a crash costs is what the fragments in flight had.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::model::{BLOCK_LENGTH, FragmentIndex};
use tokio::sync::Mutex;

use super::commits::Delivery;

/// Fragments that nobody is sending may be kept in part: leaves take up to 32 KiB each.
const MOST: usize = 64;

/// What has come of a fragment.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Its leaves, once they are proven.
    pub(super) delivery: Option<Delivery>,
    /// How many blocks there are, from the first one on.
    pub(super) blocks: u32,
}

/// The parts that a session has.
#[derive(Debug, Default)]
pub(super) struct Partials(BTreeMap<FragmentIndex, Arc<Mutex<Partial>>>);

impl Partials {
    /// What has come of the fragment; locked by the request that works on it.
    pub(super) fn of(&mut self, fragment: FragmentIndex) -> Arc<Mutex<Partial>> {
        if self.0.len() >= MOST && !self.0.contains_key(&fragment) {
            let idle = self.0.iter().find(|(_, partial)| Arc::strong_count(partial) == 1);
            if let Some(idle) = idle.map(|(index, _)| *index) {
                self.0.remove(&idle);
            }
        }
        Arc::clone(self.0.entry(fragment).or_default())
    }

    /// The fragment is complete.
    pub(super) fn remove(&mut self, fragment: FragmentIndex) {
        self.0.remove(&fragment);
    }

    /// Bytes that were received and will not be of use, when everything has ended.
    pub(super) fn bytes(&self) -> u64 {
        let blocks = self.0.values().filter_map(|partial| partial.try_lock().ok());
        blocks
            .map(|partial| u64::from(partial.blocks) * u64::from(BLOCK_LENGTH))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use shared::model::FragmentSet;

    use super::*;

    #[test]
    fn no_more_are_kept_than_fit_except_those_that_are_worked_on() {
        let mut partials = Partials::default();
        let all: Vec<_> = FragmentSet::full(200).iter().collect();
        let worked_on = partials.of(all[0]);
        worked_on.try_lock().expect("idle").blocks = 3;
        for fragment in &all[1..] {
            partials.of(*fragment);
        }
        assert_eq!(partials.0.len(), MOST);
        assert_eq!(partials.bytes(), 3 * u64::from(BLOCK_LENGTH));
        assert_eq!(partials.of(all[0]).try_lock().expect("idle").blocks, 3);
        partials.remove(all[0]);
        assert_eq!(partials.bytes(), 0);
    }
}
