//! The network's events, passed on from the tracker to a command.

use shared::model::{FeedPage, FeedPosition};
use shared::{ErrorCode, Failure};

use super::Node;
use super::report::Events;
use crate::session::Connection;

/// Passes events on until the caller, the tracker or the session goes.
///
/// # Errors
/// Unavailable when the tracker or the session ends first.
pub(crate) async fn follow(
    node: &Node,
    after: Option<FeedPosition>,
    events: &Events<FeedPage>,
) -> Result<(), Failure> {
    let connection = node.network.connection_back().await?;
    let mut pages = connection.catalog.events(after).await?;
    let mut connections = node.network.connections();
    let is_other = |now: &Connection| now.epoch != connection.epoch || now.tracker != connection.tracker;
    let is_over = connections.wait_for(|now| now.as_ref().is_none_or(is_other));
    tokio::pin!(is_over);
    loop {
        let page = tokio::select! {
            page = pages.next() => page,
            // Another tracker may know other names.
            _ = &mut is_over => Ok(None),
            () = events.caller_gone() => return Ok(()),
        };
        let why = match page {
            Ok(Some(page)) => {
                events.tell(page).await?;
                continue;
            }
            Ok(None) => "the session with the tracker has ended".to_owned(),
            Err(error) => error.to_string(),
        };
        return Err(Failure::new(ErrorCode::Unavailable, why));
    }
}
