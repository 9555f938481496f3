//! Errors of a fetch.

use std::sync::Arc;
use std::time::Duration;

use shared::model::{ContentId, format_duration};
use shared::{Coded, ErrorCode};

use store::StoreError;

/// The reason for which a fetch ended early. Committed fragments stay held, whatever the error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// No source delivered anything for longer than the limits allow.
    #[error(
        "cannot fetch {missing} fragments of content {content}: nothing came from the {tried} peers tried for \
         {}; {reason}; try again when a peer that holds them is online", format_duration(*waited)
    )]
    NoSource {
        /// The content.
        content: ContentId,
        /// Fragments wanted and not held.
        missing: u32,
        /// Peers that were asked since the job began.
        tried: u32,
        /// Time without any delivery.
        waited: Duration,
        /// Reason for which the fetch was waiting.
        reason: String,
    },
    /// The caller asked to stop.
    #[error("the fetch of content {0} was cancelled")]
    Cancelled(ContentId),
    /// The peer is stopping.
    #[error("the fetch of content {0} ended because this peer is stopping")]
    Stopping(ContentId),
    /// The store holds this content in fragments of another length, or the fragments wanted are of another
    /// content.
    #[error("content {0} is kept here in fragments of another length; use the manifest that the store has")]
    OtherManifest(ContentId),
    /// The store could not take the received fragments.
    #[error("cannot keep the fetched fragments of content {content}")]
    Store {
        /// The content.
        content: ContentId,
        /// The store's error.
        #[source]
        source: Arc<StoreError>,
    },
    /// A defect: a thread that worked for the fetch has failed.
    #[error("the fetch of content {0} failed inside; the log has the details")]
    Broken(ContentId),
}

impl Coded for FetchError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoSource { .. } | Self::Stopping(_) => ErrorCode::Unavailable,
            Self::Cancelled(_) => ErrorCode::Cancelled,
            Self::OtherManifest(_) => ErrorCode::Conflict,
            Self::Store { source, .. } => source.code(),
            Self::Broken(_) => ErrorCode::Internal,
        }
    }
}
