//! Needs of every service: time, tasks, signals, logs, retries, open files, completions and manuals.

mod backoff;
mod clock;
pub(crate) mod log_filter;
pub mod manual;
mod open_files;
pub mod self_command;
mod signal;
mod tasks;
pub mod telemetry;

pub use backoff::Backoff;
pub use clock::{Clock, ManualClock};
pub use open_files::raise_open_files;
pub use signal::shutdown_signal;
pub use tasks::{OnExit, Tasks};
