//! A flow-level simulator of a swarm: the production scheduler of every receiver, on virtual links.
//!
//! [`Plan`] has the participants, [`scenario`] makes named ones, [`run`] plays one, and [`Outcome`] compares
//! the result with the lower bound. Virtual time, seeded: the same plan gives the same outcome, event by
//! event.
//!
//! The model has for every host an uplink and a downlink. An uplink sends one *unit* (a block, or a sixteenth
//! of a fragment if that is more) at a time, to each of its streams in turn; a stream has a window, so that a
//! receiver whose downlink is full slows down the stream and not the uplink. A unit that has arrived is
//! verified, and is passed on at once. A host pushes the sets of its held and arriving fragments to its
//! neighbours. Requests, cancellations and announces take one latency. Receivers tick, stall and give up on
//! silent streams as the real ones do.
//!
//! The model leaves out the CPU, the disk, the loss and slow start of TCP, and the framing of messages (about
//! 1 %).

mod announce;
mod host;
mod outcome;
mod plan;
mod queue;
mod scenarios;
mod stream;
mod transfer;
mod world;

pub use outcome::Outcome;
pub use plan::{HostPlan, Plan, Role};
pub use scenarios::{NAMES, Size, scenario};

/// Plays the plan out.
#[must_use]
pub fn run(plan: &Plan) -> Outcome {
    world::World::new(plan).run()
}
