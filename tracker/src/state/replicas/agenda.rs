//! Agenda: the contents to look at, and their order.
//!
//! A content that something happened to is *changed*; once assessed it is *ready*, the most endangered first.
//! A content that lacks copies that are not urgent is *queued* until they fit into the budget of repair, in
//! the same order; one that cannot be helped now *waits* for a time. A content in none of these sets is as it
//! should be. A slow sweep over all contents (see `planning`) finds changes that went unnoticed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::model::{ContentId, Timestamp};

/// Contents to look at; each is in one of the four sets at most.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    changed: BTreeSet<ContentId>,
    ready: BTreeSet<(u32, ContentId)>,
    queued: BTreeSet<(u32, ContentId)>,
    waiting: BTreeSet<(Timestamp, ContentId)>,
    place: BTreeMap<ContentId, Place>,
    /// Time until which waiting contents count as due.
    awake_until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Changed,
    Ready(u32),
    Queued(u32),
    Waiting(Timestamp),
}

impl Agenda {
    /// Marks a content as changed.
    pub(super) fn mark(&mut self, content: ContentId) {
        self.put(content, Some(Place::Changed));
    }

    /// Makes a content ready that has been assessed: its most endangered fragment has this many replicas.
    pub(super) fn make_ready(&mut self, content: ContentId, fewest: u32) {
        self.put(content, Some(Place::Ready(fewest)));
    }

    /// Queues a content that is ready until the budget has room for it.
    pub(super) fn queue(&mut self, content: ContentId) {
        if let Some(Place::Ready(fewest)) = self.place.get(&content).copied() {
            self.put(content, Some(Place::Queued(fewest)));
        }
    }

    /// Puts a content off until a time, or until something happens to it.
    pub(super) fn wait(&mut self, content: ContentId, until: Timestamp) {
        self.put(content, Some(Place::Waiting(until)));
    }

    /// Takes a content off the agenda.
    pub(super) fn settle(&mut self, content: ContentId) {
        self.put(content, None);
    }

    /// Returns the time before the next look at contents that cannot be helped now.
    ///
    /// The more contents wait, the longer each does, so that there is time for those that can be helped.
    pub(super) fn patience(&self, retry: Duration) -> Duration {
        const CROWD: usize = 512;
        retry * u32::try_from(1 + self.waiting.len() / CROWD).unwrap_or(u32::MAX)
    }

    /// Makes waiting contents due, unless very many wait: there is new room or a new source.
    pub(super) fn wake(&mut self, now: Timestamp, retry: Duration) {
        const LONGEST: u32 = 16;
        self.awake_until = now.after(self.patience(retry).min(retry * LONGEST));
    }

    /// Returns up to `limit` contents that changed or have waited long enough; they stay in their set until
    /// they are put elsewhere.
    pub(super) fn due(&mut self, now: Timestamp, limit: usize) -> Vec<ContentId> {
        let until = now.max(self.awake_until);
        let waited = self
            .waiting
            .iter()
            .take_while(|(at, _)| *at <= until)
            .map(|(_, content)| *content);
        let due: Vec<_> = self.changed.iter().copied().chain(waited).take(limit).collect();
        if due.len() < limit {
            self.awake_until = Timestamp::default();
        }
        due
    }

    /// Returns up to `limit` contents that are ready, the most endangered first.
    pub(super) fn ready(&self, limit: usize) -> Vec<ContentId> {
        self.ready
            .iter()
            .take(limit)
            .map(|(_, content)| *content)
            .collect()
    }

    /// Returns up to `limit` contents that are queued, the most endangered first.
    pub(super) fn queued(&self, limit: usize) -> Vec<ContentId> {
        self.queued
            .iter()
            .take(limit)
            .map(|(_, content)| *content)
            .collect()
    }

    pub(super) fn contains(&self, content: ContentId) -> bool {
        self.place.contains_key(&content)
    }

    /// Returns whether the content is looked at as soon as its turn comes.
    pub(super) fn is_due(&self, content: ContentId) -> bool {
        matches!(self.place.get(&content), Some(Place::Changed | Place::Ready(_)))
    }

    /// Returns whether the content waits for its turn in the budget of repair.
    pub(super) fn is_queued(&self, content: ContentId) -> bool {
        matches!(self.place.get(&content), Some(Place::Queued(_)))
    }

    pub(super) fn len(&self) -> usize {
        self.place.len()
    }

    fn put(&mut self, content: ContentId, place: Option<Place>) {
        let previous = match place {
            Some(place) => self.place.insert(content, place),
            None => self.place.remove(&content),
        };
        match previous {
            Some(Place::Changed) => self.changed.remove(&content),
            Some(Place::Ready(fewest)) => self.ready.remove(&(fewest, content)),
            Some(Place::Queued(fewest)) => self.queued.remove(&(fewest, content)),
            Some(Place::Waiting(until)) => self.waiting.remove(&(until, content)),
            None => false,
        };
        match place {
            Some(Place::Changed) => self.changed.insert(content),
            Some(Place::Ready(fewest)) => self.ready.insert((fewest, content)),
            Some(Place::Queued(fewest)) => self.queued.insert((fewest, content)),
            Some(Place::Waiting(until)) => self.waiting.insert((until, content)),
            None => false,
        };
    }

    /// Asserts the invariants.
    pub(super) fn check(&self) {
        let places = self.changed.len() + self.ready.len() + self.queued.len() + self.waiting.len();
        assert_eq!(
            places,
            self.place.len(),
            "every content on the agenda is in one place"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(n: u8) -> ContentId {
        ContentId::from_bytes([n; 32])
    }

    #[test]
    fn the_most_endangered_content_comes_first() {
        let mut agenda = Agenda::default();
        agenda.make_ready(content(1), 2);
        agenda.make_ready(content(2), 0);
        agenda.make_ready(content(3), 1);
        agenda.make_ready(content(1), 3);
        assert_eq!(agenda.ready(2), [content(2), content(3)]);
        agenda.check();
    }

    #[test]
    fn a_queued_content_leaves_the_queue_when_something_happens() {
        let mut agenda = Agenda::default();
        agenda.queue(content(9));
        assert_eq!(agenda.len(), 0, "nobody has looked at it");
        for (n, fewest) in [(1, 3), (2, 2), (3, 2)] {
            agenda.make_ready(content(n), fewest);
            agenda.queue(content(n));
        }
        agenda.queue(content(2));
        assert_eq!(agenda.queued(2), [content(2), content(3)]);
        assert!(agenda.ready(9).is_empty() && agenda.is_queued(content(1)));
        agenda.mark(content(3));
        agenda.settle(content(2));
        assert_eq!(agenda.queued(9), [content(1)]);
        agenda.check();
    }

    #[test]
    fn who_waits_is_due_in_time_or_when_woken() {
        let mut agenda = Agenda::default();
        let at = Timestamp::from_millis;
        agenda.wait(content(1), at(1_000));
        agenda.wait(content(2), at(9_000));
        assert_eq!(agenda.due(at(500), 10), []);
        agenda.wake(at(500), Duration::from_secs(1));
        assert_eq!(agenda.due(at(500), 10), [content(1)]);
        assert_eq!(agenda.due(at(500), 10), [], "a wake-up counts once");
        assert_eq!(agenda.due(at(9_000), 10), [content(1), content(2)]);
        agenda.mark(content(2));
        assert_eq!(agenda.due(at(0), 10), [content(2)]);
        agenda.check();
    }
}
