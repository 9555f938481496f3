//! The tracker: indexes names, contents, holders and peers; places replicas; keeps the promises.
//!
//! Read [`state`] first: everything the tracker knows and the one pure function that changes it. [`placement`] is the
//! pure choice of peers for new replicas. [`ledger`] is the shell around the state: one thread applies commands,
//! makes what they changed durable in the [`journal`], and only then answers. `rpc` and `http` are how the
//! outside asks; [`server`] puts it all together. [`offline`] audits and copies data directories.
//!
//! Fragment bytes never pass through here, and the tracker never dials anyone: peers call it.

pub mod config;
mod http;
pub mod journal;
pub mod ledger;
pub mod offline;
pub mod placement;
pub mod policy;
mod rpc;
pub mod server;
pub mod state;
pub mod timing;

pub use config::{Args, Command, Config};
pub use policy::{Budget, Policy};
pub use server::{Parts, StartError, Tracker};
pub use timing::Timing;
