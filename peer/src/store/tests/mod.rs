//! What only the store on disk does.

mod crash;
mod damage;
mod users_files;
