//! What watchers are told: which changes are events, and when.
//!
//! Facts about names are told as they come about, and again when they are replayed, so a restart hides none. What is believed
//! (who lives, how replicas stand) is told when it differs from what was told last; of replicas once a tick, for the contents that
//! something happened to. While a restarted tracker does not know its peers yet, nobody is said to be silent or short of replicas.
//!
//! It does not remember who watches: see [`Feed`](super::feed::Feed) and [`State::events_after`].

use std::collections::BTreeSet;
use std::ops::Bound as Edge;

use shared::model::{
    Binding, CollectionSize, ContentId, ContentState, FeedEvent, FeedPage, FeedPosition, Health, Mark, Name,
    Parts, PeerState, Revision,
};

use super::State;
use super::feed::{CAPACITY, Feed, Place};
use super::record::{Fact, Record};

/// Contents counted in one tick to see how collections stand: some ten milliseconds. A larger collection is counted in one go, and
/// then nothing for as many ticks as that was worth.
const WORK: i64 = 1 << 14;

/// The events, and what may have to be told next.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) feed: Feed,
    /// What names are bound to that may stand otherwise than was told.
    doubtful: BTreeSet<ContentId>,
    /// The one that was looked at last: they take turns.
    looked_at: Option<ContentId>,
    /// What is left of the work of this tick; below zero what has been done of the next ones'.
    credit: i64,
}

/// What was told of a content's replicas; what else its health says changes too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    state: ContentState,
    /// More than the target are as good as the target, which is at most 32.
    fewest: u8,
    target: u8,
}

impl Told {
    fn of(health: &Health) -> Self {
        let target = health.target.get();
        let small = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
        Self {
            state: health.state,
            fewest: small(health.fewest.min(target)),
            target: small(target),
        }
    }
}

impl News {
    fn next_doubtful(&mut self) -> Option<ContentId> {
        let from = self.looked_at.map_or(Edge::Unbounded, Edge::Excluded);
        let next = self.doubtful.range((from, Edge::Unbounded)).next();
        let next = next.or_else(|| self.doubtful.first()).copied()?;
        self.doubtful.remove(&next);
        self.looked_at = Some(next);
        Some(next)
    }
}

impl State {
    /// What came after a position, as far as it fits into a page; without one, where the feed is now.
    #[must_use]
    pub fn events_after(&self, after: Option<FeedPosition>) -> FeedPage {
        let now = self.news.feed.last();
        // What came last may not have been an event.
        let facts = self.history.facts();
        let at_the_end = |is_gap| FeedPage {
            position: self.position(Place { facts, ..now }),
            is_gap,
            has_more: false,
            events: Vec::new(),
        };
        let Some(after) = after else {
            return at_the_end(false);
        };
        let page = if self.is_of_this_run(after.mark) {
            self.news.feed.after(after.sequence).map(|rest| self.page(rest))
        } else if self.history.contains(after.mark) {
            self.news
                .feed
                .after_facts(after.mark.facts)
                .map(|rest| self.page(rest))
        } else {
            None
        };
        match page {
            Some(page) if page.events.is_empty() => at_the_end(false),
            Some(page) => page,
            None => at_the_end(true),
        }
    }

    fn page<'a>(&self, mut rest: impl ExactSizeIterator<Item = (Place, &'a FeedEvent)>) -> FeedPage {
        let mut last = Place::default();
        let events = rest.by_ref().take(FeedPage::MAX_EVENTS).map(|(place, event)| {
            last = place;
            event.clone()
        });
        let events = events.collect();
        FeedPage {
            events,
            has_more: rest.len() > 0,
            is_gap: false,
            position: self.position(last),
        }
    }

    fn position(&self, place: Place) -> FeedPosition {
        FeedPosition {
            mark: Mark {
                epoch: self.epoch,
                began: self.epoch_at,
                facts: place.facts,
            },
            sequence: place.sequence,
        }
    }

    fn is_of_this_run(&self, mark: Mark) -> bool {
        mark.epoch == self.epoch && mark.began == self.epoch_at
    }

    pub(super) fn tell(&mut self, event: FeedEvent) {
        self.news.feed.push(self.history.facts(), event);
    }

    /// A fact comes about, or is replayed; it is counted already and not true yet.
    pub(super) fn tell_fact(&mut self, record: &Record) {
        match &record.fact {
            // Told again at the same revision it has one publisher more.
            Fact::Published {
                name,
                revision,
                target,
                manifest,
                parts,
                ..
            } if self.catalogue.revision(name) < *revision => self.tell(FeedEvent::Published(Binding {
                name: name.clone(),
                revision: *revision,
                content: manifest.content(),
                length: manifest.length(),
                target: *target,
                published_at: record.at,
                collection: parts.as_ref().map(size_of),
            })),
            Fact::Renamed {
                from,
                tombstone,
                to,
                revision,
            } => {
                if let Some(bound) = self.catalogue.binding(from) {
                    self.tell(FeedEvent::Renamed {
                        from: from.clone(),
                        tombstone: *tombstone,
                        to: Binding {
                            name: to.clone(),
                            revision: *revision,
                            published_at: record.at,
                            ..bound
                        },
                    });
                }
            }
            Fact::Removed { name, revision } => self.tell(FeedEvent::Removed {
                name: name.clone(),
                revision: *revision,
            }),
            Fact::EpochBegun(epoch) => self.tell(FeedEvent::EpochBegun(*epoch)),
            // A snapshot says how it has become, not what has happened.
            Fact::History { facts, .. } => self.news.feed.forget(*facts),
            _ => {}
        }
    }

    /// Tells how those peers are to whom something happened.
    pub(super) fn tell_peers(&mut self) {
        for id in self.members.take_touched() {
            let Some(peer) = self.members.get(id) else {
                continue;
            };
            let told = (peer.life.state(), peer.mode);
            let is_waited_for = self.is_in_safe_mode() && told.0 == PeerState::Suspect;
            if peer.told == Some(told) || is_waited_for {
                continue;
            }
            let event = FeedEvent::Peer {
                has_left: told.0 == PeerState::Lost && peer.has_left,
                peer: self.describe(peer),
            };
            self.members.set_told(id, told);
            self.tell(event);
        }
    }

    /// Something may have happened to the replicas of a content: to be told of whatever is bound to it, or to a collection with it.
    pub(super) fn doubt(&mut self, id: ContentId) {
        let Some(content) = self.catalogue.content(id) else {
            return;
        };
        let lines = content
            .names()
            .iter()
            .filter_map(|name| self.catalogue.line(name));
        for (_, bound) in lines.filter_map(super::line::Line::current) {
            if bound.refers_to(id) {
                self.news.doubtful.insert(bound.content);
            }
        }
    }

    /// Tells how contents stand that do so otherwise than was told.
    pub(super) fn tell_standings(&mut self) {
        self.news.credit = WORK.min(self.news.credit + WORK);
        while self.news.credit > 0
            && let Some(id) = self.news.next_doubtful()
        {
            self.news.credit -= self.tell_standing(id);
        }
    }

    /// Returns what it cost: contents counted, and names told.
    fn tell_standing(&mut self, id: ContentId) -> i64 {
        let Some(content) = self.catalogue.content(id) else {
            return 1;
        };
        let health = self.health_with_parts(content);
        let parts: usize = self.catalogue.parts_of(id).map(<[_]>::len).sum();
        let told = Told::of(&health);
        let cost = i64::try_from(1 + parts + content.names().len()).unwrap_or(i64::MAX);
        if content.told == Some(told) {
            return cost;
        }
        let bound = |name: &Name| {
            let (revised, bound) = self.catalogue.line(name)?.current()?;
            (bound.content == id).then(|| (name.clone(), revised.revision))
        };
        let names: Vec<(Name, Revision)> = content.names().iter().filter_map(bound).collect();
        self.catalogue.set_told(id, told);
        if names.len() > CAPACITY {
            self.news.feed.forget(self.history.facts());
            return cost;
        }
        for (name, revision) in names {
            self.tell(FeedEvent::Standing {
                name,
                revision,
                health,
            });
        }
        cost
    }
}

fn size_of(parts: &Parts) -> CollectionSize {
    CollectionSize {
        parts: u32::try_from(parts.manifests().len()).unwrap_or(u32::MAX),
        length: parts.length(),
    }
}
