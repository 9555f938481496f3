//! Deterministic simulation of a whole cluster: one seed is one history.
//!
//! The tracker's state, batches, snapshots and record format and the peers' store, session, publisher,
//! assignment queue and eviction rules are the production code. Time, the network, disks and users are
//! simulated: messages are late, lost, doubled and reordered; wires are cut; processes die at any moment and
//! come back, some from another network; peers are revoked, and join again; disks lose bytes that were not
//! synced, break, fill and rot; machines are wiped; clocks leap; messages of the past turn up. An oracle of
//! acknowledgements is kept outside. The invariants of ARCHITECTURE.md are checked after every step, and,
//! when the faults have stopped, that everything comes to rest as it should be. Names are checked to be
//! linearizable ([`linear`], [`naming`]).
//!
//! [`play`] plays one history; the same seed gives the same history, event by event. Not to be confused with
//! [`swarm_sim`](crate::swarm_sim), which measures the speed of swarms. Not simulated are sockets and threads
//! (scenarios have them), SQLite and real files (`journal::conformance`, `store::tests`), and the fetch
//! scheduler (`fetch::scheduler::tests`), in whose place stands a simple fetcher.

mod abroad;
mod calls;
mod connections;
mod contents;
mod disk;
mod faults;
mod invariants;
mod journal;
pub mod linear;
pub mod mutants;
pub mod naming;
mod operators;
mod oracle;
mod peer;
mod pins;
mod profile;
mod queue;
mod quiescence;
mod restoration;
mod revocation;
mod trace;
mod tracker;
mod upkeep;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use world::World;

/// The outcome of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// A digest of all events.
    pub digest: u64,
    /// The number of events.
    pub events: u64,
    /// The invariant that was violated, in words.
    pub violation: Option<String>,
    /// The last lines of the trace; only if asked for.
    pub lines: Vec<String>,
}

/// Plays the history of a seed, with this number of peers at first or the seed's own. `keeps_lines` costs
/// time.
#[must_use]
pub fn play(seed: u64, peers: Option<usize>, keeps_lines: bool) -> Played {
    let mut world = World::new(seed, peers, keeps_lines);
    let panicked = catch_unwind(AssertUnwindSafe(|| world.run()));
    if let Err(panic) = panicked {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        world.violated(format_args!("panic: {}", text.unwrap_or("without words")));
    }
    Played {
        digest: world.trace.digest(),
        events: world.events,
        violation: world.violation.take(),
        lines: world.trace.lines.take().into_iter().flatten().collect(),
    }
}
