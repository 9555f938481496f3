//! A webserver's list of trackers.

use shared::model::HostPort;
use tonic::transport::Channel;

use super::{Patience, unary};
use crate::convert::Invalid;
use crate::v1::directory_client::DirectoryClient as Generated;
use crate::{RemoteError, dial, v1};

/// Talks to one webserver; cheap to clone.
#[derive(Clone, Debug)]
pub struct DirectoryClient(Generated<Channel>);

/// A tracker as the webserver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerEntry {
    /// Where to dial it.
    pub address: HostPort,
    /// Whether its last health check succeeded.
    pub is_live: bool,
    /// Why not; empty when it is live.
    pub reason: String,
}

impl DirectoryClient {
    /// A client that dials on first use.
    ///
    /// # Errors
    /// When the address cannot be dialled.
    pub fn new(webserver: &HostPort) -> Result<Self, RemoteError> {
        dial::channel(webserver).map(Generated::new).map(Self)
    }

    /// The trackers, live ones first.
    ///
    /// # Errors
    /// When the webserver cannot be reached. Tried once: the caller has a loop of its own.
    pub async fn trackers(&self) -> Result<Vec<TrackerEntry>, RemoteError> {
        let request = v1::TrackersRequest {};
        let reply = unary(
            Patience::ONCE,
            &self.0,
            request,
            |mut client, request| async move { client.trackers(request).await },
        )
        .await?;
        Ok(reply
            .trackers
            .into_iter()
            .map(TrackerEntry::try_from)
            .collect::<Result<_, Invalid>>()?)
    }
}

impl TryFrom<v1::TrackerEntry> for TrackerEntry {
    type Error = Invalid;

    fn try_from(wire: v1::TrackerEntry) -> Result<Self, Invalid> {
        let address = wire
            .address
            .parse()
            .map_err(|error| Invalid::field("address", error))?;
        Ok(Self {
            address,
            is_live: wire.is_live,
            reason: wire.reason,
        })
    }
}

impl From<TrackerEntry> for v1::TrackerEntry {
    fn from(entry: TrackerEntry) -> Self {
        Self {
            address: entry.address.to_string(),
            is_live: entry.is_live,
            reason: entry.reason,
        }
    }
}
