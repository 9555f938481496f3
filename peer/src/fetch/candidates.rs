//! Candidates: the peers that may be sources of one fetch, and the order in which they are tried. Pure.
//!
//! Anybody can say that it holds a content, so a crowd of peers that do not have it may stand beside the one
//! that does. First come those from which this node has read before, then those that the tracker believes
//! ([`SourceRank`]): publishers, keepers. Both are *trusted* with a place of their own. All others are tried
//! a few at a time. Those that have failed come after their equals, and those that failed a moment ago last.

use std::collections::BTreeMap;

use rand::RngExt as _;
use shared::model::{PeerId, Source, SourceRank, Timestamp, Zone};

use super::track_records::TrackRecords;

/// Candidates of one fetch: those of a few answers of the tracker.
const MOST: usize = 1024;

/// Class of a candidate in the order of attempts, the first to be tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// This node has read from it, or the tracker believes it.
    Trusted,
    /// The same, but it has failed since.
    TrustedOnce,
    /// Nothing speaks for it.
    Unknown,
    /// Nothing speaks for it, and it has failed.
    Doubtful,
    /// It has failed a moment ago.
    PutOff,
}

impl Class {
    /// Returns the class of a source.
    pub(super) fn of(source: &Source, records: &TrackRecords, now: Timestamp) -> Self {
        let peer = source.peer;
        let is_trusted = records.has_delivered(peer) || source.rank < SourceRank::Holder;
        match (is_trusted, records.failures(peer)) {
            _ if records.put_off_until(peer, now).is_some() => Self::PutOff,
            (true, 0) => Self::Trusted,
            (true, _) => Self::TrustedOnce,
            (false, 0) => Self::Unknown,
            (false, _) => Self::Doubtful,
        }
    }
}

/// Circumstances of a choice.
pub(super) struct Choice<'a> {
    pub(super) now: Timestamp,
    pub(super) records: &'a TrackRecords,
    /// Zone whose peers come first among equals; none when their share of the places is taken.
    pub(super) near: Option<&'a Zone>,
    /// Whether peers outside the zone come first.
    pub(super) prefers_others: bool,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Candidates, each with its lot in the order among equals.
    all: BTreeMap<PeerId, (Source, u32)>,
}

impl Candidates {
    /// Adds candidates; what is newly said of a peer replaces what was.
    pub(super) fn offer(&mut self, offered: Vec<Source>) {
        for source in offered {
            if self.all.len() < MOST || self.all.contains_key(&source.peer) {
                let lot = rand::rng().random();
                self.all.insert(source.peer, (source, lot));
            }
        }
    }

    /// Replaces the candidates by those of a newer answer.
    pub(super) fn replace(&mut self, offered: Vec<Source>) {
        self.all.clear();
        self.offer(offered);
    }

    /// Returns the candidate to be tried next, of those that are `free`.
    pub(super) fn best(
        &self,
        choice: &Choice<'_>,
        free: impl Fn(PeerId, Class) -> bool,
    ) -> Option<(&Source, Class)> {
        let classed = self.all.values().map(|(source, lot)| {
            let class = Class::of(source, choice.records, choice.now);
            (source, class, *lot)
        });
        let order = |(source, class, lot): &(&Source, Class, u32)| {
            let is_near = source.zone.is_some() && source.zone.as_ref() == choice.near;
            let is_later = if choice.prefers_others { is_near } else { !is_near };
            // Of those that failed a moment ago, the one that has waited longest; others are equal in this.
            let until = choice.records.put_off_until(source.peer, choice.now);
            let rank = match class {
                Class::PutOff => source.rank,
                _ => SourceRank::default(),
            };
            let is_read = choice.records.has_delivered(source.peer);
            (*class, rank, until, is_later, !is_read, source.rank, *lot)
        };
        classed
            .filter(|(source, class, _)| free(source.peer, *class))
            .min_by_key(order)
            .map(|(source, class, _)| (source, class))
    }
}
