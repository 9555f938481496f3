//! A peer: stores fragments, serves them, fetches the ones it lacks directly from other peers. It is also the
//! tool that people use.
//!
//! Read in this order: [`store`] is what a peer holds; [`fetch`] gets what it lacks, [`limiter`] no faster
//! than it may; [`session`] is its life in a network, [`orders`] (and [`eviction`]) what the tracker
//! orders, [`publisher`] what its user publishes; [`scrubber`] finds rot. `operations` is everything that a
//! user can ask of a node; [`rpc`] and `http` are the borders over it; [`node`] wires all of that together.
//! [`cli`] is the command line, [`menu`] the program without a command; both ask a node through its `Control`
//! service and share [`settings`] and [`terminal`]. `words` is everything that both say to people, in English
//! and in Spanish.

mod blocking;
pub mod cli;
pub mod collection;
pub mod eviction;
pub mod fetch;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
pub mod identity;
mod json;
pub mod limiter;
pub mod menu;
pub mod node;
mod operations;
pub mod orders;
pub mod publisher;
pub mod rpc;
pub mod scrubber;
pub mod session;
pub mod settings;
pub mod source_finder;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod values;
mod words;

pub use node::{Hidden, NodeConfig, NodeError, NodeHandle, NodeSettings, RunningNode, find_running};
