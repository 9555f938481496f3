//! Small values under keys.

use super::{ControlClient, PATIENCE, started};
use crate::client::{Incoming, unary};
use crate::messages::control::{AddEvent, PutValue, Value};
use crate::{RemoteError, v1};

impl ControlClient {
    /// Publishes a value; the events tell how it goes.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn put_value(&self, put: PutValue) -> Result<Incoming<v1::AddEvent, AddEvent>, RemoteError> {
        let mut client = self.0.clone();
        started(client.put_value(v1::PutValueRequest::from(put))).await
    }

    /// The value under a key.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn get_value(&self, key: &str) -> Result<Value, RemoteError> {
        let request = v1::GetValueRequest { key: key.to_owned() };
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.get_value(request).await
        })
        .await?;
        Ok(reply.try_into()?)
    }
}
