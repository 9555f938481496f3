//! Tests of the state, as stories.

mod budget;
mod collections;
mod copies;
mod counters;
mod counts;
mod durability;
mod feed;
mod fleet;
mod history;
mod insistence;
mod metadata;
mod names;
mod peer_mode;
mod pins;
mod random;
mod reach;
mod reconciliation;
mod release;
mod replay;
mod replica_sets;
mod replicas;
mod restarts;
mod revisions;
mod sessions;
mod storms;
mod world;
