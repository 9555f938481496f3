//! The lab: real programs on hosts with links of known rates, all on this machine.
//!
//! [`Network`] makes the hosts from network namespaces, a bridge and `tc tbf`; [`Scenario`] says what is tried;
//! [`Lab`] runs the programs on the hosts and distributes a file; [`bound`] says how quick anybody could have been;
//! [`libtorrent`] does the same, to compare with.
//! The tracker and the webserver are beside the switch, unshaped: fragments never pass through them.
//!
//! It needs root, Linux and iproute2 ([`obstacle`] says what is missing), so it is part of the benchmarks and not of
//! `cargo test`. Files are in memory (`/dev/shm`) when there is room, so that links are measured and not the disk.
//! Namespaces are taken away when a [`Network`] is dropped, and those of killed runs by the next one. It deliberately
//! shapes rates only: no latency, no losses besides those of a full queue.

pub mod bound;
mod distribution;
pub mod libtorrent;
mod network;
mod race;
mod scenario;
mod swarm;

pub use distribution::{Distribution, Receipt};
pub use network::{Network, Place, Wire, obstacle};
pub use scenario::{Link, Scenario};
pub use swarm::Lab;

/// What the names of our namespaces and directories begin with; the process id and what it is follow.
const PREFIX: &str = "enjambre-lab";

/// Where files are when there is room: memory.
const MEMORY: &str = "/dev/shm";

/// What the names of this process's namespaces and directories begin with.
fn own_prefix() -> String {
    format!("{PREFIX}-{}", std::process::id())
}
