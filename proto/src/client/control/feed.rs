//! The network's events.

use shared::model::{FeedPage, FeedPosition};

use super::{ControlClient, started};
use crate::client::Incoming;
use crate::{RemoteError, v1};

impl ControlClient {
    /// What has changed since then, or from now on, and what changes, as it does.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn events(
        &self,
        after: Option<FeedPosition>,
    ) -> Result<Incoming<v1::EventsReply, FeedPage>, RemoteError> {
        let mut client = self.0.clone();
        started(client.events(v1::EventsRequest::from(after))).await
    }
}
