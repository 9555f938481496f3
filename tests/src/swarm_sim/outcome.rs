//! End of a simulation, beside the lower bound.

use std::time::Duration;

/// Result of a simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Receivers that got everything, and how many there are.
    pub completed: (usize, usize),
    /// No swarm is quicker, when all come at once.
    pub lower_bound: Duration,
    /// Durations of the receivers that got everything, from their arrivals, ascending.
    pub took: Vec<Duration>,
    /// Time from the start until the last receiver had everything.
    pub makespan: Duration,
    /// Bytes that the sources sent, in contents.
    pub source_copies: f64,
    /// Bytes received twice or thrown away, of all that were received.
    pub wasted: f64,
    /// Bytes sent, as a part of the capacity of the sources' and receivers' uplinks in the makespan.
    pub utilisation: f64,
    /// Liars that some receiver has named.
    pub named: usize,
    /// A digest of everything that happened, in order.
    pub trace: u64,
}

impl Outcome {
    /// The makespan, in lower bounds.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.makespan.as_secs_f64() / self.lower_bound.as_secs_f64()
    }

    /// The median receiver's time.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.took.get(self.took.len() / 2).copied().unwrap_or_default()
    }
}
