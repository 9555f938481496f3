//! The gRPC services of a peer: the only modules of this crate that name generated types.

mod control;
mod directory;
mod forward;
mod transfer;

pub(crate) use control::ControlService;
pub use directory::DirectoryService;
pub use transfer::{
    DEFAULT_UPLOAD_SLOTS, Slots as UploadSlots, TransferEndpoint, TransferService, UPLOADS_IN_LINE,
};
