//! The harness: clusters of real programs on free loopback ports, and the words that stories about them use.
//!
//! [`Cluster`] starts a webserver, a tracker and peers, each a process with a data directory of its own, and
//! ends them when it is dropped. [`Program`] is one of them: it can be killed, stopped and started again
//! where it was. [`Outcome`] is the output and end of a command. [`eventually`] waits for a condition,
//! bounded in time, and reports the last observation when it stays false. [`content`] makes files that are
//! the same in every run. [`security`] has networks that are secured. [`Terminal`] is a program at a
//! terminal. [`Crowd`] is many
//! false holders. [`Wiretap`] remembers every byte between programs.
//!
//! [`chaos`] harms such clusters under load, beside a ledger of their acknowledgements. [`dst`] simulates
//! clusters in which everything goes wrong. [`mod@bench`] measures beside other tools; [`lab`] is a network
//! of shaped hosts for measurements. [`fuzzing`] has the fuzz targets.

#[cfg(feature = "lab")]
pub mod bench;
pub mod binaries;
#[cfg(feature = "lab")]
pub mod chaos;
mod cluster;
pub mod content;
mod crowd;
pub mod dst;
mod eventually;
pub mod fuzzing;
#[cfg(feature = "lab")]
pub mod lab;
#[cfg(feature = "lab")]
pub mod liar;
mod outcome;
mod program;
mod replicas;
pub mod security;
#[cfg(feature = "lab")]
pub mod strangers;
pub mod swarm_sim;
mod terminal;
mod wiretap;

pub use cluster::{Cluster, ClusterBuilder, Peer, QUICK_TIMING, copy};
pub use crowd::{Crowd, hello};
pub use eventually::{Stopwatch, eventually, interrupt, is_interrupted, until_interrupted};
pub use outcome::Outcome;
pub use program::Program;
pub use replicas::{fewest, keepers, wait_for_replicas};
pub use rustix::process::Signal;
pub use terminal::{Terminal, keys};
pub use wiretap::Wiretap;
