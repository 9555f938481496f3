//! What only the store on disk does.

mod crash;
mod damage;
mod fire;
mod users_files;
