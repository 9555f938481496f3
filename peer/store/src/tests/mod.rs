//! Tests of the store on disk alone.

pub(crate) mod fire;

mod additions;
mod copies;
mod crash;
mod damage;
mod fire;
mod index_damage;
mod staged_upload;
mod users_files;
