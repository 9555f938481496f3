//! The books of requests that have not been answered.

use std::collections::BTreeMap;

use shared::model::{FragmentIndex, PeerId, Timestamp};

/// A request that has not been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) source: PeerId,
    pub(super) since: Timestamp,
    /// Whether nothing of the fragment had come before.
    pub(super) is_whole: bool,
    /// Whether the source held it, and did not wait for it itself.
    pub(super) was_held: bool,
    /// How many sources were asked in vain before this one took over.
    pub(super) moves: u8,
}

/// Of every fragment in flight, whom it was asked of.
#[derive(Debug, Default)]
pub(super) struct Flights(BTreeMap<FragmentIndex, Flight>);

impl Flights {
    /// Requests.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn contains(&self, fragment: FragmentIndex) -> bool {
        self.0.contains_key(&fragment)
    }

    pub(super) fn begin(&mut self, fragment: FragmentIndex, flight: Flight) {
        self.0.insert(fragment, flight);
    }

    /// Takes a request off the books, if there is one to this source.
    pub(super) fn end(&mut self, source: PeerId, fragment: FragmentIndex) -> Option<Flight> {
        let flight = *self.0.get(&fragment).filter(|flight| flight.source == source)?;
        self.0.remove(&fragment);
        Some(flight)
    }

    /// Whom the fragment is asked of.
    pub(super) fn source_of(&self, fragment: FragmentIndex) -> Option<PeerId> {
        self.0.get(&fragment).map(|flight| flight.source)
    }

    /// What the source is asked for.
    pub(super) fn of_source(&self, source: PeerId) -> Vec<FragmentIndex> {
        let asked = self.iter().filter(|(_, flight)| flight.source == source);
        asked.map(|(fragment, _)| fragment).collect()
    }

    /// How long they have taken so far says nothing.
    pub(super) fn restart(&mut self, now: Timestamp) {
        for flight in self.0.values_mut() {
            (flight.since, flight.is_whole) = (now, false);
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (FragmentIndex, &Flight)> + '_ {
        self.0.iter().map(|(fragment, flight)| (*fragment, flight))
    }
}
