//! The lab: real programs on hosts with links of known rates, all on this machine.
//!
//! [`Network`] makes the hosts from network namespaces, a bridge and `tc tbf`; [`Scenario`] is a plan;
//! [`Lab`] runs the programs on the hosts and distributes a file; [`bound`] computes the lower bound;
//! [`libtorrent`] runs the same plan with another tool. The tracker and the webserver are beside the switch,
//! unshaped: fragments never pass through them.
//!
//! The lab needs root, Linux and iproute2 ([`obstacle`] names the missing one), so it is part of the
//! benchmarks and not of `cargo test`. Files are in memory (`/dev/shm`) when there is room, so that links are
//! measured and not the disk. Dropping a [`Network`] removes its namespaces, and the next run removes those
//! of killed runs. The lab deliberately shapes rates only: no latency, no losses besides those of a full
//! queue.

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

/// Prefix of the names of our namespaces and directories; the process id and the kind follow.
const PREFIX: &str = "enjambre-lab";

/// Directory for files when there is room: memory.
const MEMORY: &str = "/dev/shm";

/// Returns the prefix of this process's namespaces and directories.
fn own_prefix() -> String {
    format!("{PREFIX}-{}", std::process::id())
}
