//! The memory that a node's transfers may take.

use std::fmt;
use std::str::FromStr;

use shared::model::ByteCount;

/// Bytes of blocks that transfers may have in memory: at least 16 MiB.
///
/// A third is for uploads (blocks read and not yet taken by the connection), two thirds for fetches (blocks
/// asked for and not yet verified and written). Fetches get more because their blocks are on the way for as
/// long as the line is; an upload only reads a chunk ahead. The budget is for blocks: the program itself, its
/// index, and the buffers of connections (up to 16 MiB of window for a source that sends faster than the disk
/// writes) come on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryBudget(u64);

/// Text was not a memory budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryBudgetError {
    /// The text is no size.
    #[error(transparent)]
    Size(#[from] shared::model::ParseByteCountError),
    /// The size is too little to transfer with.
    #[error("{0} is too little memory for transfers; give at least 16MiB")]
    TooSmall(ByteCount),
}

impl MemoryBudget {
    /// The least: ten chunks of uploads, and most of the longest fragment.
    pub const MIN: Self = Self(16 << 20);

    /// Enough for one pair to be as fast as its disks, and for a swarm to be as fast as its lines.
    pub const DEFAULT: Self = Self(96 << 20);

    /// Makes a budget of a number of bytes.
    ///
    /// # Errors
    /// When the number is less than [`MemoryBudget::MIN`].
    pub const fn new(bytes: u64) -> Result<Self, MemoryBudgetError> {
        if bytes < Self::MIN.0 {
            return Err(MemoryBudgetError::TooSmall(ByteCount::new(bytes)));
        }
        Ok(Self(bytes))
    }

    /// Bytes of it for uploads: a third.
    #[must_use]
    pub const fn for_uploads(self) -> u64 {
        self.0 / 3
    }

    /// Bytes of it for fetches: the rest.
    #[must_use]
    pub const fn for_fetches(self) -> u64 {
        self.0 - self.for_uploads()
    }
}

impl fmt::Display for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ByteCount::new(self.0).fmt(f)
    }
}

impl FromStr for MemoryBudget {
    type Err = MemoryBudgetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text.parse::<ByteCount>()?.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_split_without_loss_and_has_a_least() {
        assert_eq!(MemoryBudget::DEFAULT.for_uploads(), 32 << 20);
        assert_eq!(MemoryBudget::DEFAULT.for_fetches(), 64 << 20);
        let odd: MemoryBudget = "20000000".parse().expect("enough");
        assert_eq!(odd.for_uploads() + odd.for_fetches(), 20_000_000);
        assert_eq!("16MiB".parse(), Ok(MemoryBudget::MIN));
        assert_eq!(
            MemoryBudget::DEFAULT.to_string().parse(),
            Ok(MemoryBudget::DEFAULT)
        );
        for bad in ["15MiB", "0", "much"] {
            assert!(bad.parse::<MemoryBudget>().is_err(), "{bad}");
        }
    }
}
