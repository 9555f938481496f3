//! Which fragments have lately been handed out, and are therefore in the swarm or on their way into it. Pure.
//!
//! Whoever asks for a fragment only if it is new is refused while someone else is being sent it, and for a while after
//! that. A fragment of which not everything was sent counts no longer: it may be in nobody's hands.
//!
//! Bounded: what is not being sent is forgotten after [`PATIENCE`].

use std::collections::BTreeMap;
use std::time::Duration;

use shared::model::{ContentId, FragmentIndex, FragmentSet, Timestamp};

/// What was handed out so long ago has been passed on by now, or never will be.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Handouts(BTreeMap<ContentId, BTreeMap<FragmentIndex, Handout>>);

#[derive(Clone, Copy, Debug, Default)]
struct Handout {
    /// How many are being sent it.
    sending: u32,
    /// When it was last sent to the end.
    sent: Option<Timestamp>,
}

impl Handout {
    fn counts(&self, now: Timestamp) -> bool {
        self.sending > 0 || self.sent.is_some_and(|sent| now.since(sent) < PATIENCE)
    }
}

impl Handouts {
    /// Whether the fragment is in other hands.
    pub(super) fn has(&self, now: Timestamp, content: ContentId, fragment: FragmentIndex) -> bool {
        self.0
            .get(&content)
            .and_then(|fragments| fragments.get(&fragment))
            .is_some_and(|handout| handout.counts(now))
    }

    /// Someone is being sent the fragment; true if that is news.
    pub(super) fn begin(&mut self, now: Timestamp, content: ContentId, fragment: FragmentIndex) -> bool {
        let handout = self.0.entry(content).or_default().entry(fragment).or_default();
        let is_news = !handout.counts(now);
        handout.sending += 1;
        is_news
    }

    /// One who was being sent the fragment is so no longer.
    pub(super) fn end(
        &mut self,
        now: Timestamp,
        content: ContentId,
        fragment: FragmentIndex,
        is_complete: bool,
    ) {
        let handout = self
            .0
            .get_mut(&content)
            .and_then(|fragments| fragments.get_mut(&fragment));
        if let Some(handout) = handout {
            handout.sending -= 1;
            handout.sent = if is_complete { Some(now) } else { handout.sent };
        }
        self.forget(now, content);
    }

    /// All that counts of a content.
    pub(super) fn of(&mut self, now: Timestamp, content: ContentId, fragment_count: u32) -> FragmentSet {
        self.forget(now, content);
        let mut set = FragmentSet::empty(fragment_count);
        for index in self.0.get(&content).into_iter().flat_map(BTreeMap::keys) {
            if index.get() < fragment_count {
                set.insert(*index);
            }
        }
        set
    }

    /// When the next of a content counts no longer, unless it is handed out again.
    pub(super) fn next_end(&self, content: ContentId) -> Option<Timestamp> {
        let handouts = self.0.get(&content)?.values();
        let waiting = handouts.filter(|handout| handout.sending == 0);
        waiting
            .filter_map(|handout| handout.sent)
            .min()
            .map(|sent| sent.after(PATIENCE))
    }

    fn forget(&mut self, now: Timestamp, content: ContentId) {
        if let Some(fragments) = self.0.get_mut(&content) {
            fragments.retain(|_, handout| handout.counts(now));
            if fragments.is_empty() {
                self.0.remove(&content);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handed_out_counts_for_a_while_and_what_was_broken_off_does_not() {
        let fragments: Vec<_> = FragmentSet::full(2).iter().collect();
        let [one, two] = fragments[..] else {
            unreachable!("two fragments")
        };
        let content = ContentId::from_bytes([7; 32]);
        let at = |millis| Timestamp::from_millis(millis);
        let mut handouts = Handouts::default();
        assert!(handouts.begin(at(0), content, one));
        assert!(!handouts.begin(at(1), content, one), "no news");
        assert!(handouts.begin(at(1), content, two));
        assert_eq!(handouts.of(at(2), content, 2), FragmentSet::full(2));
        handouts.end(at(10), content, two, false);
        assert!(!handouts.has(at(10), content, two), "broken off");
        handouts.end(at(10), content, one, false);
        assert!(
            handouts.has(at(60_000), content, one),
            "still being sent to another"
        );
        assert_eq!(handouts.next_end(content), None);
        handouts.end(at(60_000), content, one, true);
        assert_eq!(handouts.next_end(content), Some(at(63_000)));
        assert!(handouts.has(at(62_999), content, one));
        assert!(!handouts.has(at(63_000), content, one));
        assert!(handouts.of(at(63_000), content, 2).is_empty());
        assert!(handouts.0.is_empty(), "nothing is kept");
    }
}
