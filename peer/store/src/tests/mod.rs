//! What only the store on disk does.

mod crash;
mod damage;
mod fire;
mod inflow;
mod users_files;
