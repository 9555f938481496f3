//! How a distribution went, in times and bytes.

use std::time::Duration;

use super::network::Wire;

/// How a distribution went.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// The receivers, in the order of the hosts.
    pub receipts: Vec<Receipt>,
    /// From the first beginning to the last end.
    pub last: Duration,
    /// No way of distributing could have been quicker, were there no headers.
    pub bound: Duration,
    /// Bytes of the content that the source says it sent; until it was killed, if it was.
    pub source_sent: u64,
    /// Bytes that left the source's interface, headers included.
    pub source_wire: u64,
}

/// How it went for one receiver.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    /// When it was to begin, after the first.
    pub due: Duration,
    /// How long it took from when it did begin, which is a few milliseconds later.
    pub took: Duration,
    /// It could not have been quicker, were there no headers.
    pub bound: Duration,
    /// Bytes of the content that it says it received; more than the content has is waste.
    pub received: u64,
    /// Bytes that reached and left its interface, headers included.
    pub wire: Wire,
}
