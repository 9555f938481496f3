//! How far the tracker's history had come when somebody looked.

use super::{Epoch, Timestamp};

/// A moment in the tracker's history that is durable: told to peers, and brought back by them with every hello. A tracker
/// whose own history does not contain it has lost something (its data directory was restored from an older backup), or
/// is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The run of the tracker.
    pub epoch: Epoch,
    /// When that run began, by its clock: tells two runs of the same epoch apart, which histories that parted have.
    pub began: Timestamp,
    /// How many facts had ever been journaled.
    pub facts: u64,
}
