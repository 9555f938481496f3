//! What only the store on disk does.

mod crash;
mod damage;
mod fire;
mod staged_upload;
mod users_files;
