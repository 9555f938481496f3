//! Tracker: indexes names, contents, holders and peers; places replicas; keeps them repaired.
//!
//! Read [`state`] first: everything that the tracker knows, and the one pure function that changes it.
//! [`placement`] is the pure choice of peers for new replicas. [`ledger`] is the shell around the state: one
//! thread applies commands, makes their records durable in the [`journal`], and only then answers. `rpc` and
//! `http` are its borders; [`server`] wires everything together. [`offline`] audits and copies data
//! directories.
//!
//! Fragment bytes never pass through the tracker, and it never dials anyone: peers call it.

pub mod audit_log;
pub mod authority;
pub mod commands;
pub mod config;
mod guardian;
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
mod whereabouts;

pub use config::{Args, Command, Config};
pub use policy::{Budget, Policy};
pub use server::{Parts, StartError, Tracker};
pub use timing::Timing;
