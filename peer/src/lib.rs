//! A peer: stores fragments, serves them, fetches the ones it lacks directly from other peers. It is also the tool
//! that people use.
//!
//! Read in this order: [`store`] is what a peer holds; [`fetch`] gets what it lacks, [`limiter`] no faster than it may; [`session`] is its life in a
//! network, [`assignments`] (and [`eviction`]) what the tracker orders, [`publisher`] what its user publishes; [`scrubber`] finds rot; [`rpc`] is what others may
//! ask of it, `http` what people and scripts on its machine may, and `inlet` and `outflow` how bytes come in and go out for both; [`node`] wires all of that together. [`cli`] is the command line, [`menu`] runs without a command;
//! both share [`settings`] and [`terminal`]. `words` has all messages for people, in English and in Spanish.

pub mod assignments;
mod blocking;
pub mod cli;
pub mod collection;
pub mod eviction;
pub mod fetch;
mod http;
pub mod identity;
mod inlet;
mod json;
pub mod limiter;
pub mod menu;
pub mod node;
mod outflow;
pub mod publisher;
pub mod rpc;
pub mod scrubber;
pub mod session;
pub mod settings;
pub mod sources;
pub mod store;
pub mod terminal;
pub mod values;
mod words;

pub use node::{Node, NodeConfig, NodeError, NodeLimits, RunningNode, find_running};
