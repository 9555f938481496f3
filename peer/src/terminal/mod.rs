//! Parts that the command line and the menu share: reaching a node, following its work, and showing results.
//!
//! [`attach`] reaches the running node or runs one, [`listing`] reads all pages of a listing. [`adding`] and
//! [`getting`] follow a publication and a fetch event by event; [`missing`] tells why a fetch got nothing.
//! [`show`] and [`sources`] are text for people, [`table`] and [`progress`] are its forms, [`output`] writes
//! it. [`paths`] looks at this machine's paths. [`exit`] has the exit codes and the failure that carries one.
//!
//! Nothing here touches a data directory or a wire type: a node is asked through
//! `proto::client::ControlClient`.

pub mod adding;
pub mod attach;
pub mod exit;
pub mod getting;
pub mod held;
pub mod listing;
pub mod missing;
pub mod output;
pub mod paths;
pub mod progress;
pub mod show;
pub mod sources;
pub mod table;
