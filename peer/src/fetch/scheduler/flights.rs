//! The books of requests that have not been answered.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::model::{FragmentIndex, PeerId, Timestamp};

/// A request that has not been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) source: PeerId,
    pub(super) since: Timestamp,
}

/// Of every fragment in flight, whom it was asked of: one source, or two.
#[derive(Debug, Default)]
pub(super) struct Flights {
    of: BTreeMap<FragmentIndex, Vec<Flight>>,
    count: u32,
}

impl Flights {
    /// Requests, counting both of a fragment that is asked of two sources.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Fragments.
    pub(super) fn fragments(&self) -> usize {
        self.of.len()
    }

    pub(super) fn contains(&self, fragment: FragmentIndex) -> bool {
        self.of.contains_key(&fragment)
    }

    pub(super) fn begin(&mut self, fragment: FragmentIndex, flight: Flight) {
        self.of.entry(fragment).or_default().push(flight);
        self.count += 1;
    }

    /// Takes one request off the books.
    pub(super) fn end(&mut self, source: PeerId, fragment: FragmentIndex) -> Option<Flight> {
        let flights = self.of.get_mut(&fragment)?;
        let at = flights.iter().position(|flight| flight.source == source)?;
        let flight = flights.swap_remove(at);
        if flights.is_empty() {
            self.of.remove(&fragment);
        }
        self.count -= 1;
        Some(flight)
    }

    /// Whom the fragment is asked of.
    pub(super) fn sources_of(&self, fragment: FragmentIndex) -> Vec<PeerId> {
        let flights = self.of.get(&fragment).into_iter().flatten();
        flights.map(|flight| flight.source).collect()
    }

    /// What the source is asked for.
    pub(super) fn of_source(&self, source: PeerId) -> Vec<FragmentIndex> {
        let asked = |flights: &[Flight]| flights.iter().any(|flight| flight.source == source);
        let asked = self.of.iter().filter(|(_, flights)| asked(flights));
        asked.map(|(fragment, _)| *fragment).collect()
    }

    /// Fragments that are in flight from two sources.
    pub(super) fn hedged(&self) -> usize {
        self.count as usize - self.of.len()
    }

    /// Fragments that have been asked of one source for so long or longer, and whom: the oldest first.
    pub(super) fn late(&self, now: Timestamp, late_after: Duration) -> Vec<(FragmentIndex, PeerId)> {
        let alone = |(fragment, flights): (&FragmentIndex, &Vec<Flight>)| match flights.as_slice() {
            [only] if now.since(only.since) >= late_after => Some((only.since, *fragment, only.source)),
            _ => None,
        };
        let mut late: Vec<_> = self.of.iter().filter_map(alone).collect();
        late.sort_unstable();
        late.into_iter()
            .map(|(_, fragment, source)| (fragment, source))
            .collect()
    }
}
