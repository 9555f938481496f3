//! Collections: directories as contents.
//!
//! A collection is a [`Catalog`] of entries (paths, kinds, modes, modification times, link targets, holes),
//! which is itself stored as a content, and the *parts* that it refers to: packs, in which small files lie
//! one after the other, and large files, each a content of its own. Everything here is pure: no file is
//! opened, no content read.
//!
//! Invariants: the same entries have the same bytes, and bytes that are not those of their entries are
//! refused; a catalog that exists can be restored without leaving its directory: no name in it is a path, no
//! link leads out of it, and none of its entries lies under anything but directories of its own.
//!
//! A catalog does not keep owners and groups (they mean nothing on another machine), set-id bits (they mean
//! nothing without an owner), extended attributes, access times, and hard links between paths.

mod build;
mod catalog;
mod codec;
mod error;
mod packing;
mod rules;
mod selection;

#[cfg(test)]
mod tests;

pub use crate::model::{Attributes, Mode, ModifiedAt};
pub use build::Builder;
pub use catalog::{Catalog, Data, Entry, File, Kind};
pub use codec::MAX_BYTES;
pub use error::CatalogError;
pub use packing::{LARGE_FILE, PackPlan, Packed, Small, plan};
pub use rules::{EntryFault, OutsideLinks, Rules, Unsupported};
pub use selection::{MAX_PATTERN, Selection, SelectionError};
