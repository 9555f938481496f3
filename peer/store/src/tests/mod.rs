//! Tests of the store on disk alone.

mod additions;
mod copies;
mod crash;
mod damage;
pub(crate) mod fire;
mod index_damage;
mod leftovers;
mod networks;
mod places;
mod rebuild;
mod staged_upload;
mod users_files;
