//! Gets the fragments that this peer lacks from other peers.

pub mod scheduler;
