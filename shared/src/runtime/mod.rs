//! What every service needs to run: time, tasks, signals, logs, configuration, retries.

mod backoff;
mod clock;
pub mod config;
mod signal;
mod tasks;
pub mod telemetry;

pub use backoff::Backoff;
pub use clock::{Clock, ManualClock};
pub use signal::shutdown_signal;
pub use tasks::{OnExit, Tasks};
