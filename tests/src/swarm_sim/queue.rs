//! Planned events, in order of time; of simultaneous ones the first planned comes first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use shared::model::{FragmentIndex, FragmentSet};

/// A host's number in its plan.
pub(super) type HostId = usize;

/// A stream's number, counted from the start of the simulation.
pub(super) type StreamId = usize;

/// A planned event.
#[derive(Debug)]
pub(super) enum Happening {
    Arrives(HostId),
    /// Two hosts learn of each other.
    Meet(HostId, HostId),
    Ticks(HostId),
    /// A request reaches the host that it is made to.
    Asked(StreamId),
    /// The uplink has sent a unit.
    Sent(HostId),
    /// A unit reaches the receiver's downlink.
    Landed(StreamId),
    /// A unit has passed the downlink.
    Received(StreamId),
    /// A cancellation reaches the sender.
    Closed(StreamId),
    /// The receiver learns that the sender has ended the stream.
    Broken(StreamId),
    /// The host announces its changes.
    Tells(HostId),
    /// The announce reaches the neighbours: held and arriving fragments.
    Told(HostId, Arc<News>),
    /// The receiver learns that the sender has handed the fragment out to someone else.
    Refused(StreamId),
    /// The receiver learns that the sender serves as many as it can.
    Busy(StreamId),
    /// A fragment handed out this long ago no longer counts.
    Expires(HostId, FragmentIndex),
    /// The news that it is gone reach the neighbours.
    Missed(HostId),
}

/// Announce of a host to its neighbours.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) held: FragmentSet,
    pub(super) coming: FragmentSet,
    pub(super) handed_out: FragmentSet,
    pub(super) is_free: bool,
}

#[derive(Debug)]
struct Planned {
    /// Nanoseconds from the start, and the number of the plan.
    when: (u64, u64),
    what: Happening,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.when == other.when
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        self.when.cmp(&other.when)
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Queue {
    planned: BinaryHeap<Reverse<Planned>>,
    count: u64,
}

impl Queue {
    pub(super) fn plan(&mut self, nanos: u64, what: Happening) {
        self.count += 1;
        let when = (nanos, self.count);
        self.planned.push(Reverse(Planned { when, what }));
    }

    /// The next happening, and when it happens.
    pub(super) fn next(&mut self) -> Option<(u64, Happening)> {
        let Reverse(Planned { when, what }) = self.planned.pop()?;
        Some((when.0, what))
    }
}
