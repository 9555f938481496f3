//! The position in the feed, and the moments at which the feed is not enough. Pure.
//!
//! Events are taken from the feed as long as it has them, also through a restart of the tracker. A look at
//! everything is due at the beginning, after a gap, and twice after a restart: when the tracker begins to
//! learn its peers, and when it knows them. The look waits until the feed has no more events at the moment,
//! so that it adds only unknown facts.

use std::time::Duration;

use shared::json::{Event, millis};
use shared::model::{FeedEvent, FeedPage, FeedPosition};

use super::seen::{Look, Seen};

/// The state of a watcher.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    seen: Option<Seen>,
    position: Option<FeedPosition>,
    wants_look: bool,
    has_more: bool,
}

impl Follower {
    /// The position to continue from; none at the beginning.
    #[must_use]
    pub(crate) const fn position(&self) -> Option<FeedPosition> {
        self.position
    }

    /// Whether a look at everything is due before the next page.
    #[must_use]
    pub(crate) const fn is_look_due(&self) -> bool {
        self.wants_look && !self.has_more
    }

    /// Takes in a page of the feed; `away` is the time for which the feed could not be followed before it.
    pub(crate) fn read(&mut self, page: FeedPage, away: Option<Duration>) -> Vec<Event> {
        let before = self.position.replace(page.position);
        self.has_more = page.has_more;
        self.wants_look |= page.is_gap;
        let Some(seen) = &mut self.seen else {
            // The first look will show the events' results.
            self.wants_look = true;
            return Vec::new();
        };
        let mut events = Vec::new();
        if away.is_some() || page.is_gap {
            events.push(Event::Interrupted {
                for_ms: millis(away.unwrap_or_default()),
                restarted: before.is_some_and(|before| before.mark.epoch != page.position.mark.epoch),
                gap: page.is_gap,
            });
        }
        for event in page.events {
            self.wants_look |= matches!(event, FeedEvent::EpochBegun(_) | FeedEvent::Settled);
            events.extend(seen.learn(event));
        }
        events
    }

    /// Takes in a look at everything.
    pub(crate) fn look(&mut self, look: Look) -> Vec<Event> {
        self.wants_look = false;
        match &mut self.seen {
            Some(seen) => seen.look(look),
            None => vec![self.seen.insert(Seen::new(look)).watching()],
        }
    }
}
