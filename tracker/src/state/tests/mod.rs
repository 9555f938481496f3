//! The state as stories.

mod durability;
mod duty;
mod names;
mod random;
mod replicas;
mod restarts;
mod sessions;
mod world;
