//! Times and bytes of a distribution.

use std::time::Duration;

use super::network::Wire;

/// Result of a distribution.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// The receivers, in the order of the hosts.
    pub receipts: Vec<Receipt>,
    /// Time from the first beginning to the last end.
    pub last: Duration,
    /// No way of distributing could have been quicker, were there no headers.
    pub bound: Duration,
    /// Bytes of the content that the source counts as sent; until it was killed, if it was.
    pub source_sent: u64,
    /// Bytes that left the source's interface, headers included.
    pub source_wire: u64,
}

/// Result of one receiver.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    /// Planned beginning, after the first.
    pub due: Duration,
    /// Duration from the real beginning, which is a few milliseconds later.
    pub took: Duration,
    /// Lower bound of the duration, without headers.
    pub bound: Duration,
    /// Bytes of the content that the receiver counts; more than the content has is waste.
    pub received: u64,
    /// Bytes that reached and left its interface, headers included.
    pub wire: Wire,
}
