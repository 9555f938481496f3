//! Queue of the latest events, numbered, for watchers that were away for a moment or read slowly.
//!
//! Every event has a number within this run of the tracker, and the count of facts at that time, by which it
//! is found again after a restart has replayed the facts. Invariants: numbers have no gaps; events older than
//! the floor are forgotten, and a watcher that asks for them learns that instead of getting a part. The queue
//! is bounded, and knows no time and no watcher.

use std::collections::VecDeque;

use shared::model::FeedEvent;

/// Events that are remembered: about 8 MiB with names of the usual length. A watcher that is cut off for a
/// second can catch up even when ten thousand contents change in that time.
pub(crate) const CAPACITY: usize = 1 << 15;

/// The events, the oldest first.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    events: VecDeque<Entry>,
    /// Place before the oldest event that is remembered.
    floor: Place,
}

/// Place of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of the event, from 1 in every run.
    pub(super) sequence: u64,
    /// Count of facts at that time, its own included.
    pub(super) facts: u64,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    event: FeedEvent,
}

impl EventQueue {
    /// Adds an event.
    pub(super) fn push(&mut self, facts: u64, event: FeedEvent) {
        let sequence = self.last().sequence + 1;
        let place = Place { sequence, facts };
        self.events.push_back(Entry { place, event });
        if self.events.len() > CAPACITY
            && let Some(oldest) = self.events.pop_front()
        {
            self.floor = oldest.place;
        }
    }

    /// Forgets all events until now: a snapshot was replayed, or there are more than fit.
    pub(super) fn forget(&mut self, facts: u64) {
        let sequence = self.last().sequence + 1;
        self.floor = Place { sequence, facts };
        self.events.clear();
    }

    /// Returns the place of the newest event.
    pub(super) fn last(&self) -> Place {
        self.events.back().map_or(self.floor, |newest| newest.place)
    }

    /// Returns the events after the one with this number; none when some are forgotten, or the number is yet
    /// to come.
    pub(super) fn after(&self, sequence: u64) -> Option<impl ExactSizeIterator<Item = (Place, &FeedEvent)>> {
        let skipped = sequence.checked_sub(self.floor.sequence)?;
        let skipped = usize::try_from(skipped)
            .ok()
            .filter(|n| *n <= self.events.len())?;
        Some(self.from(skipped))
    }

    /// Returns the events after this many facts; none when some are forgotten.
    pub(super) fn after_facts(
        &self,
        facts: u64,
    ) -> Option<impl ExactSizeIterator<Item = (Place, &FeedEvent)>> {
        if facts < self.floor.facts {
            return None;
        }
        Some(self.from(self.events.partition_point(|entry| entry.place.facts <= facts)))
    }

    fn from(&self, skipped: usize) -> impl ExactSizeIterator<Item = (Place, &FeedEvent)> {
        let rest = self.events.range(skipped..);
        rest.map(|entry| (entry.place, &entry.event))
    }

    /// Asserts the invariants.
    pub(super) fn check(&self) {
        assert!(self.events.len() <= CAPACITY, "the feed is bounded");
        let numbered = self.last().sequence - self.floor.sequence;
        assert_eq!(
            numbered,
            self.events.len() as u64,
            "events are numbered without gaps"
        );
        assert!(self.floor.facts <= self.last().facts, "facts only become more");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::model::Epoch;

    use super::*;

    fn event(n: u64) -> FeedEvent {
        FeedEvent::EpochBegun(Epoch::new(n))
    }

    fn numbers<'a>(events: Option<impl Iterator<Item = (Place, &'a FeedEvent)>>) -> Option<Vec<u64>> {
        events.map(|events| events.map(|(place, _)| place.sequence).collect())
    }

    #[test]
    fn who_comes_back_is_told_what_it_missed_and_nothing_twice() {
        let mut feed = EventQueue::default();
        (1..=3).for_each(|n| feed.push(n, event(n)));
        assert_eq!(numbers(feed.after(0)), Some(vec![1, 2, 3]));
        assert_eq!(numbers(feed.after(2)), Some(vec![3]));
        assert_eq!(numbers(feed.after(3)), Some(vec![]));
        assert_eq!(numbers(feed.after(4)), None, "of another run");
    }

    #[test]
    fn what_is_no_longer_remembered_is_not_told_in_part() {
        let mut feed = EventQueue::default();
        let all = CAPACITY as u64 + 2;
        (1..=all).for_each(|n| feed.push(n, event(n)));
        assert!(feed.after(1).is_none() && feed.after_facts(1).is_none());
        assert_eq!(feed.after(2).map(|rest| rest.len()), Some(CAPACITY));
        feed.forget(all + 5);
        assert!(feed.after(all).is_none() && feed.after_facts(all).is_none());
        assert_eq!(numbers(feed.after_facts(all + 5)), Some(vec![]));
        feed.push(all + 6, event(1));
        assert_eq!(numbers(feed.after_facts(all + 5)), Some(vec![all + 2]));
        feed.check();
    }

    #[test]
    fn several_events_of_one_fact_are_found_together() {
        let mut feed = EventQueue::default();
        for facts in [1, 2, 2, 2, 3] {
            feed.push(facts, event(facts));
        }
        assert_eq!(numbers(feed.after_facts(1)), Some(vec![2, 3, 4, 5]));
        assert_eq!(numbers(feed.after_facts(2)), Some(vec![5]));
    }

    proptest! {
        #[test]
        fn a_reader_that_keeps_up_reads_everything_once(steps in proptest::collection::vec((0_u64..3, 0_usize..4), 0..200)) {
            let mut feed = EventQueue::default();
            let (mut facts, mut read, mut at) = (0, 0_u64, 0);
            for (more, takes) in steps {
                facts += more;
                feed.push(facts, event(facts));
                let rest = feed.after(at).expect("it is there");
                for (place, _) in rest.take(takes) {
                    prop_assert_eq!(place.sequence, at + 1);
                    (at, read) = (place.sequence, read + 1);
                }
                feed.check();
            }
            let rest = feed.after(at).expect("it is there").len() as u64;
            prop_assert_eq!(read + rest, feed.last().sequence);
        }
    }
}
