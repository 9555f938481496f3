//! Gets the fragments that this peer lacks from other peers.
//!
//! [`scheduler`] decides (pure), the rest carries out: [`Fetcher`] has one job per content, however many callers
//! want it; a job links to sources, follows what they hold, and makes the scheduler's requests.
//!
//! Invariants: every block is verified before it is written, and a fragment counts as held only after the store has
//! committed it. What is received is bounded by [`Limits::total_in_flight_bytes`] whatever the content's length; when the
//! disk is slower than the sources, the sources wait. No source can end a job or hold it up: it is banned for a while
//! when it lies again and again, left alone when it is busy, replaced when it is slow or gone.
//!
//! It deliberately does not know where sources come from ([`FindSources`]) nor make room for what it writes: the
//! caller has called `FragmentStore::prepare` before.

mod arrivals;
mod callers;
mod commits;
mod committing;
mod counters;
mod error;
mod fetcher;
mod intake;
mod job;
mod limits;
mod link;
mod partial;
mod progress;
mod request;
mod running;
pub mod scheduler;
mod session;
mod source_faults;
mod sources;
mod speeds;
#[cfg(test)]
pub(crate) mod tests;

pub use arrivals::{Arrivals, Passing};
pub use counters::{Counters, Upload};
pub use error::FetchError;
pub use fetcher::{Fetched, Fetcher, FindSources};
pub use limits::Limits;
pub use progress::Progress;
