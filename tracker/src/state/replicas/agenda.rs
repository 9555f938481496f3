//! Agenda: the contents to look at, and their order.
//!
//! A content that something happened to is *changed*. Once assessed, it is *short* when it lacks copies that
//! could be made, and otherwise *whole*: it may have too many, or no name. A content whose copies are not
//! urgent is *queued* until they fit into the budget of repair; one that cannot be helped now is *stuck*
//! until it is tried again; and one that is to be looked at later, for a reason of its own, *waits*. A
//! content in none of these sets is as it should be. A slow sweep over all contents (see `planning`) finds
//! changes that went unnoticed.
//!
//! Every content gets its turn. Changed and whole contents take turns in the order in which they changed,
//! whatever happens to them meanwhile. Short and queued ones come in the order of the copies that are left,
//! the fewest first; a content that was tried in vain a short while ago comes after all others, however much
//! happens to it. Only as many stuck contents are tried again at a time as the caller says. So nothing puts
//! off a content that can be helped, but contents with fewer copies left, or with as few for longer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::model::{ContentId, Timestamp};

use super::changes::Changes;

/// Contents to look at; each is in one of the sets at most.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    changed: BTreeSet<(Age, ContentId)>,
    whole: BTreeSet<(Age, ContentId)>,
    short: BTreeSet<(Need, Age, ContentId)>,
    queued: BTreeSet<(Need, Age, ContentId)>,
    stuck: BTreeSet<(Timestamp, ContentId)>,
    waiting: BTreeSet<(Timestamp, ContentId)>,
    entries: BTreeMap<ContentId, Entry>,
    changes: Changes,
    /// The age of the youngest.
    youngest: Age,
    /// Time until which stuck contents count as due.
    awake_until: Timestamp,
}

/// Number in the order in which contents changed; it stays until the content had its turn.
type Age = u64;

/// Need of a content that is short, the greatest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Need {
    was_tried: bool,
    /// Replicas of its most endangered fragment.
    fewest: u32,
}

/// A content on the agenda.
#[derive(Clone, Copy, Debug)]
struct Entry {
    place: Place,
    age: Age,
    /// Time until which it counts as tried in vain.
    tried_until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Changed,
    Whole,
    Short(Need),
    Queued(Need),
    Stuck(Timestamp),
    Waiting(Timestamp),
}

impl Place {
    /// Returns whether the content has yet to have its turn.
    const fn is_due(self) -> bool {
        matches!(self, Self::Changed | Self::Whole | Self::Short(_))
    }
}

impl Agenda {
    /// Marks a content as changed.
    pub(super) fn mark(&mut self, content: ContentId) {
        self.changes.note(content);
        self.put(content, Place::Changed);
    }

    /// Makes a content ready that has been assessed. `fewest` is the number of replicas of the most
    /// endangered fragment that lacks copies; none when there is none that could be copied.
    pub(super) fn make_ready(&mut self, content: ContentId, fewest: Option<u32>, now: Timestamp) {
        let entry = self.entries.get(&content);
        let was_tried = entry.is_some_and(|entry| entry.tried_until > now);
        let need = fewest.map(|fewest| Need { was_tried, fewest });
        self.put(content, need.map_or(Place::Whole, Place::Short));
    }

    /// Queues a content that is short until the budget has room for it.
    pub(super) fn queue(&mut self, content: ContentId) {
        if let Some(Place::Short(need)) = self.place(content) {
            self.put(content, Place::Queued(need));
        }
    }

    /// Puts a content off until a time, or until something happens to it.
    pub(super) fn wait(&mut self, content: ContentId, until: Timestamp) {
        self.put(content, Place::Waiting(until));
    }

    /// Puts off a content that cannot be helped: until a time, and behind others until it may be tried again.
    pub(super) fn retry(&mut self, content: ContentId, until: Timestamp, again: Timestamp) {
        self.put(content, Place::Stuck(until.min(again)));
        if let Some(entry) = self.entries.get_mut(&content) {
            entry.tried_until = again;
        }
    }

    /// Takes a content off the agenda.
    pub(super) fn settle(&mut self, content: ContentId) {
        if let Some(entry) = self.entries.remove(&content) {
            self.take(content, entry);
        }
    }

    /// Makes stuck contents due: there is new room or a new source.
    pub(super) fn wake(&mut self, now: Timestamp, retry: Duration) {
        self.awake_until = now.after(retry);
    }

    /// Returns up to `retries` contents that are to be tried again, up to `limit` that have waited long
    /// enough, and as many that changed. They stay in their set until they are put elsewhere.
    pub(super) fn due(&mut self, now: Timestamp, limit: usize, retries: usize) -> [Vec<ContentId>; 3] {
        let by = |until| move |entry: &&(Timestamp, ContentId)| entry.0 <= until;
        let stuck = self.stuck.iter().take_while(by(now.max(self.awake_until)));
        let stuck: Vec<_> = stuck.take(retries).map(|(_, content)| *content).collect();
        if stuck.len() < retries {
            self.awake_until = Timestamp::default();
        }
        let waiting = self.waiting.iter().take_while(by(now)).take(limit);
        let changed = self.changed.iter().take(limit);
        [
            stuck,
            waiting.map(|(_, content)| *content).collect(),
            changed.map(|(_, content)| *content).collect(),
        ]
    }

    /// Returns up to `limit` contents that lack nothing that could be made, in the order in which they
    /// changed.
    pub(super) fn whole(&self, limit: usize) -> Vec<ContentId> {
        let first = self.whole.iter().take(limit);
        first.map(|(_, content)| *content).collect()
    }

    /// Returns up to `limit` contents that are short, the most endangered first.
    pub(super) fn short(&self, limit: usize) -> Vec<ContentId> {
        let first = self.short.iter().take(limit);
        first.map(|(.., content)| *content).collect()
    }

    /// Returns up to `limit` contents that are queued, the most endangered first.
    pub(super) fn queued(&self, limit: usize) -> Vec<ContentId> {
        let first = self.queued.iter().take(limit);
        first.map(|(.., content)| *content).collect()
    }

    pub(super) const fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(super) fn contains(&self, content: ContentId) -> bool {
        self.entries.contains_key(&content)
    }

    /// Returns whether the content is looked at as soon as its turn comes.
    pub(super) fn is_due(&self, content: ContentId) -> bool {
        self.place(content).is_some_and(Place::is_due)
    }

    /// Returns whether the content waits for its turn in the budget of repair.
    pub(super) fn is_queued(&self, content: ContentId) -> bool {
        matches!(self.place(content), Some(Place::Queued(_)))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn place(&self, content: ContentId) -> Option<Place> {
        self.entries.get(&content).map(|entry| entry.place)
    }

    fn put(&mut self, content: ContentId, place: Place) {
        let previous = self.entries.get(&content).copied();
        if let Some(previous) = previous {
            self.take(content, previous);
        }
        let turn = previous.filter(|entry| entry.place.is_due() || matches!(entry.place, Place::Queued(_)));
        let age = turn.map_or_else(
            || {
                self.youngest += 1;
                self.youngest
            },
            |entry| entry.age,
        );
        let tried_until = previous.map_or_else(Timestamp::default, |entry| entry.tried_until);
        match place {
            Place::Changed => self.changed.insert((age, content)),
            Place::Whole => self.whole.insert((age, content)),
            Place::Short(need) => self.short.insert((need, age, content)),
            Place::Queued(need) => self.queued.insert((need, age, content)),
            Place::Stuck(until) => self.stuck.insert((until, content)),
            Place::Waiting(until) => self.waiting.insert((until, content)),
        };
        let entry = Entry {
            place,
            age,
            tried_until,
        };
        self.entries.insert(content, entry);
    }

    fn take(&mut self, content: ContentId, entry: Entry) {
        let age = entry.age;
        match entry.place {
            Place::Changed => self.changed.remove(&(age, content)),
            Place::Whole => self.whole.remove(&(age, content)),
            Place::Short(need) => self.short.remove(&(need, age, content)),
            Place::Queued(need) => self.queued.remove(&(need, age, content)),
            Place::Stuck(until) => self.stuck.remove(&(until, content)),
            Place::Waiting(until) => self.waiting.remove(&(until, content)),
        };
    }

    /// Asserts the invariants.
    pub(super) fn check(&self) {
        let places = [
            self.changed.len(),
            self.whole.len(),
            self.short.len(),
            self.queued.len(),
            self.stuck.len(),
            self.waiting.len(),
        ];
        assert_eq!(
            places.iter().sum::<usize>(),
            self.entries.len(),
            "every content on the agenda is in one place"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn content(n: u8) -> ContentId {
        ContentId::from_bytes([n; 32])
    }

    #[test]
    fn the_most_endangered_content_comes_first() {
        let mut agenda = Agenda::default();
        for (n, fewest) in [(1, Some(2)), (2, Some(0)), (3, Some(1)), (4, None), (1, Some(3))] {
            agenda.mark(content(n));
            agenda.make_ready(content(n), fewest, NOW);
        }
        assert_eq!(agenda.short(2), [content(2), content(3)]);
        assert_eq!(agenda.whole(2), [content(4)]);
        agenda.check();
    }

    #[test]
    fn a_content_keeps_its_turn_whatever_happens_to_it() {
        let mut agenda = Agenda::default();
        (2..5).for_each(|n| agenda.mark(content(n)));
        agenda.mark(content(1));
        assert_eq!(
            agenda.due(NOW, 2, 0).concat(),
            [content(2), content(3)],
            "not by their ids"
        );
        for n in 1..5 {
            agenda.make_ready(content(n), Some(1), NOW);
            agenda.mark(content(n));
            agenda.make_ready(content(n), Some(1), NOW);
        }
        assert_eq!(agenda.short(9), [2, 3, 4, 1].map(content));
        // One that had its turn is the last of the next round.
        agenda.settle(content(2));
        agenda.mark(content(2));
        agenda.make_ready(content(2), Some(1), NOW);
        assert_eq!(agenda.short(9), [3, 4, 1, 2].map(content));
        agenda.check();
    }

    #[test]
    fn a_content_that_was_tried_in_vain_comes_after_others_for_a_while() {
        let mut agenda = Agenda::default();
        let again = NOW.after(Duration::from_secs(2));
        for (n, fewest) in [(1, 1), (2, 3)] {
            agenda.mark(content(n));
            agenda.make_ready(content(n), Some(fewest), NOW);
        }
        agenda.retry(content(1), again, again);
        agenda.mark(content(1));
        agenda.make_ready(content(1), Some(1), NOW);
        assert_eq!(agenda.short(9), [content(2), content(1)]);
        agenda.mark(content(1));
        agenda.make_ready(content(1), Some(1), again);
        assert_eq!(agenda.short(9), [content(1), content(2)]);
        agenda.check();
    }

    #[test]
    fn a_queued_content_leaves_the_queue_when_something_happens() {
        let mut agenda = Agenda::default();
        agenda.queue(content(9));
        assert_eq!(agenda.len(), 0, "nobody has looked at it");
        for (n, fewest) in [(1, 3), (2, 2), (3, 2)] {
            agenda.make_ready(content(n), Some(fewest), NOW);
            agenda.queue(content(n));
        }
        agenda.queue(content(2));
        assert_eq!(agenda.queued(2), [content(2), content(3)]);
        assert!(agenda.short(9).is_empty() && agenda.is_queued(content(1)));
        agenda.mark(content(3));
        agenda.settle(content(2));
        assert_eq!(agenda.queued(9), [content(1)]);
        agenda.check();
    }

    #[test]
    fn what_waits_is_due_in_time_and_what_is_stuck_also_when_woken() {
        let mut agenda = Agenda::default();
        let at = Timestamp::from_millis;
        agenda.retry(content(1), at(1_000), at(1_000));
        agenda.retry(content(2), at(9_000), at(9_000));
        agenda.wait(content(3), at(1_000));
        assert_eq!(agenda.due(at(500), 10, 10).concat(), []);
        agenda.wake(at(500), Duration::from_secs(1));
        assert_eq!(agenda.due(at(500), 10, 10).concat(), [content(1)]);
        assert_eq!(agenda.due(at(500), 10, 10).concat(), [], "a wake-up counts once");
        assert_eq!(agenda.due(at(9_000), 10, 10).concat(), [1, 2, 3].map(content));
        assert_eq!(agenda.due(at(9_000), 10, 1).concat(), [1, 3].map(content));
        agenda.mark(content(2));
        assert_eq!(agenda.due(at(0), 10, 10).concat(), [content(2)]);
        agenda.check();
    }
}
