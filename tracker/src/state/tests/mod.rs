//! The state as stories.

mod names;
mod random;
mod replicas;
mod restarts;
mod sessions;
mod world;
