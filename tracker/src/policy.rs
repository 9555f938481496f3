//! What operators decide about the state's behaviour: when it acts, and how much at a time.

use crate::budget::Budget;
use crate::timing::Timing;

/// Everything that the state is told when it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// How long it waits before it acts.
    pub timing: Timing,
    /// How much repair may be under way.
    pub budget: Budget,
}

impl From<Timing> for Policy {
    /// With the default budget.
    fn from(timing: Timing) -> Self {
        Self {
            timing,
            ..Self::default()
        }
    }
}
