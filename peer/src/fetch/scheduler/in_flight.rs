//! Requests that have not been answered.

use std::collections::BTreeMap;

use shared::model::{FragmentIndex, PeerId, Timestamp};

/// A request that has not been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingRequest {
    pub(super) source: PeerId,
    pub(super) since: Timestamp,
    /// Whether no part of the fragment had come before.
    pub(super) is_whole: bool,
    /// Whether the source held the fragment, and did not wait for it itself.
    pub(super) was_held: bool,
    /// Number of sources that were asked in vain before this one took over.
    pub(super) moves: u8,
}

/// The request for every fragment in flight.
#[derive(Debug, Default)]
pub(super) struct InFlight(BTreeMap<FragmentIndex, PendingRequest>);

impl InFlight {
    /// Number of requests.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn contains(&self, fragment: FragmentIndex) -> bool {
        self.0.contains_key(&fragment)
    }

    pub(super) fn insert(&mut self, fragment: FragmentIndex, request: PendingRequest) {
        self.0.insert(fragment, request);
    }

    /// Removes the request to this source for the fragment, if there is one.
    pub(super) fn remove(&mut self, source: PeerId, fragment: FragmentIndex) -> Option<PendingRequest> {
        let request = *self.0.get(&fragment).filter(|request| request.source == source)?;
        self.0.remove(&fragment);
        Some(request)
    }

    /// Returns the source that is asked for the fragment.
    pub(super) fn source_of(&self, fragment: FragmentIndex) -> Option<PeerId> {
        self.0.get(&fragment).map(|request| request.source)
    }

    /// Returns the fragments for which the source is asked.
    pub(super) fn of_source(&self, source: PeerId) -> Vec<FragmentIndex> {
        let asked = self.iter().filter(|(_, request)| request.source == source);
        asked.map(|(fragment, _)| fragment).collect()
    }

    /// Lets the time of every request begin anew, because the time so far says nothing about the sources.
    pub(super) fn restart(&mut self, now: Timestamp) {
        for request in self.0.values_mut() {
            (request.since, request.is_whole) = (now, false);
        }
    }

    /// Returns all requests.
    pub(super) fn iter(&self) -> impl Iterator<Item = (FragmentIndex, &PendingRequest)> + '_ {
        self.0.iter().map(|(fragment, request)| (*fragment, request))
    }
}
