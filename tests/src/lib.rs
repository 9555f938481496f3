//! The harness: clusters of real programs on free loopback ports, and the words that stories about them use.
//!
//! [`Cluster`] starts a webserver, a tracker and peers, each a process with a data directory of its own, and ends them
//! when it is dropped. [`Program`] is one of them: it can be killed, stopped and started again where it was.
//! [`Outcome`] is what a command said. [`eventually`] waits for something to become true, bounded in time, and says
//! what it saw last when it does not. [`content`] makes files that are the same in every run.
//! [`schema`] compares JSON with what is published about it. [`Terminal`] is a program that somebody types at.
//!
//! [`chaos`] harms such clusters under load, beside a ledger of what they acknowledged. [`dst`] are those of simulated clusters, in which everything goes wrong. [`mod@bench`] measures, beside other tools; [`lab`] is a network of shaped hosts to measure in.

pub mod bench;
pub mod binaries;
pub mod chaos;
mod cluster;
pub mod content;
pub mod dst;
mod eventually;
mod interruption;
pub mod lab;
mod outcome;
mod program;
pub mod schema;
pub mod swarm_sim;
mod terminal;

pub use cluster::{Cluster, ClusterBuilder, Peer};
pub use eventually::{eventually, interrupt, is_interrupted};
pub use interruption::until_interrupted;
pub use outcome::Outcome;
pub use program::Program;
pub use rustix::process::Signal;
pub use terminal::{Terminal, keys};
