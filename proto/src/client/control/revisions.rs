//! What a node asks its tracker about the past of names.

use shared::model::{Name, PinWish, RevisionEntry};

use super::{ControlClient, PATIENCE};
use crate::client::unary;
use crate::{RemoteError, v1};

impl ControlClient {
    /// What is remembered of a name, the newest revision first.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn history(&self, name: &Name) -> Result<Vec<RevisionEntry>, RemoteError> {
        let request = v1::HistoryRequest {
            name: name.to_string(),
        };
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.history(request).await
        })
        .await?;
        Ok(reply.try_into()?)
    }

    /// Pins or unpins a revision; returns how it stands then.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn pin(&self, wish: &PinWish) -> Result<RevisionEntry, RemoteError> {
        let request = v1::PinRequest::from(wish);
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.pin(request).await
        })
        .await?;
        Ok(reply.try_into()?)
    }
}
