//! The gRPC border: generated types are named here and nowhere else in this crate.

mod directory;
mod health;

pub(crate) use directory::DirectoryService;
pub(crate) use health::check_tracker;
