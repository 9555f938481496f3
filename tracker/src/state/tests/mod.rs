//! The state as stories.

mod collections;
mod durability;
mod duty;
mod history;
mod insistence;
mod names;
mod random;
mod replica_sets;
mod replicas;
mod restarts;
mod sessions;
mod world;
