//! The vocabulary of Enjambre and the plumbing that its three services share.
//!
//! Read [`model`] first: the words of the system as types (ids, manifests, fragments, names), without I/O,
//! clocks or wire formats. Then [`hash`], the BitTorrent v2 hash tree that gives a content its identity.
//! [`collection`] makes contents of directories. [`settings`] reads a program's settings from all their
//! places. [`runtime`] has the needs of every service: time, tasks, signals, logs. [`language`] has messages
//! to people in English and Spanish. [`database`] looks at database files before
//! SQLite does. [`refusal`] says which kind of failure a disk's refusal is. [`json`] has
//! the documents that programs print and answer with. [`own_data`] recognises a program's data directory,
//! [`data_files`] opens the files in it. [`keys`] makes the keys of peers, and verifies what they sign.
//! [`security`] says who somebody is and what they may do.
//!
//! This crate knows nothing of gRPC, protobuf or HTTP: `proto` depends on it, never the other way.

pub mod collection;
pub mod data_files;
pub mod database;
pub mod error;
pub mod hash;
pub mod json;
pub mod keys;
pub mod language;
pub mod model;
pub mod own_data;
pub mod refusal;
pub mod runtime;
pub mod security;
pub mod settings;

pub use error::{Coded, ErrorCode, Failure, describe};
