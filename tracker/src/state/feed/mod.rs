//! Feed: the events that watchers are sent, and when.
//!
//! Facts about names are sent as they come about, and again when they are replayed, so a restart hides none.
//! Beliefs (lives of peers, health of contents) are sent when they differ from what was sent last; health
//! once a tick, for the contents that something happened to. While a restarted tracker does not know its
//! peers yet, it reports no peer as silent and no content as short of replicas.
//!
//! The feed does not remember who watches: see [`EventQueue`].

mod event_queue;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound as Edge;

use shared::model::{
    Binding, ContentId, FeedEvent, FeedPage, FeedPosition, FileNews, Health, HostPort, Mark, Name, PeerId,
    PeerMode, PeerState, Revision,
};

use super::history::History;
use super::names::{Content, LastSent, NameHistory, Names, Shape, size_of};
use super::peers::{Peers, Standing};
use super::record::{Fact, Record};
use super::replicas::{Portion, Replicas};
use event_queue::{EventQueue, Place};

pub(crate) use event_queue::CAPACITY;

/// Contents counted in one tick for the health of collections: some ten milliseconds. A larger collection is
/// counted in one go, and then nothing for as many ticks as that was worth.
const WORK: i64 = 1 << 14;

/// Names of one content that are told of its file.
const NAMES_TOLD: usize = 64;

/// The events, and the contents that the next ones may be about.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    queue: EventQueue,
    /// State of each peer that watchers were sent last.
    peers: BTreeMap<PeerId, (PeerState, PeerMode, bool, Option<HostPort>)>,
    /// Contents of bindings whose health may differ from what was sent.
    dirty: BTreeSet<ContentId>,
    /// Names that were bound since to contents of which watchers were sent the health: it is news of these.
    fresh: BTreeMap<ContentId, BTreeSet<Name>>,
    /// The content that was looked at last: they take turns.
    looked_at: Option<ContentId>,
    /// Work that is left in this tick; below zero, work of the next ticks that has been done.
    credit: i64,
}

impl Feed {
    /// Asserts the invariants.
    pub(crate) fn check(&self) {
        self.queue.check();
    }

    fn next_dirty(&mut self) -> Option<ContentId> {
        let from = self.looked_at.map_or(Edge::Unbounded, Edge::Excluded);
        let next = self.dirty.range((from, Edge::Unbounded)).next();
        let next = next.or_else(|| self.dirty.first()).copied()?;
        self.dirty.remove(&next);
        self.looked_at = Some(next);
        Some(next)
    }

    /// Returns the events after a position, as far as they fit into a page; without a position, the end of
    /// the feed.
    pub(crate) fn after(&self, after: Option<FeedPosition>, history: &History) -> FeedPage {
        let now = self.queue.last();
        // The newest fact may not have been an event.
        let facts = history.facts();
        let at_the_end = |is_gap| FeedPage {
            position: position(history, Place { facts, ..now }),
            is_gap,
            has_more: false,
            events: Vec::new(),
        };
        let Some(after) = after else {
            return at_the_end(false);
        };
        let page = if is_of_this_run(history, after.mark) {
            self.queue.after(after.sequence).map(|rest| page(history, rest))
        } else if history.contains(after.mark) {
            self.queue
                .after_facts(after.mark.facts)
                .map(|rest| page(history, rest))
        } else {
            None
        };
        match page {
            Some(page) if page.events.is_empty() => at_the_end(false),
            Some(page) => page,
            None => at_the_end(true),
        }
    }

    /// Adds an event; `facts` is how many facts there are, its own included.
    pub(crate) fn push(&mut self, facts: u64, event: FeedEvent) {
        self.queue.push(facts, event);
    }

    /// Adds the event of a fact that comes about, or is replayed; the fact is counted already and not true
    /// yet.
    pub(crate) fn push_fact(&mut self, record: &Record, names: &Names, facts: u64) {
        self.note_fresh(&record.fact, names);
        let event = match &record.fact {
            // The same revision again means one publisher more, which is no event.
            Fact::Published {
                name,
                revision,
                target,
                manifest,
                parts,
                ..
            } if names.revision(name) < *revision => FeedEvent::Published(Binding {
                name: name.clone(),
                revision: *revision,
                content: manifest.content(),
                length: manifest.length(),
                target: *target,
                published_at: record.at,
                collection: parts.as_ref().map(size_of),
                metadata: None,
            }),
            Fact::Renamed {
                from,
                tombstone,
                to,
                revision,
            } => {
                let Some(bound) = names.binding(from) else {
                    return;
                };
                FeedEvent::Renamed {
                    from: from.clone(),
                    tombstone: *tombstone,
                    to: Binding {
                        name: to.clone(),
                        revision: *revision,
                        published_at: record.at,
                        ..bound
                    },
                }
            }
            Fact::Removed { name, revision } => FeedEvent::Removed {
                name: name.clone(),
                revision: *revision,
            },
            Fact::EpochBegun(epoch) => FeedEvent::EpochBegun(*epoch),
            Fact::PeerForgotten(peer) => {
                self.peers.remove(peer);
                return;
            }
            // A snapshot states results, not events.
            Fact::History { facts, .. } => {
                self.queue.forget(*facts);
                return;
            }
            _ => return,
        };
        self.push(facts, event);
    }

    /// Notes a name that is about to be bound to a content of which watchers were sent the health.
    fn note_fresh(&mut self, fact: &Fact, names: &Names) {
        let (name, content) = match fact {
            Fact::Published { name, manifest, .. } => (name, Some(manifest.content())),
            Fact::Renamed { from, to, .. } => (to, names.binding(from).map(|bound| bound.content)),
            _ => return,
        };
        let known = content.and_then(|id| names.content(id));
        if let Some(known) = known.filter(|known| !known.last_sent().is_empty()) {
            self.fresh.entry(known.id()).or_default().insert(name.clone());
            self.dirty.insert(known.id());
        }
    }

    /// Adds events for peers whose state has changed.
    pub(crate) fn push_peers(
        &mut self,
        touched: Vec<PeerId>,
        peers: &Peers,
        replicas: &Replicas,
        facts: u64,
    ) {
        for peer in touched.into_iter().filter_map(|id| peers.get(id)) {
            let is_out_of_reach = matches!(peer.standing(), Standing::Unreachable { .. });
            let (life, mode) = (peer.life().state(), peer.mode());
            let state = (life, mode, is_out_of_reach, peer.copy().cloned());
            let is_waited_for = peers.is_in_safe_mode() && state.0 == PeerState::Suspect;
            if is_waited_for || self.peers.get(&peer.id()) == Some(&state) {
                continue;
            }
            let event = FeedEvent::Peer {
                has_left: state.0 == PeerState::Lost && peer.has_left(),
                peer: replicas.describe(peer),
            };
            self.peers.insert(peer.id(), state);
            self.push(facts, event);
        }
    }

    /// Adds the events of a file that is absent, or back: one for each name of its content or of a collection
    /// with it.
    pub(crate) fn push_file(
        &mut self,
        peer: PeerId,
        news: FileNews,
        names: &Names,
        peers: &Peers,
        facts: u64,
    ) {
        let Some(address) = peers.get(peer).map(|peer| peer.address().clone()) else {
            return;
        };
        for (whole, shape) in names.wholes_with(news.content) {
            let about = names.content(whole).into_iter().flat_map(Content::names);
            let told = about.take(NAMES_TOLD).filter_map(|name| {
                let (revised, bound) = names.history(name).and_then(NameHistory::current)?;
                let is_meant = bound.content() == whole && *bound.shape() == shape;
                is_meant.then(|| (name.clone(), revised.revision()))
            });
            for (name, revision) in told.collect::<Vec<_>>() {
                let event = FeedEvent::File {
                    name,
                    revision,
                    peer,
                    address: address.clone(),
                    absence: news.absence,
                };
                self.push(facts, event);
            }
        }
    }

    /// Marks the bindings to a content, or to a collection with it, as dirty: something may have happened to
    /// its replicas.
    pub(crate) fn mark_dirty(&mut self, id: ContentId, names: &Names) {
        let wholes = names.wholes_with(id).into_iter();
        self.dirty.extend(wholes.map(|(whole, _)| whole));
    }

    /// Adds events for contents whose health differs from what was sent.
    pub(crate) fn push_health(&mut self, names: &mut Names, peers: &Peers, replicas: &Replicas, facts: u64) {
        self.credit = WORK.min(self.credit + WORK);
        while self.credit > 0
            && let Some(id) = self.next_dirty()
        {
            self.credit -= self.push_health_of(id, names, peers, replicas, facts);
        }
    }

    /// Adds the events of one content; returns the work: contents counted, and names.
    fn push_health_of(
        &mut self,
        id: ContentId,
        names: &mut Names,
        peers: &Peers,
        replicas: &Replicas,
        facts: u64,
    ) -> i64 {
        let Some(content) = names.content(id) else {
            self.fresh.remove(&id);
            return 1;
        };
        // The same bytes may be a file under one name and a collection under another.
        let mut wholes: Vec<(Shape, Health)> = Vec::new();
        for (_, parts) in names
            .wholes_with(id)
            .into_iter()
            .filter(|(whole, _)| *whole == id)
        {
            let others = parts.iter().flat_map(|parts| parts.iter());
            let others = others.filter_map(|part| names.content(*part));
            let health = replicas.health_of_all(content, others.map(Portion::from), peers);
            wholes.push((parts, health));
        }
        let counted = wholes
            .iter()
            .map(|(parts, _)| 1 + parts.as_deref().map_or(0, <[_]>::len));
        let mut cost = 1 + counted.sum::<usize>();
        let sent: Box<[LastSent]> = wholes.iter().map(|(_, health)| LastSent::of(health)).collect();
        let fresh = self.fresh.remove(&id).unwrap_or_default();
        let is_news = *content.last_sent() != *sent;
        let about: Box<dyn Iterator<Item = &Name>> = match is_news {
            true => Box::new(content.names()),
            // The others were sent it before.
            false => Box::new(fresh.iter().filter(|name| content.has_name(name))),
        };
        let told = about.filter_map(|name| {
            let (revised, bound) = names.history(name).and_then(NameHistory::current)?;
            let (_, health) = wholes.iter().find(|(parts, _)| *parts == *bound.shape())?;
            (bound.content() == id).then(|| (name.clone(), revised.revision(), *health))
        });
        let told: Vec<(Name, Revision, Health)> = told.collect();
        cost += told.len();
        if is_news {
            names.set_last_sent(id, sent);
        }
        let cost = i64::try_from(cost).unwrap_or(i64::MAX);
        if told.len() > CAPACITY {
            self.queue.forget(facts);
            return cost;
        }
        for (name, revision, health) in told {
            let event = FeedEvent::Standing {
                name,
                revision,
                health,
            };
            self.push(facts, event);
        }
        cost
    }
}

fn page<'a>(history: &History, mut rest: impl ExactSizeIterator<Item = (Place, &'a FeedEvent)>) -> FeedPage {
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
        position: position(history, last),
    }
}

fn position(history: &History, place: Place) -> FeedPosition {
    FeedPosition {
        mark: Mark {
            epoch: history.epoch(),
            began: history.began(),
            facts: place.facts,
        },
        sequence: place.sequence,
    }
}

fn is_of_this_run(history: &History, mark: Mark) -> bool {
    mark.epoch == history.epoch() && mark.began == history.began()
}
