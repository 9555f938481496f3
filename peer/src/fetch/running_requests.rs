//! Running requests: those of a session whose tasks have not ended, cancelled ones too. Pure but for the
//! tokens.

use std::collections::BTreeMap;

use shared::model::{FragmentIndex, PeerId, Timestamp};
use tokio_util::sync::CancellationToken;

use super::source_faults::Pulled;

/// A request whose task has not ended.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) source: PeerId,
    pub(super) fragment: FragmentIndex,
    pub(super) token: CancellationToken,
    pub(super) begun: Begun,
}

/// The moment at which a request was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) at: Timestamp,
    /// Bytes that had come from the source by then.
    pub(super) sent: u64,
}

impl Begun {
    /// Returns the bytes that came from the source since then, and the time that they took.
    pub(super) fn pulled(&self, now: Timestamp, sent: u64) -> Pulled {
        Pulled {
            bytes: sent.saturating_sub(self.sent),
            within: now.since(self.at),
        }
    }
}

/// Requests by number.
#[derive(Debug, Default)]
pub(super) struct Running {
    requests: BTreeMap<u64, Made>,
    made: u64,
    /// For each fragment on its way, the source that was overtaken last, with its bytes and time.
    overtaken: BTreeMap<FragmentIndex, (PeerId, Pulled)>,
}

impl Running {
    /// Adds a request; returns its number and the token that cancels it.
    pub(super) fn begin(
        &mut self,
        source: PeerId,
        fragment: FragmentIndex,
        begun: Begun,
    ) -> (u64, CancellationToken) {
        self.made += 1;
        let token = CancellationToken::new();
        let made = Made {
            source,
            fragment,
            token: token.clone(),
            begun,
        };
        self.requests.insert(self.made, made);
        (self.made, token)
    }

    /// Removes a request whose task has ended.
    pub(super) fn end(&mut self, number: u64) -> Option<Made> {
        self.requests.remove(&number)
    }

    /// Cancels the requests to this source for the fragment.
    pub(super) fn cancel(&self, source: PeerId, fragment: FragmentIndex) {
        self.about(fragment)
            .filter(|made| made.source == source)
            .for_each(|made| made.token.cancel());
    }

    /// Returns the first fragments that the source is being asked for.
    pub(super) fn asked_of(&self, source: PeerId, most: usize) -> Vec<u32> {
        let asked = self.requests.values();
        let of_source = asked.filter(|made| made.source == source && !made.token.is_cancelled());
        of_source.take(most).map(|made| made.fragment.get()).collect()
    }

    /// Cancels all requests.
    pub(super) fn cancel_all(&self) {
        self.requests.values().for_each(|made| made.token.cancel());
    }

    /// Whether a request for the fragment is still running.
    pub(super) fn is_about(&self, fragment: FragmentIndex) -> bool {
        self.about(fragment).next().is_some()
    }

    /// Cancels the request to this source for the fragment because another source takes over; `sent` bytes
    /// have come from this source by now.
    pub(super) fn overtake(&mut self, now: Timestamp, source: PeerId, fragment: FragmentIndex, sent: u64) {
        let is_it = |made: &&Made| made.source == source && !made.token.is_cancelled();
        let Some(begun) = self.about(fragment).find(is_it).map(|made| made.begun) else {
            return;
        };
        self.cancel(source, fragment);
        self.overtaken.insert(fragment, (source, begun.pulled(now, sent)));
    }

    /// Notes that the fragment has come; returns the source that was overtaken, if one was, with its bytes
    /// and time.
    pub(super) fn arrived(&mut self, fragment: FragmentIndex) -> Option<(PeerId, Pulled)> {
        self.overtaken.remove(&fragment)
    }

    fn about(&self, fragment: FragmentIndex) -> impl Iterator<Item = &Made> {
        self.requests
            .values()
            .filter(move |made| made.fragment == fragment)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::model::FragmentSet;

    use super::*;

    #[test]
    fn an_overtaken_source_is_remembered_until_the_fragment_has_come() {
        let fragment = FragmentSet::full(1).iter().next().expect("a fragment");
        let peer = |number| PeerId::from_bytes([number; 16]);
        let at = Timestamp::from_millis;
        let begun = |millis, sent| Begun { at: at(millis), sent };
        let mut running = Running::default();
        let (slow, token) = running.begin(peer(1), fragment, begun(1_000, 10));
        running.overtake(at(3_000), peer(2), fragment, 99);
        assert!(!token.is_cancelled(), "another source was asked");
        running.overtake(at(3_000), peer(1), fragment, 15);
        assert!(token.is_cancelled());
        let (quick, _) = running.begin(peer(2), fragment, begun(3_000, 0));
        running.end(slow);
        let did = Pulled {
            bytes: 5,
            within: Duration::from_secs(2),
        };
        assert!(running.is_about(fragment));
        running.end(quick);
        assert_eq!(running.arrived(fragment), Some((peer(1), did)));
        assert_eq!(running.arrived(fragment), None);
    }
}
