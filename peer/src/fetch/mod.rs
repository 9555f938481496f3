//! Fetching: gets the fragments that this peer lacks from other peers.
//!
//! The way of the bytes: `fetcher` → `driver` → [`scheduler`] → `request` → `commits` → the store.
//! [`scheduler`] decides (pure); everything else carries out. [`Fetcher`] runs one job per content, however
//! many callers want that content. A job connects to sources, follows what they hold, and makes the requests
//! that the scheduler chose.
//!
//! Invariants: every block is verified before it is written, and a fragment counts as held only after the
//! store has committed it. [`Limits::total_in_flight_bytes`] bounds what is received, whatever the content's
//! length; when the disk is slower than the sources, the sources wait. No source can end a job or hold it up:
//! a source that sends corrupt bytes repeatedly is banned for a while, a busy one is left alone, and a slow
//! or absent one is replaced.
//!
//! Deliberately absent: where sources come from ([`FindSources`]), and making room for what is written (the
//! caller has called `FragmentStore::prepare` before).

mod arrivals;
mod callers;
mod candidates;
mod commits;
mod context;
mod counters;
mod driver;
mod error;
mod fetcher;
mod limits;
mod progress;
mod report;
mod request;
mod running_requests;
mod sample;
pub mod scheduler;
mod source_faults;
mod source_follower;
mod sources;
mod speeds;
mod track_records;

pub use arrivals::{Arrivals, Passing};
pub use context::{FindSources, Own};
pub use counters::{Counters, Upload};
pub use error::FetchError;
pub use fetcher::Fetcher;
pub use limits::Limits;
pub use progress::{Fetched, Progress};
pub use sample::read_sample;
