//! The requests of a session whose tasks have not ended, cancelled ones too. Pure but for the tokens.

use std::collections::BTreeMap;

use shared::model::{FragmentIndex, PeerId, Timestamp};
use tokio_util::sync::CancellationToken;

/// A request whose task has not ended.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) source: PeerId,
    pub(super) fragment: FragmentIndex,
    pub(super) token: CancellationToken,
    pub(super) begun: Begun,
}

/// How things stood when a request was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) at: Timestamp,
    /// Bytes that had come from the source by then.
    pub(super) sent: u64,
}

/// Requests by number; whoever was asked later has the higher one.
#[derive(Debug, Default)]
pub(super) struct Running {
    requests: BTreeMap<u64, Made>,
    made: u64,
}

impl Running {
    /// A request is being made; returns its number and what cancels it.
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

    /// Its task has ended.
    pub(super) fn end(&mut self, number: u64) -> Option<Made> {
        self.requests.remove(&number)
    }

    /// Cancels what this source is asked about the fragment.
    pub(super) fn cancel(&self, source: PeerId, fragment: FragmentIndex) {
        self.about(fragment)
            .filter(|(_, made)| made.source == source)
            .for_each(|(_, made)| made.token.cancel());
    }

    /// Cancels everything.
    pub(super) fn cancel_all(&self) {
        self.requests.values().for_each(|made| made.token.cancel());
    }

    /// Whether something is still running about the fragment.
    pub(super) fn is_about(&self, fragment: FragmentIndex) -> bool {
        self.about(fragment).next().is_some()
    }

    /// Who was asked for the fragment before the request of this number, and has not sent it yet nor been told to stop.
    pub(super) fn outrun_by(
        &self,
        number: u64,
        fragment: FragmentIndex,
    ) -> impl Iterator<Item = (PeerId, Begun)> {
        self.about(fragment)
            .filter(move |(other, made)| *other < number && !made.token.is_cancelled())
            .map(|(_, made)| (made.source, made.begun))
    }

    fn about(&self, fragment: FragmentIndex) -> impl Iterator<Item = (u64, &Made)> {
        self.requests
            .iter()
            .filter(move |(_, made)| made.fragment == fragment)
            .map(|(number, made)| (*number, made))
    }
}

#[cfg(test)]
mod tests {
    use shared::model::FragmentSet;

    use super::*;

    #[test]
    fn only_those_who_were_asked_before_are_outrun() {
        let fragments: Vec<_> = FragmentSet::full(2).iter().collect();
        let [ours, other] = fragments[..] else {
            unreachable!("two fragments")
        };
        let peer = |number| PeerId::from_bytes([number; 16]);
        let begun = |sent| Begun {
            at: Timestamp::default(),
            sent,
        };
        let mut running = Running::default();
        running.begin(peer(1), ours, begun(1));
        running.begin(peer(2), other, begun(2));
        running.begin(peer(3), ours, begun(3));
        running.cancel(peer(3), ours);
        let (number, token) = running.begin(peer(4), ours, begun(4));
        running.begin(peer(5), ours, begun(5));
        let outrun: Vec<_> = running.outrun_by(number, ours).collect();
        assert_eq!(outrun, [(peer(1), begun(1))]);
        running.end(number);
        assert!(!token.is_cancelled() && running.is_about(ours));
    }
}
