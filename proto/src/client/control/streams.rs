//! Contents that come from nobody's file, and go to nobody's.

use shared::model::ContentRef;
use tokio_stream::{Stream, StreamExt as _};

use super::{ControlClient, started};
use crate::client::Incoming;
use crate::messages::control::{AddEvent, AddStep, ReadEvent};
use crate::{RemoteError, v1};

impl ControlClient {
    /// Publishes what the steps bring; the events tell how it goes. Unless the last step is an end, nothing
    /// is published.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn add_stream(
        &self,
        steps: impl Stream<Item = AddStep> + Send + 'static,
    ) -> Result<Incoming<v1::AddEvent, AddEvent>, RemoteError> {
        let mut client = self.0.clone();
        started(client.add_stream(steps.map(v1::AddStreamRequest::from))).await
    }

    /// Reads a content in its order; the events bring it, and tell how it goes. Dropping them stops the
    /// transfer.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn read(
        &self,
        content: &ContentRef,
    ) -> Result<Incoming<v1::ReadEvent, ReadEvent>, RemoteError> {
        let mut client = self.0.clone();
        let request = v1::ReadRequest {
            r#ref: Some(content.into()),
        };
        started(client.read(request)).await
    }
}
