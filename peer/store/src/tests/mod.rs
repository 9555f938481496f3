//! Tests of the store on disk alone.

mod additions;
mod away;
mod copies;
mod crash;
mod damage;
pub(crate) mod fire;
mod index_damage;
mod leftovers;
mod networks;
mod places;
mod rebuild;
mod room;
mod staged_upload;
mod users_files;
