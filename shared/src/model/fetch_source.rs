//! Sources of a fetch: the peers that it asks, and the part that each has given.

use super::{HostPort, PeerId};

/// State of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FetchSourceState {
    /// The connection to it has ended.
    Gone,
    /// It is being dialled, or has not said yet what it holds.
    Connecting,
    /// It is connected, and asked for nothing at the moment.
    Idle,
    /// It is being asked for fragments.
    Asked,
}

impl FetchSourceState {
    /// Returns the word for it in documents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Connecting => "connecting",
            Self::Idle => "idle",
            Self::Asked => "asked",
        }
    }
}

/// Reason to believe that a source has what it says, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceRank {
    /// It published the content, and has a session.
    Publisher,
    /// It keeps the content as a replica that counts; see the tracker's `Purpose::Durable`.
    Keeper,
    /// It says that it holds some of it.
    #[default]
    Holder,
}

/// A source of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSource {
    /// Id of the peer.
    pub peer: PeerId,
    /// Address at which it is dialled.
    pub address: HostPort,
    /// Its state.
    pub state: FetchSourceState,
    /// Fragments that it has delivered.
    pub fragments: u32,
    /// Bytes that have come from it.
    pub bytes: u64,
    /// Fragments that it is being asked for, the first of them: at most [`Self::MAX_ASKED`].
    pub asked: Vec<u32>,
}

impl FetchSource {
    /// Sources that are told of one fetch at most.
    pub const MAX: usize = 64;

    /// Fragments that are told of one source at most.
    pub const MAX_ASKED: usize = 8;

    /// Adds the sources of one fetch to a sum over several: a peer is in the sum once. Sources beyond
    /// [`Self::MAX`] are left out.
    pub fn add_all(sum: &mut Vec<Self>, more: &[Self]) {
        for source in more {
            if let Some(known) = sum.iter_mut().find(|known| known.peer == source.peer) {
                known.add(source);
            } else if sum.len() < Self::MAX {
                sum.push(source.clone());
            }
        }
    }

    fn add(&mut self, more: &Self) {
        self.state = self.state.max(more.state);
        self.fragments = self.fragments.saturating_add(more.fragments);
        self.bytes = self.bytes.saturating_add(more.bytes);
        let room = Self::MAX_ASKED.saturating_sub(self.asked.len());
        self.asked.extend(more.asked.iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u8, state: FetchSourceState, fragments: u32, asked: &[u32]) -> FetchSource {
        FetchSource {
            peer: PeerId::from_bytes([number; 16]),
            address: "host:1".parse().expect("an address"),
            state,
            fragments,
            bytes: u64::from(fragments) * 10,
            asked: asked.to_vec(),
        }
    }

    #[test]
    fn a_peer_is_in_the_sum_once_and_the_sum_is_bounded() {
        let mut sum = vec![source(1, FetchSourceState::Gone, 2, &[])];
        let more = [
            source(1, FetchSourceState::Asked, 3, &[7; 20]),
            source(2, FetchSourceState::Idle, 1, &[]),
        ];
        FetchSource::add_all(&mut sum, &more);
        let mut first = source(1, FetchSourceState::Asked, 5, &[]);
        first.asked = vec![7; FetchSource::MAX_ASKED];
        assert_eq!(sum, [first, source(2, FetchSourceState::Idle, 1, &[])]);
        let many: Vec<_> = (0..200)
            .map(|number| source(number, FetchSourceState::Idle, 1, &[]))
            .collect();
        FetchSource::add_all(&mut sum, &many);
        assert_eq!(sum.len(), FetchSource::MAX);
    }
}
