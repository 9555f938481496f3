//! Messages to a session from its connections, requests and searches.

use proto::RemoteError;
use shared::model::{PeerId, Source};

use super::request::Outcome;
use super::scheduler::Event;

/// A message to a session.
#[derive(Debug)]
pub(super) enum Report {
    /// A source joined, left, or holds something else.
    Event(Event),
    /// A request ended; every request reports its end once, under its number.
    Ended { number: u64, outcome: Outcome },
    /// A source could not be reached, for this reason.
    Unreached(PeerId, RemoteError),
    /// A connection to a source ended by itself.
    Disconnected(PeerId),
    /// Peers that may be sources.
    Found(Vec<Source>),
}
