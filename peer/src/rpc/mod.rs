//! The services of a peer on the wire: the only modules of this crate that name generated types.

pub(crate) mod control;
mod directory;
mod transfer;

pub use control::{ControlParts, ControlService};
pub use directory::DirectoryService;
pub use transfer::{
    DEFAULT_UPLOAD_SLOTS, Slots as UploadSlots, TransferEndpoint, TransferService, UPLOADS_IN_LINE,
};
