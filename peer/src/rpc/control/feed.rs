//! The network's events, passed on from the tracker to a command.

use std::sync::Arc;

use proto::RemoteError;
use shared::ErrorCode;
use shared::model::{FeedPage, FeedPosition};

use super::{ControlParts, Events, caller_gone};
use crate::session::Connection;

/// Passes on what comes until the caller goes, or the tracker or the session with it.
pub(super) async fn follow(
    parts: Arc<ControlParts>,
    after: Option<FeedPosition>,
    events: Events<FeedPage>,
) -> Result<(), RemoteError> {
    let connection = parts.network.connection_soon().await?;
    let mut pages = connection.catalog.events(after).await?;
    let mut connections = parts.network.connections();
    let is_other = |now: &Connection| now.epoch != connection.epoch || now.tracker != connection.tracker;
    let is_over = connections.wait_for(|now| now.as_ref().is_none_or(is_other));
    tokio::pin!(is_over);
    loop {
        let page = tokio::select! {
            page = pages.next() => page,
            // Another tracker may know other names.
            _ = &mut is_over => Ok(None),
            () = events.closed() => return Ok(()),
        };
        let why = match page {
            Ok(Some(page)) => {
                events.send(Ok(page)).await.map_err(caller_gone)?;
                continue;
            }
            Ok(None) => "the session with the tracker has ended".to_owned(),
            Err(error) => error.to_string(),
        };
        return Err(RemoteError::new(ErrorCode::Unavailable, why));
    }
}
