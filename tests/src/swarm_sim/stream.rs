//! A fragment on its way from one host to another.

use shared::model::FragmentIndex;

use super::queue::HostId;

/// Units that are under way at once; the ones that the network and the receiver's buffers hold.
const WINDOW: u32 = 8;

/// State of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Asked for, and not ended.
    Open,
    /// The receiver no longer wants it; arriving units are thrown away.
    Cancelled,
    /// Over, for both ends.
    Ended,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) from: HostId,
    pub(super) to: HostId,
    pub(super) fragment: FragmentIndex,
    /// Units of the fragment.
    pub(super) units: u32,
    pub(super) sent: u32,
    pub(super) received: u32,
    pub(super) state: State,
    /// Whether it has one of the sender's slots…
    pub(super) has_slot: bool,
    /// …or waits for one.
    pub(super) is_waiting: bool,
    /// Whether it waits for its turn on the uplink.
    pub(super) is_queued: bool,
    /// Whether the sender serves it: between the request's arrival and its end there.
    pub(super) is_served: bool,
    /// Time of the receiver's last unit, or of the request.
    pub(super) progressed: u64,
    /// Time of the sender's last unit for it.
    pub(super) fed: u64,
    /// Whether the sender refuses fragments that it has handed out lately.
    pub(super) if_new: bool,
}

impl Stream {
    /// Makes a request for the rest of a fragment of which the receiver has `there` units.
    pub(super) const fn new(
        ends: (HostId, HostId),
        fragment: FragmentIndex,
        units: u32,
        there: u32,
        now: u64,
    ) -> Self {
        Self {
            from: ends.0,
            to: ends.1,
            fragment,
            units,
            sent: there,
            received: there,
            state: State::Open,
            has_slot: false,
            is_waiting: false,
            is_queued: false,
            is_served: false,
            progressed: now,
            fed: now,
            if_new: false,
        }
    }

    /// Whether one more unit can be sent when the sender has `available`.
    pub(super) const fn can_send(&self, available: u32) -> bool {
        self.is_served && self.sent < available && self.sent - self.received < WINDOW
    }
}
