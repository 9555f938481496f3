//! Following the feed: when events are enough, and when everything has to be looked at. Pure.
//!
//! What the feed can still tell is taken from it, also through a restart of the tracker; a look is due at the beginning, after a
//! gap, and when a restarted tracker begins to learn and when it has learnt who is there. It comes when the feed has no more
//! to tell at the moment, so that it only adds what the feed did not know.

use std::time::Duration;

use shared::json::Event;
use shared::model::{FeedEvent, FeedPage, FeedPosition};

use super::seen::{Look, Seen};

/// How far a watcher is.
#[derive(Debug, Default)]
pub struct Follower {
    seen: Option<Seen>,
    position: Option<FeedPosition>,
    wants_look: bool,
    has_more: bool,
}

impl Follower {
    /// Where to go on; none at the beginning.
    #[must_use]
    pub const fn position(&self) -> Option<FeedPosition> {
        self.position
    }

    /// Whether everything is to be looked at before the next page.
    #[must_use]
    pub const fn is_look_due(&self) -> bool {
        self.wants_look && !self.has_more
    }

    /// Takes in a page of the feed. `away` says for how long the feed could not be followed before it.
    pub fn read(&mut self, page: FeedPage, away: Option<Duration>) -> Vec<Event> {
        let before = self.position.replace(page.position);
        self.has_more = page.has_more;
        self.wants_look |= page.is_gap;
        let Some(seen) = &mut self.seen else {
            // The look will show it.
            self.wants_look = true;
            return Vec::new();
        };
        let mut events = Vec::new();
        if away.is_some() || page.is_gap {
            let for_ms = away.unwrap_or_default().as_millis();
            events.push(Event::Interrupted {
                for_ms: u64::try_from(for_ms).unwrap_or(u64::MAX),
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
    pub fn look(&mut self, look: Look) -> Vec<Event> {
        self.wants_look = false;
        match &mut self.seen {
            Some(seen) => seen.look(look),
            None => vec![self.seen.insert(Seen::new(look)).watching()],
        }
    }
}
