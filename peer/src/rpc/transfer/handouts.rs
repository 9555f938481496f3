//! Handouts: the fragments that have lately been handed out, and are therefore in the swarm or on their way
//! into it. Pure.
//!
//! A request for a fragment only if it is new is refused while the fragment is being sent to another peer,
//! and for a while after that. A fragment that was not sent completely no longer counts: perhaps no peer has
//! it.
//!
//! Bounded: a fragment that is not being sent is forgotten after [`PATIENCE`].

use std::collections::BTreeMap;
use std::time::Duration;

use shared::model::{ContentId, FragmentIndex, FragmentSet, Timestamp};

/// Time after which a fragment that was handed out has been passed on, or never will be.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Handouts(BTreeMap<ContentId, BTreeMap<FragmentIndex, Handout>>);

#[derive(Clone, Copy, Debug, Default)]
struct Handout {
    /// Number of uploads that are sending the fragment.
    sending: u32,
    /// Time at which the fragment was last sent completely.
    sent: Option<Timestamp>,
}

impl Handout {
    fn counts(&self, now: Timestamp) -> bool {
        self.sending > 0 || self.sent.is_some_and(|sent| now.since(sent) < PATIENCE)
    }
}

impl Handouts {
    /// Whether another peer has the fragment or is being sent it.
    pub(super) fn has(&self, now: Timestamp, content: ContentId, fragment: FragmentIndex) -> bool {
        self.0
            .get(&content)
            .and_then(|fragments| fragments.get(&fragment))
            .is_some_and(|handout| handout.counts(now))
    }

    /// Notes that an upload of the fragment begins; returns whether the fragment did not count before.
    pub(super) fn begin(&mut self, now: Timestamp, content: ContentId, fragment: FragmentIndex) -> bool {
        let handout = self.0.entry(content).or_default().entry(fragment).or_default();
        let is_new = !handout.counts(now);
        handout.sending += 1;
        is_new
    }

    /// Notes that an upload of the fragment ends.
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

    /// Returns the fragments of a content that count.
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

    /// Returns the time at which the next fragment of a content no longer counts, unless it is handed out
    /// again.
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
    fn a_handout_counts_for_a_while_and_a_broken_upload_does_not() {
        let fragments: Vec<_> = FragmentSet::full(2).iter().collect();
        let [one, two] = fragments[..] else {
            unreachable!("two fragments")
        };
        let content = ContentId::from_bytes([7; 32]);
        let at = |millis| Timestamp::from_millis(millis);
        let mut handouts = Handouts::default();
        assert!(handouts.begin(at(0), content, one));
        assert!(!handouts.begin(at(1), content, one), "it counted before");
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
